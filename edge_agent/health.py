"""The state of the device, as the kernel tells it."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

MB = 1_000_000
TIMESYNC = Path("/run/systemd/timesync/synchronized")
MEMINFO = Path("/proc/meminfo")
THERMAL = Path("/sys/class/thermal")
STA_UNSYNC = 0x0040  # linux/timex.h
PLAUSIBLE = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()  # no clock that is right says less


def disk_free_mb(folder: Path) -> int:
    """Free space where the folder is, or will be made, in megabytes; 0 where the disk does not tell."""
    # os.path: False, and no error, of a place that this user may not look into
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if os.path.exists(place))  # noqa: PTH110
    try:
        return shutil.disk_usage(there).free // MB
    except OSError:
        return 0


def memory_mb() -> int:
    """Resident memory of this process in megabytes; 0 where the kernel does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // MB


def memory_available_mb(meminfo: Path = MEMINFO) -> int | None:
    """Memory that programs can still get on this machine, in megabytes; None where the kernel does not tell."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 // MB if found else None


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


def clock_plausible() -> bool:
    """Whether the wall clock may be right: one without a battery begins in 1970, or at the date of its system."""
    return time.time() >= PLAUSIBLE


def clock_synced(timesync: Path = TIMESYNC) -> bool:
    """Whether the wall clock is synchronised, by whatever service. Unknown counts as not synchronised."""
    if not clock_plausible():
        return False
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
