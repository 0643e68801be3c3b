"""Everything that matecheck raises on purpose.

MatecheckError
├── UsageError      wrong arguments on a command line
├── ConfigError     agent.toml
├── RecipeError     a recipe folder, its template, region or scale
├── ImageError      an image that is missing, broken or of the wrong kind
├── CameraError     a camera that cannot be opened or has gone away
├── ModelError      a model file that is missing, broken or not ours
│   └── PlanError   a compiled engine that does not fit this device, or is not to be trusted
├── EngineError     inference failed
├── BrokerError     MQTT broker unreachable or refusing
├── CommandError    a command over MQTT that is refused
└── StorageError    outbox or archive cannot be written
"""

from __future__ import annotations

from collections.abc import Mapping


class MatecheckError(Exception):
    """An expected failure: says where, what, and how to mend it, in one line.

    Args:
        what: what is wrong, a lower-case clause without a full stop.
        where: file, key, device or address concerned.
        mend: what the reader can do about it, an imperative clause.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.mend}" if self.mend else head


class UsageError(MatecheckError):
    """Wrong arguments on a command line."""


class ConfigError(MatecheckError):
    """agent.toml cannot be read or holds a wrong key or value."""


class RecipeError(MatecheckError):
    """A recipe folder, its template, region or scale is wrong."""


class ImageError(MatecheckError):
    """An image is missing, broken or of the wrong kind."""


class CameraError(MatecheckError):
    """A camera cannot be opened or has gone away."""


class ModelError(MatecheckError):
    """A model file is missing, broken or does not keep our contract."""


class PlanError(ModelError):
    """A compiled engine does not fit this device or this TensorRT, or may have been tampered with: rebuild it."""


class EngineError(MatecheckError):
    """Inference failed."""


class BrokerError(MatecheckError):
    """The MQTT broker is unreachable or refuses us."""


class CommandError(MatecheckError):
    """A command over MQTT is refused; the text goes to its sender.

    Args:
        code: why, for machines.
        details: what else the sender should know.
    """

    def __init__(
        self,
        what: str,
        *,
        code: str = "invalid",
        where: str = "",
        mend: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.code, self.details = code, dict(details or {})


class StorageError(MatecheckError):
    """Outbox or archive cannot be written."""
