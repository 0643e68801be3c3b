"""Real processes of ours that are killed (SIGKILL) at some moment, and what must be whole after that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibration.pair_set import PairSet
from calibration.place import Place
from edge_agent.engines import load_engine
from edge_agent.engines.manifest import Manifest
from edge_agent.images import read_image

PROGRAM = (sys.executable, "-m", "calibration.cli.main")


def killed_after(
    arguments: Sequence[str | Path],
    seconds: float,
    *,
    from_first_words: bool = True,
    program: Sequence[str] = PROGRAM,
) -> bool:
    """Start `calibrate`, or another program, and kill it after a while.

    Args:
        arguments: of the program.
        seconds: from its first words on, when it has begun to work, or else from its start on.

    Returns:
        True if it was killed, False if it had ended before, which must have gone well.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*program, *map(str, arguments)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said = process.stdout.readline() if from_first_words else ""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    if process.returncode == -signal.SIGKILL:
        return True
    assert process.returncode in {0, 1}, said  # 1: a pair set or an engine that is not good enough
    return False


def what_is_broken(place: Place, allowed: Sequence[str]) -> str:
    """What a kill has broken, for people; "" if nothing. What is torn raises MatecheckError.

    Args:
        allowed: names of the engines of which one must be current.
    """
    current = place.store.current()
    if current is None or current.name not in allowed:
        return f"the current engine is {current}"
    for name in place.store.names():
        Manifest.read(place.store.folder / name).check_files(place.store.folder / name)
    engine = load_engine(current, "onnxruntime", 1)
    tile = np.zeros((1, engine.info.height, engine.info.width, 3), np.uint8)
    scores = engine.infer(tile, tile)
    engine.close()
    if scores.shape != tile.shape[:3]:
        return f"the current engine answers {scores.shape}"
    pairs = PairSet(place.pairs)
    for entry in pairs.entries:
        read_image(pairs.picture(entry))
    return ""
