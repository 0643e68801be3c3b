"""INT8: from a float32 model and calibration tiles to a model with explicit Q/DQ."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from build_engine.precision.graph import Convolution, convolutions, finish, prepared
from build_engine.precision.half import halved, rounds_half
from build_engine.precision.quantiser import quantised
from build_engine.precision.ranges import METHODS, Range, ranges
from build_engine.precision.report import Difference, Layer, PrecisionReport
from build_engine.precision.search import Budget, Judge, left_out
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
    method: str = "auto",
    mixed_fp16: bool = False,
    budget: Budget | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> PrecisionReport:
    """Write the INT8 model: convolutions in int8, all else in float32 or, with `mixed_fp16`, in half.

    Args:
        model: a float32 model of ours.
        tiles: of the size of the model; gone through once for the ranges, and some of them kept to try the layers on.
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
    budget = budget or Budget()
    said: Progress = progress or (lambda _, __: None)
    graph, info = prepared(model)
    if not _could_be_int8(graph):
        raise ModelError("has no convolution that could run in int8", where=str(model), mend="use it as it is")
    seen = _Seen(tiles, (info.height, info.width), budget.tiles, said)
    found = _ranges(graph, seen, METHODS if method == "auto" else (method,), threads)
    judge = Judge(graph, seen.sample, info.threshold, threads)
    choice = _chosen(graph, found, judge, budget, said)
    plain = quantised(graph, choice.limits, choice.names)
    made = _halved(plain) if mixed_fp16 else plain
    precision, other = ("int8+fp16", "fp16") if mixed_fp16 else ("int8", "fp32")
    finish(made, precision, output)
    return PrecisionReport(
        network=info.network,
        version=info.version,
        source=info.digest,
        precision=precision,
        layers=tuple(_layer(layer, found[layer.activation], choice, other) for layer in convolutions(graph)),
        method=choice.method,
        tiles=seen.count,
        digest=seen.digest,
        difference=judge.difference(made if rounds_half() else plain),  # both hold the same integers
        tried=choice.tried,
    )


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """What is float32 around the int8 convolutions in half. No operator that we use differs between these opsets."""
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"}:
            opset.version = max(opset.version, HALF_OPSET)
    return halved(model)


def _could_be_int8(graph: onnx.ModelProto) -> list[Convolution]:
    return [layer for layer in convolutions(graph) if layer.operator == "Conv"]


def _ranges(graph: onnx.ModelProto, seen: _Seen, methods: tuple[str, ...], threads: int) -> dict[str, Range]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prepared.onnx"
        onnx.save(graph, file)
        return ranges(file, seen, Path(folder), methods, threads)


@dataclass(frozen=True)
class _Choice:
    """Names of the convolutions in int8, what their inputs' 127 steps say, and how that was chosen."""

    names: frozenset[str]
    limits: dict[str, float]
    method: str
    sensitivity: dict[str, float]
    tried: dict[str, Difference]


def _chosen(graph: onnx.ModelProto, found: dict[str, Range], judge: Judge, budget: Budget, said: Progress) -> _Choice:
    layers = _could_be_int8(graph)
    names = frozenset(layer.name for layer in layers)
    methods = next(iter(found.values())).limits
    tried = {method: judge.difference(quantised(graph, _limits(found, method), names)) for method in methods}
    method = min(tried, key=lambda name: tried[name].rms)
    limits = _limits(found, method)
    if budget.float_share == 0:
        return _Choice(names, limits, method, {}, tried)
    sensitivity = {}
    for count, layer in enumerate(layers, 1):
        sensitivity[layer.name] = judge.difference(quantised(graph, limits, {layer.name})).rms
        said("layers", count)
    spent = sum(layer.macs for layer in convolutions(graph)) - sum(layer.macs for layer in layers)
    return _Choice(names - left_out(layers, sensitivity, budget, spent), limits, method, sensitivity, tried)


def _limits(found: dict[str, Range], method: str) -> dict[str, float]:
    return {tensor: entry.limits[method] for tensor, entry in found.items()}


def _layer(layer: Convolution, entry: Range, choice: _Choice, other: str) -> Layer:
    row = Layer(
        layer.name,
        layer.operator,
        layer.macs,
        other,
        low=entry.low,
        high=entry.high,
        histogram=entry.shown(),
        sensitivity=choice.sensitivity.get(layer.name),
    )
    if layer.operator != "Conv":
        return replace(row, reason="a transposed convolution runs in float on TensorRT whatever is written around it")
    if layer.name not in choice.names:
        return replace(row, reason="costs accuracy in int8")
    limit = choice.limits[layer.activation]
    return replace(row, precision="int8", range=limit, clipped=entry.clipped(limit))


class _Seen:
    """Goes through the tiles once; counts them, digests them, and keeps the sample that layers are tried on."""

    def __init__(self, tiles: CalibrationTiles, size: tuple[int, int], sample: int, said: Progress) -> None:
        self._tiles, self._size, self._wanted, self._said = tiles, size, sample, said
        self._hash = hashlib.sha256()
        self._rng = np.random.default_rng(0)
        self.count = 0
        self.sample: list[tuple[Tiles, Tiles]] = []

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[tuple[Tiles, Tiles]]:
        for test, template in self._tiles:
            if test.shape != template.shape or test.shape[1:] != (*self._size, 3) or test.dtype != np.uint8:
                height, width = self._size
                raise ModelError(
                    f"tiles must be uint8 [N, {height}, {width}, 3], but got {test.dtype} {list(test.shape)}"
                )
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
