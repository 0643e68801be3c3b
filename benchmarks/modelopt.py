"""Is NVIDIA's ModelOpt the better quantiser for this network? The same tiles for both, judged on tiles of other pairs.

It needs an environment in which `pip install "nvidia-modelopt[onnx]"` and our extras `build` and `nvidia` are. What is
compared are scores: how far each INT8 model stands off float32, and how many pixels change sides at the threshold.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

from benchmarks.record import data_folder, record, run
from build_engine.datasets import read_deeppcb
from build_engine.evaluation.evaluation import choose
from build_engine.precision import Budget, TileSet, tiles_of_pairs, to_int8
from build_engine.precision.graph import convolutions, prepared
from build_engine.precision.nvidia_compiler import compiled_layers
from build_engine.precision.search import Judge
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.engine import Tiles
from edge_agent.errors import MatecheckError, UsageError

CALIBRATION, JUDGED, SEED = 64, 48, 2026
METHODS = ("max", "entropy")
CLAIM = "which quantiser stands nearer to float32 with the same arithmetic in int8; the product uses the nearer one"


class Reader:
    """Tiles one by one, as ModelOpt's calibrators ask for them."""

    def __init__(self, tiles: TileSet) -> None:
        self._tiles = tiles
        self.rewind()

    def rewind(self) -> None:
        """From the first tile again."""
        one = slice(0, 1)
        batches = ((a[k:][one], b[k:][one]) for a, b in self._tiles for k in range(len(a)))
        self._feeds = ({"test": test, "template": template} for test, template in batches)

    def get_next(self) -> dict[str, Tiles] | None:
        """The next tile; None after the last."""
        return next(self._feeds, None)

    def get_first(self) -> dict[str, Tiles]:
        """The first tile, which is not used up by that."""
        test, template = next(iter(self._tiles))
        return {"test": test[:1], "template": template[:1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    try:
        from modelopt.onnx.quantization import quantize  # noqa: PLC0415 - of another environment than ours
    except ImportError as error:
        raise UsageError(f"ModelOpt is not installed ({error})", mend='pip install "nvidia-modelopt[onnx]"') from error
    logging.getLogger("modelopt").setLevel(logging.ERROR)
    graph, info = prepared(shipped_model())
    size = info.height, info.width
    everything = choose(read_deeppcb(data_folder("deeppcb")), CALIBRATION + JUDGED, SEED)
    tiles = tiles_of_pairs(everything[:CALIBRATION], size, limit=CALIBRATION)
    others = tiles_of_pairs(everything[CALIBRATION:], size, limit=JUDGED)
    judge = Judge(graph, list(others), info.threshold, threads)
    macs = {layer.name: layer.macs for layer in convolutions(graph)}
    lines = [f"{'':<34}{'mean':>10}{'rms':>10}{'pixels':>9}{'in int8':>9}{'seconds':>9}"]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, source)

        def modelopt(method: str) -> None:
            quantize(
                str(source),
                calibration_data_reader=Reader(tiles),
                calibration_method=method,
                calibration_eps=["cpu"],
                op_types_to_quantize=["Conv"],
                high_precision_dtype="fp32",
                output_path=str(output),
                log_level="ERROR",
            )

        def ours(budget: Budget | None) -> None:
            to_int8(shipped_model(), tiles, output, budget=budget, threads=threads)

        rows: list[tuple[str, Callable[[], None]]] = [
            *((f"ModelOpt, {method}", lambda method=method: modelopt(method)) for method in METHODS),  # type: ignore[misc]
            ("ours, every convolution in int8", lambda: ours(Budget(0))),
            ("ours, within the budget (default)", lambda: ours(None)),
        ]
        for name, make in rows:
            lines.append(_row(name, make, output, judge, macs))
            print(lines[-1], flush=True)
    data = f"DeepPCB trainval.txt: tiles of {tiles.pairs} pairs to calibrate, of {others.pairs} others to judge"
    data += f"; ModelOpt {version('nvidia-modelopt')}"
    record("modelopt", claim=CLAIM, data=data, model=info, result="\n".join(lines), keep=True)


def _row(name: str, make: Callable[[], None], output: Path, judge: Judge, macs: dict[str, int]) -> str:
    began = time.monotonic()
    try:
        make()
    except (MatecheckError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        return f"{name:<34}cannot: {str(error)[:200]}"
    took = time.monotonic() - began
    model = onnx.load(output)
    off = judge.difference(model)
    return f"{name:<34}{off.mean:>10.5f}{off.rms:>10.5f}{off.changed:>9}{_share(model, macs):>9.1%}{took:>9.0f}"


def _share(model: onnx.ModelProto, macs: dict[str, int]) -> float:
    """Of the arithmetic that NVIDIA's compiler runs in int8, by the nodes that it names."""
    in_int8 = {node for layer in compiled_layers(model) if layer.precision == "int8" for node in layer.nodes}
    return float(np.sum([count for name, count in macs.items() if name in in_int8])) / sum(macs.values())


if __name__ == "__main__":
    run(main)
