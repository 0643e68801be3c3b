"""The curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# figures of a validation, and what they are called in the picture
PIXELS = {"f1_at_0.1": "score ≥ 0.1", "f1_at_0.5": "score ≥ 0.5"}
BOXES = {"average_precision": "average precision", "f1": "F1", "precision": "precision", "recall": "recall"}


def draw_curves(history: list[dict[str, float]], file: Path) -> None:
    """Losses and figures of the validation over the iterations, as a PNG."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot([row["iteration"] for row in history], [row["loss"] for row in history], lw=0.8, label="training")
    losses.set(xlabel="iteration", ylabel="loss", yscale="log", title="Loss")
    _draw(losses, history, {"validation_loss": "validation (averaged weights)"})
    if any("average_precision" in row for row in history):
        scores.set(xlabel="iteration", title="Boxes of the validation pairs (averaged weights)")
        _draw(scores, history, BOXES)
        scores.set_ylim(top=1.01)
    else:
        scores.set(xlabel="iteration", ylabel="F1 of pixels", title="Synthetic validation pairs")
        _draw(scores, history, PIXELS)
    figure.savefig(file, dpi=120)


def draw_losses(history: list[dict[str, float]], file: Path) -> None:
    """The loss over the iterations, each stage of a training in its own panel, as a PNG."""
    stages = [[row for row in history if key in row] for key in ("loss", "critic_loss")]
    stages = [rows for rows in stages if rows]
    figure = Figure(figsize=(5 * max(1, len(stages)), 4), layout="constrained")
    for number, rows in enumerate(stages, 1):
        axes = figure.add_subplot(1, len(stages), number)
        key = "loss" if "loss" in rows[0] else "critic_loss"
        axes.plot([row["iteration"] for row in rows], [row[key] for row in rows], lw=1)
        axes.set(xlabel="iteration", ylabel=key.replace("_", " "))
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


def _draw(axes: Axes, history: list[dict[str, float]], keys: dict[str, str]) -> None:
    for key, label in keys.items():
        rows = [row for row in history if key in row]
        if rows:
            axes.plot([row["iteration"] for row in rows], [row[key] for row in rows], "o-", ms=3, label=label)
    axes.legend()
    axes.grid(alpha=0.3)
