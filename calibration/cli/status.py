"""calibrate status: which engine judges, at which scale and limits."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.place import Place


def add_parser(subparsers: Any) -> None:
    """Add `status` to calibrate."""
    parser = subparsers.add_parser("status", help="show the engine, scale and limits that an agent.toml puts to work")
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a fact."""
    from calibration.place import Place
    from edge_agent.config import load

    place = Place.of(load(arguments.config))
    for subject, text in (*_engine(place), *_recipe(place), *_calibration(place)):
        print(f"{subject:<10} {text}")
    return 0


def _engine(place: Place) -> Iterator[tuple[str, str]]:
    """What judges, what would judge after a rollback, and what waits for its activation."""
    from calibration.activation import candidates
    from edge_agent.engines import load_engine
    from edge_agent.engines.store import EngineStore

    settings = place.settings.engine
    store = EngineStore(settings.store) if settings.store else None
    current = store.current() if store else None
    engine = load_engine(current or settings.model, settings.backend, settings.threads)
    info = engine.info
    yield "engine", f"{info.network} {info.version}, {info.precision} on {engine.backend}, digest {info.digest[:12]}"
    if engine.degraded:
        yield "", f"DEGRADED: {engine.degraded}"
    engine.close()
    if store is None:
        yield "store", "none: agent.toml has no [engine] store, so no engine can be made on this device"
        return
    yield "from", f"{current.name} in {store.folder}" if current else "the model of agent.toml"
    if current is not None:
        yield from _origin(place, current)
    previous = store.previous()
    if previous is not None:
        yield "rollback", f"would go to {previous.name}"
    elif current is not None:
        yield "rollback", "would go to the model of agent.toml"
    for name, manifest in candidates(store).items():
        if previous is None or name != previous.name:
            yield "new", f"{name}, {manifest.precision}, passed the gate: calibrate activate takes it"


def _origin(place: Place, folder: Path) -> Iterator[tuple[str, str]]:
    from edge_agent.engines.manifest import Manifest
    from edge_agent.results.samples import recipe_key

    manifest = Manifest.read(folder)
    reference = place.reference()
    newer = reference.info
    reference.close()
    if (manifest.network, manifest.version) != (newer.network, newer.version):
        made_of = f"{manifest.network} {manifest.version}"
        yield (
            "",
            f"made of {made_of}, the model is {newer.network} {newer.version} by now: calibrate int8 makes it anew",
        )
    calibration, gate = manifest.calibration, manifest.gate
    if calibration:
        yield "calibrated", f"{manifest.made_at}, on {calibration.pairs} pairs, digest {calibration.digest[:12]}"
    if gate is None:
        yield "gate", "was never compared with FP32 on this line"
    else:
        yield "gate", f"{'passed' if gate.passed else 'NOT PASSED'}: {gate.text}"
        recipe = place.recipe()
        if recipe_key(recipe) not in gate.figures.get("recipes", [recipe_key(recipe)]):
            since = "which is at work, or not since it was taught anew: calibrate run"
            yield "", f"NOT COMPARED on recipe {recipe.name}, {since}"
    if manifest.plan_sha256:
        yield "compiled", f"TensorRT {manifest.tensorrt} for {manifest.device}"


def _recipe(place: Place) -> Iterator[tuple[str, str]]:
    recipe = place.recipe()
    limits = recipe.limits
    reference = place.reference()
    threshold, origin = (
        (reference.info.threshold, "the model's own") if limits.threshold is None else (limits.threshold, "recipe")
    )
    reference.close()
    if recipe.mm_per_px is None:
        scale = "unknown: lengths are in pixels; calibrate scale measures it and writes mm_per_px into the recipe"
    else:
        scale = f"{recipe.mm_per_px:g} mm per pixel"
    in_mm = limits.min_length_mm is not None and recipe.mm_per_px is not None
    limit = f"{limits.min_length_mm:g} mm" if in_mm else f"{limits.min_length_px:g} px"
    yield "recipe", f"{recipe.name}, version {recipe.version}"
    yield "scale", scale
    yield "threshold", f"{threshold:g} ({origin})"
    yield "limit", f"objects {limit} long and longer make the part NG"


def _calibration(place: Place) -> Iterator[tuple[str, str]]:
    """What was collected so far, and for what."""
    from calibration.breadth import LEAST_PAIRS, needs
    from calibration.pair_set import PairSet

    pairs = PairSet(place.pairs)
    recipes = place.recipes()
    entries = [entry for entry in pairs.entries if entry.recipe in recipes]
    if not pairs.entries:
        yield "pictures", "none yet: calibrate collect takes them while the line runs"
        return
    checked = sum(entry.for_check for entry in entries)
    objects = sum(entry.has_object for entry in entries)
    size = f"{pairs.size_bytes / 1e6:.0f} MB"
    yield "pictures", f"{len(entries)}, {objects} with an object; {checked} of them for the check; {size}"
    others = len(pairs.entries) - len(entries)
    if others:
        yield "", f"{others} more of other recipes or templates, which are not used"
    missing = [need for need in needs(entries, LEAST_PAIRS, recipes) if need.vital and not need.met]
    for need in missing:
        yield "", f"too little {need.subject}: {need.have}, at least {need.want}; {need.mend}"
    if place.report.is_file():
        yield "report", str(place.report)
