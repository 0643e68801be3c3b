"""The state of the device, and what systemd wants to hear of the service."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import socket
from pathlib import Path

from edge_agent.log import event

log = logging.getLogger(__name__)

MB = 1_000_000
TIMESYNC = Path("/run/systemd/timesync/synchronized")
THERMAL = Path("/sys/class/thermal")
STA_UNSYNC = 0x0040  # linux/timex.h


def notify(*states: str) -> None:
    """Tell systemd, for example `notify("READY=1", "STATUS=inspecting")`; nothing happens without NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect("\0" + address[1:] if address.startswith("@") else address)
            connection.sendall("\n".join(states).encode())
    except OSError as error:  # inspecting goes on; systemd will notice by itself that it hears nothing
        log.warning(event("systemd-does-not-listen", socket=address, why=error))


def disk_free_mb(folder: Path) -> int:
    """Free space where the folder is, or will be made, in megabytes."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free // MB


def memory_mb() -> int:
    """Resident memory of this process in megabytes; 0 where the kernel does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // MB


def temperatures(thermal: Path = THERMAL) -> dict[str, float]:
    """Degrees Celsius of each thermal zone that can be read; empty where there is none."""
    found = {}
    for zone in sorted(thermal.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text(encoding="ascii").strip()
            found[name] = int((zone / "temp").read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):  # a Jetson has zones that fail while their unit sleeps
            continue
    return found


def clock_synced(timesync: Path = TIMESYNC) -> bool:
    """Whether the wall clock is synchronised, by whatever service. Unknown counts as not synchronised."""
    state = _kernel_clock_state()
    return timesync.exists() if state is None else not state & STA_UNSYNC


class _Timex(ctypes.Structure):
    """The head of struct timex; the kernel fills the rest, which is padded here."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    ]


def _kernel_clock_state() -> int | None:
    """The status bits of adjtimex(2), which chrony, ntpd and systemd-timesyncd all set; None where it is not there."""
    timex = _Timex()  # modes 0: read only
    try:
        return int(timex.status) if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) >= 0 else None
    except AttributeError:
        return None
