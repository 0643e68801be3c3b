"""Examines the machine for `edge-agent doctor`: each finding says what is there, or what is wrong and what mends it."""

from __future__ import annotations

import os
import platform
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edge_agent import __version__, health
from edge_agent.cameras import open_camera
from edge_agent.cameras.aravis import list_cameras
from edge_agent.config import Settings
from edge_agent.engines import load_engine
from edge_agent.engines.source import EngineSource
from edge_agent.errors import BrokerError, CameraError, MatecheckError
from edge_agent.inspection.recipe import Recipe
from edge_agent.mqtt.connection import Connection, ProtocolVersionError, Will
from edge_agent.mqtt.credentials import default_client_id
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics

HOT_C = 85.0  # a Jetson throttles not far above
LEAST_MEMORY_MB = 500


@dataclass(frozen=True)
class Finding:
    """One line of the report: state "ok", "note" (good to know) or "broken"."""

    state: str
    subject: str
    what: str
    mend: str = ""


def examine(settings: Settings | None) -> Iterator[Finding]:
    """All findings, as they are made; without settings only what needs none."""
    yield Finding("ok", "matecheck", f"{__version__}, Python {platform.python_version()}, {platform.machine()}")
    yield from _opencv()
    yield from _examined("engine", lambda: _engine(settings))
    yield from _cameras()
    yield _gige()
    if settings:
        yield from _examined("recipe", lambda: _recipe(settings))
        yield from _examined("camera", lambda: _camera(settings))
        yield from _examined("broker", lambda: _broker(settings.mqtt))
    yield _clock()
    yield _disk(settings)
    yield from _board()


def _examined(subject: str, examination: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield examination()
    except MatecheckError as error:
        where = f"{error.where}: " if error.where else ""
        yield Finding("broken", subject, where + error.what, error.mend)


def _opencv() -> Iterator[Finding]:
    build = cv2.getBuildInformation()
    backends = {name: bool(re.search(rf"^\s*{key}:\s+YES", build, re.MULTILINE)) for name, key in _VIDEO.items()}
    have = ", ".join(name for name, there in backends.items() if there) or "no video"
    yield Finding("ok", "opencv", f"{cv2.__version__} with {have}")
    if not backends["GStreamer"]:
        mend = "CSI cameras need it: use JetPack's own OpenCV, or build OpenCV with GStreamer"
        yield Finding("note", "opencv", "no GStreamer", mend)


_VIDEO = {"GStreamer": "GStreamer", "FFmpeg": "FFMPEG", "V4L2": r"v4l/v4l2"}


def _engine(settings: Settings | None) -> Finding:
    engine = settings.engine if settings else None
    began = time.monotonic()
    loaded = (
        EngineSource(engine.model, engine.backend, engine.inference_threads, engine.store).load()
        if engine
        else load_engine()
    )
    with closing(loaded):
        load_ms = (time.monotonic() - began) * 1000
        tile = np.full((1, loaded.info.height, loaded.info.width, 3), 128, np.uint8)
        loaded.infer(tile, tile)
        began = time.monotonic()
        loaded.infer(tile, tile)
        tile_ms = (time.monotonic() - began) * 1000
    size = f"{loaded.info.width} × {loaded.info.height}"
    times = f"loads in {load_ms:.0f} ms, a tile of {size} takes {tile_ms:.0f} ms"
    what = f"{loaded.info.network} {loaded.info.version}, {loaded.info.precision}, on {loaded.runtime}: {times}"
    return Finding("note" if loaded.degraded else "ok", "engine", what, loaded.degraded)


def _cameras() -> Iterator[Finding]:
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        yield Finding("note", "cameras", "no V4L2 device (/dev/video*)", "plug a camera in, or use another kind")
    for device in devices:
        if os.access(device, os.R_OK | os.W_OK):
            yield Finding("ok", "cameras", str(device))
        else:
            yield Finding("broken", "cameras", f"{device}: permission denied", "add this user to the group video")


def _gige() -> Finding:
    """Only a note where Aravis is missing: a machine with another camera needs none."""
    try:
        there = list_cameras()
    except CameraError as error:
        return Finding("note", "gige", error.what, error.mend)
    if not there:
        return Finding("note", "gige", "no GigE Vision camera answers", "plug one in, or use another kind")
    return Finding("ok", "gige", ", ".join(f"{name} at {address}" for name, address in there))


def _recipe(settings: Settings) -> Finding:
    recipe = Recipe.load(settings.recipe.folder)
    height, width = recipe.template.shape[:2]
    scale = f"{recipe.mm_per_px:g} mm a pixel" if recipe.mm_per_px else "no scale, lengths in pixels only"
    return Finding("ok", "recipe", f"{recipe.name}, version {recipe.version}, {width} × {height}, {scale}")


def _camera(settings: Settings) -> Finding:
    camera = open_camera(settings)
    with closing(camera):
        camera.open()
        began = time.monotonic()
        frame = camera.read()
        read_ms = (time.monotonic() - began) * 1000
    if frame is None:
        raise CameraError("gives no frame", where=camera.name, mend="check [camera] source")
    height, width = frame.image.shape[:2]
    return Finding("ok", "camera", f"{camera.name}: {width} × {height} in {read_ms:.0f} ms")


def _broker(mqtt: MqttSettings) -> Finding:
    """Connect beside a running agent: under another client id, since a broker ends the older of two with the same."""
    client_id = (mqtt.client_id or default_client_id(mqtt.topic_base)) + "-doctor"
    visitor = replace(mqtt, client_id=client_id)
    will = Will(f"{Topics(mqtt.topic_base).base}/doctor", "")
    wake, other = socket.socketpair()
    with wake, other:
        for protocol in dict.fromkeys((mqtt.protocol, "3.1.1")):
            began = time.monotonic()
            try:
                connection = Connection(visitor, protocol, will, wake)
            except ProtocolVersionError:
                continue
            took_ms = (time.monotonic() - began) * 1000
            connection.close()
            return Finding("ok", "broker", f"{mqtt.address} accepts us, MQTT {protocol}, {took_ms:.0f} ms")
    raise BrokerError(f"speaks neither MQTT {mqtt.protocol} nor 3.1.1", where=mqtt.address, mend="check host and port")


def _clock() -> Finding:
    if health.clock_synced():
        return Finding("ok", "clock", "synchronised")
    mend = "results say clock_synced = false; enable chrony or systemd-timesyncd"
    return Finding("note", "clock", "not synchronised", mend)


def _disk(settings: Settings | None) -> Finding:
    folder = settings.results.folder if settings else Path.cwd()
    least = settings.results.archive_mb + settings.results.min_free_mb if settings else 0
    free = health.disk_free_mb(folder)
    what = f"{free} MB free at {folder}"
    if settings and free < settings.results.min_free_mb:
        return Finding("broken", "disk", what, "make room, or name another [results] folder")
    if free < least:
        return Finding("note", "disk", what, f"the archive may grow to {least} MB: make room, or lower archive_mb")
    return Finding("ok", "disk", what)


def _board() -> Iterator[Finding]:
    memory_mb = health.memory_available_mb() or 0
    state = "ok" if memory_mb >= LEAST_MEMORY_MB else "note"
    yield Finding(state, "memory", f"{memory_mb} MB available, {os.cpu_count()} CPU cores")
    temperatures = health.temperatures()
    if temperatures:
        zone, degrees = max(temperatures.items(), key=lambda item: item[1])
        hot = degrees >= HOT_C
        mend = "it will be throttled: cool it" if hot else ""
        yield Finding("note" if hot else "ok", "temperature", f"{degrees:.0f} °C at {zone}", mend)
