"""calibrate status: which engine judges, at which scale and limits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add `status` to calibrate."""
    parser = subparsers.add_parser("status", help="show the engine, scale and limits that an agent.toml puts to work")
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a fact."""
    from edge_agent.config import load
    from edge_agent.engines import load_engine
    from edge_agent.inspection.recipe import Recipe

    settings = load(arguments.config)
    engine = load_engine(settings.engine.model, settings.engine.backend, settings.engine.threads)
    recipe = Recipe.load(settings.recipe.folder)
    info, limits = engine.info, recipe.limits
    threshold, origin = (
        (info.threshold, "the model's own") if limits.threshold is None else (limits.threshold, "recipe")
    )
    if recipe.mm_per_px is None:
        scale = "unknown: lengths are in pixels; write mm_per_px into recipe.toml"
    else:
        scale = f"{recipe.mm_per_px:g} mm per pixel"
    in_mm = limits.min_length_mm is not None and recipe.mm_per_px is not None
    limit = f"{limits.min_length_mm:g} mm" if in_mm else f"{limits.min_length_px:g} px"
    print(f"engine     {info.network} {info.version}, {info.precision} on {engine.backend}, digest {info.digest[:12]}")
    print(f"recipe     {recipe.name}, version {recipe.version}")
    print(f"scale      {scale}")
    print(f"threshold  {threshold:g} ({origin})")
    print(f"limit      objects {limit} long and longer make the part NG")
    engine.close()
    return 0
