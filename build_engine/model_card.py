"""The card beside a model: how it was made and what it costs, measured or read from the run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from build_engine.networks.similarity_contrast import count_gmac, count_parameters
from build_engine.training.checkpoint import Checkpoint

RESULTS = "## Results"


def write_card(checkpoint: Checkpoint, model: Path, data: str, results: str = "") -> Path:
    """Write `<model>.md`.

    A section "Results" that stands there is kept where no other is given: people fill it from benchmarks.

    Args:
        data: what it was trained on, in words.
        results: Markdown, what is known of the model.
    """
    file = model.with_suffix(".md")
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if results:
        results = f"{RESULTS}\n{results}\n"
    else:
        results = old[old.index(RESULTS) :] if RESULTS in old else f"{RESULTS}\nNot measured yet.\n"
    network, settings = checkpoint.network(), checkpoint.settings
    seconds = sum(row["seconds"] for row in checkpoint.history)
    figures = ", ".join(f"{key} {value:.4f}" for key, value in checkpoint.figures().items())
    rows = {
        "file": f"{model.name}, {model.stat().st_size / 1e6:.2f} MB, sha256 {_digest(model)}",
        "network": f"{settings.network}, width {settings.width}, norm {settings.norm or 'default'}",
        "parameters": f"{count_parameters(network):,}",
        "arithmetic": f"{count_gmac(network, 640, 640):.2f} GMAC for a pair of 640 × 640 px, "
        f"{count_gmac(network, 480, 640):.2f} for a tile of 480 × 640",
        "command": f"`{settings.command()}`",
        **({"started from": f"weights {settings.start}"} if settings.start else {}),
        "seed": str(settings.seed),
        "data": data,
        "duration": f"{seconds / 60:.0f} minutes, {checkpoint.iteration:,} iterations; PyTorch {torch.__version__}",
        "on the validation pairs": figures,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    file.write_text(f"# {model.name}\n| | |\n| --- | --- |\n{table}\n\n{results}", encoding="utf-8")
    return file


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
