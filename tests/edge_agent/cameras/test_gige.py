"""GigE Vision against Aravis' own camera, over real sockets."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from edge_agent.cameras.camera import NoPictureYetError
from edge_agent.cameras.gige import GigeCamera
from edge_agent.cameras.gige_settings import GigeSettings
from edge_agent.errors import CameraError, ConfigError, ImageError
from tests.support.gige_camera import ADDRESS, GigeCameraProcess, LightBarrier, need_aravis

NAME = "Aravis-Fake-TEST01"


@pytest.fixture
def device() -> Iterator[GigeCameraProcess]:
    need_aravis()
    with GigeCameraProcess() as process:
        yield process


@pytest.mark.parametrize("source", [ADDRESS, NAME, ""])
def test_a_camera_is_found_by_address_by_name_and_as_the_first(device: GigeCameraProcess, source: str) -> None:
    with closing(GigeCamera(source)) as camera:
        camera.open()
        frames = [camera.read() for _ in range(3)]
        assert [frame.number for frame in frames if frame] == [0, 1, 2]
        assert all(frame and frame.image.shape == (512, 512, 3) for frame in frames)
        assert camera.counts["frames"] >= 3


def test_a_name_that_nobody_has_is_answered_with_the_names_there_are(device: GigeCameraProcess) -> None:
    with pytest.raises(CameraError, match=f"there is no camera Basler-1; .*there: {NAME}"):
        GigeCamera("Basler-1").open()


def test_a_camera_that_goes_away_while_it_is_set_up_is_a_camera_error(device: GigeCameraProcess) -> None:
    class PulledOut(GigeCamera):
        def _connect(self) -> None:
            super()._connect()
            device.pull_out()

    with pytest.raises(CameraError, match="went away while it was set up"):
        PulledOut(ADDRESS).open()


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "BayerRG8", "Mono16"])
def test_each_pixel_format_gives_a_picture(device: GigeCameraProcess, name: str) -> None:
    with closing(GigeCamera(ADDRESS, GigeSettings(pixel_format=name))) as camera:
        camera.open()
        frame = camera.read()
        assert frame
        assert frame.image.shape == (512, 512, 3)
        assert 10 < frame.image.mean() < 250


def test_exposure_and_gain_change_the_picture(device: GigeCameraProcess) -> None:
    def brightness(exposure_us: float, gain: float) -> float:
        settings = GigeSettings(exposure_us=exposure_us, gain=gain)
        with closing(GigeCamera(ADDRESS, settings, "software")) as camera:
            camera.open()
            frame = camera.read()
            assert frame
            return float(frame.image.mean())

    dark, long, amplified = brightness(2000, 0), brightness(10_000, 0), brightness(2000, 3)
    assert dark < long
    assert dark < amplified


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (GigeSettings(exposure_us=1), "exposure_us = 1 is not possible; give 10 to"),
        (GigeSettings(gain=99), "gain = 99 is not possible; give 0 to 10"),
        (GigeSettings(pixel_format="Mono10"), "pixel_format cannot be set"),
        (GigeSettings(trigger_line="Line9"), "trigger_line Line9 is refused .*; take one of: Line0"),
    ],
)
def test_what_the_camera_cannot_do_is_said_with_what_it_can(
    device: GigeCameraProcess, settings: GigeSettings, said: str
) -> None:
    with pytest.raises(CameraError, match=said):
        GigeCamera(ADDRESS, settings, "line").open()


def test_a_software_trigger_takes_its_picture_then_and_not_before(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS, triggering="software")) as camera:
        camera.open()
        time.sleep(0.5)  # a camera that runs would have sent a dozen pictures
        for number in range(1, 4):
            before_ns = time.monotonic_ns()
            frame = camera.read()
            assert frame
            assert frame.monotonic_ns >= before_ns
            assert camera.counts["frames"] == number


def test_a_camera_that_runs_gives_its_newest_picture(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS)) as camera:
        camera.open()
        camera.read()
        before = camera.counts["frames"]
        time.sleep(0.5)
        camera.read()
        assert camera.counts["frames"] > before + 1  # those between were passed over


def test_a_camera_that_waits_for_its_light_barrier_is_well(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS, GigeSettings(trigger_line="Line0"), "line")) as camera:
        camera.open()
        for _ in range(2):
            with pytest.raises(NoPictureYetError):
                camera.read()


def test_each_pulse_of_the_light_barrier_is_one_picture() -> None:
    need_aravis()
    barrier = LightBarrier()
    with closing(GigeCamera(ADDRESS, GigeSettings(trigger_line="Line0"), "line")) as camera:
        camera.open()
        for number in range(3):
            barrier.pulse()
            frame = camera.read()
            assert frame
            assert frame.number == number
        with pytest.raises(NoPictureYetError):
            camera.read()
        assert camera.counts["frames"] == 3


def test_one_program_controls_a_camera(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS)) as first:
        first.open()
        with pytest.raises(CameraError, match="controlled by another program"):
            GigeCamera(ADDRESS).open()
        assert first.read()


def test_a_camera_that_was_gone_is_opened_again_with_its_settings(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS, GigeSettings(pixel_format="RGB8"), "software")) as camera:
        camera.open()
        assert camera.read()
        device.pull_out()
        with pytest.raises(CameraError, match="does not answer"):
            camera.check()
        device.plug_in()
        camera.open()
        frame = camera.read()
        assert frame
        assert frame.number == 1
        assert np.ptp(frame.image.astype(int), axis=2).max() > 0  # colour: the format was set again
        assert camera.counts["frames"] == 2


def test_a_camera_that_hangs_is_noticed(device: GigeCameraProcess) -> None:
    with closing(GigeCamera(ADDRESS, triggering="software")) as camera:
        camera.open()
        device.hang()
        with pytest.raises(CameraError, match=r"does not (take the software trigger|answer)"):
            camera.read()
        device.go_on()


def test_lost_packets_are_counted_and_the_picture_is_not_used() -> None:
    need_aravis()
    with GigeCameraProcess(lost_per_thousand=20), closing(GigeCamera(ADDRESS, triggering="software")) as camera:
        camera.open()
        broken = 0
        for _ in range(8):
            try:
                camera.read()
            except ImageError:
                broken += 1
        assert broken
        assert camera.counts["incomplete"] == broken
        assert camera.counts["missing"] >= broken


def test_without_aravis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(CameraError, match=r"Aravis 0\.8 is not installed .*apt-get install gir1\.2-aravis-0\.8"):
        GigeCamera()


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"exposure_us": -1.0}, "exposure_us"),
        ({"gain": float("nan")}, "gain"),
        ({"pixel_format": "Mono7"}, "pixel_format"),
        ({"trigger_line": ""}, "trigger_line"),
        ({"packet_size": 100}, "packet_size"),
    ],
)
def test_impossible_settings_are_refused_by_name(values: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GigeSettings(**values)  # type: ignore[arg-type]
    assert caught.value.where == key
