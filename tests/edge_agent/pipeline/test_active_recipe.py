from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edge_agent.config import RecipeSettings
from edge_agent.inspection.recipe import Recipe
from edge_agent.pipeline.active_recipe import ActiveRecipe
from tests.support.scenes import connector

NAMES = """
    import os
    from pathlib import Path
    from edge_agent.config import RecipeSettings
    from edge_agent.pipeline.active_recipe import ActiveRecipe
    library = Path()
    active = ActiveRecipe(RecipeSettings(library / "x1", library), library / "selected-recipe")
    for mode in (0o755, 0o700):
        os.seteuid(0)
        library.chmod(mode)
        os.seteuid(65534)
        print(*active.names)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read a folder")
def test_a_recipe_that_the_agent_may_not_read_hides_no_other_one(tmp_path: Path) -> None:
    for name in ("x1", "x2"):
        Recipe(name, "1", connector()).save(tmp_path / name)
    (tmp_path / "x2").chmod(0o700)  # copied there by root
    command = [sys.executable, "-c", textwrap.dedent(NAMES)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert said.splitlines() == ["x1", ""]


def test_without_a_library_there_is_no_name(tmp_path: Path) -> None:
    Recipe("x1", "1", connector()).save(tmp_path / "x1")
    for library in (None, tmp_path / "missing"):
        assert ActiveRecipe(RecipeSettings(tmp_path / "x1", library), tmp_path / "selected-recipe").names == []
