"""What a part should look like, and what is allowed: a folder with `recipe.toml`, `template.png` and perhaps more.

Further photos of clean parts, `template-2.png` and so on, show what may differ from one clean part to another.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.durable import put_on_disk
from edge_agent.errors import RecipeError
from edge_agent.images import read_image, write_image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Polygon = tuple[tuple[float, float], ...]

SETTINGS, TEMPLATE = "recipe.toml", "template.png"
MAX_SETTINGS_BYTES = 1 << 20
MIN_SIDE = 16  # pixels; a smaller template or region holds nothing to compare
MAX_CORNERS = 1000
MAX_TEMPLATES = 8  # each further one costs a look at the tiles on which something was seen


@dataclass(frozen=True)
class Limits:
    """What makes a part NG: an object at least this large, at or above this score.

    Attributes:
        threshold: score from which a pixel belongs to an object, 0..1; None is the model's own.
        min_length_mm: used where the scale is known.
        min_length_px: used where the scale is unknown, or min_length_mm is None.
    """

    threshold: float | None = None
    min_length_mm: float | None = None
    min_length_px: float = 4.0


@dataclass(frozen=True, eq=False)
class Recipe:
    """One kind of part. Compared by identity, so that work done for a recipe can be kept with it.

    Attributes:
        name, version: appear in every result.
        template: BGR uint8 [H, W, 3], a photo of a clean part.
        region: corners (x, y) in template pixels of the polygon to be inspected; empty for the whole image.
        mm_per_px: scale at native resolution; None where it is unknown.
        limits: what makes a part NG.
        scales: resolutions that are looked at, 1.0 is native: details need a high one, large objects fill at a low one.
        register: whether parts are registered to the template. Off for parts in any pose and for surfaces, which a
            network judges that needs no template; the template then says how bright and sharp a picture must be.
        others: further photos of clean parts, of the template's size: what any of them shows is no foreign object.

    Raises:
        RecipeError: `where` names the key that is wrong.
    """

    name: str
    version: str
    template: NDArray[np.uint8]
    region: Polygon = ()
    mm_per_px: float | None = None
    limits: Limits = field(default_factory=Limits)
    scales: tuple[float, ...] = (1.0, 0.5)
    others: tuple[NDArray[np.uint8], ...] = ()
    register: bool = True

    def __post_init__(self) -> None:
        for key, text in (("name", self.name), ("version", self.version)):
            if not (isinstance(text, str) and text.strip() and text.isprintable() and len(text) <= 100):
                raise _wrong(key, text, "must be a text of 1 to 100 printable characters")
        _check_number("mm_per_px", self.mm_per_px, above=0.0, to=1000.0)
        _check_number("limits.threshold", self.limits.threshold, above=0.0, to=1.0)
        _check_number("limits.min_length_mm", self.limits.min_length_mm, above=0.0, to=1e6)
        _check_number("limits.min_length_px", self.limits.min_length_px, above=0.0, to=1e6)
        if not 1 <= len(self.scales) <= 4:
            raise _wrong("scales", list(self.scales), "must hold one to four numbers")
        for scale in self.scales:
            _check_number("scales", scale, above=0.05, to=1.0)
        height, width = self.template.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise _wrong("template", f"{width} × {height} pixels", f"must have at least {MIN_SIDE} × {MIN_SIDE} pixels")
        if self.region:
            check_region(self.region, width, height)
        if len(self.others) >= MAX_TEMPLATES:
            raise _wrong("templates", len(self.others) + 1, f"at most {MAX_TEMPLATES} are looked at")
        for number, other in enumerate(self.others, 2):
            if other.shape != self.template.shape:
                size = f"{other.shape[1]} × {other.shape[0]} pixels"
                raise _wrong(_template_name(number), size, f"must have {width} × {height} pixels, as the template")

    @classmethod
    def load(cls, folder: Path) -> Recipe:
        """Read a recipe folder. Raises RecipeError with file, key, value and mend; ImageError for the template."""
        path = folder / SETTINGS
        table = _read_toml(path)
        try:
            return _from_table(table, read_image(folder / TEMPLATE), _others(folder))
        except RecipeError as error:
            raise RecipeError(error.what, where=f"{path}: {error.where}", mend=error.mend) from error

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the recipe folder aside, then rename it into place. Raises RecipeError."""
        if folder.exists() and not overwrite:
            raise RecipeError("is there already", where=str(folder), mend="choose another folder, or overwrite it")
        if folder.exists() and not (folder / SETTINGS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise RecipeError("is there and is no recipe", where=str(folder), mend="choose another folder")
        others = sorted(path.name for path in folder.iterdir() if path.name not in OURS) if folder.is_dir() else []
        if others:
            raise RecipeError(f"holds other files too ({others[0]})", where=str(folder), mend="move them elsewhere")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as aside:
                new = Path(aside, "new")
                new.mkdir()
                write_image(new / TEMPLATE, self.template)
                for number, other in enumerate(self.others, 2):
                    write_image(new / _template_name(number), other)
                (new / SETTINGS).write_text(self._to_toml(), encoding="utf-8")
                for path in (*new.iterdir(), new):  # who selects it relies on it at the next start
                    put_on_disk(path)
                if folder.exists():
                    folder.rename(Path(aside, "old"))
                new.rename(folder)
                put_on_disk(folder.parent)
        except (OSError, shutil.Error) as error:
            what = f"cannot be written ({error.strerror or error})"
            raise RecipeError(what, where=str(folder), mend="check path and permissions") from error

    def _to_toml(self) -> str:
        limits = [
            _line(
                "threshold", self.limits.threshold, "0.3", "score from which a pixel counts; the model's own if absent"
            ),
            _line("min_length_mm", self.limits.min_length_mm, "0.10", "objects at least this long make the part NG"),
            _line("min_length_px", self.limits.min_length_px, "", "the same, where the scale is unknown"),
        ]
        corners = "".join(f"    [{x:g}, {y:g}],\n" for x, y in self.region)
        return "\n".join(
            [
                f"name = {_text(self.name)}",
                f"version = {_text(self.version)}",
                _line("mm_per_px", self.mm_per_px, "0.0125", "scale at native resolution; lengths in mm need it"),
                f"scales = [{', '.join(f'{scale:g}' for scale in self.scales)}]",
                *([] if self.register else ["register = false  # needs a model that judges one picture alone"]),
                "# corners of what is inspected, x and y in pixels of template.png; [] is the whole image",
                f"region = [\n{corners}]" if corners else "region = []",
                "",
                "[limits]",
                *limits,
                "",
            ]
        )


def region_polygon(recipe: Recipe) -> NDArray[np.float64]:
    """The region's corners, float64 [K, 2]; those of the whole image where the recipe names none."""
    height, width = recipe.template.shape[:2]
    return np.array(recipe.region or ((0, 0), (width, 0), (width, height), (0, height)), np.float64)


def check_region(region: Polygon, width: int, height: int) -> None:
    """Raise RecipeError unless `region` is a polygon with an area, inside an image of this size."""
    shown = " ".join(f"{x:g},{y:g}" for x, y in region[:8]) + (" …" if len(region) > 8 else "")
    if not 3 <= len(region) <= MAX_CORNERS:
        raise _wrong("region", shown, f"must have 3 to {MAX_CORNERS} corners, but has {len(region)}")
    corners = np.array(region, np.float64)
    if not np.isfinite(corners).all():
        raise _wrong("region", shown, "must hold finite numbers")
    if (corners < 0).any() or (corners > (width, height)).any():
        raise _wrong("region", shown, f"is outside the image of {width} × {height} pixels")
    if cv2.contourArea(corners.astype(np.float32)) < MIN_SIDE**2 or np.ptp(corners, axis=0).min() < MIN_SIDE:
        raise _wrong("region", shown, f"must be at least {MIN_SIDE} × {MIN_SIDE} pixels large")


def _template_name(number: int) -> str:
    return f"template-{number}.png"


OURS = {SETTINGS, TEMPLATE, *(_template_name(number) for number in range(2, MAX_TEMPLATES + 1))}


def _others(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    """Whatever further templates are there, whichever of them may have been deleted by hand."""
    names = (_template_name(number) for number in range(2, MAX_TEMPLATES + 1))
    return tuple(read_image(folder / name) for name in names if (folder / name).exists())


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_SETTINGS_BYTES:
            raise RecipeError("is larger than 1 MB", where=str(path), mend="teach the recipe again")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RecipeError(
            f"cannot be read ({error.strerror})", where=str(path), mend="make a recipe with edge-agent teach"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8: byte 0x{error.object[error.start]:02x}"
        raise RecipeError(what, where=f"{path}:{line}", mend="save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:  # not TOML, nested or long beyond reason
        raise RecipeError(f"is not TOML: {error}", where=str(path), mend="mend that line") from error


KEYS = ("name", "version", "mm_per_px", "scales", "register", "region", "limits")
LIMIT_KEYS = ("threshold", "min_length_mm", "min_length_px")


def _from_table(table: dict[str, Any], template: NDArray[np.uint8], others: tuple[NDArray[np.uint8], ...]) -> Recipe:
    limits = table.get("limits", {})
    if not isinstance(limits, dict):
        raise _wrong("limits", limits, "must be a section: write [limits] and its keys below")
    _refuse_unknown(table, KEYS)
    _refuse_unknown(limits, LIMIT_KEYS, "limits.")
    for key in ("name", "version"):
        if key not in table:
            raise RecipeError("is missing", where=key, mend=f'add {key} = "…"')
    if not isinstance(table.get("register", True), bool):
        raise _wrong("register", table["register"], "must be true or false")
    return Recipe(
        table["name"],
        table["version"],
        template,
        region=_region(table.get("region", [])),
        mm_per_px=table.get("mm_per_px"),
        limits=Limits(**limits),
        scales=tuple(_list("scales", table.get("scales", list(Recipe.scales)))),
        others=others,
        register=table.get("register", True),
    )


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], prefix: str = "") -> None:
    for key in table:
        if key not in known:
            raise RecipeError("unknown key", where=prefix + key, mend=f"the keys are {', '.join(known)}")


def _region(value: Any) -> Polygon:
    corners = _list("region", value)
    if not all(isinstance(corner, list) and len(corner) == 2 for corner in corners):
        raise _wrong("region", corners, "must be a list of corners [x, y]")
    for corner in corners:
        for number in corner:
            _check_number("region", number, above=-math.inf, to=math.inf)
    return tuple((float(x), float(y)) for x, y in corners)


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(key, value, "must be a list")
    return value


def _check_number(key: str, value: Any, *, above: float, to: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(key, value, "must be a number")
    if not (above < value <= to or (math.isinf(above) and math.isfinite(value))):
        raise _wrong(key, value, f"must be above {above:g} and at most {to:g}")


def _wrong(key: str, value: Any, what: str) -> RecipeError:
    shown = _text(value) if isinstance(value, str) else str(value)
    return RecipeError(what, where=f"{key} = {shown[:200]}", mend="mend it in the recipe")


def _line(key: str, value: float | None, example: str, comment: str) -> str:
    return f"{f'# {key} = {example}' if value is None else f'{key} = {value!r}'}  # {comment}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
