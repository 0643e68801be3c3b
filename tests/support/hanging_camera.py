"""`edge-agent` with a camera whose driver hangs: run as a module, with the arguments of the real one."""

from __future__ import annotations

import sys
import threading

from edge_agent import agent
from edge_agent.cameras.camera import Camera, Frame
from edge_agent.cli.main import main


class HangingCamera(Camera):
    """Opens, and never answers again."""

    def __init__(self) -> None:
        self.name = "hanging"

    def open(self) -> None:
        pass

    def read(self) -> Frame | None:
        threading.Event().wait()
        return None

    def check(self) -> None:
        threading.Event().wait()

    def close(self) -> None:
        pass


if __name__ == "__main__":
    agent.open_camera = lambda _settings: HangingCamera()
    sys.exit(main())
