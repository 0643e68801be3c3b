"""Model files: find the shipped one, read, verify against the contract.

The contract (opset 18): inputs `test` and, for a network of kind "pair", `template`, uint8 [N, H, W, 3] with N dynamic
and H, W fixed; output `score`, float32 [N, H, W]; metadata `network`, `version`, `kind`, `threshold`, and
`view` ("tiles" if it is absent, or "whole").
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent import models
from edge_agent.engines.engine import ModelInfo
from edge_agent.errors import ModelError

MAX_BYTES = 1 << 30  # protobuf itself ends at 2 GiB; nothing that fits a Jetson comes near
OURS = "give a model that build-engine export wrote"


@dataclass(frozen=True)
class ModelFile:
    """Bytes of a model, read once, so that what was hashed is what is run."""

    path: Path
    content: bytes
    digest: str


@dataclass(frozen=True)
class Tensor:
    """An input or output as a back end reports it: name, "uint8" or "float32" …, shape with None for a dynamic size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def shipped_model() -> Path:
    """The model that comes with the package. Raises ModelError when there is none, or more than one."""
    folder = Path(models.__path__[0])
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        what = "no model is shipped" if not found else f"{len(found)} models are there, which one is meant is not clear"
        raise ModelError(what, where=str(folder), mend="name one with --model, or as `model` in agent.toml")
    return found[0]


def read_model(path: Path) -> ModelFile:
    """Read a model file and hash it. Raises ModelError when it is missing, empty or too large."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelError("is not a file", where=str(path), mend=OURS)
        if not 0 < size <= MAX_BYTES:
            raise ModelError(f"has {size} bytes, which no model has", where=str(path), mend=OURS)
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot be read ({error.strerror})", where=str(path), mend="check the path and its permissions"
        ) from error
    return ModelFile(path, content, hashlib.sha256(content).hexdigest())


def verify(
    file: ModelFile, inputs: Sequence[Tensor], outputs: Sequence[Tensor], metadata: Mapping[str, str]
) -> ModelInfo:
    """What the model says of itself, after checking that it keeps the contract. Raises ModelError where it does not."""

    def refuse(what: str) -> ModelError:
        return ModelError(what, where=str(file.path), mend=OURS)

    missing = [key for key in ("network", "version", "kind", "threshold") if not metadata.get(key)]
    if missing:
        raise refuse(f"is not a matecheck model: its metadata has no {', '.join(missing)}")
    kind = metadata["kind"]
    if kind not in {"pair", "single"}:
        raise refuse(f'kind must be "pair" or "single", but got "{kind}"')
    view = metadata.get("view") or "tiles"
    if view not in {"tiles", "whole"}:
        raise refuse(f'view must be "tiles" or "whole", but got "{view}"')
    expected = ["test", "template"] if kind == "pair" else ["test"]
    if sorted(t.name for t in inputs) != sorted(expected):
        raise refuse(f"inputs must be {', '.join(expected)}, but got {', '.join(t.name for t in inputs)}")
    if [t.name for t in outputs] != ["score"]:
        raise refuse(f"the output must be score, but got {', '.join(t.name for t in outputs)}")
    height, width = _tile_size(inputs[0].shape, refuse)
    for tensor, dtype, shape in [
        *((t, "uint8", (None, height, width, 3)) for t in inputs),
        (outputs[0], "float32", (None, height, width)),
    ]:
        if tensor.dtype != dtype or not _same_shape(tensor.shape, shape):
            raise refuse(f"{tensor.name} must be {dtype} {_text(shape)}, but got {tensor.dtype} {_text(tensor.shape)}")
    return ModelInfo(
        network=metadata["network"],
        version=metadata["version"],
        kind=kind,
        threshold=_threshold(metadata["threshold"], refuse),
        digest=file.digest,
        height=height,
        width=width,
        precision=metadata.get("precision") or "fp32",
        view=view,
    )


def _tile_size(shape: tuple[int | None, ...], refuse: Callable[[str], ModelError]) -> tuple[int, int]:
    if len(shape) != 4 or shape[1] is None or shape[2] is None or shape[1] < 1 or shape[2] < 1:
        raise refuse(f"test must have the shape [N, H, W, 3] with H and W fixed, but got {_text(shape)}")
    return shape[1], shape[2]


def _same_shape(shape: tuple[int | None, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether N is dynamic and all else is as expected; an output may leave open what follows from its inputs."""
    if len(shape) != len(expected) or shape[0] is not None:
        return False
    return all(size in {want, None} for size, want in zip(shape[1:], expected[1:], strict=True))


def _threshold(text: str, refuse: Callable[[str], ModelError]) -> float:
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not 0.0 < threshold < 1.0:
        raise refuse(f'threshold must be between 0 and 1, but got "{text}"')
    return threshold


def _text(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("N" if size is None else str(size) for size in shape) + "]"
