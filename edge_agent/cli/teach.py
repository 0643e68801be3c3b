"""edge-agent teach: a recipe from photos of clean parts."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.errors import ImageError, RecipeError, UsageError

if TYPE_CHECKING:
    from edge_agent.inspection.inspection import Component, Inspection
    from edge_agent.inspection.recipe import Recipe

DESCRIPTION = """\
Make a recipe folder from photos of clean parts. The first photo becomes the template. Each further one must
match it; where it differs from the ones before so much that a clean part would be NG (a contact that shines
otherwise, a print), it becomes a further template: what any template shows is tolerated there.
"""
EPILOG = """\
exit codes:
  0  the recipe is written, every photo is OK under it; what is tolerated for that is named
  1  the recipe is written, but a photo of a clean part is not OK: look at it, or raise the limits
  2  nothing is written: wrong arguments, or a photo that cannot be used

examples:
  edge-agent teach clean1.png clean2.png --out recipes/x2 --region "120,80 900,80 900,640 120,640"
  edge-agent teach clean.png --out recipes/x2 --mask mask.png --mm-per-px 0.0125 --min-length-mm 0.1
"""


def add_parser(subparsers: Any) -> None:
    """Add `teach` to edge-agent."""
    parser = subparsers.add_parser(
        "teach",
        help="make a recipe from photos of clean parts",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", metavar="PHOTO", nargs="+", type=Path, help="clean parts, the first is the template")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="the recipe folder to write")
    parser.add_argument("--name", metavar="TEXT", help="appears in every result; default: the folder's name")
    parser.add_argument("--recipe-version", metavar="TEXT", default="1", help="appears in every result; default: 1")
    region = parser.add_mutually_exclusive_group()
    region.add_argument("--region", metavar='"X,Y X,Y …"', default="", help="polygon to inspect; default: whole image")
    region.add_argument("--mask", metavar="IMAGE", type=Path, help="of the template's size; white is inspected")
    parser.add_argument("--mm-per-px", metavar="F", default="", help="scale, for lengths in mm")
    parser.add_argument("--threshold", metavar="F", type=float, help="score from which a pixel counts, 0..1")
    parser.add_argument("--min-length-mm", metavar="F", type=float, help="objects at least this long make a part NG")
    parser.add_argument("--min-length-px", metavar="F", type=float, help="the same where the scale is unknown")
    parser.add_argument(
        "--any-pose",
        action="store_true",
        help="parts in any pose, or surfaces: no registration; needs a --model that judges one picture alone",
    )
    parser.add_argument("--model", metavar="FILE", type=Path, help="ONNX model to check further photos with")
    parser.add_argument("--force", action="store_true", help="write over a recipe that is there already")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Make, check and write the recipe. Raises MatecheckError if it is not written."""
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise UsageError("is there already", where=str(out), mend="choose another folder, or give --force")
    recipe = _recipe(arguments)
    recipe, notes, doubts = _with_others(recipe, arguments.photos[1:], arguments.model)
    recipe.save(out, overwrite=arguments.force)
    if recipe.limits.min_length_mm is not None and recipe.mm_per_px is None:
        px = recipe.limits.min_length_px
        notes.append(f"min_length_mm counts as soon as mm_per_px is known; until then objects from {px:g} px are NG")
    for line in (*notes, *doubts):
        print(f"edge-agent: {line}", file=sys.stderr)
    corners = f"a region of {len(recipe.region)} corners" if recipe.region else "the whole image"
    if recipe.others:
        corners += f", {1 + len(recipe.others)} templates"
    print(f'recipe "{recipe.name}" written to {out}: {corners}; next: edge-agent inspect --recipe {out} PHOTO')
    return 1 if doubts else 0


def _recipe(arguments: argparse.Namespace) -> Recipe:
    from edge_agent.images import read_image
    from edge_agent.inspection.recipe import Limits, Recipe
    from edge_agent.inspection.region import parse_region, region_from_mask
    from edge_agent.pair_list import parse_scale

    template = read_image(arguments.photos[0])
    region = parse_region(arguments.region)
    if arguments.mask:
        mask = read_image(arguments.mask)
        if mask.shape != template.shape:
            raise ImageError(
                f"has {mask.shape[1]} × {mask.shape[0]} pixels, the template {template.shape[1]} × {template.shape[0]}",
                where=str(arguments.mask),
                mend="draw the mask on the template",
            )
        region = region_from_mask(mask)
    limits = {key: getattr(arguments, key) for key in ("threshold", "min_length_mm", "min_length_px")}
    try:
        return Recipe(
            name=arguments.name or arguments.out.resolve().name,
            version=arguments.recipe_version,
            template=template,
            region=region,
            mm_per_px=parse_scale(arguments.mm_per_px),
            register=not arguments.any_pose,
            limits=Limits(**{key: value for key, value in limits.items() if value is not None}),
        )
    except RecipeError as error:
        raise RecipeError(error.what, where=error.where, mend="change the argument of teach") from error


def _with_others(recipe: Recipe, photos: list[Path], model: Path | None) -> tuple[Recipe, list[str], list[str]]:
    """The recipe with those further photos as templates that it needs; what they make tolerated; what stays NG.

    Raises ImageError for a photo that does not fit the recipe.
    """
    from edge_agent.engines import load_engine
    from edge_agent.images import read_image
    from edge_agent.inspection.inspector import Inspector
    from edge_agent.inspection.recipe import MAX_TEMPLATES

    notes: list[str] = []
    doubts: list[str] = []
    if not photos:
        return recipe, notes, doubts
    engine = load_engine(model)
    inspector = Inspector(engine)
    for path in photos:
        image = read_image(path)
        differences = _differences(inspector.inspect(image, recipe), path)
        if differences and recipe.register and 1 + len(recipe.others) < MAX_TEMPLATES:
            places = ", ".join(map(_place, differences))
            notes.append(f"{path}: tolerated from now on: {places}; if that is dirt, clean the part and teach again")
            recipe = replace(recipe, others=(*recipe.others, image))
            differences = _differences(inspector.inspect(image, recipe), path)
        if differences:
            places = ", ".join(map(_place, differences))
            doubts.append(f"{path}: a clean part would be NG: {places}; look at it with edge-agent inspect --draw")
    engine.close()
    return recipe, notes, doubts


def _differences(inspection: Inspection, path: Path) -> list[Component]:
    """What makes the photo of a clean part NG. Raises ImageError when it cannot be inspected."""
    from edge_agent.inspection.inspection import Verdict

    if inspection.verdict is Verdict.ERROR:
        why = "; ".join(reason.text for reason in inspection.reasons)
        raise ImageError(why, where=str(path), mend="leave this photo away, or take another template")
    return [component for component in inspection.components if component.rejected]


def _place(component: Component) -> str:
    x0, y0, x1, y1 = component.bbox_px
    length = f"{component.length_px:.0f} px" if component.length_mm is None else f"{component.length_mm:.2f} mm"
    return f"{length} at x {x0} to {x1}, y {y0} to {y1}"
