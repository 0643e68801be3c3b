"""What a plan is built with, and the key under which it is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from edge_agent.engines.manifest import Manifest
from edge_agent.engines.plan import DeviceInfo


@dataclass(frozen=True)
class BuildOptions:
    """Options of the builder. Precision is none of them: it stands in the model's graph.

    Attributes:
        batch: fewest, usual and most tiles of one inference. The plan is tuned for the usual number.
        workspace_mb: memory that a single layer may use at most.
        level: 0 to 5, how long TensorRT tries; 3 is its own default, 5 tries everything.
        dla_core: run what it can on this DLA core, the rest on the GPU; None for all on the GPU. A DLA knows no
            varying batch: all three numbers become the usual one.
    """

    batch: tuple[int, int, int] = (1, 4, 8)
    workspace_mb: int = 1024
    level: int = 3
    dla_core: int | None = None

    @property
    def profile(self) -> tuple[int, int, int]:
        """Fewest, usual and most tiles that the plan is really built for."""
        usual = self.batch[1]
        return self.batch if self.dla_core is None else (usual, usual, usual)

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        return {"workspace_mb": self.workspace_mb, "level": self.level, "dla_core": self.dla_core}


def key(manifest: Manifest) -> str:
    """sha256 over everything that a plan depends on, hexadecimal: model, precision, TensorRT, device, options."""
    parts = [
        manifest.model_sha256,
        manifest.precision,
        manifest.tensorrt,
        manifest.device,
        manifest.compute_capability,
        list(manifest.batch),
        dict(manifest.builder),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def name(manifest: Manifest) -> str:
    """What the engine is called in a store."""
    return f"{manifest.network}-{manifest.version}-{manifest.precision}-{key(manifest)[:8]}"


def changes(manifest: Manifest, device: DeviceInfo, tensorrt: str) -> list[str]:
    """Why a plan cannot be used here and now, a text each; empty if it can."""
    rows = (
        ("TensorRT", manifest.tensorrt, tensorrt),
        ("device", manifest.device, device.name),
        ("compute capability", manifest.compute_capability, device.compute_capability),
    )
    return [f"{what} was {before}, is now {now}" for what, before, now in rows if before != now]
