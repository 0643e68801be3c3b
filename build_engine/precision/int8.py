"""INT8: from a float32 model and calibration tiles to a model with explicit Q/DQ."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from build_engine.precision.graph import Convolution, convolutions, finish, prepared
from build_engine.precision.half import halved
from build_engine.precision.quantiser import quantised
from build_engine.precision.ranges import METHODS, Range, ranges
from build_engine.precision.report import Layer, PrecisionReport
from build_engine.precision.search import Budget, Judge, left_out, sensitivities
from build_engine.precision.tiles import CalibrationTiles
from edge_agent.engines.engine import Tiles
from edge_agent.errors import ModelError, UsageError

HALF_OPSET = 19  # the first whose Q/DQ take scales in half
Progress = Callable[[str, int], None]


def to_int8(
    model: Path,
    tiles: CalibrationTiles,
    output: Path,
    *,
    method: str = "minmax",
    mixed_fp16: bool = False,
    budget: Budget | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> PrecisionReport:
    """Write the INT8 model: convolutions in int8, all else in float32 or, with `mixed_fp16`, in half.

    Args:
        model: a float32 model of ours.
        tiles: of the size of the model; gone through once for the ranges, and its head again to try the layers on.
        output: file to write, renamed into place when it is whole.
        method: of the ranges, one of METHODS, or "auto": all of them, and the one whose scores differ the least.
        mixed_fp16: what is not in int8 is in half.
        budget: how much arithmetic may stay out of int8 for the sake of accuracy; None is the default one.
        threads: of ONNX Runtime; 0 is its own choice.
        progress: is called with what is done and a number that counts up: tiles, then layers.

    Raises:
        UsageError: there is no such method.
        ModelError: not a float32 model of ours, or no tiles.
        StorageError: the file cannot be written.
    """
    if method not in (*METHODS, "auto"):
        raise UsageError(f'there is no method "{method}"', mend=f"choose one of {', '.join(METHODS)}, auto")
    methods = METHODS if method == "auto" else (method,)
    budget = budget or Budget()
    said: Progress = progress or (lambda _, __: None)
    graph, info = prepared(model)
    layers = [layer for layer in convolutions(graph) if layer.operator == "Conv"]
    if not layers:
        raise ModelError("has no convolution that could run in int8", where=str(model), mend="use it as it is")
    seen = _Seen(tiles, budget.tiles, said)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prepared.onnx"
        onnx.save(graph, file)
        found = ranges(file, seen, Path(folder), methods, threads)
    judge = Judge(graph, seen.sample, info.threshold, threads)
    names = {layer.name for layer in layers}
    tried = {
        name: judge.difference(quantised(graph, _limits(found, name), names))
        for name in next(iter(found.values())).limits
    }
    chosen = min(tried, key=lambda name: tried[name].rms)
    limits = _limits(found, chosen)
    sensitivity: dict[str, float] = {}
    if budget.float_share > 0:
        alone: Callable[[str], onnx.ModelProto] = lambda name: quantised(graph, limits, {name})  # noqa: E731
        count = iter(range(1, len(layers) + 1))
        sensitivity = sensitivities(layers, judge, alone, lambda: said("layers", next(count)))
        spent = sum(layer.macs for layer in convolutions(graph)) - sum(layer.macs for layer in layers)
        names -= left_out(layers, sensitivity, budget, spent)
    made = quantised(graph, limits, names)
    if mixed_fp16:
        made = _halved(made)
    difference = judge.difference(made)
    precision = "int8+fp16" if mixed_fp16 else "int8"
    finish(made, precision, output)
    rows = [
        _layer(layer, names, found, limits, sensitivity, "fp16" if mixed_fp16 else "fp32")
        for layer in convolutions(graph)
    ]
    return PrecisionReport(
        info.network,
        info.version,
        info.digest,
        precision,
        tuple(rows),
        chosen,
        seen.count,
        seen.digest,
        difference,
        tried,
    )


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """What is float32 around the int8 convolutions in half. No operator that we use differs between these opsets."""
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"}:
            opset.version = max(opset.version, HALF_OPSET)
    return halved(model)


def _limits(found: dict[str, Range], method: str) -> dict[str, float]:
    return {tensor: entry.limits[method] for tensor, entry in found.items()}


def _layer(
    layer: Convolution,
    names: set[str],
    found: dict[str, Range],
    limits: dict[str, float],
    sensitivity: dict[str, float],
    other: str,
) -> Layer:
    entry, limit = found[layer.activation], limits[layer.activation]
    row = Layer(
        layer.name,
        layer.operator,
        layer.macs,
        other,
        low=entry.low,
        high=entry.high,
        histogram=entry.shown(),
        sensitivity=sensitivity.get(layer.name),
    )
    if layer.operator != "Conv":
        return replace(row, reason="a transposed convolution runs in float on TensorRT whatever is written around it")
    if layer.name not in names:
        return replace(row, reason="costs accuracy in int8")
    return replace(row, precision="int8", range=limit, clipped=entry.clipped(limit))


class _Seen:
    """Goes through the tiles once; counts them, digests them, and keeps the sample that layers are tried on."""

    def __init__(self, tiles: CalibrationTiles, sample: int, said: Progress) -> None:
        self._tiles, self._wanted, self._said = tiles, sample, said
        self._hash = hashlib.sha256()
        self._rng = np.random.default_rng(0)
        self.count = 0
        self.sample: list[tuple[Tiles, Tiles]] = []

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[tuple[Tiles, Tiles]]:
        for test, template in self._tiles:
            self._hash.update(test.tobytes())
            self._hash.update(template.tobytes())
            for index in range(len(test)):
                self._keep(test[index : index + 1], template[index : index + 1])
            yield test, template
            self._said("tiles", self.count)

    def _keep(self, test: Tiles, template: Tiles) -> None:
        """Each tile has the same chance to be in the sample, however many come (Vitter's algorithm R)."""
        self.count += 1
        if len(self.sample) < self._wanted:
            self.sample.append((test, template))
        elif (place := int(self._rng.integers(self.count))) < self._wanted:
            self.sample[place] = (test, template)
