"""From the `[camera]` settings to a camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_agent.cameras.camera import Camera

if TYPE_CHECKING:
    from edge_agent.config import Settings  # which itself reads the names of the simulated connectors

_TRIGGERING: dict[str, Literal["software", "line", "none"]] = {"command": "software", "camera": "line"}


def open_camera(all_settings: Settings) -> Camera:
    """The camera that the settings describe. Its `open` is left to the thread that will own it.

    Raises:
        CameraError: what this kind of camera needs is not installed.
    """
    settings = all_settings.camera
    # each kind is imported when it is used: a line with a folder does not pay for the renderer
    if settings.kind == "folder":
        from edge_agent.cameras.folder import FolderCamera  # noqa: PLC0415

        return FolderCamera(Path(settings.source), loop=settings.loop)
    if settings.kind == "video":
        from edge_agent.cameras.video import VideoCamera  # noqa: PLC0415

        size = (settings.width_px, settings.height_px)
        return VideoCamera(settings.source, loop=settings.loop, size=size, fps=settings.fps)
    if settings.kind == "gstreamer":
        from edge_agent.cameras.gstreamer import GStreamerCamera  # noqa: PLC0415

        return GStreamerCamera(settings.source)
    if settings.kind == "gige":
        from edge_agent.cameras.gige import GigeCamera  # noqa: PLC0415

        triggering = _TRIGGERING.get(all_settings.trigger.mode, "none")
        return GigeCamera(settings.source, all_settings.gige, triggering, settings.fps)
    from edge_agent.cameras.simulated import DEFAULT_SIZE, SimulatedCamera  # noqa: PLC0415

    return SimulatedCamera(
        connector=settings.connector,
        size=(settings.width_px or DEFAULT_SIZE[0], settings.height_px or DEFAULT_SIZE[1]),
        seed=settings.seed,
        share=settings.share,
        parts=settings.parts or None,
    )
