"""Simulated parts through the product's own inspector: objects found, clean parts refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from build_engine.evaluation.inspector_pool import inspect_each, tracked
from build_engine.evaluation.report import model_name
from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.cameras.simulation.connectors import connector
from edge_agent.engines import ModelInfo, load_engine
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Limits, Recipe

SMALLEST_PX = 6.0  # shorter objects count for nothing, neither way
PARTS_A_BATCH = 25


@dataclass(frozen=True)
class Batch:
    """Parts that one process renders and inspects: those with these numbers, of one connector and seed."""

    connector: str
    seed: int
    share: float
    numbers: range


@dataclass(frozen=True)
class Outcome:
    """One part.

    Attributes:
        connector, number: the part can be rendered again from them and the seed.
        truth: what lies on it.
        verdict: of the product.
        found: the product said NG and a rejected component touches the object.
        score: highest of all components.
        reasons: codes that the product gave.
    """

    connector: str
    number: int
    truth: SimulatedTruth
    verdict: Verdict
    found: bool
    score: float
    reasons: tuple[str, ...]


def evaluate_parts(
    connectors: Sequence[str],
    parts: int,
    model: Path | None,
    *,
    seed: int,
    share: float,
    threshold: float | None,
    jobs: int,
) -> tuple[SimulatedReport, list[Outcome]]:
    """Render and inspect parts, in processes of one thread each. Progress goes to stderr.

    Args:
        connectors: names of simulated connectors; as many parts of each as of the others, or one more.
        parts: how many in all.
        model: file of the model; None is the shipped one.
        seed: of the parts.
        share: of parts with a foreign object, 0..1.
        threshold: score at which components are cut; None is the model's own.
        jobs: number of processes.

    Raises:
        ModelError: the model cannot be loaded.
        CameraError: there is no such connector.
    """
    engine = load_engine(model, threads=1)
    engine.close()
    for name in connectors:
        connector(name)
    plan = batches(connectors, parts, seed=seed, share=share)
    work = partial(_judge_batch, threshold=threshold)
    done = tracked(inspect_each(work, plan, model=model, jobs=jobs), len(plan), f"batches of {PARTS_A_BATCH} parts")
    outcomes = list(chain.from_iterable(done))
    return summarise_parts(outcomes, engine.info, threshold), outcomes


def batches(connectors: Sequence[str], parts: int, *, seed: int, share: float) -> list[Batch]:
    """The parts cut into what one process does at a time."""
    plan = []
    for place, name in enumerate(connectors):
        count = len(range(place, parts, len(connectors)))
        starts = range(0, count, PARTS_A_BATCH)
        plan += [Batch(name, seed, share, range(s, min(s + PARTS_A_BATCH, count))) for s in starts]
    return plan


def _judge_batch(inspector: Inspector, batch: Batch, threshold: float | None) -> list[Outcome]:
    camera, recipe = _station(batch.connector, batch.seed, batch.share, threshold)
    outcomes = []
    for number in batch.numbers:
        image, truth = camera.part(number)
        outcomes.append(_outcome(batch.connector, number, truth, inspector.inspect(image, recipe)))
    return outcomes


@lru_cache(maxsize=2)
def _station(connector: str, seed: int, share: float, threshold: float | None) -> tuple[SimulatedCamera, Recipe]:
    """Camera and recipe of a connector, kept from batch to batch: rendering what its parts share takes seconds."""
    camera = SimulatedCamera(connector, seed=seed, share=share)
    recipe = Recipe(
        name=connector,
        version="1",
        template=camera.template(),
        region=tuple(camera.region()),
        mm_per_px=camera.mm_per_px,
        limits=Limits(threshold=threshold),
    )
    return camera, recipe


def _outcome(connector: str, number: int, truth: SimulatedTruth, inspection: Inspection) -> Outcome:
    box = truth.bbox_px
    return Outcome(
        connector=connector,
        number=number,
        truth=truth,
        verdict=inspection.verdict,
        found=inspection.verdict is Verdict.NG
        and box is not None
        and any(component.rejected and _touch(component.bbox_px, box) for component in inspection.components),
        score=inspection.score,
        reasons=tuple(reason.code for reason in inspection.reasons),
    )


def _touch(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


@dataclass(frozen=True)
class SimulatedReport:
    """Counts over all parts. `objects` and `found` are of objects at least SMALLEST_PX long, by kind."""

    model: ModelInfo
    threshold: float
    parts: int
    objects: dict[str, int]
    found: dict[str, int]
    clean: int
    clean_ng: int
    errors: dict[str, int]

    @property
    def found_share(self) -> float:
        """Share of the objects that were found; 0 without objects."""
        return sum(self.found.values()) / (sum(self.objects.values()) or 1)

    @property
    def clean_ng_share(self) -> float:
        """Share of the clean parts that were called NG; 0 without clean parts."""
        return self.clean_ng / (self.clean or 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model": {"network": self.model.network, "version": self.model.version, "digest": self.model.digest},
            "threshold": self.threshold,
            "parts": self.parts,
            "objects": self.objects,
            "found": self.found,
            "found_share": self.found_share,
            "clean": self.clean,
            "clean_ng": self.clean_ng,
            "clean_ng_share": self.clean_ng_share,
            "errors": self.errors,
        }


def summarise_parts(outcomes: Sequence[Outcome], model: ModelInfo, threshold: float | None) -> SimulatedReport:
    """Counts over the outcomes; a threshold of None is the model's own. A part that is an ERROR was not found."""
    with_object = [outcome for outcome in outcomes if outcome.truth.length_px >= SMALLEST_PX]
    clean = [outcome for outcome in outcomes if not outcome.truth.kind]
    return SimulatedReport(
        model=model,
        threshold=model.threshold if threshold is None else threshold,
        parts=len(outcomes),
        objects=dict(sorted(Counter(outcome.truth.kind for outcome in with_object).items())),
        found=dict(sorted(Counter(outcome.truth.kind for outcome in with_object if outcome.found).items())),
        clean=len(clean),
        clean_ng=sum(outcome.verdict is Verdict.NG for outcome in clean),
        errors=dict(
            Counter(
                code for outcome in outcomes if outcome.verdict is Verdict.ERROR for code in outcome.reasons
            ).most_common()
        ),
    )


def simulated_table(report: SimulatedReport) -> str:
    """The report in plain text."""
    rows = [(kind, report.found.get(kind, 0), count) for kind, count in report.objects.items()]
    rows += [(f"all objects >= {SMALLEST_PX:g} px", sum(report.found.values()), sum(report.objects.values()))]
    lines = [f"{'':<22}{'found':>8}{'of':>8}"]
    lines += [f"{kind:<22}{found:>8}{count:>8}{found / (count or 1):>9.1%}" for kind, found, count in rows]
    lines += ["", f"{'':<22}{'NG':>8}{'of':>8}"]
    lines += [f"{'clean parts':<22}{report.clean_ng:>8}{report.clean:>8}{report.clean_ng_share:>9.1%}", ""]
    lines += [f"{model_name(report.model)}, score threshold {report.threshold:g}, {report.parts} parts"]
    if report.errors:
        lines += ["errors: " + ", ".join(f"{code} {count}" for code, count in report.errors.items())]
    lines += ["found: the verdict is NG and a component that is rejected touches the object"]
    return "\n".join(lines)
