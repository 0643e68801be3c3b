"""A GigE Vision camera on the loopback interface, in a process of its own: Aravis' own fake camera."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from edge_agent.cameras.aravis import load_aravis
from edge_agent.errors import CameraError

ADDRESS = "127.0.0.1"
PROGRAM = "arv-fake-gv-camera-0.8"
FREE_AFTER_S = 60.0  # another test run on this machine may have the port


def need_aravis() -> None:
    """Skip loudly where there is no Aravis."""
    try:
        load_aravis()
        subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)
    except (CameraError, OSError) as error:
        pytest.skip(f"GigE Vision was NOT tested: {error}; sudo apt-get install aravis-tools")


class GigeCameraProcess:
    """Use it in a `with` block. 512 × 512 pixels, 25 pictures a second, each differs from the one before.

    Args:
        lost_per_thousand: network packets that get lost.
    """

    def __init__(self, lost_per_thousand: int = 0) -> None:
        self._command = [PROGRAM, "--interface", ADDRESS, "--serial", "TEST01"]
        if lost_per_thousand:
            self._command += ["--gvsp-lost-ratio", str(lost_per_thousand)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GigeCameraProcess:
        self.plug_in()
        return self

    def __exit__(self, *_error: object) -> None:
        self.pull_out()

    def plug_in(self) -> None:
        """Start it; it answers after this."""
        end = time.monotonic() + FREE_AFTER_S
        while True:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(0.3)
            if self._process.poll() is None:
                return
            self._process.communicate()
            assert time.monotonic() < end, "port 3956 is taken by another GigE camera on this machine"

    def pull_out(self) -> None:
        """Gone, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """It is there, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class LightBarrier:
    """A GigE camera in this process, whose trigger input the test moves.

    The fake camera has no input of its own: its registers are set as if "Line0" were the software trigger.
    """

    def __init__(self) -> None:
        self._aravis = load_aravis()
        end = time.monotonic() + FREE_AFTER_S
        self._camera = self._aravis.GvFakeCamera.new(ADDRESS, "TEST02")
        while not self._camera.is_running():
            assert time.monotonic() < end, "port 3956 is taken by another GigE camera on this machine"
            time.sleep(0.3)
            self._camera = self._aravis.GvFakeCamera.new(ADDRESS, "TEST02")

    def pulse(self) -> None:
        """A part passes."""
        inside = self._camera.get_fake_camera()
        software = 1
        inside.write_register(self._aravis.FAKE_CAMERA_REGISTER_TRIGGER_SOURCE, software)
        inside.write_register(self._aravis.FAKE_CAMERA_REGISTER_TRIGGER_SOFTWARE, 1)
