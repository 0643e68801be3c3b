"""Checkpoints of a run: one file, written aside and renamed, so that a power cut leaves the old one."""

from __future__ import annotations

import os
import pickle  # nosec B403 # for the name of an error; files are read with weights_only
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from build_engine.networks.similarity_contrast import PairNetwork, build_network
from build_engine.training.settings import KINDS, TrainingSettings
from edge_agent.errors import ModelError

FILE = "checkpoint.pt"
PROGRESS = frozenset({"iteration", "loss", "seconds"})  # what each row of the history has


@dataclass
class Checkpoint:
    """State of a run after `iteration` steps.

    Attributes:
        settings: of the run.
        weights: of the network as trained.
        averaged: moving average of the weights: what is evaluated and exported.
        optimiser: state of AdamW.
        history: one row a report: iteration, loss, seconds, and validation figures where measured.
        best: averaged weights of the best validation, where the settings select; else empty.
    """

    settings: TrainingSettings
    iteration: int
    weights: dict[str, Any]
    averaged: dict[str, Any]
    optimiser: dict[str, Any]
    history: list[dict[str, float]]
    best: dict[str, Any] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write aside, then rename."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        kind = next(name for name, settings in KINDS.items() if settings is type(self.settings))
        write_whole({**content, "settings": asdict(self.settings), "kind": kind}, file)

    @classmethod
    def load(cls, file: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            ModelError: missing, broken, or of another program.
        """
        if file.exists() and not zipfile.is_zipfile(file):  # PyTorch would take it for its old format
            raise ModelError("not a checkpoint of ours", where=str(file), mend="train anew")
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
            kind = KINDS[content.pop("kind", "train")]
            return cls(**{**content, "settings": kind(**content["settings"])})
        except FileNotFoundError:
            raise ModelError("no such checkpoint", where=str(file), mend="name the folder of a training run") from None
        except (RuntimeError, KeyError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"not a checkpoint of ours ({reason})", where=str(file), mend="train anew") from None

    def figures(self) -> dict[str, float]:
        """Those of the validation that judged what `network` gives; empty where there was none."""
        key = self.settings.select
        rows = [row for row in self.history if row.keys() - PROGRESS]
        best = max((row for row in rows if key in row), key=lambda row: row[key]) if self.best else rows[-1]
        return {name: value for name, value in best.items() if name not in PROGRESS}

    def network(self) -> PairNetwork:
        """The network with the best weights, or else the last averaged ones, ready to judge."""
        network = build_network(self.settings.network, self.settings.width, self.settings.norm)
        network.load_state_dict(self.best or self.averaged)
        return network.eval()


def write_whole(content: dict[str, Any], file: Path) -> None:
    """Write aside, onto the disk, then rename: whatever happens meanwhile, the old file or the new one is there."""
    aside = file.with_suffix(".tmp")
    with aside.open("wb") as stream:
        torch.save(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def update_average(averaged: nn.Module, network: nn.Module, iteration: int, decay: float) -> None:
    """Move the average towards the network; young averages move faster, running statistics with them."""
    momentum = 1 - min(decay, (iteration + 1) / (iteration + 10))
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, momentum)
            else:
                mean.copy_(value)
