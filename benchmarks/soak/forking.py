"""What the nursery starts: imports everything once, then forks an agent for each line on stdin."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

import edge_agent.agent
import edge_agent.engines.onnx_runtime  # noqa: F401 - what each agent would import
from edge_agent.cli.main import main


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed is gone at once
    gc.freeze()
    for line in sys.stdin:
        config = Path(line.strip())
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(config.with_name("agent.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor, target in ((nothing, 0), (nothing, 1), (log, 2)):
            os.dup2(descriptor, target)
        os._exit(main(["run", str(config)]))


if __name__ == "__main__":
    _serve()
