"""A network of this process alone, in which packets can be dropped as a dead switch drops them."""

from __future__ import annotations

import ctypes
import os
import subprocess

from edge_agent.errors import UsageError

CLONE_NEWNET = 0x40000000  # linux/sched.h; os.unshare is there from Python 3.12 on


def enter_own_network() -> None:
    """A loopback of its own for this process and those that it starts; call it before there is a second thread.

    Raises:
        UsageError: not root, or iptables is missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise UsageError(
            f"a network of its own cannot be had ({os.strerror(ctypes.get_errno())})", mend="run it as root"
        )
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        drop_packets(0)
    except FileNotFoundError as error:
        raise UsageError("iptables is missing", mend="apt-get install iptables") from error
    let_packets_pass()


def drop_packets(port: int) -> None:
    """Drop every TCP packet to and from this port of the loopback: a half-open connection, nobody gets a reset."""
    for side in ("--dport", "--sport"):
        _iptables("--append", "INPUT", "--protocol", "tcp", side, str(port), "--jump", "DROP")


def let_packets_pass() -> None:
    """Drop nothing any more."""
    _iptables("--flush", "INPUT")


def _iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "--wait", *arguments], check=True)
