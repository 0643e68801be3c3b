"""GigE Vision cameras, through Aravis (https://github.com/AravisProject/aravis)."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, Literal

from edge_agent.cameras.aravis import aravis_errors, list_cameras, load_aravis
from edge_agent.cameras.camera import Camera, Frame, NoPictureYetError
from edge_agent.cameras.gige_settings import GigeSettings
from edge_agent.cameras.pixel_formats import FORMATS, to_bgr
from edge_agent.errors import CameraError, ImageError
from edge_agent.log import event

log = logging.getLogger(__name__)

BUFFERS = 8  # pictures that Aravis holds while nobody reads
PATIENCE_S = 2.0  # for a picture after its exposure, and between two of a camera that runs
LOOK_S = 1.0  # how long one `read` waits for a light barrier
VERSION_REGISTER = 0x0000  # GigE Vision bootstrap register: every camera answers for it
WIRED = "check cable and power of the camera; it is opened again by itself"

COUNTERS = {
    "frames": "n_completed_buffers",
    "incomplete": "n_failures",
    "missing": "n_missing_packets",
    "resent": "n_resent_packets",
    "dropped": "n_underruns",
}
Triggering = Literal["none", "software", "line"]


class GigeCamera(Camera):
    """One camera on the network; one program at a time can control it.

    Args:
        source: address ("192.168.1.20") or name after Aravis ("Basler-acA1440-12345678"); "" takes the first found.
        triggering: "software": each `read` takes a picture; "line": pictures come when the camera's own input says so;
            "none": the camera runs, and `read` gives the newest picture.
        settings: see there.
        fps: pictures a second asked of a camera that runs; 0 takes its own.

    Attributes:
        counts: of this camera since the start: pictures (`frames`), pictures with missing data (`incomplete`), network
            packets `missing` for good and sent again (`resent`), pictures for which no memory was free (`dropped`).

    Raises:
        CameraError: Aravis is not installed.
    """

    def __init__(
        self, source: str = "", settings: GigeSettings | None = None, triggering: Triggering = "none", fps: float = 0.0
    ) -> None:
        self.name = f"gige {source}".strip()
        self.counts: Mapping[str, int] = dict.fromkeys(COUNTERS, 0)
        self._source, self._settings, self._triggering, self._fps = source, settings or GigeSettings(), triggering, fps
        if triggering == "software" and not self._settings.software_trigger:
            self._triggering = "none"
        self.on_demand = self._triggering != "none"
        self._patience_s = PATIENCE_S + self._settings.exposure_us / 1e6
        self._aravis = load_aravis()
        self._camera: Any = None
        self._stream: Any = None
        self._before = dict(self.counts)  # the stream's own counters begin again with each stream
        self._format = ""
        self._number = 0
        self._answers = False

    def open(self) -> None:
        """Find the camera, take control, set it up and start it. Raises CameraError."""
        self.close()
        try:
            with aravis_errors("went away while it was set up", self.name, WIRED):
                self._connect()
                self._set_up()
                self._start()
        except BaseException:
            self.close()
            raise

    def read(self) -> Frame | None:
        """One picture. Raises ImageError if part of it was lost on the network; NoPictureYetError, CameraError."""
        if self._stream is None:
            raise CameraError("the camera is not open", where=self.name)
        captured_at, monotonic_ns = datetime.now(timezone.utc), time.monotonic_ns()
        buffer = self._take()
        if self._triggering != "software":
            captured_at, monotonic_ns = datetime.now(timezone.utc), time.monotonic_ns()
        try:
            image = self._decoded(buffer)
        finally:
            self._stream.push_buffer(buffer)
            self._count()
        if image is None:
            raise ImageError(
                f"the picture is incomplete; {self.counts['missing']} packets and {self.counts['incomplete']} pictures"
                " were lost since the start",
                where=self.name,
                mend="check cable and switch, allow jumbo frames, or set a smaller packet_size",
            )
        number = self._number
        self._number += 1
        return Frame(image, captured_at, monotonic_ns, number, source=self.name)

    def check(self) -> None:
        """Ask the camera for a sign of life. Raises CameraError."""
        if self._camera is None:
            raise CameraError("the camera is not open", where=self.name)
        device = self._camera.get_device()
        with self._answering("does not answer"):
            device.read_register(VERSION_REGISTER)
        if not device.is_controller():
            self._answers = False
            raise CameraError("control of the camera was lost", where=self.name, mend=WIRED)

    def close(self) -> None:
        """Stop the camera and give it up. One that does not answer costs some seconds."""
        if self._camera is not None and self._answers:
            # if it has gone away meanwhile, that changes nothing now
            with suppress(CameraError), self._answering("does not stop"):
                self._camera.stop_acquisition()
        self._before = dict(self.counts)
        self._stream = None  # first: it talks to the camera when it ends
        self._camera = None
        self._answers = False

    def _connect(self) -> None:
        name = self._source
        if not _is_address(name):
            there = dict(list_cameras())
            name = name or next(iter(there), "")
            if name not in there:
                what = f"there is no camera {name}" if name else "no GigE Vision camera answers"
                found = f" (there: {', '.join(there)})" if there else ""
                mend = f"check cable, power, and that camera and computer are in one subnet{found}"
                raise CameraError(what, where=self.name, mend=mend)
        with aravis_errors("does not answer", self.name, "check cable, power, address and subnet"):
            self._camera = self._aravis.Camera.new(name)
            vendor, model = self._camera.get_vendor_name(), self._camera.get_model_name()
            serial = self._camera.get_device_serial_number()
        if not self._camera.get_device().is_controller():
            raise CameraError("is controlled by another program", where=self.name, mend="end that program")
        self._answers = True
        log.info(event("gige-camera", camera=self.name, vendor=vendor, model=model, serial=serial))

    def _set_up(self) -> None:
        """All of it at each opening: a camera that had no power has forgotten everything."""
        camera, settings = self._camera, self._settings
        auto = self._aravis.Auto.OFF
        if settings.pixel_format:
            with self._setting("pixel_format"):
                camera.set_pixel_format_from_string(settings.pixel_format)
        self._format = camera.get_pixel_format_as_string()
        if self._format not in FORMATS:
            raise CameraError(
                f"sends {self._format}, which cannot be read",
                where=self.name,
                mend=f"set pixel_format to one of: {', '.join(self._readable_formats())}",
            )
        if settings.exposure_us:
            with self._setting("exposure_us"):
                self._within("exposure_us", settings.exposure_us, *camera.get_exposure_time_bounds())
                if camera.is_exposure_auto_available():
                    camera.set_exposure_time_auto(auto)
                camera.set_exposure_time(settings.exposure_us)
        if settings.gain is not None:
            with self._setting("gain"):
                self._within("gain", settings.gain, *camera.get_gain_bounds())
                if camera.is_gain_auto_available():
                    camera.set_gain_auto(auto)
                camera.set_gain(settings.gain)
        self._set_trigger()

    def _set_trigger(self) -> None:
        camera = self._camera
        with self._answering("cannot be set up"):
            camera.set_acquisition_mode(self._aravis.AcquisitionMode.CONTINUOUS)
            camera.clear_triggers()  # what another program has left
        if self._triggering == "line":
            line = self._settings.trigger_line
            lines = ", ".join(camera.dup_available_trigger_sources())
            with aravis_errors(f"trigger_line {line} is refused", self.name, f"take one of: {lines}"):
                camera.set_trigger(line)
        elif self._triggering == "software":
            if not camera.is_software_trigger_supported():
                mend = "write software_trigger = false in [gige]"
                raise CameraError("has no software trigger", where=self.name, mend=mend)
            with self._setting("software_trigger"):
                camera.set_trigger("Software")
        elif self._fps:
            with self._setting("fps"):
                camera.set_frame_rate(self._fps)

    def _start(self) -> None:
        camera = self._camera
        with self._answering("does not start"):
            if self._settings.packet_size:
                camera.gv_set_packet_size(self._settings.packet_size)
            else:
                camera.gv_auto_packet_size()
            payload = camera.get_payload()
            self._stream = camera.create_stream(None, None)
            for _ in range(BUFFERS):
                self._stream.push_buffer(self._aravis.Buffer.new_allocate(payload))
            camera.start_acquisition()

    def _take(self) -> Any:
        """The buffer of the picture that is asked for."""
        if self._triggering == "software":
            while (late := self._stream.try_pop_buffer()) is not None:  # of an earlier trigger: never for this part
                self._stream.push_buffer(late)
            with self._answering("does not take the software trigger"):
                self._camera.software_trigger()
        patience_s = LOOK_S if self._triggering == "line" else self._patience_s
        buffer = self._stream.timeout_pop_buffer(int(patience_s * 1e6))
        if buffer is None:
            self.check()
            if self._triggering == "line":
                raise NoPictureYetError("no picture was triggered", where=self.name)
            raise CameraError(f"sends no picture within {patience_s:g} s", where=self.name, mend=WIRED)
        while self._triggering == "none" and (newer := self._stream.try_pop_buffer()) is not None:
            self._stream.push_buffer(buffer)
            buffer = newer
        return buffer

    def _decoded(self, buffer: Any) -> Any:
        """BGR uint8 [H, W, 3]; None if something of it is missing."""
        if buffer.get_status() != self._aravis.BufferStatus.SUCCESS:
            return None
        return to_bgr(buffer.get_data(), self._format, buffer.get_image_width(), buffer.get_image_height())

    def _count(self) -> None:
        """Make a new dict: another thread may be looking at the old one."""
        now = {name: self._stream.get_info_uint64_by_name(info) for name, info in COUNTERS.items()}
        self.counts = {name: self._before[name] + count for name, count in now.items()}

    def _readable_formats(self) -> list[str]:
        return [name for name in self._camera.dup_available_pixel_formats_as_strings() if name in FORMATS]

    @contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        """For what only fails when the camera has gone away: it is not waited for again at the close."""
        try:
            with aravis_errors(what, self.name, WIRED):
                yield
        except CameraError:
            self._answers = False
            raise

    def _setting(self, key: str) -> AbstractContextManager[None]:
        return aravis_errors(f"{key} cannot be set", self.name, f"change or remove {key} in agent.toml")

    def _within(self, key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise CameraError(f"{key} = {value:g} is not possible", where=self.name, mend=f"give {low:g} to {high:g}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
