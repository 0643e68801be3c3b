"""Engine artifacts with a plan, as `build-engine compile` leaves them, of a tiny model."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_agent.engines.manifest import MODEL, PLAN, Manifest
from tests.support.models import METADATA, write_difference_model

HEIGHT, WIDTH = 24, 32


def write_compiled(
    folder: Path, plan: bytes | None = None, *, height: int = HEIGHT, width: int = WIDTH, **changes: Any
) -> Path:
    """An artifact of the model that subtracts; `changes` replace what the manifest says."""
    folder.mkdir(parents=True)
    model = write_difference_model(folder / MODEL, height=height, width=width)
    manifest = Manifest(
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        precision="fp32",
        network=METADATA["network"],
        version=METADATA["version"],
        tile=(height, width),
        batch=(1, 4, 8),
        made_at="2026-01-01T00:00:00Z",
    )
    if plan is not None:
        (folder / PLAN).write_bytes(plan)
        manifest = replace(
            manifest,
            plan_sha256=hashlib.sha256(plan).hexdigest(),
            tensorrt="10.3.0",
            cuda="12.6",
            driver="540.4.0",
            device="Orin (fake)",
            compute_capability="8.7",
        )
    replace(manifest, **changes).write(folder)
    return folder
