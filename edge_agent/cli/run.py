"""edge-agent run: the agent, until it is stopped."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Inspect parts as CONFIG says, record each result on disk and publish it over MQTT,
until SIGTERM, Ctrl-C, or the end of a folder. A broker or camera that is away is tried
again for ever; the log on stderr and the topic {base}/status say so.
"""
EPILOG = """\
exit codes:
  0  stopped, or the folder was inspected and the broker has every result
  1  the folder was inspected, but results still wait for the broker (they are sent at the next start)
  2  wrong configuration, recipe or model: nothing was started
  3  a part of the agent hangs, in a camera's driver for example, or fails again and again: only a new process can
     help, and systemd starts it (Restart=on-failure). What was accepted has its result, or gets it then

examples:
  edge-agent check-config agent.toml && edge-agent run agent.toml
  mosquitto_pub -t plant1/cell2/command/inspect -m '{"part_id": "4711"}'
"""


def add_parser(subparsers: Any) -> None:
    """Add `run` to edge-agent."""
    parser = subparsers.add_parser(
        "run",
        help="run the agent",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", metavar="CONFIG", type=Path, help="agent.toml; docs/agent.example.toml shows all keys"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the agent in this process. Raises MatecheckError for what must be mended before it can start."""
    from edge_agent import log
    from edge_agent.agent import LOST, Agent
    from edge_agent.config import load
    from edge_agent.results.claim import claimed

    log.to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: _stop(stop, received))
    settings = load(arguments.config)
    with claimed(settings.results.folder):
        code = Agent(settings).run(stop)
        if code == LOST:
            logging.shutdown()
            os._exit(code)  # an orderly end would wait for the driver that hangs
    return code


def _stop(stop: threading.Event, received: int) -> None:
    """Ask the agent to end in order; the same signal once more ends the process at once."""
    signal.signal(received, signal.SIG_DFL)
    stop.set()
