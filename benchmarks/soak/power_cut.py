"""The agent is frozen (SIGSTOP) at random moments, its files are copied, and another agent starts on the copy."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.rig import IN_FLIGHT, Broker, Line, model_of, quick_agent
from edge_agent.results.outbox import Outbox
from tests.support.agent import AgentProcess

CLAIM = "the database opens; at most the uncommitted result is missing, and its trigger was never acknowledged"
FLUSH_S = 0.3  # until what left the frozen process has come to the line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after so long, and say how far it came")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matecheck-soak-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        other = Broker(Path(scratch) / "other").start()
        try:
            config = quick_agent(Path(scratch) / "agent", broker.port, trigger={"queue": 16, "deadline_s": 60.0})
            copy = quick_agent(Path(scratch) / "copy", other.port)
            text = _run(config, copy, broker, options)
        finally:
            broker.stop()
            other.stop()
        data = f"a line with {IN_FLIGHT} parts under way, seed {options.seed}; files as the kernel has them at the cut"
        record("soak.power_cut", claim=CLAIM, data=data, model=model_of(config), result=text, keep=True)


def _run(config: Path, copy: Path, broker: Broker, options: argparse.Namespace) -> str:
    chance, found = random.Random(options.seed), _Found()
    end = time.monotonic() + 60 * options.minutes
    stop = threading.Event()
    with Line(broker.port) as line, AgentProcess(config) as agent:
        agent.wait_for_log("mqtt connected", 120)
        plc = threading.Thread(target=_trigger, args=(line, stop), daemon=True)
        plc.start()
        while found.cuts < options.cuts and time.monotonic() < end:
            time.sleep(chance.uniform(0.2, 2.0))
            agent.process.send_signal(signal.SIGSTOP)
            time.sleep(FLUSH_S)
            accepted, seen = set(line.accepted), set(line.results)
            shutil.rmtree(copy.parent / "results", ignore_errors=True)
            shutil.copytree(config.parent / "results", copy.parent / "results")
            agent.process.send_signal(signal.SIGCONT)
            found.look(copy, accepted, seen)
        stop.set()
        plc.join(60)
        agent.process.kill()
    return found.text()


def _trigger(line: Line, stop: threading.Event) -> None:
    while not stop.is_set():
        line.trigger()
        line.wait(lambda: stop.is_set() or line.open_triggers() < IN_FLIGHT, 10)
        time.sleep(0.02)


class _Found:
    """What the copies showed."""

    def __init__(self) -> None:
        self.cuts = self.broken = self.lost_triggers = self.lost_results = self.gaps = self.unanswered = 0
        self.interrupted = self.refused_start = 0

    def look(self, copy: Path, accepted: set[str], seen: set[str]) -> None:
        """Start an agent on the copy, end it, and look for everything that the line knew at the cut."""
        self.cuts += 1
        with AgentProcess(copy) as agent:
            try:
                agent.wait_for_log("agent-started", 120)
            except AssertionError:
                self.refused_start += 1
                return
            agent.stop()
            self.interrupted += agent.log.count("trigger-interrupted")
        results = copy.parent / "results"
        self.broken += len(list(results.glob("*.broken-*")))
        outbox = Outbox(results / "outbox.sqlite")
        with outbox._database.transaction() as connection:
            answered = {row[0] for row in connection.execute("SELECT id FROM accepted WHERE answered_by IS NOT NULL")}
            stored = dict(connection.execute("SELECT seq, id FROM result").fetchall())
        self.unanswered += len(outbox.unanswered())
        outbox.close()
        self.lost_triggers += len(accepted - answered)
        self.lost_results += len(seen - set(stored.values()))
        self.gaps += max(stored, default=0) - len(stored)

    def text(self) -> str:
        lines = [
            f"cuts                                             {self.cuts}",
            f"copies on which the agent did not start          {self.refused_start}",
            f"databases found broken                           {self.broken}",
            f"accepted triggers without a result afterwards    {self.lost_triggers}",
            f"results that the line had and the copy has not   {self.lost_results}",
            f"gaps in seq                                      {self.gaps}",
            f"triggers left unanswered                         {self.unanswered}",
            f"triggers that became ERROR at the start          {self.interrupted}",
        ]
        bad = self.refused_start + self.broken + self.lost_triggers + self.lost_results + self.gaps + self.unanswered
        return "\n".join([*lines, "", "FAILED" if bad else "passed"])


if __name__ == "__main__":
    run(main)
