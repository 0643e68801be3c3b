"""What the shipped network costs: arithmetic, size, speed beside the first one; what a synthetic pair costs.

python -m benchmarks.cost [--rounds N]

The first network comes out of the repository's history, so this needs git and a clone that is not shallow. Both look
at the same tile in turn, so that both see the same machine; what counts is the ratio of each round. The published
topology stands beside them, untrained. Training pairs are made as training makes them, of photographs read before.
"""

from __future__ import annotations

import argparse
import subprocess  # nosec B404 # git, with arguments of our own
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.networks.similarity_contrast import PairNetwork, Paper, count_gmac, count_parameters
from build_engine.onnx_import import read_network
from build_engine.synthesis.pairs import RECIPES, synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.data import TRAINING
from edge_agent.engines import load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.engine import Engine
from edge_agent.errors import UsageError

NAME = "cost"
CLAIM = "at most 5 GMAC at 640 x 640; as fast as the first network shipped"
FIRST = "afa7843"  # Ship the trained network
THREADS, WARM_UP, ROUNDS = 2, 3, 60
SYNTHETIC, SEED = 300, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()

    files = {"shipped": shipped_model(), f"first ({FIRST})": _first(shipped_model())}
    networks = {name: read_network(file)[0] for name, file in files.items()}
    engines = [load_engine(file, threads=THREADS) for file in files.values()]
    times = np.array([[_seconds(engine) for engine in engines] for _ in range(WARM_UP + arguments.rounds)])[WARM_UP:]
    lines = [f"{'':<18}  GMAC at 640 x 640  parameters, M  file, MB  ms a tile, median"]
    for (name, network), file, seconds in zip(networks.items(), files.values(), times.T, strict=True):
        measured = f"{file.stat().st_size / 1e6:>10.2f}{1000 * np.median(seconds):>19.1f}"
        lines.append(_arithmetic(name, network) + measured)
    lines += [_arithmetic("paper", Paper()), "", *_ratio(times[:, 0] / times[:, 1])]
    if len({(type(network), network.width, network.norm) for network in networks.values()}) == 1:
        lines.append("the same topology: what differs from 1 is the machine")
    height, width = engines[0].info.height, engines[0].info.width
    lines += [
        f"a tile of {height} x {width}, {THREADS} threads, ONNX Runtime, {len(times)} rounds in turn",
        "paper: the published topology at its full width, which was not trained here",
        "",
        *_making_pairs(),
    ]
    record(
        NAME,
        claim=CLAIM,
        data="random pictures; for synthetic pairs the photographs to train on",
        model=engines[0].info,
        result="\n".join(lines),
        keep=arguments.rounds == ROUNDS,
    )


def _first(shipped: Path) -> Path:
    """The first network that was shipped, out of the history."""
    name = f"{FIRST}:{shipped.relative_to(REPOSITORY).as_posix()}"
    shown = subprocess.run(["git", "show", name], cwd=REPOSITORY, capture_output=True, check=False)  # nosec
    if shown.returncode:
        mend = "run it in a clone with its whole history: git fetch --unshallow"
        raise UsageError("git has not got it", where=name, mend=mend)
    file = pictures_folder(NAME) / "first.onnx"
    file.write_bytes(shown.stdout)
    return file


def _arithmetic(name: str, network: PairNetwork) -> str:
    return f"{name:<18}{count_gmac(network, 640, 640):>19.2f}{count_parameters(network) / 1e6:>15.2f}"


def _ratio(ratios: NDArray[np.float64]) -> list[str]:
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return [
        f"time of the shipped one over that of the first: {middle:.3f} (half of the rounds: {low:.3f} to {high:.3f})"
    ]


def _making_pairs() -> list[str]:
    """Time of a synthetic pair as training makes it, on one core, and what its photographs take in memory."""
    cv2.setNumThreads(0)
    photographs = Photographs(data_folder("backgrounds"), TRAINING)
    bytes_each = np.mean([photographs.load(number).nbytes for number in range(len(photographs.files))])
    start = time.process_time()  # of the processor: other work on the machine does not count
    for index in range(SYNTHETIC):
        synthesise(photographs, RECIPES["default"], SEED, index)
    seconds = (time.process_time() - start) / SYNTHETIC
    size = RECIPES["default"].size
    return [
        f"a synthetic pair of {size} x {size} takes {1000 * seconds:.1f} ms of one core (mean of {SYNTHETIC})",
        f"a photograph that training keeps takes {bytes_each / 1e6:.2f} MB (mean of {len(photographs.files)})",
    ]


def _seconds(engine: Engine) -> float:
    shape = (1, engine.info.height, engine.info.width, 3)
    test, template = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    start = time.perf_counter()
    engine.infer(test, template)
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main)
