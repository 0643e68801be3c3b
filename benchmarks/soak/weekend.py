"""A weekend without a broker: a large backlog is in the outbox when the agent starts, and drains."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.rig import Broker, Line, model_of, quick_agent, resident_mb
from edge_agent.inspection.inspection import Verdict
from edge_agent.results.identifiers import uuid7
from edge_agent.results.outbox import Outbox
from tests.support.agent import AgentProcess
from tests.support.results import maker

CLAIM = "200,000 results drain in order; the agent starts in less than 5 s with that backlog; rate and memory measured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matecheck-soak-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        try:
            config = quick_agent(Path(scratch) / "agent", broker.port)
            size = _fill(config.parent / "results" / "outbox.sqlite", options.results)
            empty = _without_backlog(quick_agent(Path(scratch) / "other", broker.port))
            with Line(broker.port) as line:
                text = _drain(line, config, options.results, size, empty)
        finally:
            broker.stop()
        data = f"{options.results} results, a third NG with one component"
        record("soak.weekend", claim=CLAIM, data=data, model=model_of(config), result=text, keep=True)


def _fill(path: Path, count: int) -> float:
    """Put results on disk as `record` does, many in a transaction; returns the size of the file in MB."""
    outbox = Outbox(path)
    payloads = {verdict: maker(verdict)(0).to_json() for verdict in (Verdict.OK, Verdict.NG)}

    def rows() -> Iterator[tuple[int, str, str, int]]:
        for seq in range(1, count + 1):
            verdict = Verdict.NG if seq % 3 == 0 else Verdict.OK
            made = maker(verdict)(0)
            payload = payloads[verdict].replace('"seq":0', f'"seq":{seq}')
            result_id = uuid7()
            old = payload.split('"id":"')[1][:36]
            yield seq, result_id, payload.replace(old, result_id), 2 if made.verdict is Verdict.OK else 3

    with outbox._database.transaction() as connection:
        connection.executemany("INSERT INTO result VALUES (?, ?, ?, ?, NULL)", rows())
        connection.execute("UPDATE counter SET last_seq = ?", (count,))
    outbox.close()
    return path.stat().st_size / 1e6


def _without_backlog(config: Path) -> tuple[float, float]:
    """How long the same agent takes to start, in seconds, and its memory in MB."""
    began = time.monotonic()
    with AgentProcess(config) as agent:
        agent.wait_for_log("agent-started", 120)
        started_s = time.monotonic() - began
        agent.wait_for_log("mqtt connected", 60)
        time.sleep(1)
        memory = resident_mb(agent.process.pid)
        agent.stop()
    return started_s, memory


def _drain(line: Line, config: Path, count: int, size: float, empty: tuple[float, float]) -> str:
    began = time.monotonic()
    most = 0.0
    with AgentProcess(config) as agent:
        agent.wait_for_log("agent-started", 120)
        started_s = time.monotonic() - began
        line.wait(lambda: line.received > 0, 60)
        first = time.monotonic()
        end = first + 1800
        while line.received < count and time.monotonic() < end:
            line.wait(lambda: line.received >= count, 0.5)
            most = max(most, resident_mb(agent.process.pid))
        drained_s = time.monotonic() - first
        clean = agent.stop()
    in_order = line.seqs == list(range(1, count + 1))
    lines = [
        f"outbox on disk              {size:.0f} MB",
        f"start to agent-started      {started_s:.1f} s; the same agent without a backlog {empty[0]:.1f} s",
        f"received                    {line.received}, each once and in order: {in_order}",
        f"drained in                  {drained_s:.0f} s, {count / drained_s:.0f} results a second",
        f"most memory while draining  {most:.0f} MB; the same agent without a backlog {empty[1]:.0f} MB",
        f"exit code                   {clean}",
        "",
        "passed" if in_order and started_s < 5 else "FAILED",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
