"""The curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure


def draw_curves(history: list[dict[str, float]], file: Path) -> None:
    """Training and validation loss, and pixel F1 on validation, over the iterations, as a PNG."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot([row["iteration"] for row in history], [row["loss"] for row in history], lw=0.8, label="training")
    validated = [row for row in history if "validation_loss" in row]
    steps = [row["iteration"] for row in validated]
    losses.plot(steps, [row["validation_loss"] for row in validated], "o-", ms=3, label="validation (averaged weights)")
    losses.set(xlabel="iteration", ylabel="loss", yscale="log", title="Loss")
    losses.legend()
    for key, label in (("f1_at_0.1", "score ≥ 0.1"), ("f1_at_0.5", "score ≥ 0.5")):
        scores.plot(steps, [row[key] for row in validated], "o-", ms=3, label=label)
    scores.set(xlabel="iteration", ylabel="F1 of pixels", title="Synthetic validation pairs")
    scores.legend()
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
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
