"""The data path: quality gate, registration, tiles through the network, components, verdict.

Three steps, so that the agent can take them in three threads: the network looks at one part while the next one is
registered and the one before is concluded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.engines.engine import Engine
from edge_agent.errors import EngineError
from edge_agent.inspection import tiles
from edge_agent.inspection.components import find_components
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.registration import Registered, Registrar
from edge_agent.inspection.timing import Timing
from edge_agent.inspection.verdict import judge, told

NEEDS_SINGLE = "the recipe switches registration off, which needs a model that judges one picture alone"


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network made of a registered part.

    Attributes:
        scores: of its tiles.
        threshold: of the recipe, or else of the model.
        timing_ms: duration of each stage so far.
    """

    registered: Registered
    scores: tiles.TileScores
    threshold: float
    timing_ms: dict[str, float]


class Inspector:
    """Inspects frames. One thread owns it, as it owns the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._registrar = Registrar()

    def inspect(
        self,
        image: NDArray[np.uint8],
        recipe: Recipe,
        *,
        previous_digest: str | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> Inspection:
        """Inspect one frame. What cannot be inspected is a verdict ERROR with its reason, never an exception.

        Args:
            image: BGR uint8 [H, W, 3], of the template's size.
            recipe: what the part should look like.
            previous_digest: `quality.digest` of the frame before, of a live camera: an identical one is refused.
            clock: nanoseconds, for the durations of the stages.
        """
        registered = self._registrar.register(
            image, recipe, previous_digest=previous_digest, model=self.engine.info, clock=clock
        )
        if isinstance(registered, Inspection):
            return registered
        seen = self.look(registered, clock=clock)
        return seen if isinstance(seen, Inspection) else conclude(seen, clock=clock)

    def look(self, registered: Registered, *, clock: Callable[[], int] = time.perf_counter_ns) -> Seen | Inspection:
        """Tiles through the network; an Inspection, verdict ERROR, where the engine fails."""
        timing = Timing(clock, dict(registered.timing_ms))
        recipe = registered.recipe
        info = self.engine.info
        threshold = recipe.limits.threshold or info.threshold
        if info.kind == "pair" and not recipe.register:  # it would compare what does not lie on each other
            return Inspection(Verdict.ERROR, (Reason("wrong-model", NEEDS_SINGLE),), timing_ms=timing.stages)
        try:
            with timing.stage("inference"):
                pair = registered.cut
                if pair is None or not pair.suits(info):
                    pair = tiles.cut_pair(info, registered.test, registered.template, recipe.scales)
                scores = tiles.look(self.engine, pair)
                for other in registered.others if info.kind == "pair" else ():
                    scores = tiles.look_again(self.engine, pair, other, scores, threshold)
        except EngineError as error:
            return Inspection(Verdict.ERROR, (Reason("engine", str(error)),), timing_ms=timing.stages)
        return Seen(registered, scores, threshold, timing.stages)


def conclude(seen: Seen, *, clock: Callable[[], int] = time.perf_counter_ns) -> Inspection:
    """Score map, components, verdict. Needs no engine."""
    timing = Timing(clock, dict(seen.timing_ms))
    registered = seen.registered
    recipe, (x0, y0, x1, y1), shape = registered.recipe, registered.window, registered.image.shape
    with timing.stage("components"):
        scores = seen.scores.merged(seen.threshold)
        scores[registered.outside] = 0.0
        found, total = find_components(scores, seen.threshold, recipe.mm_per_px, origin=(x0, y0), most=None)
        verdict, reasons, judged = judge(found, recipe.limits)
        if verdict is Verdict.OK and registered.doubt:
            verdict, reasons = Verdict.ERROR, (Reason("not-registered", registered.doubt),)
        score_map = np.zeros(shape[:2], np.float32)
        score_map[y0:y1, x0:x1] = scores
        aligned = np.zeros(shape, np.uint8)  # untouched pages cost nothing, zeros_like would write them
        aligned[y0:y1, x0:x1] = registered.template
    highest = judged[0].score if judged else 0.0
    return Inspection(verdict, reasons, highest, told(judged), total, score_map, aligned, timing.stages)
