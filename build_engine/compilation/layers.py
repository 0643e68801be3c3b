"""Which precision each layer of a plan got, from what TensorRT's engine inspector says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LAYERS = "layers.json"
# The inspector says "Int8" or, before TensorRT 10.13, "Thirty-two wide channel vectorized row major Int8 format".
_TYPES = {
    "uint8": "uint8",
    "int8": "int8",
    "fp8": "fp8",
    "half": "fp16",
    "fp16": "fp16",
    "bf16": "bf16",
    "float": "fp32",
    "fp32": "fp32",
}
_WORD = re.compile("|".join(_TYPES), re.IGNORECASE)
_CONVOLUTION = re.compile(r"convolution|correlation|gemm|\bconv\b", re.IGNORECASE)
_ORDER = ("int8", "fp8", "fp16", "bf16", "fp32")


@dataclass(frozen=True)
class Layer:
    """One kernel of the plan.

    Attributes:
        name: that TensorRT gave it, mostly the names of the nodes fused into it.
        kind: "CaskConvolution", "Reformat", "kgen", ….
        inputs, outputs: types of its tensors, "int8", "fp16", "fp32", ….
        nodes: of the ONNX model, where TensorRT names them.
        tactic: the kernel.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[str, ...]
    tactic: str

    @property
    def is_convolution(self) -> bool:
        """Whether it does the arithmetic that counts."""
        return bool(_CONVOLUTION.search(self.kind))

    @property
    def precision(self) -> str:
        """In which type it computes: the narrowest of its inputs."""
        return next((kind for kind in _ORDER if kind in self.inputs), "other")


def parse_layers(inspected: str) -> list[Layer]:
    """Layers from the inspector's JSON. A plan built without details has names alone."""
    rows = json.loads(inspected).get("Layers", [])
    return [_layer(row) for row in rows]


def write_layers(layers: Sequence[Layer], folder: Path) -> None:
    """Put them beside the plan as layers.json, for reports."""
    rows = [asdict(layer) | {"precision": layer.precision} for layer in layers]
    (folder / LAYERS).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_layers(folder: Path) -> list[Layer]:
    """What `write_layers` has put there; nothing where it has not."""
    try:
        return [_read(row) for row in json.loads((folder / LAYERS).read_bytes())]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def table(layers: Sequence[Layer]) -> str:
    """A line for each layer: precision, types in and out, kind, name."""
    rows = [(one.precision, ",".join(one.inputs), ",".join(one.outputs), one.kind, one.name[:80]) for one in layers]
    rows.insert(0, ("computes", "in", "out", "kind", "layer"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip()
        for row in rows
    )


def summary(layers: Iterable[Layer]) -> str:
    """One line: how many convolutions got which precision, and how many other layers there are."""
    layers = list(layers)
    convolutions = Counter(layer.precision for layer in layers if layer.is_convolution)
    others = len(layers) - convolutions.total()
    counts = ", ".join(f"{count} in {precision}" for precision, count in sorted(convolutions.items()))
    return f"convolutions: {counts or 'none found'}; {others} other layers"


def _layer(row: dict[str, Any] | str) -> Layer:
    if isinstance(row, str):
        return Layer(row, "", (), (), (), "")
    return Layer(
        name=str(row.get("Name", "")),
        kind=str(row.get("LayerType", "")),
        inputs=_types(row.get("Inputs")),
        outputs=_types(row.get("Outputs")),
        nodes=tuple(re.findall(r"\[ONNX Layer: (.*?)\]", str(row.get("Metadata", "")))),
        tactic=str(row.get("TacticName", "")),
    )


def _types(tensors: Any) -> tuple[str, ...]:
    found = []
    for tensor in tensors if isinstance(tensors, list) else []:
        words = _WORD.findall(" ".join(str(value) for key, value in tensor.items() if "datatype" in key.lower()))
        found.append(_TYPES[words[-1].lower()] if words else "other")
    return tuple(found)


def _read(row: dict[str, Any]) -> Layer:
    inputs, outputs, nodes = (tuple(row[key]) for key in ("inputs", "outputs", "nodes"))
    return Layer(row["name"], row["kind"], inputs, outputs, nodes, row["tactic"])
