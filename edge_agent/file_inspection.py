"""Image files through the inspector: one result a pair, whatever is wrong with it, and its pictures."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent import health
from edge_agent.errors import ImageError, MatecheckError, RecipeError
from edge_agent.images import read_image, write_image
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from edge_agent.pair_list import Pair
from edge_agent.results.identifiers import uuid7
from edge_agent.results.result import EngineRef, Result
from edge_agent.results.sheet import sheet


class FileInspection:
    """Inspects pairs of files in turn and numbers their results from 1.

    Attributes:
        unwritten: why pictures that were asked for are not there, a line each. Nobody may lose a result for that.
    """

    def __init__(self, inspector: Inspector) -> None:
        info, backend = inspector.engine.info, inspector.engine.backend
        self._engine = EngineRef(f"{info.network} {info.version}", info.digest, backend, info.precision)
        self._inspector = inspector
        self._seq = 0
        self.unwritten: list[str] = []

    def inspect(self, pair: Pair, picture: Path | None = None, score_map: Path | None = None) -> Result:
        """The result of a pair; a pair that cannot be inspected is an ERROR.

        Args:
            pair: what to inspect.
            picture: file for test and template side by side with what was found.
            score_map: file for the 16-bit score map. Neither is written where there is nothing to show.
        """
        self._seq += 1
        began, captured_at = time.perf_counter(), datetime.now(timezone.utc)
        recipe, image, inspection = self._inspect(pair)
        timing = inspection.timing_ms | {"total": (time.perf_counter() - began) * 1e3}
        if picture and image is not None:
            self._write(picture, lambda: sheet(image, inspection, pair.name))
        if score_map and inspection.score_map is not None:
            scores = inspection.score_map
            self._write(score_map, lambda: np.round(scores * 65535).astype(np.uint16))
        return Result(
            id=uuid7(),
            seq=self._seq,
            device=socket.gethostname(),
            captured_at=captured_at,
            clock_synced=health.clock_synced(),
            recipe=recipe.name if recipe else "",
            recipe_version=recipe.version if recipe else "",
            part_id=None,
            trigger="file",
            verdict=inspection.verdict,
            reasons=inspection.reasons,
            score=inspection.score,
            components=inspection.components,
            components_total=inspection.components_total,
            engine=self._engine,
            timing_ms=timing,
            source=pair.name,
        )

    def _inspect(self, pair: Pair) -> tuple[Recipe | None, NDArray[np.uint8] | None, Inspection]:
        recipe, image = None, None
        try:
            recipe = pair.recipe()
            image = read_image(pair.test)
            return recipe, image, self._inspector.inspect(image, recipe)
        except MatecheckError as error:
            code = "image" if isinstance(error, ImageError) else "recipe" if isinstance(error, RecipeError) else "list"
            reason = Reason(code, str(error))
        except Exception as error:  # noqa: BLE001 - this pair was not inspected, and the next one has to be
            reason = Reason("internal", _unforeseen(error))
        return recipe, image, Inspection(Verdict.ERROR, (reason,))

    def _write(self, path: Path, draw: Callable[[], NDArray[np.uint8] | NDArray[np.uint16]]) -> None:
        try:
            write_image(path, draw())
        except ImageError as error:
            self.unwritten.append(str(error))
        except Exception as error:  # noqa: BLE001 - no picture is worth the results after it
            self.unwritten.append(f"{path}: cannot be drawn: {_unforeseen(error)}")


def _unforeseen(error: Exception) -> str:
    """One line for an error of ours: what and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error!r} in {Path(place.filename).name}:{place.lineno}"
