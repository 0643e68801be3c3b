"""One making at a time, in a folder that is there."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibration.errors import CalibrationError
from edge_agent.errors import StorageError


def make_folder(folder: Path) -> None:
    """Make it if it is not there. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        mend = "check free space and permissions; root may be needed"
        raise StorageError(f"cannot be made ({error.strerror})", where=str(folder), mend=mend) from error


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """The turn of one process; the kernel ends the turn of one that is killed. Raises MatecheckError."""
    make_folder(work)
    with (work / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CalibrationError("another calibrate makes an engine", where=str(work), mend="wait for it") from error
        yield
