"""How a command of ours lives and ends: an exit code and at most a line for each error, never a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from edge_agent.errors import MatecheckError

# OpenCV reads these once, when it is loaded: no picture may claim more memory than a Jetson has, even for the moment
# until `read_image` sees its size; and what OpenCV cannot read is said by us, in one line.
OPENCV = {"OPENCV_IO_MAX_IMAGE_PIXELS": "100000000", "OPENCV_LOG_LEVEL": "OFF"}
# The plain install is the agent alone: what the other commands need comes with an extra (setup.py).
OURS = ("edge_agent", "build_engine", "calibration")
EXTRAS = {"build-engine": "matecheck[build]", "calibrate": "matecheck[calibrate]"}
INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell makes of SIGINT and SIGPIPE


def run_command(program: str, command: Callable[[], int]) -> int:
    """Call a command; its exit code, or 2 after one line on stderr for each expected error.

    Args:
        program: stands at the head of each line.
        command: parses the arguments and does the work.
    """
    for name, value in OPENCV.items():
        os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # JSON is UTF-8 in any locale; a file name may be any bytes
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        try:
            return command()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except MatecheckError as error:
        return _failed(program, str(error))
    except ModuleNotFoundError as error:
        return _failed(program, _missing(program, error))
    except BrokenPipeError:  # whoever read has seen enough
        drop_output()
        return PIPE_CLOSED
    except OSError as error:  # such as a full disk below stdout
        drop_output()
        return _failed(program, f"{error.filename or 'output'}: {error.strerror or error}; mend that and try again")
    except KeyboardInterrupt:
        return INTERRUPTED


def drop_output() -> None:
    """Let stdout lead nowhere: nothing may be left to flush into what is closed or full."""
    with suppress(AttributeError, io.UnsupportedOperation):  # closed from the start, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _missing(program: str, error: ModuleNotFoundError) -> str:
    package = (error.name or "").partition(".")[0]
    if not package or package in OURS:  # no matter of what is installed
        raise error
    return f'this needs {package}; pip install "{EXTRAS.get(program, package)}"'


def _failed(program: str, text: str) -> int:
    for line in text.splitlines():  # a configuration may have several errors
        print(f"{program}: {line}", file=sys.stderr)
    return 2
