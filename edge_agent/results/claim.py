"""One folder of results, one agent."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.errors import StorageError


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other agents out of this folder; the kernel lets go of it when the process ends, however it ends.

    Two agents, a service and a person's in a terminal, would call each other's triggers interrupted. The folder itself
    is locked (flock), which needs no room on the disk. Where it cannot be, whoever opens it next says why.

    Raises:
        StorageError: another agent is at work there.
    """
    descriptor = None
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if descriptor is not None:
            _lock(descriptor, folder)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        mend = "stop it first (systemctl stop matecheck-agent), or name another [results] folder"
        raise StorageError("another agent is at work here", where=str(folder), mend=mend) from error
    except OSError:  # a file system without locks
        return
