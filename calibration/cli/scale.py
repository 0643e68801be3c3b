"""calibrate scale: mm per pixel and the lens, from photos of a printed board."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.errors import UsageError

if TYPE_CHECKING:
    from calibration.scale.board import Board
    from calibration.scale.measurement import ScaleMeasurement
    from edge_agent.inspection.recipe import Recipe

DESCRIPTION = """\
Measure how many millimetres a pixel is where the recipe looks. First print the board and check its ruler:

  calibrate scale --print board.pdf --square-mm 5

Lay it where the face of the part is, flat, in the same distance, and take a photo with the camera of
the line. With the agent running, trigger it: what it cannot recognise it keeps in results/archive.
Three or more photos of the tilted board besides let the lens be measured in full: what it does to
lengths and places is said, in mm at the recipe's region. Nothing is corrected, here or in a result.
"""
EPILOG = """\
exit codes:
  0  measured (and, with --write, written into the recipe)
  1  measured, but too badly to be written; what to do is printed
  2  wrong arguments, or a photo in which no board can be seen

examples:
  calibrate scale recipes/x2 board-flat.png --square-mm 5
  calibrate scale recipes/x2 board-flat.png tilted1.png tilted2.png tilted3.png --square-mm 5 --ruler-mm 99.4 --write
"""
WORST_RMS_PX, WORST_SPREAD, LEAST_COVERED, DOUBTFUL_TILT = 1.0, 0.03, 0.5, 3.0


def add_parser(subparsers: Any) -> None:
    """Add `scale` to calibrate."""
    parser = subparsers.add_parser(
        "scale",
        help="measure mm per pixel with a printed board",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", type=Path, help="folder that edge-agent teach made")
    parser.add_argument("photos", metavar="PHOTO", nargs="*", type=Path, help="the first one flat, at the part's place")
    parser.add_argument(
        "--print", metavar="FILE", type=Path, dest="page", help="write the board, .pdf or .png, and end"
    )
    parser.add_argument("--paper", choices=("a4", "a5", "letter"), default="a4", help="of --print; default: a4")
    parser.add_argument("--squares", metavar="CxR", default="12x9", help="columns and rows; default: 12x9")
    parser.add_argument("--square-mm", metavar="MM", type=float, default=5.0, help="side of a square; default: 5")
    parser.add_argument(
        "--ruler-mm", metavar="MM", type=float, default=100.0, help="what the 100 mm line really measures"
    )
    parser.add_argument("--write", action="store_true", help="write mm_per_px into the recipe, and raise its version")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the board, or measure."""
    from calibration.rewriting import rewrite
    from calibration.scale.board import print_board
    from edge_agent.inspection.recipe import Recipe

    if arguments.page:
        board = _board(arguments, 1.0)
        print_board(board, arguments.paper, arguments.page)
        width, height = board.size_mm
        print(f"{arguments.page}: a board of {width:g} × {height:g} mm on {arguments.paper}; print it at 100 %")
        print("then measure the line below it: if it is not 100 mm long, say --ruler-mm when you measure")
        return 0
    if arguments.recipe is None or not arguments.photos:
        raise UsageError(
            "give RECIPE and a PHOTO of the board, or --print", mend="calibrate scale --help shows examples"
        )
    if not 80 <= arguments.ruler_mm <= 120:
        raise UsageError(f"{arguments.ruler_mm:g} is no printer's error", where="--ruler-mm", mend="give 80 to 120")
    recipe = Recipe.load(arguments.recipe)
    measured = _measured(recipe, arguments)
    _show(measured, recipe, arguments.photos)
    troubles = _troubles(measured)
    for trouble in troubles:
        print(f"NOT GOOD   {trouble}")
    if troubles:
        return 1
    if arguments.write:
        newer = rewrite(recipe, arguments.recipe, mm_per_px=float(f"{measured.mm_per_px:.6g}"))
        print(f"written    to {arguments.recipe}, now version {newer.version}; the agent takes it at its next start")
    else:
        print("           nothing was written: give --write to put it into the recipe")
    return 0


def _board(arguments: argparse.Namespace, stretch: float) -> Board:
    from calibration.scale.board import Board

    columns, _, rows = arguments.squares.partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise UsageError(f'"{arguments.squares}" is no size', where="--squares", mend="write it like 12x9")
    return Board(int(columns), int(rows), arguments.square_mm * stretch)


def _measured(recipe: Recipe, arguments: argparse.Namespace) -> ScaleMeasurement:
    from calibration.scale.measurement import find, measure
    from edge_agent.errors import ImageError
    from edge_agent.images import read_image

    board = _board(arguments, arguments.ruler_mm / 100.0)
    views = []
    for path in arguments.photos:
        image = read_image(path)
        if image.shape != recipe.template.shape:
            (height, width), (wanted_height, wanted_width) = image.shape[:2], recipe.template.shape[:2]
            what = f"has {width} × {height} pixels, the recipe's template {wanted_width} × {wanted_height}"
            raise ImageError(what, where=str(path), mend="take it with the camera and settings of the line")
        views.append(find(board, image, str(path)))
    return measure(views, recipe)


def _show(measured: ScaleMeasurement, recipe: Recipe, photos: list[Path]) -> None:
    for path, corners in zip(photos, measured.corners, strict=True):
        print(f"photo      {path}: {corners} corners")
    before = "unknown before" if recipe.mm_per_px is None else f"{recipe.mm_per_px:g} before"
    print(f"scale      {measured.mm_per_px:.6g} mm per pixel in the region of {recipe.name} ({before})")
    off = f"a length is off by {measured.spread:.1%}, one of 1 mm by {measured.spread:.3f} mm, at most"
    print(f"varies     {measured.least:.6g} to {measured.most:.6g}: {off}")
    error = f"{measured.rms_px:.2f} px (rms), which is {measured.rms_mm:.4f} mm in the region"
    print(f"error      of reprojection {error}; squares come out {measured.square_error_mm:.4f} mm off")
    k1, k2 = measured.distortion
    moved = f"{measured.bend_px:.1f} px, {measured.bend_mm:.3f} mm"
    print(f"lens       moves points of the region by up to {moved} (k1 {k1:+.4f}, k2 {k2:+.4f})")
    print("           nothing is straightened: this and what varies is left in every result")
    print(f"board      tilted by {measured.tilt_degrees:.1f}°, covers {measured.covered:.0%} of the region")
    if len(photos) == 1 and measured.tilt_degrees > DOUBTFUL_TILT:
        print("           from one photo the tilt is a guess: lay the board flat, or give tilted photos too")


def _troubles(measured: ScaleMeasurement) -> list[str]:
    """Why the scale must not be used."""
    found = []
    if measured.rms_px > WORST_RMS_PX:
        what = (
            f"corners lie {measured.rms_px:.1f} px off (at most {WORST_RMS_PX:g}): is the paper flat, the photo sharp"
        )
        found.append(f"{what}, and are --squares and --square-mm those of the print?")
    if measured.covered < LEAST_COVERED:
        found.append("the board covers too little of the region: print a larger one, or move it there")
    if measured.spread > WORST_SPREAD:
        found.append("the scale varies too much over the region: lay the board as flat as the part's face")
    return found
