"""calibrate threshold: threshold and size limit for a wished rate of false rejects."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from build_engine.cli.numbers import number
from edge_agent.errors import UsageError

if TYPE_CHECKING:
    from calibration.threshold.choice import Choice, Rate
    from calibration.threshold.measurement import Measured
    from edge_agent.inspection.recipe import Limits, Recipe

DESCRIPTION = """\
Inspect photos of clean parts (and of bad ones, if there are any) at every threshold, and say which threshold and
size limit keep the wished rate of false rejects, and how sure one can be of that with so many parts.
"""
EPILOG = """\
Each threshold is tried with the limit of the recipe or, where that rejects too many clean parts, with the next that
keeps the rate. The pair that finds most of the bad parts is chosen; among equals the smallest limit, then the present
threshold, then the lowest. A threshold above 0.5 must allow a limit smaller by a fifth: lengths come out shorter there.
Without bad parts none above 0.8 is taken, and of a model that judges one picture alone only the present: nothing
would show which objects are lost there.

Photos that taught the recipe prove nothing: give others. Its templates, and a picture that is given twice, are left
out; of one part take one photo, or the interval promises more than it can. A photo that cannot be inspected,
as a rule verdict ERROR at the line, counts neither as rejected nor as accepted, neither as found nor as missed.

exit codes:
  0  a threshold and limit are proposed (with --write: written)
  1  the same, but the parts are too few to prove the wished rate; --write writes all the same
  2  wrong arguments, or no photo of a clean part could be inspected

examples:
  calibrate threshold recipes/x2 --clean clean/*.png
  calibrate threshold recipes/x2 --clean clean/*.png --bad bad/*.png --false-rejects 0.005 --picture x2.png --write
"""
STEP_MM, STEP_PX = 0.01, 1.0  # limits are rounded up to these


def add_parser(subparsers: Any) -> None:
    """Add `threshold` to calibrate."""
    parser = subparsers.add_parser(
        "threshold",
        help="find threshold and size limit for a wished rate of false rejects",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="folder that edge-agent teach made")
    parser.add_argument("--clean", metavar="PHOTO", nargs="+", type=Path, required=True, help="clean parts")
    parser.add_argument("--bad", metavar="PHOTO", nargs="+", type=Path, default=[], help="parts with a foreign object")
    parser.add_argument(
        "--false-rejects",
        metavar="RATE",
        type=number(0, 0.5, above=True),
        default=0.01,
        help="share of clean parts that may be NG, at most (default: 0.01)",
    )
    parser.add_argument("--picture", metavar="FILE", type=Path, help="draw the rates (PNG or PDF)")
    parser.add_argument(
        "--write", action="store_true", help="write threshold and limit into the recipe, and raise its version"
    )
    parser.add_argument("--json", action="store_true", help="the outcome for machines")
    parser.add_argument("--model", metavar="FILE", type=Path, help="ONNX model; default: the shipped one")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, choose, say, and write where asked."""
    from rich.console import Console
    from rich.progress import Progress

    from calibration.rewriting import rewrite
    from calibration.threshold.choice import HIGHEST_UNPROVEN, choose, parts_needed
    from calibration.threshold.measurement import THRESHOLDS, in_mm, measure, need_some, templates
    from edge_agent.engines import load_engine
    from edge_agent.inspection.inspector import Inspector
    from edge_agent.inspection.recipe import Recipe

    if arguments.picture and arguments.picture.suffix.lower() not in {".png", ".pdf"}:  # before hundreds of photos
        raise UsageError("is neither .png nor .pdf", where=str(arguments.picture), mend="name it rates.png")
    recipe = Recipe.load(arguments.recipe)
    engine = load_engine(arguments.model)
    present = recipe.limits.threshold or engine.info.threshold
    thresholds = sorted({*THRESHOLDS, present})
    inspector = Inspector(engine)
    seen = templates(recipe)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("inspecting", total=len(arguments.clean) + len(arguments.bad))
        clean, bad = (
            measure(inspector, recipe, photos, thresholds, seen, lambda _: progress.advance(task))
            for photos in (arguments.clean, arguments.bad)
        )
    engine.close()
    need_some(clean)
    limits = recipe.limits
    limit, unit, step = (
        (float(limits.min_length_mm or 0), "mm", STEP_MM) if in_mm(recipe) else (limits.min_length_px, "px", STEP_PX)
    )
    wished: float = arguments.false_rejects
    highest = HIGHEST_UNPROVEN if engine.info.kind == "pair" else present  # of other networks nothing is known
    choice = choose(clean.lengths, bad.lengths, thresholds, (present, limit), wished, step, highest)
    if arguments.picture:
        from calibration.threshold.picture import draw

        draw(arguments.picture, clean.lengths, bad.lengths, thresholds, choice, wished, unit)
    few = choice.false_rejects.interval[1] > wished
    if arguments.json:
        print(json.dumps(_for_machines(choice, clean, bad, (present, limit), unit)))
    else:
        _say(choice, clean, bad, (present, limit), unit)
    if few:
        bound = choice.false_rejects.interval[1]
        print(
            f"calibrate: {len(clean.photos)} clean parts are too few: the true rate of false rejects may be as high as "
            f"{bound:.1%}; to prove {wished:.2%} it takes {parts_needed(wished)} with none of them rejected",
            file=sys.stderr,
        )
    if arguments.write:
        newer = rewrite(recipe, arguments.recipe, limits=_limits(recipe, choice, unit))
        written = f"written to {arguments.recipe}, now version {newer.version}"
        print(f"{written}; an agent that runs takes it at its next start", file=sys.stderr)
    return 1 if few else 0


def _say(choice: Choice, clean: Measured, bad: Measured, present: tuple[float, float], unit: str) -> None:
    threshold, limit = present
    for photo, why in _left_out(clean, bad):
        print(f"left out   {photo}: {why}")
    print(f"threshold  {choice.threshold:g}{_was(choice.threshold, threshold)}")
    print(f"limit      {choice.limit:g} {unit}{_was(choice.limit, limit)}")
    print(f"rejects    {choice.false_rejects} clean parts")
    if choice.found:
        print(f"finds      {choice.found} bad parts")
    for measured, kind, counts in (
        (clean, "clean", "neither as rejected nor as accepted"),
        (bad, "bad", "neither as found nor as missed"),
    ):
        if measured.refused:
            share = f"{len(measured.refused)} of {len(measured.refused) + len(measured.photos)}"
            print(f"errors     {share} {kind} parts cannot be inspected: never OK at the line, they count {counts}")
    for measured, verdict, wrong in ((clean, "NG", True), (bad, "OK", False)):
        for photo, length in _at(measured, choice):
            if (length >= choice.limit) == wrong:
                print(f"would be {verdict}  {photo}: the longest object is {length:.3g} {unit}")


def _was(value: float, before: float) -> str:
    return ", as it is" if value == before else f", was {before:g}"


def _left_out(clean: Measured, bad: Measured) -> list[tuple[Path, str]]:
    return [*clean.repeated, *bad.repeated, *clean.refused, *bad.refused]


def _at(measured: Measured, choice: Choice) -> list[tuple[Path, float]]:
    """Each photo with its longest object at the chosen threshold."""
    column = measured.thresholds.index(choice.threshold)
    return list(zip(measured.photos, measured.lengths[:, column].tolist(), strict=True))


def _limits(recipe: Recipe, choice: Choice, unit: str) -> Limits:
    length = {"min_length_mm": choice.limit} if unit == "mm" else {"min_length_px": choice.limit}
    return replace(recipe.limits, threshold=choice.threshold, **length)


def _for_machines(
    choice: Choice, clean: Measured, bad: Measured, present: tuple[float, float], unit: str
) -> dict[str, Any]:
    def rate(of: Rate | None) -> dict[str, Any] | None:
        return {"count": of.count, "of": of.of, "interval_95": of.interval} if of else None

    return {
        "threshold": choice.threshold,
        "limit": choice.limit,
        "unit": unit,
        "threshold_before": present[0],
        "limit_before": present[1],
        "false_rejects": rate(choice.false_rejects),
        "found": rate(choice.found),
        "left_out": [{"photo": str(photo), "why": why} for photo, why in _left_out(clean, bad)],
        "not_inspected": {"clean": len(clean.refused), "bad": len(bad.refused)},
    }
