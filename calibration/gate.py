"""The gate: an engine is activated only if it says the same as FP32 on pairs that its calibration never saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from build_engine.evaluation.agreement import Agreement, AgreementLimits, compare
from calibration.breadth import EACH_CHECKED
from calibration.coverage import LayerCoverage
from calibration.pair_set import Entry
from calibration.registered_pairs import RegisteredPairs
from calibration.worst_pairs import ShownPair, worst
from edge_agent.engines import Engine
from edge_agent.engines.manifest import GateRecord
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.inspector import Inspector, conclude
from edge_agent.inspection.registration import Registered

LEAST_CHECKED, LEAST_OK, LEAST_NG = 12, 5, 2  # pairs without which agreement proves nothing
LEAST_CALIBRATED = 48  # pairs; with fewer, a light or part of tomorrow lies outside the ranges
UNUSABLE_SHARE = 0.1  # of the pictures; more, and they are of something else
LAYERS_SHARE = 0.25  # of the INT8 layers whose range does not fit; the same line has up to 0.15, other pictures 0.6
REASONS = 5  # pictures named in one line


@dataclass(frozen=True)
class GateResult:
    """What the gate says.

    Attributes:
        reasons: why the engine must not be activated, a line each; empty if it may.
        agreements: of each pair of the check.
        layers: ranges against need; empty for an engine without ranges.
        shown: the worst pairs.
        recipes: keys of those that were compared.
        uncompared: names of those whose parts have not run yet.
    """

    reasons: tuple[str, ...]
    agreements: tuple[tuple[Entry, Agreement], ...]
    layers: tuple[LayerCoverage, ...]
    shown: tuple[ShownPair, ...]
    recipes: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the engine may be activated."""
        return not self.reasons

    @property
    def text(self) -> str:
        """One line."""
        count = len(self.agreements)
        same = sum(not agreement.differences for _, agreement in self.agreements)
        if self.reasons:
            return "; ".join(self.reasons)
        beside = f"; not compared on: {', '.join(self.uncompared)}" if self.uncompared else ""
        return f"agrees with FP32 on {same} of {count} pairs{beside}"

    def record(self) -> GateRecord:
        """What the manifest keeps."""
        agreements = [agreement for _, agreement in self.agreements]
        return GateRecord(
            self.passed,
            self.text,
            {
                "pairs": len(agreements),
                "agree": sum(not agreement.differences for agreement in agreements),
                "ng": sum(agreement.verdicts[0] == Verdict.NG.value for agreement in agreements),
                "components": sum(agreement.components for agreement in agreements),
                "score_gap_mean": float(np.mean([agreement.gap_mean for agreement in agreements] or [0.0])),
                "score_gap_max": max((agreement.gap_max for agreement in agreements), default=0.0),
                "recipes": list(self.recipes),
                "layers_off": [layer.layer for layer in self.layers if layer.trouble],
            },
        )


def check(
    reference: Engine,
    tested: Engine,
    registered: RegisteredPairs,
    *,
    layers: Sequence[LayerCoverage] = (),
    calibrated_pairs: int | None = None,
    limits: AgreementLimits | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> GateResult:
    """Compare an engine with FP32 on the pairs of the check.

    Args:
        reference: FP32.
        tested: the engine that is to be activated.
        registered: pairs kept out of the calibration.
        layers: `cover` of the ranges on these pairs.
        calibrated_pairs: how many gave the ranges; None for an engine without.
        limits: how far components may stand off; None takes the defaults.
        done: is called with the number of pairs compared so far.
    """
    limits = limits or AgreementLimits()
    looks = Inspector(reference), Inspector(tested)
    agreements: list[tuple[Entry, Agreement]] = []
    shown: list[ShownPair] = []
    for entry, pair in registered:
        first, second = (_inspect(look, pair) for look in looks)
        threshold = pair.recipe.limits.threshold or reference.info.threshold
        agreement = compare(first, second, threshold, limits)
        agreements.append((entry, agreement))
        shown = worst([*shown, ShownPair(entry, agreement, ())], pair, (first, second))
        done(len(agreements))
    reasons = [
        *_too_little(agreements, registered, calibrated_pairs),
        *_ranges_off(layers),
        *_disagreements(agreements),
    ]
    compared = Counter(entry.recipe for entry, _ in agreements)
    names = registered.recipes.items()
    return GateResult(
        tuple(reasons),
        tuple(agreements),
        tuple(layers),
        tuple(shown),
        tuple(sorted(compared)),
        tuple(sorted(recipe.name for key, recipe in names if key not in compared)),
    )


def _inspect(inspector: Inspector, pair: Registered) -> Inspection:
    seen = inspector.look(pair)
    return seen if isinstance(seen, Inspection) else conclude(seen)


def _too_little(
    agreements: Sequence[tuple[Entry, Agreement]], registered: RegisteredPairs, calibrated: int | None
) -> list[str]:
    reasons = []
    if calibrated is not None and calibrated < LEAST_CALIBRATED:
        reasons.append(f"calibrated on {calibrated} pairs, at least {LEAST_CALIBRATED} are needed")
    verdicts = [agreement.verdicts[0] for _, agreement in agreements]
    ok, ng = verdicts.count(Verdict.OK.value), verdicts.count(Verdict.NG.value)
    if len(verdicts) < LEAST_CHECKED or ok < LEAST_OK or ng < LEAST_NG:
        need = f"{LEAST_CHECKED} are needed, {LEAST_OK} of them OK and {LEAST_NG} NG"
        reasons.append(f"only {len(verdicts)} pairs to check with ({ok} OK, {ng} NG under FP32), {need}")
    if len(registered.recipes) > 1:
        compared = Counter(entry.recipe for entry, _ in agreements)
        reasons += [
            f"only {compared[key]} pairs of recipe {registered.recipes[key].name} to check with, {EACH_CHECKED} needed"
            for key in sorted({entry.recipe for entry in registered.entries})
            if compared[key] < EACH_CHECKED
        ]
    unusable, total = len(registered.unusable), len(registered.entries)
    if unusable > UNUSABLE_SHARE * total:
        why = next(iter(registered.unusable.values()))
        reasons.append(f"{unusable} of {total} pictures do not show the part of the recipe ({why})")
    return reasons


def _misfit(layer: LayerCoverage) -> float:
    """How many times too narrow or too wide; a range of nothing at all is the worst."""
    needed, limit = max(layer.needed, 1e-9), max(layer.range, 1e-9)
    return max(needed / limit, limit / needed)


def _ranges_off(layers: Sequence[LayerCoverage]) -> list[str]:
    off = [layer for layer in layers if layer.trouble]
    if len(off) <= LAYERS_SHARE * len(layers):
        return []
    worst = max(off, key=_misfit)
    what = f"the ranges of {len(off)} of {len(layers)} INT8 layers do not fit what the parts of this line cause"
    return [f"{what}: it was calibrated on too few or other pictures ({worst.layer} is {worst.trouble})"]


def _disagreements(agreements: Sequence[tuple[Entry, Agreement]]) -> list[str]:
    off = sorted(
        ((entry, agreement) for entry, agreement in agreements if agreement.differences),
        key=lambda row: row[1].severity,
        reverse=True,
    )
    if not off:
        return []
    flipped = sum(agreement.verdicts[0] != agreement.verdicts[1] for _, agreement in off)
    named = ", ".join(f"{entry.id[:8]} ({agreement.differences[0]})" for entry, agreement in off[:REASONS])
    more = f" and {len(off) - REASONS} more" if len(off) > REASONS else ""
    verdicts = f"{flipped} with another verdict" if flipped else "all with the same verdict"
    return [f"differs from FP32 on {len(off)} of {len(agreements)} pairs, {verdicts}: {named}{more}"]
