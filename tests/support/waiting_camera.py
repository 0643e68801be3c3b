"""`edge-agent` with a camera that does as a file says: run as a module, with the arguments of the real one."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from edge_agent import agent
from edge_agent.cameras.camera import Camera, Frame
from edge_agent.cli.main import main
from tests.support.agent import picture

VARIABLE = "MATECHECK_TEST_PICTURE"  # the path of that file
CRASH = "crash"  # what stands in it for a driver with a bug


class WaitingCamera(Camera):
    """Waits for the file, then takes pictures of clean parts, or crashes."""

    def __init__(self) -> None:
        self.name = "waiting"
        self._taken = 0

    def open(self) -> None:
        pass

    def read(self) -> Frame | None:
        while not Path(os.environ[VARIABLE]).exists():
            time.sleep(0.02)
        if Path(os.environ[VARIABLE]).read_text(encoding="ascii") == CRASH:
            raise RuntimeError("a bug in the driver")
        self._taken += 1
        return Frame(
            image=picture(self._taken),
            number=self._taken,
            captured_at=datetime.now(timezone.utc),
            monotonic_ns=time.monotonic_ns(),
            source=self.name,
        )

    def close(self) -> None:
        pass


if __name__ == "__main__":
    agent.open_camera = lambda _settings: WaitingCamera()
    sys.exit(main())
