"""manifest.json of an engine artifact: what its files are, where they run, how they were calibrated and judged."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.errors import ModelError, StorageError

SCHEMA = "matecheck/engine/1"
MODEL, PLAN, MANIFEST = "model.onnx", "plan.engine", "manifest.json"
MAX_BYTES = 1 << 20
REBUILD = "make it anew with calibrate run, or build-engine compile"


@dataclass(frozen=True)
class CalibrationRecord:
    """Which pictures gave the INT8 ranges.

    Attributes:
        digest: sha256 over the pairs, hexadecimal; another set has another one.
        pairs: how many.
        method: "minmax", "entropy" or "percentile".
    """

    digest: str
    pairs: int
    method: str


@dataclass(frozen=True)
class GateRecord:
    """What the comparison with FP32 said.

    Attributes:
        passed: False: not to be activated.
        text: one line for people.
        figures: what was measured, by name; for the report and `calibrate status`.
    """

    passed: bool
    text: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """One engine artifact.

    Attributes:
        model_sha256, plan_sha256: of model.onnx and plan.engine, hexadecimal; None without a plan.
        precision: "fp32", "fp16", "int8", "int8+fp16".
        network, version: as in the model's metadata.
        tile: height, width of a tile in pixels.
        batch: fewest, usual and most tiles of one inference.
        tensorrt, cuda, driver, device, compute_capability: what the plan was built by and for; None without a plan.
        builder: options that the plan was built with.
        calibration: None where no pictures were needed.
        gate: None as long as nobody has compared it with FP32.
        made_at: UTC, ISO 8601. The clock of a device may be wrong.
    """

    model_sha256: str
    precision: str
    network: str
    version: str
    tile: tuple[int, int]
    batch: tuple[int, int, int]
    made_at: str
    plan_sha256: str | None = None
    tensorrt: str | None = None
    cuda: str | None = None
    driver: str | None = None
    device: str | None = None
    compute_capability: str | None = None
    builder: Mapping[str, Any] = field(default_factory=dict)
    calibration: CalibrationRecord | None = None
    gate: GateRecord | None = None

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of an artifact's folder. The files' hashes are not checked here: see `check_files`.

        Raises:
            ModelError: it is missing, broken, of another kind, or lacks a key. Unknown keys are passed over.
        """
        path = folder / MANIFEST
        table = _read_json(path)

        def refuse(what: str) -> ModelError:
            return ModelError(what, where=str(path), mend=REBUILD)

        if table.get("schema") != SCHEMA:
            raise refuse(f'schema must be "{SCHEMA}", but is {json.dumps(table.get("schema"))[:60]}')
        for key, (holds, words) in _KEYS.items():
            if key not in table:
                raise refuse(f"{key} is missing")
            if not holds(table[key]):
                raise refuse(f"{key} must be {words}, but is {json.dumps(table[key])[:60]}")
        values = {key: table[key] for key in _KEYS}
        values |= {"tile": tuple(table["tile"]), "batch": tuple(table["batch"])}
        for key, kind in (("calibration", CalibrationRecord), ("gate", GateRecord)):
            if table[key] is not None:
                values[key] = kind(**{name: table[key][name] for name in kind.__dataclass_fields__})
        return cls(**values)

    def write(self, folder: Path) -> None:
        """Write manifest.json aside, then rename it into place. Raises StorageError."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"
        aside = folder / f"{MANIFEST}.part"
        try:
            with aside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(folder / MANIFEST)
        except OSError as error:
            mend = "check free space and permissions"
            raise StorageError(f"cannot be written ({error.strerror})", where=str(aside), mend=mend) from error

    def check_files(self, folder: Path) -> None:
        """Compare model.onnx, and plan.engine where there is one, with their hashes. Raises ModelError."""
        for name, expected in ((MODEL, self.model_sha256), (PLAN, self.plan_sha256)):
            path = folder / name
            if expected is not None and sha256_of(path) != expected:
                raise ModelError("is not the file that the manifest was written for", where=str(path), mend=REBUILD)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file. Raises ModelError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path), mend=REBUILD) from error
    return digest.hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError("is larger than 1 MB", where=str(path), mend=REBUILD)
        table = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path), mend=REBUILD) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"is not JSON ({error})", where=str(path), mend=REBUILD) from error
    if not isinstance(table, dict):
        raise ModelError("must be a JSON object", where=str(path), mend=REBUILD)
    return table


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _are_counts(count: int) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, list) and len(value) == count and all(type(number) is int and number > 0 for number in value)
    )


def _or_null(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or holds(value)


def _is_calibration(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _is_digest(value.get("digest"))
        and type(value.get("pairs")) is int
        and _is_text(value.get("method"))
    )


def _is_gate(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("passed"), bool)
        and isinstance(value.get("text"), str)
        and isinstance(value.get("figures"), dict)
    )


_TEXT, _DIGEST = (_is_text, "a text"), (_is_digest, "a sha256 in hexadecimal")
_TEXT_OR_NULL = (_or_null(_is_text), "a text or null")
_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "model_sha256": _DIGEST,
    "plan_sha256": (_or_null(_is_digest), "a sha256 in hexadecimal, or null"),
    "precision": _TEXT,
    "network": _TEXT,
    "version": _TEXT,
    "tile": (_are_counts(2), "[height, width] in pixels"),
    "batch": (_are_counts(3), "[fewest, usual, most] tiles"),
    "tensorrt": _TEXT_OR_NULL,
    "cuda": _TEXT_OR_NULL,
    "driver": _TEXT_OR_NULL,
    "device": _TEXT_OR_NULL,
    "compute_capability": _TEXT_OR_NULL,
    "builder": (lambda value: isinstance(value, dict), "an object"),
    "calibration": (_or_null(_is_calibration), "null, or an object with digest, pairs and method"),
    "gate": (_or_null(_is_gate), "null, or an object with passed, text and figures"),
    "made_at": _TEXT,
}
