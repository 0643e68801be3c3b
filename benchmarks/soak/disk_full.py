"""A disk that others fill and clear under an agent at work: no result is lost, pictures stop and return.

python -m benchmarks.soak.disk_full [--rounds N]

The real agent in command mode and a real mosquitto; its results stand on a tmpfs of 64 MB (needs root). Each round
another program takes all that is left of the disk, holds it for a while, and lets go of it. Every second part has an
object, so that the archive is full from the first rounds on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from benchmarks.record import record, run
from edge_agent.engines import load_engine
from edge_agent.errors import UsageError
from tests.support.agent import AgentFolder, AgentProcess, trigger
from tests.support.broker import Broker
from tests.support.listener import Listener

NAME = "soak.disk_full"
CLAIM = "disk full: every accepted trigger has one result, seq without a gap, degraded says so, back without help"
ROUNDS = 10
DISK_MB, ARCHIVE_MB, LEAST_MB = 64, 20, 8
FULL_S, CLEAR_S = 10.0, 6.0
RECOVERY_S = 60.0


class Line:
    """Triggers parts one after the other, and keeps what came."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.results: list[dict[str, object]] = []
        self.states: list[str] = []
        self.thumbnails = self.accepted = self.refused = 0

    def inspect(self) -> None:
        """The next part, to its result."""
        before = len(self.results) + self.refused
        trigger(self._listener, f"part {self.accepted + self.refused}")
        self._listener.wait(lambda: self.listen() and len(self.results) + self.refused > before, 60)

    def listen(self) -> bool:
        """Take what came."""
        messages, self._listener.messages[:] = list(self._listener.messages), []
        for message in messages:
            topic = message.topic.rpartition("/")[2]
            if topic == "thumbnail":
                self.thumbnails += 1
                continue
            said = json.loads(message.payload)
            if topic == "result":
                self.results.append(said)
            elif topic == "status":
                self.states.append(said["state"])
            elif message.topic.endswith("/reply/inspect"):
                self.accepted += said["accepted"]
                self.refused += not said["accepted"]
        return True

    @property
    def state(self) -> str:
        """The last status heard."""
        return self.states[-1] if self.states else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        raise UsageError("a small tmpfs cannot be mounted", mend="run it as root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("broker", "agent", "agent/results"):
            (folder / part).mkdir()
        broker = Broker(folder / "broker").start()
        agent_folder = AgentFolder(folder / "agent", broker.port)
        agent_folder.write_parts([False, True])
        config = agent_folder.write_config(results={"archive_mb": ARCHIVE_MB, "min_free_mb": LEAST_MB})
        with (
            _tmpfs(folder / "agent" / "results") as disk,
            AgentProcess(config) as agent,
            Listener(broker.port, topic_filter="plant1/#") as listener,
        ):
            agent.wait_for_log("mqtt connected", 60)
            result = _soak(agent, Line(listener), disk, rounds)
            agent.stop()
        broker.stop()
        with closing(load_engine(folder / "agent" / "difference.onnx")) as engine:
            model = engine.info
    record(NAME, claim=CLAIM, data="2 made-up parts of 400 x 300 px", model=model, result=result, keep=rounds >= 3)


@contextmanager
def _tmpfs(place: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def _soak(agent: AgentProcess, line: Line, disk: Path, rounds: int) -> str:
    in_memory, recoveries, said = 0, [], 0
    for _ in range(rounds):
        _inspect_for(line, CLEAR_S)
        filler = disk / "of another program"
        _fill(filler)
        before = agent.log.count("results-in-memory")
        end = time.monotonic() + FULL_S
        while time.monotonic() < end:
            line.inspect()
            _fill(filler)  # what the archive gave up is taken too
        said += line.state == "degraded"
        in_memory += agent.log.count("results-in-memory") > before
        filler.unlink()
        began = time.monotonic()
        while line.state != "online":
            line.inspect()
            if time.monotonic() - began > RECOVERY_S:
                raise RuntimeError(f"the agent did not recover:\n{agent.log[-3000:]}")
        recoveries.append(time.monotonic() - began)
    _inspect_for(line, CLEAR_S)
    return _report(line, rounds, in_memory, said, recoveries)


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65_536))


def _inspect_for(line: Line, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        line.inspect()


def _report(line: Line, rounds: int, in_memory: int, said: int, recoveries: list[float]) -> str:
    seqs = [result["seq"] for result in line.results]
    whole = seqs == list(range(1, len(seqs) + 1)) and len(seqs) == line.accepted
    verdicts = [result["verdict"] for result in line.results]
    lines = [
        f"disk              {DISK_MB} MB, filled to the last block in {rounds} rounds of {FULL_S:g} s",
        f"triggers          {line.accepted} accepted, {line.refused} refused",
        f"results           {len(seqs)}, seq 1 to {seqs[-1]} {'without a gap, in order' if whole else 'NOT WHOLE'}",
        f"verdicts          {verdicts.count('OK')} OK, {verdicts.count('NG')} NG, {verdicts.count('ERROR')} ERROR",
        f"thumbnails        {line.thumbnails}: they stop while the disk is full",
        f"degraded said     in {said} of {rounds} rounds; results were kept in memory in {in_memory}",
        f"online again      after {max(recoveries):.1f} s at most",
    ]
    held = whole and said == rounds and not line.refused and not verdicts.count("ERROR")
    return "\n".join(["held" if held else "NOT HELD", *lines])


if __name__ == "__main__":
    run(main)
