"""edge-agent inspect: judge image files, without broker or configuration."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.cli.command import drop_output
from edge_agent.errors import UsageError

if TYPE_CHECKING:
    from edge_agent.pair_list import Pair
    from edge_agent.results.result import Result

DESCRIPTION = """\
Compare test images with the template of a clean part and say what lies on them.
Give --template (a photo), --recipe (a folder that teach made), or --pairs (a list).
"""
EPILOG = """\
A list for --pairs is a CSV file with the columns test, template and, where wanted, region and mm_per_px. Relative
paths start at the list's folder, or at the working directory where nothing is found there.

--draw and --score-maps write NAME.png for the test image NAME; where two tests have the same name the number
of the result (seq) stands before it: 0007-NAME.png.

exit codes:
  0  all OK
  1  some NG
  2  some ERROR (a picture that could not be inspected), a picture of --draw or --score-maps that could not be
     written, or wrong arguments

examples:
  edge-agent inspect --template clean.png part1.png part2.png --draw seen/
  edge-agent inspect --template clean.png part.png --region "120,80 900,80 900,640 120,640" --mm-per-px 0.0125
  edge-agent inspect --recipe recipes/x2 photos/*.png --json
  edge-agent inspect --pairs list.csv --json > results.jsonl
"""
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}


def add_parser(subparsers: Any) -> None:
    """Add `inspect` to edge-agent."""
    parser = subparsers.add_parser(
        "inspect",
        help="inspect image files: no broker, no configuration",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tests", metavar="TEST", nargs="*", type=Path, help="images to inspect")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--template", metavar="T", type=Path, help="photo of a clean part, of the tests' size")
    source.add_argument("--recipe", metavar="FOLDER", type=Path, help="recipe folder")
    source.add_argument("--pairs", metavar="LIST.csv", type=Path, help="list of pairs to inspect")
    parser.add_argument("--region", metavar='"X,Y X,Y …"', default="", help="polygon to inspect; default: whole image")
    parser.add_argument("--mm-per-px", metavar="F", default="", help="scale, for lengths in mm")
    parser.add_argument("--threshold", metavar="F", type=float, help="score from which a pixel counts, 0..1")
    parser.add_argument("--model", metavar="FILE", type=Path, help="ONNX model; default: the one that comes with it")
    parser.add_argument("--json", action="store_true", help="one result a line, in the order of the tests")
    parser.add_argument("--draw", metavar="OUT", type=Path, help="folder (or file, of one test) for pictures")
    parser.add_argument(
        "--score-maps", metavar="DIR", type=Path, help="folder for score maps: 16-bit PNG, score × 65535"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Inspect all pairs in order; the worst verdict is the exit code. Raises MatecheckError if it cannot begin."""
    from edge_agent.engines import load_engine
    from edge_agent.file_inspection import FileInspection
    from edge_agent.inspection.inspection import Verdict
    from edge_agent.inspection.inspector import Inspector
    from edge_agent.pair_list import output_names

    pairs = _pairs(arguments)
    names = output_names(pairs)
    pictures, score_maps = _paths(arguments.draw, names), _paths(arguments.score_maps, names)
    _refuse_overwriting([path for path in (*pictures, *score_maps) if path], pairs)
    engine = load_engine(arguments.model)
    inspection = FileInspection(Inspector(engine))
    tally, unwritten = dict.fromkeys(Verdict, 0), 0
    try:
        for pair, picture, score_map in zip(pairs, pictures, score_maps, strict=True):
            result = inspection.inspect(pair, picture, score_map)
            tally[result.verdict] += 1
            print(result.to_json() if arguments.json else _line(result), flush=True)
            while inspection.unwritten:
                unwritten += 1
                print(f"edge-agent: {inspection.unwritten.pop(0)}", file=sys.stderr)
        if not arguments.json and len(pairs) > 1:
            counts = ", ".join(f"{count} {verdict.value}" for verdict, count in tally.items())
            print(f"{len(pairs)} inspected: {counts}", flush=True)
    except BrokenPipeError:  # whoever read has seen enough: the code tells of what was inspected until then
        drop_output()
    finally:
        engine.close()
    return 2 if tally[Verdict.ERROR] or unwritten else 1 if tally[Verdict.NG] else 0


def _pairs(arguments: argparse.Namespace) -> list[Pair]:
    """What is to be inspected. Raises MatecheckError for arguments that do not fit together."""
    from edge_agent.inspection.recipe import TEMPLATE, Limits, Recipe
    from edge_agent.inspection.region import parse_region
    from edge_agent.pair_list import Pair, Recipes, parse_scale, read_list

    tests, threshold, region, scale = arguments.tests, arguments.threshold, arguments.region, arguments.mm_per_px
    if threshold is not None and not 0 < threshold <= 1:
        raise UsageError(f"must be above 0 and at most 1, but got {threshold:g}", where="--threshold")
    parse_region(region)  # what is wrong for one is wrong for all, so it is said at once
    parse_scale(scale)
    recipes = Recipes(Limits(threshold=threshold))
    if arguments.pairs:
        if tests:
            raise UsageError("the list names the tests", where="--pairs", mend=f"leave {tests[0]} away")
        return read_list(arguments.pairs, recipes, region, scale)
    if not tests:
        raise UsageError("no test image is given", mend="name one or more")
    if arguments.template:
        template = arguments.template
        return [Pair(path, str(path), template, lambda: recipes.make(template, region, scale)) for path in tests]
    if region or scale:
        raise UsageError("the recipe holds region and scale", where="--recipe", mend="change its recipe.toml instead")
    recipe = Recipe.load(arguments.recipe)
    if threshold is not None:
        recipe = replace(recipe, limits=replace(recipe.limits, threshold=threshold))
    return [Pair(path, str(path), arguments.recipe / TEMPLATE, lambda: recipe) for path in tests]


def _paths(out: Path | None, names: list[str]) -> list[Path | None]:
    """Where the picture of each pair goes. Makes the folder; raises UsageError where that cannot be done."""
    if out is None:
        return [None] * len(names)
    is_file = out.suffix.lower() in IMAGE_SUFFIXES and not out.is_dir()
    if is_file and len(names) > 1:
        raise UsageError(f"is one file for {len(names)} tests", where=str(out), mend="give a folder")
    folder = out.parent if is_file else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be made ({error.strerror})", where=str(folder), mend="give another folder") from error
    return [out if is_file else folder / f"{name}.png" for name in names]


def _refuse_overwriting(written: list[Path], pairs: list[Pair]) -> None:
    """Raise UsageError where a picture would go over a test, a template or another picture."""
    if not written:
        return
    given = {_file(path) for pair in pairs for path in (pair.test, pair.template)}
    for path in written:
        file = _file(path)
        if file in given:
            mend = "give --draw and --score-maps folders of their own"
            raise UsageError("would be written over another image", where=str(path), mend=mend)
        given.add(file)


def _file(path: Path) -> object:
    """What two paths of one file have in common; the path itself where there is none yet."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return path.absolute()
    return status.st_dev, status.st_ino


def _line(result: Result) -> str:
    why = "; ".join(reason.text for reason in result.reasons)
    if not why and result.components:
        why = f"{result.components_total} below the limit"
    return f"{result.verdict.value:5}  {result.source}  {result.timing_ms['total']:.0f} ms  {why}".rstrip()
