"""Precision over recall as a picture."""

from __future__ import annotations

from pathlib import Path

from build_engine.evaluation.detection import Scores
from edge_agent.errors import StorageError


def draw_curve(official: Scores, oracle: Scores, title: str, path: Path) -> None:
    """Write precision over recall of both protocols as a PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import, needed for this alone

    figure = Figure(figsize=(7, 5.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    for scores, label, colour, style in (
        (official, "official", "#1f5fa8", "-"),
        (oracle, "paper's oracle (ranks by the answer)", "#999999", "--"),
    ):
        if scores.curve:
            _, precision, recall = zip(*scores.curve, strict=True)
            text = f"{label}: AP {scores.average_precision:.3f}"
            axes.plot((0.0, *recall), (precision[0], *precision), style, color=colour, label=text)
    if official.curve:
        axes.plot(official.recall, official.precision, "o", color="#c03020", label=f"threshold: F1 {official.f1:.3f}")
        best = max(official.curve, key=lambda point: point[1] * point[2] / ((point[1] + point[2]) or 1.0))
        text = f"best F1 {official.best_f1:.3f} at confidence {official.best_confidence:.2f}"
        axes.plot(best[2], best[1], "D", color="#e0a000", label=text)
        axes.legend(loc="lower left")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01), title=title)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path)
    except OSError as error:
        raise StorageError(f"cannot write the curve ({error.strerror})", where=str(path)) from error
