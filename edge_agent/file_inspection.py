"""Image files through the inspector: one result a pair, whatever is wrong with it, and its pictures."""

from __future__ import annotations

import logging
import socket
import time
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

log = logging.getLogger(__name__)


class FileInspection:
    """Inspects pairs of files in turn and numbers their results from 1."""

    def __init__(self, inspector: Inspector) -> None:
        info, backend = inspector.engine.info, inspector.engine.backend
        self._engine = EngineRef(f"{info.network} {info.version}", info.digest, backend, info.precision)
        self._inspector = inspector
        self._seq = 0

    def inspect(self, pair: Pair, picture: Path | None = None, score_map: Path | None = None) -> Result:
        """The result of a pair; a pair that cannot be inspected is an ERROR.

        Args:
            pair: what to inspect.
            picture: file for test and template side by side with what was found.
            score_map: file for the 16-bit score map. Neither is written where there is nothing to show.

        Raises:
            ImageError: a picture cannot be written.
        """
        self._seq += 1
        began, captured_at = time.perf_counter(), datetime.now(timezone.utc)
        recipe, image, inspection = self._inspect(pair)
        timing = inspection.timing_ms | {"total": (time.perf_counter() - began) * 1e3}
        if picture and image is not None:
            write_image(picture, sheet(image, inspection, pair.name))
        if score_map and inspection.score_map is not None:
            write_image(score_map, np.round(inspection.score_map * 65535).astype(np.uint16))
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
            image = read_image(pair.test)
            recipe = pair.recipe()
            return recipe, image, self._inspector.inspect(image, recipe)
        except MatecheckError as error:
            code = "image" if isinstance(error, ImageError) else "recipe" if isinstance(error, RecipeError) else "list"
            reason = Reason(code, str(error))
        except Exception as error:  # whatever it was: this pair was not inspected, and the next one has to be
            log.exception("inspecting %s", pair.name)
            reason = Reason("internal", repr(error))
        return recipe, image, Inspection(Verdict.ERROR, (reason,))
