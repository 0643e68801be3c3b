"""Real SIGKILLs at every moment of a piece of work that touches the disk."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

MOMENTS = ("open", "os.", "shutil.", "tempfile.")  # audit events of everything that Python does with files


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that kills itself just before its n-th touch of the file system, counted from 1.

    Returns:
        True if it was killed, False if it was done before that moment came.
    """
    child = os.fork()
    if child == 0:
        try:
            left = moment

            def count(event: str, _arguments: tuple[object, ...]) -> None:
                nonlocal left
                if event.startswith(MOMENTS) and event != "os.kill":
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must never come back into the test
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the work failed; its traceback is on stderr"
    return False
