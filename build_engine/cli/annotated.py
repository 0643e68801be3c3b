"""Annotated pairs that a command line names: --deeppcb or --pairs, and --margin."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build_engine.datasets import AnnotatedPair


def source_of(arguments: argparse.Namespace) -> Path:
    """The list or folder that is named."""
    source: Path = arguments.deeppcb or arguments.pairs
    return source


def read_source(arguments: argparse.Namespace) -> tuple[AnnotatedPair, ...]:
    """All its pairs, one at least. Raises DatasetError, or ImageError where a picture of the list is missing."""
    from build_engine.datasets import DatasetError, read_deeppcb, read_pairs

    source = source_of(arguments)
    pairs = read_deeppcb(source) if arguments.deeppcb else read_pairs(source)
    if not pairs:
        raise DatasetError("holds no pair", where=str(source), mend="name one that does")
    return pairs


def annotators_margin(arguments: argparse.Namespace) -> float:
    """Pixels by which annotated boxes stand off their objects: --margin, else 8 for DeepPCB and 0 for one's own."""
    margin: float | None = arguments.margin
    return margin if margin is not None else 8.0 if arguments.deeppcb else 0.0
