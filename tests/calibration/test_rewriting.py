from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.rewriting import rewrite
from edge_agent.inspection.recipe import Recipe


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        ("3", "4"),
        ("spring", "spring+1"),
        ("spring+1", "spring+2"),
        ("2026-11", "2026-11+1"),
        ("v" * 100, "v" * 90 + "+1"),
        ("v" * 90 + "+9", "v" * 90 + "+10"),
    ],
)
def test_a_recipe_that_is_changed_has_another_version(tmp_path: Path, version: str, newer: str) -> None:
    recipe = Recipe("x2", version, np.zeros((32, 32, 3), np.uint8))
    recipe.save(tmp_path / "x2")
    assert rewrite(recipe, tmp_path / "x2", mm_per_px=0.01).version == newer
    written = Recipe.load(tmp_path / "x2")
    assert (written.version, written.mm_per_px) == (newer, 0.01)
