"""Checkpoints of the networks that judge one picture: one file, written aside and renamed."""

from __future__ import annotations

import pickle  # nosec B403 # for the name of an error; files are read with weights_only
import zipfile
from pathlib import Path
from typing import Any

import torch

from build_engine.networks.single import SingleNetwork
from build_engine.training.checkpoint import write_whole
from edge_agent.errors import ModelError

FILE = "single.pt"


def save(state: dict[str, Any], folder: Path) -> None:
    """Write aside, then rename, so that a power cut leaves the old one."""
    write_whole(state, folder / FILE)


def load(folder: Path) -> dict[str, Any]:
    """The state of a run. Raises ModelError: missing, broken, or of another program."""
    file = folder / FILE
    if not file.is_file():
        raise ModelError("no such checkpoint", where=str(file), mend="name the folder of a training run")
    try:
        if not zipfile.is_zipfile(file):  # PyTorch would take it for its old format
            raise ModelError("not a checkpoint of ours", where=str(file), mend="train anew")
        state = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or "network" not in state:
            raise ModelError("not a checkpoint of ours", where=str(file), mend="train anew")
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"not a checkpoint of ours ({reason})", where=str(file), mend="train anew") from None
    return state


def load_network(folder: Path) -> SingleNetwork:
    """The network of a run that has ended, ready to judge.

    Raises:
        ModelError: as `load`, or the run has not come to its end.
    """
    from build_engine.training import fusion, gan_detector  # noqa: PLC0415 - who saves needs neither

    state = load(folder)
    restore = {"feature-fusion": fusion.restore_network, "cnn-gan": gan_detector.restore_network}.get(state["network"])
    if restore is None:
        raise ModelError(f"holds a network {state['network']!r}, which is not known", where=str(folder / FILE))
    if not state["finished"]:
        mend = "let it end with build-engine train --resume"
        raise ModelError("the training has not come to its end", where=str(folder / FILE), mend=mend)
    try:
        return restore(state)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"not a checkpoint of ours ({error})", where=str(folder / FILE), mend="train anew") from None
