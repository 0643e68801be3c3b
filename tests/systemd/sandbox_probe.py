"""Runs in the sandbox of the agent's unit and tries what it must be able to do, and what it must not."""

import ctypes
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
STATE = Path("/var/lib/matecheck")
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000


def writes(path: str) -> Callable[[], object]:
    return lambda: Path(path).write_text("probe")


def reads(path: str) -> Callable[[], object]:
    return lambda: Path(path).read_bytes()[:1]


def calls(name: str, *arguments: object) -> Callable[[], object]:
    def call() -> None:
        if getattr(LIBC, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), name)

    return call


def opens(family: int, kind: int) -> Callable[[], object]:
    return lambda: socket.socket(family, kind).close()


def reads_the_clock() -> None:
    if LIBC.adjtimex(ctypes.create_string_buffer(1024)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")


MUST = {
    "write results": writes(f"{STATE}/results/probe"),
    "write recipes": writes(f"{STATE}/recipes/probe"),
    "write its cache": writes("/var/cache/matecheck/probe"),
    "write temporary files": writes("/tmp/probe"),
    "read the configuration": reads("/etc/matecheck/agent.toml"),
    "read its key": reads(os.environ.get("CREDENTIALS_DIRECTORY", "/none") + "/key.pem"),
    "read whether the clock is synchronised": reads_the_clock,
    "open network connections": opens(socket.AF_INET, socket.SOCK_STREAM),
    "pin threads to cores": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "read memory and temperatures": reads("/proc/meminfo"),
    "load ONNX Runtime and OpenCV": lambda: subprocess.run(
        [sys.executable, "-c", "import cv2, onnxruntime, numpy; numpy.ones((500, 500)) @ numpy.ones((500, 500))"],
        check=True,
    ),
}
MUST_NOT = {
    "write its program": writes("/opt/matecheck/current/bin/python-probe"),
    "write the configuration": writes("/etc/matecheck/agent.toml"),
    "write units": writes("/etc/systemd/system/probe.service"),
    "write engines": writes(f"{STATE}/engines/probe"),
    "swap the folder of engines": lambda: (STATE / "engines").rename(STATE / "swapped"),
    "write beside its folders": writes(f"{STATE}/probe"),
    "write its home": writes("/home/probe"),
    "write kernel settings": writes("/proc/sys/kernel/core_pattern"),
    "read the files of root": reads("/etc/matecheck/secrets/key.pem"),
    "read shadow passwords": reads("/etc/shadow"),
    "list the home of root": lambda: os.listdir("/root"),  # noqa: PTH208 - iterdir would not even look
    "see temporary files of others": reads("/tmp/of-others"),
    "open a disk": reads("/dev/disk"),
    "open the kernel's messages": reads("/dev/message"),
    "see processes of others": reads("/proc/1/cmdline"),
    "become root": lambda: os.setuid(0),
    "run set-user-id programs as root": lambda: subprocess.run(
        ["/usr/bin/su", "-c", "true"], check=True, stdin=subprocess.DEVNULL, capture_output=True
    ),
    "send raw packets": opens(socket.AF_PACKET, socket.SOCK_RAW),
    "open raw sockets": opens(socket.AF_INET, socket.SOCK_RAW),
    "open bluetooth": opens(31, socket.SOCK_RAW),
    "make user namespaces": calls("unshare", CLONE_NEWUSER),
    "make mount namespaces": calls("unshare", CLONE_NEWNS),
    "mount": calls("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "trace itself": calls("ptrace", 0, 0, 0, 0),
    "make memory that is written and run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "change its personality": calls("personality", 0x0040000),
    "set the clock": calls("clock_settime", 0, ctypes.create_string_buffer(16)),
    "set the host name": calls("sethostname", b"probe", 5),
    "make files set-user-id": lambda: Path("/tmp/probe").chmod(0o4755),
    "leave a core": lambda: os.kill(0, 0) if __import__("resource").getrlimit(4)[1] else os.close(-1),
}


def succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


said = {
    "must": {what: succeeds(attempt) for what, attempt in MUST.items()},
    "must_not": {what: succeeds(attempt) for what, attempt in MUST_NOT.items()},
}
aside = STATE / "results/probe.json.new"
aside.write_text(json.dumps(said))
aside.rename(STATE / "results/probe.json")
