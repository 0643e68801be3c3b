"""Engine artifacts for tests: a small model with its manifest."""

from __future__ import annotations

from pathlib import Path

from edge_agent.engines.manifest import MODEL, Manifest, sha256_of
from tests.support.models import write_difference_model


def write_artifact(folder: Path, *, gain: float = 5.0, precision: str = "fp32") -> Manifest:
    """Fill a folder with model.onnx and manifest.json; another gain is another engine."""
    write_difference_model(folder / MODEL, height=256, width=320, gain=gain, metadata={"precision": precision})
    manifest = Manifest(
        model_sha256=sha256_of(folder / MODEL),
        precision=precision,
        network="difference",
        version="1",
        tile=(256, 320),
        batch=(1, 4, 8),
        made_at="2026-01-01T00:00:00Z",
    )
    manifest.write(folder)
    return manifest
