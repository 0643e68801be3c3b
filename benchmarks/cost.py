"""What the shipped network costs: arithmetic, size, and its speed beside the first one that was shipped.

python -m benchmarks.cost [--rounds N]

The first network comes out of the repository's history, so this needs git and a clone that is not shallow. Both look
at the same tile in turn, so that both see the same machine; what counts is the ratio of each round.
"""

from __future__ import annotations

import argparse
import subprocess  # nosec B404 # git, with arguments of our own
import time
from pathlib import Path

import numpy as np

from benchmarks.record import REPOSITORY, pictures_folder, record, run
from build_engine.networks.similarity_contrast import count_gmac, count_parameters
from build_engine.onnx_import import read_network
from edge_agent.engines import load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.engine import Engine
from edge_agent.errors import UsageError

NAME = "cost"
CLAIM = "at most 5 GMAC at 640 x 640; at least as fast as the first network shipped"
FIRST = "afa7843"  # Ship the trained network
THREADS, WARM_UP, ROUNDS = 2, 3, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()

    files = {"shipped": shipped_model(), f"first ({FIRST})": _first(shipped_model())}
    engines = [load_engine(file, threads=THREADS) for file in files.values()]
    times = np.array([[_seconds(engine) for engine in engines] for _ in range(WARM_UP + arguments.rounds)])[WARM_UP:]
    lines = [f"{'':<18}  GMAC at 640 x 640  parameters, M  file, MB  ms a tile, median"]
    for (name, file), seconds in zip(files.items(), times.T, strict=True):
        network, _ = read_network(file)
        lines.append(
            f"{name:<18}{count_gmac(network, 640, 640):>19.2f}{count_parameters(network) / 1e6:>15.2f}"
            f"{file.stat().st_size / 1e6:>10.2f}{1000 * np.median(seconds):>19.1f}"
        )
    low, ratio, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    height, width = engines[0].info.height, engines[0].info.width
    lines += [
        "",
        f"time of the shipped one over that of the first: {ratio:.3f} (half of the rounds: {low:.3f} to {high:.3f})",
        f"a tile of {height} x {width}, {THREADS} threads, ONNX Runtime, {len(times)} rounds in turn",
    ]
    record(
        NAME,
        claim=CLAIM,
        data="random pictures",
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


def _seconds(engine: Engine) -> float:
    shape = (1, engine.info.height, engine.info.width, 3)
    test, template = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    start = time.perf_counter()
    engine.infer(test, template)
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main)
