"""Where a device keeps what calibration makes, and what it works on: all of it follows from agent.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibration.errors import CalibrationError
from edge_agent.config import Settings
from edge_agent.engines import Engine, load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.store import EngineStore
from edge_agent.inspection.recipe import Recipe
from edge_agent.pipeline.active_recipe import MEMORY, ActiveRecipe
from edge_agent.results.samples import FOLDER, SampleFolder, recipe_key


@dataclass(frozen=True)
class Place:
    """The files of one agent's calibration.

    Attributes:
        folder: `calibration/` beside the agent's results: where samples come in, the set, work and report.
        model: the FP32 model that everything starts from and is compared with.
    """

    settings: Settings
    folder: Path
    model: Path

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """The place of an agent."""
        return cls(settings, settings.results.folder / FOLDER, settings.engine.model or shipped_model())

    @property
    def samples(self) -> SampleFolder:
        """Where the agent hands out pictures."""
        return SampleFolder(self.folder)

    @property
    def pairs(self) -> Path:
        """The calibration set."""
        return self.folder / "set"

    @property
    def work(self) -> Path:
        """What a killed run has already done."""
        return self.folder / "work"

    @property
    def report(self) -> Path:
        """The page of the last comparison with FP32."""
        return self.folder / "report.html"

    @property
    def store(self) -> EngineStore:
        """The agent's engines. Raises CalibrationError where agent.toml names no store."""
        if self.settings.engine.store is None:
            raise CalibrationError(
                "agent.toml names no engine store",
                where="[engine] store",
                mend='add store = "/var/lib/matecheck/engines" to [engine] and restart the agent',
            )
        return EngineStore(self.settings.engine.store)

    def recipe(self) -> Recipe:
        """The one that the agent works with now. Raises RecipeError."""
        return self._active().current

    def recipes(self) -> dict[str, Recipe]:
        """All that this agent may come to work with, by their key: the present one and the library's.

        Raises:
            RecipeError: one of them cannot be read.
        """
        active = self._active()
        found = (*map(active.load, active.names), active.current)
        return {recipe_key(recipe): recipe for recipe in found}

    def _active(self) -> ActiveRecipe:
        return ActiveRecipe(self.settings.recipe, self.settings.results.folder / MEMORY)

    def reference(self) -> Engine:
        """The FP32 model on ONNX Runtime: what every other engine has to agree with. Raises ModelError."""
        return load_engine(self.model, "onnxruntime", self.settings.engine.threads)
