"""calibrate collect: pictures of the running line, until there are enough kinds of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from build_engine.cli.numbers import number, whole

if TYPE_CHECKING:
    from calibration.breadth import Need
    from calibration.place import Place
    from calibration.progress import Progress
    from calibration.sources import Source
    from edge_agent.inspection.recipe import Recipe

PAIRS = 200
PATIENCE_S = 600.0  # for what can be done without

DESCRIPTION = """\
Collect pictures of parts for `calibrate int8`, while the line runs. The agent that runs with CONFIG hands
out exact pictures of the parts that it inspects, as long as this command lives; production goes on as
always. Pictures that show nothing new are left out. A quarter is kept aside for the check of the INT8
engine. End it with Ctrl-C and call it again as you like: it goes on where it was.
"""
EPILOG = """\
exit codes:
  0  the set has everything
  1  something is still missing: what, and what to do, is printed
  2  wrong arguments, or nothing could be collected

examples:
  calibrate collect agent.toml
  calibrate collect agent.toml --camera          the agent is stopped: open its camera from here
"""


def add_parser(subparsers: Any) -> None:
    """Add `collect` to calibrate."""
    parser = subparsers.add_parser(
        "collect",
        help="collect pictures of the running line",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(main=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The arguments that `run` shares."""
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml of the agent that runs")
    parser.add_argument("--pairs", metavar="N", type=whole(1), default=PAIRS, help=f"how many; default: {PAIRS}")
    parser.add_argument(
        "--every", metavar="S", type=number(0), default=1.0, help="at most one in S seconds; default: 1"
    )
    parser.add_argument("--camera", action="store_true", help="open the camera here; the agent must be stopped")
    parser.add_argument("--limit-mb", metavar="MB", type=whole(1), default=4000, help="most on disk; default: 4000")
    parser.add_argument("--minutes", metavar="M", type=number(0), default=120.0, help="longest time; default: 120")
    parser.add_argument("--fresh", action="store_true", help="throw away what was collected before")


def run(arguments: argparse.Namespace) -> int:
    """Collect, and say what the set has."""
    from calibration.place import Place
    from calibration.progress import Progress
    from edge_agent.config import load

    check(arguments)
    missing = collect_pairs(Place.of(load(arguments.config)), arguments, Progress())
    return 1 if missing else 0


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for arguments that make no sense."""
    from calibration.breadth import LEAST_PAIRS
    from edge_agent.errors import UsageError

    if arguments.pairs < LEAST_PAIRS:
        what = f"{arguments.pairs} are too few to tell a good engine from a bad one"
        raise UsageError(what, where="--pairs", mend=f"give {LEAST_PAIRS} or more")


def collect_pairs(place: Place, arguments: argparse.Namespace, progress: Progress) -> list[Need]:
    """Collect with the checked arguments; what the set still lacks."""
    from calibration.breadth import needs
    from calibration.collecting import Bounds, Collector, collect
    from calibration.pair_set import PairSet
    from calibration.priority import step_back

    step_back()
    free_mb = 2 * place.settings.results.min_free_mb
    bounds = Bounds(arguments.pairs, arguments.limit_mb, free_mb, arguments.minutes * 60, PATIENCE_S)
    pairs, recipes = PairSet(place.pairs), place.recipes()
    why = ""
    try:
        with _source(place, recipes, arguments) as source:
            if arguments.fresh:
                pairs.drop(pairs.entries)
            pairs.sweep()
            collector = Collector(pairs, recipes, arguments.pairs)
            there = f"{len(collector.entries)} of {arguments.pairs} pairs are there"
            progress.line(f"collecting into {pairs.folder}: {there}; Ctrl-C ends it, nothing is lost")
            why = collect(source, collector, bounds, progress)
    except KeyboardInterrupt:
        why = "you ended it"
    entries = [entry for entry in pairs.entries if entry.recipe in recipes]
    show(found := needs(entries, arguments.pairs, recipes), progress)
    if why:
        progress.line(f"ended: {why}")
    return [need for need in found if not need.met]


def show(found: list[Need], progress: Progress) -> None:
    """Print what a set has and lacks, and what to do about it."""
    for need in found:
        state = "enough" if need.met else "MISSING" if need.vital else "narrow"
        progress.line(f"  {state:<8} {need.subject:<15} {need.have} (wanted: {need.want})")
    for need in found:
        if not need.met:
            progress.line(f"to get {need.subject}: {need.mend}; then call calibrate collect again")


def _source(place: Place, recipes: dict[str, Recipe], arguments: argparse.Namespace) -> Source:
    from calibration.sources import AgentSource, CameraSource
    from edge_agent.cameras import open_camera
    from edge_agent.inspection.inspector import Inspector

    if not arguments.camera:
        return AgentSource(place.samples, arguments.every)
    camera = place.settings.camera
    return CameraSource(
        open_camera(place.settings), camera.live, recipes, Inspector(place.reference()), arguments.every
    )
