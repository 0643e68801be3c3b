"""agent.toml -> Settings: one frozen dataclass a section, everything checked before anything starts."""

from __future__ import annotations

import math
import os
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edge_agent.cameras.gige_settings import GigeSettings
from edge_agent.cameras.simulation.connectors import CONNECTORS
from edge_agent.config_reader import TomlFile
from edge_agent.errors import ConfigError
from edge_agent.health_settings import HealthSettings
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.eviction import OutboxLimits


@dataclass(frozen=True)
class DeviceSettings:
    """The `[device]` section: who says the results.

    Attributes:
        name: stands in every result; the host name if not given.
    """

    name: str = field(default_factory=socket.gethostname)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigError("must not be empty", where="name", mend="name the device, or remove the key")
        if not self.name.isprintable() or len(self.name) > 100:
            raise ConfigError("must be at most 100 printable characters", where="name", mend="give a shorter name")


@dataclass(frozen=True)
class CameraSettings:
    """The `[camera]` section: where frames come from.

    Attributes:
        kind: "folder" (images in the order of their names), "video" (V4L2 device, RTSP address or video file),
            "gstreamer" (a pipeline that ends in appsink, or "csi"), "gige" (GigE Vision) or "simulated".
        source: folder, device number or path, address, file, or pipeline; for "gige" address or name, "" takes the
            first found; nothing for "simulated".
        loop: folder and video file: begin again at the end.
        width_px, height_px: size asked of a V4L2 device, or rendered by the simulated camera; 0 takes the source's own.
        fps: pictures a second asked of a V4L2 device, or of a GigE camera that runs freely; 0 takes its own.
        connector: simulated: which connector face is drawn ("dsub9", "dsub25", "circular19-pins", …).
        seed: simulated: the same seed gives the same parts.
        share: simulated: share of parts with a foreign object, 0 to 1.
        parts: simulated: ends after so many parts; 0 never ends.
    """

    kind: Literal["folder", "video", "gstreamer", "gige", "simulated"]
    source: str = ""
    loop: bool = False
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    connector: str = "dsub25"
    seed: int = 0
    share: float = 0.4
    parts: int = 0

    def __post_init__(self) -> None:
        if self.kind not in {"simulated", "gige"} and not self.source:
            raise ConfigError("is missing", where="source", mend=f"name the source of the {self.kind} camera")
        _within("width_px", self.width_px, 0, 100_000)
        _within("height_px", self.height_px, 0, 100_000)
        _within("fps", self.fps, 0, 10_000)
        if self.connector not in CONNECTORS:
            raise ConfigError(
                "is no simulated connector", where="connector", mend=f"take one of: {', '.join(CONNECTORS)}"
            )
        _within("seed", self.seed, 0, 999_999)
        _within("share", self.share, 0, 1)
        _within("parts", self.parts, 0, math.inf)

    @property
    def live(self) -> bool:
        """Whether pictures pass even if nobody reads them; the others wait to be read."""
        is_file = "://" not in self.source and not self.source.isdigit() and not self.source.startswith("/dev/")
        return self.kind in {"gstreamer", "gige"} or (self.kind == "video" and not is_file)

    @property
    def source_is_path(self) -> bool:
        """Whether `source` names a folder or file on disk, so that a relative one is put beside agent.toml."""
        return self.kind == "folder" or (self.kind == "video" and not self.live)


@dataclass(frozen=True)
class RecipeSettings:
    """The `[recipe]` section: what a good part looks like.

    Attributes:
        folder: a folder made by `edge-agent teach`.
        library: a folder of such folders, from which `command/select-recipe` chooses; None: there is nothing to choose.
    """

    folder: Path
    library: Path | None = None


@dataclass(frozen=True)
class EngineSettings:
    """The `[engine]` section: what runs the network.

    Attributes:
        model: an ONNX model; None takes the one shipped with the agent.
        backend: "auto" takes the best one that is there.
        store: engines made on this device, see `edge_agent.engines.store`; None where there are none.
        threads: CPU threads of one inference; 0 takes all cores but one, which registers the next part meanwhile.
    """

    model: Path | None = None
    backend: Literal["auto", "onnxruntime", "tensorrt"] = "auto"
    store: Path | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        _within("threads", self.threads, 0, 1024)

    @property
    def inference_threads(self) -> int:
        """Threads of one inference on this machine, 1 or more."""
        return self.threads or max(1, (os.cpu_count() or 1) - 1)


@dataclass(frozen=True)
class TriggerSettings:
    """The `[trigger]` section: when a part is inspected.

    Attributes:
        mode: "free-run" (at an interval), "command" (by MQTT, `command/inspect`), "camera" (each picture of a GigE
            camera, which a light barrier triggers) or "folder" (every image of a folder once, then the agent ends).
        interval_s: free-run: from one part to the next; 0 as fast as it goes.
        deadline_s: command, camera: a part that is not inspected so long after its trigger is ERROR.
        queue: command, camera: triggers accepted and not yet answered by a result, at most; the next one is refused.
        acknowledge: command: after a result the next trigger is refused until `command/acknowledge` has named it.
        drain_s: folder: how long to wait at the end for the broker to acknowledge the last results.
    """

    mode: Literal["free-run", "command", "camera", "folder"] = "command"
    interval_s: float = 1.0
    deadline_s: float = 10.0
    queue: int = 16
    acknowledge: bool = False
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        _within("interval_s", self.interval_s, 0, 86_400)
        _within("deadline_s", self.deadline_s, 0.05, 3600)
        _within("queue", self.queue, 1, 10_000)
        _within("drain_s", self.drain_s, 0, 86_400)


@dataclass(frozen=True)
class ResultsSettings:
    """The `[results]` section: what stays on this device.

    Attributes:
        folder: holds the outbox, the archive and the audit log.
        outbox_mb, outbox_rows: results on disk, waiting and sent, take at most so much; the least worth go first.
        keep_sent_h: results that the broker has are kept so many hours of running for a replay.
        archive_mb: images of NG and ERROR parts are kept up to this size, the oldest go first; 0 keeps none.
        thumbnail_width_px: of the picture sent with each result; 0 sends none.
        thumbnail_heat: the score map lies over that picture as a heat map.
        min_free_mb: with less free space on the disk the archive shrinks; when that is not enough no pictures are kept
            or sent; results go on.
    """

    folder: Path = Path("results")
    outbox_mb: int = 512
    outbox_rows: int = 300_000
    keep_sent_h: float = 24.0
    archive_mb: int = 1024
    thumbnail_width_px: int = 640
    thumbnail_heat: bool = False
    min_free_mb: int = 64

    def __post_init__(self) -> None:
        _within("outbox_mb", self.outbox_mb, 1, 100_000)
        _within("outbox_rows", self.outbox_rows, 1, 10_000_000)
        _within("keep_sent_h", self.keep_sent_h, 0, 24 * 366)
        _within("archive_mb", self.archive_mb, 0, math.inf)
        _within("thumbnail_width_px", self.thumbnail_width_px, 0, 8192)
        _within("min_free_mb", self.min_free_mb, 0, math.inf)

    @property
    def outbox_limits(self) -> OutboxLimits:
        """How much may stand in the outbox."""
        return OutboxLimits(self.outbox_rows, self.outbox_mb * 1_000_000, self.keep_sent_h * 3600)


@dataclass(frozen=True)
class CommandSettings:
    """The `[commands]` section: what may be asked over MQTT.

    Attributes:
        allow_teach: whether `command/teach` may make recipes.
        audit_mb: the audit log on disk takes at most so much.
    """

    allow_teach: bool = False
    audit_mb: int = 10

    def __post_init__(self) -> None:
        _within("audit_mb", self.audit_mb, 1, 10_000)


@dataclass(frozen=True)
class Settings:
    """All of agent.toml."""

    camera: CameraSettings
    recipe: RecipeSettings
    mqtt: MqttSettings
    device: DeviceSettings = field(default_factory=DeviceSettings)
    gige: GigeSettings = field(default_factory=GigeSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    results: ResultsSettings = field(default_factory=ResultsSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)


SECTIONS: dict[str, type[Any]] = {
    "device": DeviceSettings,
    "camera": CameraSettings,
    "gige": GigeSettings,
    "recipe": RecipeSettings,
    "engine": EngineSettings,
    "trigger": TriggerSettings,
    "mqtt": MqttSettings,
    "results": ResultsSettings,
    "health": HealthSettings,
    "commands": CommandSettings,
}


def load(path: Path) -> Settings:
    """Read and check agent.toml. Relative paths in it are relative to its folder.

    Raises:
        ConfigError: the file cannot be read or is not TOML; ConfigProblems: with every wrong key and value.
    """
    return read(path)[0]


def read(path: Path) -> tuple[Settings, TomlFile]:
    """Like `load`, together with the file, on which more problems can be noted at their keys."""
    file = TomlFile(path)
    file.refuse_unknown_sections(list(SECTIONS))
    sections: dict[str, Any] = {name: file.section(name, kind) for name, kind in SECTIONS.items()}
    camera, trigger = sections["camera"], sections["trigger"]
    if camera and camera.source and camera.source_is_path:
        sections["camera"] = replace(camera, source=str(file.beside(Path(camera.source))))
    if camera and trigger and trigger.mode == "folder" and (camera.kind != "folder" or camera.loop):
        what = 'mode = "folder" needs a camera of kind "folder" that does not loop'
        file.note("trigger.mode", what, "change [camera], or the mode")
    if camera and trigger and trigger.mode == "camera" and camera.kind != "gige":
        file.note("trigger.mode", 'mode = "camera" needs a camera of kind "gige"', "change [camera], or the mode")
    file.raise_problems()
    return Settings(**sections), file


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        limits = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
        raise ConfigError("is out of range", where=key, mend=f"give {limits}")
