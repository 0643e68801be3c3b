"""build-engine samples: a contact sheet of synthetic training pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_engine.cli.numbers import whole
from build_engine.training.settings import MIXTURES


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("samples", help="draw a contact sheet of synthetic training pairs")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of photographs, any subject")
    parser.add_argument(
        "--recipe",
        choices=MIXTURES,
        default="default",
        help="mixture (default: %(default)s)",
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="default: %(default)s")
    parser.add_argument("--count", type=whole(1), default=32, help="number of pairs (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("samples.png"), help="PNG to write (default: %(default)s)")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw the sheet."""
    from build_engine.synthesis.contact_sheet import draw_contact_sheet
    from build_engine.synthesis.pairs import RECIPES
    from build_engine.synthesis.photographs import Photographs

    recipe = RECIPES[arguments.recipe]
    draw_contact_sheet(Photographs(arguments.photographs), recipe, arguments.seed, arguments.count, arguments.output)
    print(f"{arguments.count} pairs (test | template | mask) in {arguments.output}")
    return 0
