"""Real images that are not ours to ship: found by MATECHECK_DATA, or beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """The folder of that name; skips the test, saying so, where it is not there."""
    root = Path(os.environ.get("MATECHECK_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (root / name).is_dir():
        pytest.skip(f"NOT RUN: no {name} in {root}; set MATECHECK_DATA to the folder of real images")
    return root / name
