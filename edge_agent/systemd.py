"""What systemd wants to hear of a service (sd_notify(3)): a datagram to its socket, no library."""

from __future__ import annotations

import logging
import os
import socket
import time

from edge_agent.log import event

log = logging.getLogger(__name__)

LONGEST_S = 1.0  # between two signs of life


def notify(*states: str) -> None:
    """Tell systemd, for example `notify("READY=1", "STATUS=inspecting")`; nothing happens without NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)  # a systemd that does not read must not stop the one that feeds the watchdog
            connection.connect("\0" + address[1:] if address.startswith("@") else address)
            connection.send("\n".join(states).encode())
    except OSError as error:  # inspecting goes on; systemd will notice by itself that it hears nothing
        log.warning(event("systemd-does-not-listen", socket=address, why=error))


class Watchdog:
    """Feeds systemd's watchdog (WatchdogSec=) often enough, however often it is called."""

    def __init__(self) -> None:
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        patience_s = int(microseconds) / 1e6 if microseconds.isdecimal() else 3 * LONGEST_S
        self._every_s = min(LONGEST_S, patience_s / 3)
        self._due = 0.0

    def feed(self) -> None:
        """Give a sign of life, if it is time."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every_s
            notify("WATCHDOG=1")
