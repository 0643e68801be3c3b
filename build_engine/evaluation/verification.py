"""An engine beside the FP32 model that it was made of, on pairs: score maps, components, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.agreement import Agreement, AgreementLimits, compare
from build_engine.evaluation.inspecting import recipe_of
from edge_agent.engines import Engine
from edge_agent.errors import MatecheckError, ModelError
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.inspector import Inspector, conclude
from edge_agent.inspection.registration import Registered, Registrar

SHOWN = 12  # pairs that differ, in the table


@dataclass(frozen=True)
class VerifiedPair:
    """One pair under both engines.

    Attributes:
        agreement: None where neither could look at it, for the reason in `trouble`.
        inference_ms: under FP32, under the engine.
    """

    name: str
    agreement: Agreement | None
    trouble: str = ""
    inference_ms: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Verification:
    """What came out.

    Attributes:
        engine, reference: "compact 1, int8, TensorRT 10.3.0" and the like.
        threshold: score at which a pixel belongs to a component.
    """

    engine: str
    reference: str
    threshold: float
    limits: AgreementLimits
    pairs: tuple[VerifiedPair, ...]

    @property
    def compared(self) -> list[tuple[str, Agreement]]:
        """The pairs that both engines have looked at."""
        return [(pair.name, pair.agreement) for pair in self.pairs if pair.agreement is not None]

    @property
    def agrees(self) -> bool:
        """Whether both engines say the same of every pair, and of one at least."""
        compared = self.compared
        return bool(compared) and not any(agreement.differences for _, agreement in compared)

    def figures(self) -> dict[str, Any]:
        """The sums over all pairs, plain values."""
        agreements = [agreement for _, agreement in self.compared]
        times = np.array([pair.inference_ms for pair in self.pairs if pair.agreement is not None]).reshape(-1, 2)
        medians = np.median(times, axis=0) if len(times) else np.zeros(2)
        return {
            "pairs": len(self.pairs),
            "compared": len(agreements),
            "agree": sum(not agreement.differences for agreement in agreements),
            "other_verdict": sum(agreement.verdicts[0] != agreement.verdicts[1] for agreement in agreements),
            "ng": sum(agreement.verdicts[0] == Verdict.NG.value for agreement in agreements),
            "components": sum(agreement.components for agreement in agreements),
            "score_gap_mean": float(np.mean([agreement.gap_mean for agreement in agreements] or [0.0])),
            "score_gap_max": max((agreement.gap_max for agreement in agreements), default=0.0),
            "pixels_changed": sum(agreement.changed for agreement in agreements),
            "inference_ms": {"reference": round(float(medians[0]), 2), "engine": round(float(medians[1]), 2)},
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "engine": self.engine,
            "reference": self.reference,
            "agrees": self.agrees,
            "threshold": self.threshold,
            "limits": asdict(self.limits),
            **self.figures(),
            "each": [asdict(pair) for pair in self.pairs],
        }


def verify(
    reference: Engine,
    tested: Engine,
    pairs: Sequence[AnnotatedPair],
    *,
    threshold: float | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Show both engines the same pairs, registered once.

    Args:
        reference: the FP32 model.
        tested: the engine in question.
        pairs: their boxes are not looked at.
        threshold: score at which components are cut; None is the reference's own.
        done: is called with the number of pairs compared so far.

    Raises:
        ModelError: they are not of the same network.
    """
    names = [f"{engine.info.network} {engine.info.version}" for engine in (reference, tested)]
    if names[0] != names[1]:
        mend = "name the FP32 model that it was made of with --model"
        raise ModelError(f"the engine is of {names[1]}, the FP32 model is {names[0]}", mend=mend)
    threshold = threshold or reference.info.threshold
    limits = AgreementLimits()
    rows = []
    for number, pair in enumerate(pairs, 1):
        rows.append(_verified(Inspector(reference), Inspector(tested), pair, threshold, limits))
        done(number)
    return Verification(_named(tested), _named(reference), threshold, limits, tuple(rows))


def table(verification: Verification) -> str:
    """For people: the figures, and each pair that differs with what differs."""
    figures = verification.figures()
    took = figures["inference_ms"]
    rows = [
        ("engine", verification.engine),
        ("FP32", verification.reference),
        ("pairs", f"{figures['compared']} compared ({figures['ng']} NG under FP32), {figures['agree']} agree"),
        ("verdicts", f"{figures['other_verdict']} differ"),
        ("components", f"{figures['components']} compared; limits: {verification.limits}"),
        ("score maps", f"differ by {figures['score_gap_mean']:.4f} on average, {figures['score_gap_max']:.3f} at most"),
        ("pixels", f"{figures['pixels_changed']} change sides at {verification.threshold:g}"),
        ("inference", f"{took['engine']:.1f} ms a pair (median), FP32 here {took['reference']:.1f} ms"),
    ]
    lines = [f"{subject:<11} {text}" for subject, text in rows]
    off = sorted(
        ((name, agreement) for name, agreement in verification.compared if agreement.differences),
        key=lambda row: row[1].severity,
        reverse=True,
    )
    lines += [f"differs     {name}: {'; '.join(agreement.differences)}" for name, agreement in off[:SHOWN]]
    if len(off) > SHOWN:
        lines.append(f"            … and {len(off) - SHOWN} more; --json has all")
    unusable = [pair for pair in verification.pairs if pair.agreement is None]
    lines += [f"not compared {pair.name}: {pair.trouble}" for pair in unusable[:SHOWN]]
    lines.append("the engine agrees with FP32" if verification.agrees else _verdict(verification))
    return "\n".join(lines)


def _verdict(verification: Verification) -> str:
    return "the engine does NOT agree with FP32" if verification.compared else "no pair could be compared"


def _verified(
    reference: Inspector, tested: Inspector, pair: AnnotatedPair, threshold: float, limits: AgreementLimits
) -> VerifiedPair:
    try:
        registered = Registrar().register(read_image(pair.test), recipe_of(pair, threshold))
    except MatecheckError as error:
        return VerifiedPair(pair.name, None, str(error))
    if isinstance(registered, Inspection):
        return VerifiedPair(pair.name, None, registered.reasons[0].text)
    inspections = [_inspected(inspector, registered) for inspector in (reference, tested)]
    if inspections[0].verdict is Verdict.ERROR:
        return VerifiedPair(pair.name, None, inspections[0].reasons[0].text)
    took = tuple(inspection.timing_ms.get("inference", 0.0) for inspection in inspections)
    agreement = compare(inspections[0], inspections[1], threshold, limits)
    return VerifiedPair(pair.name, agreement, "", (took[0], took[1]))


def _inspected(inspector: Inspector, registered: Registered) -> Inspection:
    seen = inspector.look(registered)
    return seen if isinstance(seen, Inspection) else conclude(seen)


def _named(engine: Engine) -> str:
    info = engine.info
    return f"{info.network} {info.version}, {info.precision}, on {engine.runtime}, digest {info.digest[:12]}"
