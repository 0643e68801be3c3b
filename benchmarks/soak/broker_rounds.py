"""The broker is stopped, frozen, cut off (half-open) or slow, round after round, while parts are inspected.

python -m benchmarks.soak.broker_rounds [--rounds N] [--minutes M]

Needs root and iptables: all of it runs in a network of its own. A round in which the benchmark itself was stopped is
not counted and done again.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.own_network import drop_packets, enter_own_network, let_packets_pass
from benchmarks.soak.rig import Broker, Line, files_of, model_of, quick_agent, resident_mb
from benchmarks.soak.running_clock import RunningClock
from tests.support.agent import AgentProcess
from tests.support.proxy import Proxy

CLAIM = "no result is lost; the agent is back within 2 x its longest pause after the broker is; memory flat"
ROUNDS = 250  # 50 would do for the faults; memory needs more, to tell warm-up from growth
PAUSE_S = 1.0  # reconnect_max_s of the agent
KEEPALIVE_S = 2
CONNECT_S = 5.0  # an attempt that began while nothing got through may take so long
WINDOW = 50  # rounds: the first are warm-up; those after them are compared with the last
ENOUGH = 3 * WINDOW  # rounds, to say anything of memory
GREW_PERCENT = 2.0
FAULTS = {
    "stopped": 2 * PAUSE_S,
    "frozen": 2 * PAUSE_S,
    "swallowed": 2 * KEEPALIVE_S + 2 * PAUSE_S,  # the connection stays dead: noticed by keep-alive alone
    "dropped": CONNECT_S + 2 * PAUSE_S,
    "slow": 0.0,
}
"""What is done to the agent's way to the broker, and after how many seconds it must be back at the latest.

swallowed: a proxy takes all bytes and forwards none, for ever; dropped: iptables drops the packets of both sides.
"""


@dataclass
class Rounds:
    """What came of them."""

    back_s: dict[str, list[float]] = field(default_factory=lambda: {fault: [] for fault in FAULTS})
    memory_mb: list[float] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many counted."""
        return sum(map(len, self.back_s.values()))


class AgentLog:
    """How often the agent has logged something; reads only what is new."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8")
        self._counts: Counter[str] = Counter()

    def count(self, what: str) -> int:
        """Lines with " mqtt connected" or " result seq=" so far."""
        for line in self._file:
            self._counts.update(text for text in (" mqtt connected", " result seq=") if text in line)
        return self._counts[what]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after so long, and say how far it came")
    options = parser.parse_args()
    enter_own_network()
    with tempfile.TemporaryDirectory(prefix="matecheck-soak-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        try:
            with Proxy(broker.port) as proxy:
                config = quick_agent(
                    Path(scratch) / "agent",
                    proxy.port,
                    trigger={"mode": "free-run", "interval_s": 0.1},
                    mqtt={"reconnect_min_s": 0.2, "reconnect_max_s": PAUSE_S, "keepalive_s": KEEPALIVE_S},
                    results={"thumbnail_width_px": 80},
                )
                text, done = _run(config, broker, proxy, options)
        finally:
            broker.stop()
        data = (
            f"free-run, 10 parts a second; keep-alive {KEEPALIVE_S} s, longest pause {PAUSE_S:g} s, seed {options.seed}"
        )
        record("soak.broker_rounds", claim=CLAIM, data=data, model=model_of(config), result=text, keep=done >= ENOUGH)


def _run(config: Path, broker: Broker, proxy: Proxy, options: argparse.Namespace) -> tuple[str, int]:
    """Inflict the rounds; what came of them, and how many there were."""
    chance, clock, rounds = random.Random(options.seed), RunningClock(), Rounds()
    end = clock.now() + 60 * options.minutes
    with AgentProcess(config) as agent, Line(broker.port) as line:
        log, pid = AgentLog(agent.log_path), agent.process.pid
        clock.wait(lambda: line.received >= 50, 120)
        files = files_of(pid)
        while rounds.count < options.rounds and clock.now() < end:
            fault = list(FAULTS)[rounds.count % len(FAULTS)]
            stops = clock.stops
            back_s = _round(fault, chance.uniform(0.5, 6.0), broker, proxy, (line, log, clock))
            if clock.stops > stops:
                rounds.repeated[fault] += 1
                continue
            rounds.back_s[fault].append(back_s)
            rounds.memory_mb.append(resident_mb(pid))
        clock.wait(lambda: len(set(line.seqs)) >= log.count(" result seq="), 120)
        files_after = files_of(pid)
        agent.stop()
        recorded = log.count(" result seq=")
        clock.wait(lambda: len(set(line.seqs)) >= recorded, 60)
    return _judge(line, recorded, rounds, (files, files_after), clock), rounds.count


def _round(
    fault: str, seconds: float, broker: Broker, proxy: Proxy, watched: tuple[Line, AgentLog, RunningClock]
) -> float:
    """Inflict it, and mend it; how long the agent took to connect again, or to deliver on what it has kept."""
    line, log, clock = watched
    before = log.count(" mqtt connected")
    if fault == "stopped":
        broker.stop()
        time.sleep(seconds)
        broker.start()
    elif fault == "frozen":
        assert broker.process
        broker.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        broker.process.send_signal(signal.SIGCONT)
    elif fault == "dropped":
        drop_packets(proxy.port)
        time.sleep(seconds)
        let_packets_pass()
    else:
        proxy.mode = "drop" if fault == "swallowed" else "slow"
        time.sleep(seconds)
        proxy.mode = ""
    began, heard = clock.now(), line.received
    if fault != "slow" and log.count(" mqtt connected") == before:
        clock.wait(lambda: log.count(" mqtt connected") > before or line.received > heard, 60)
    took_s = clock.now() - began
    heard = line.received
    clock.wait(lambda: line.received >= heard + 5, 60)  # it delivers: the next round may begin
    return took_s


def _judge(line: Line, recorded: int, rounds: Rounds, files: tuple[int, int], clock: RunningClock) -> str:
    missing = sorted(set(range(1, recorded + 1)) - set(line.seqs))
    two = sum(1 for payloads in line.results.values() if len(payloads) > 1)
    late = sum(1 for fault, limit_s in FAULTS.items() for s in rounds.back_s[fault] if s > max(limit_s, 0.1))
    grew, grown = _growth(rounds.memory_mb)
    failed = missing or two or late or grown or files[1] > files[0]
    memory = rounds.memory_mb
    repeated = sum(rounds.repeated.values())
    step = max(1, len(memory) // 25)
    lines = [
        f"rounds                     {rounds.count}: { {fault: len(rounds.back_s[fault]) for fault in FAULTS} }",
        f"results recorded           {recorded}",
        f"missing at the subscriber  {len(missing)} {missing[:10]}",
        f"with two contents          {two}",
        f"received twice (same id)   {line.received - len(line.results)}",
        *(
            f"back after {fault:<10}      at most {max(rounds.back_s[fault], default=0):.2f} s (limit {limit_s:g} s)"
            for fault, limit_s in FAULTS.items()
        ),
        f"later than the limit       {late}",
        f"resident memory            {grew}",
        f"open files                 {files[0]} before, {files[1]} after",
        f"stopped itself             {clock.stops} times, {clock.stopped_s:.0f} s; rounds done again: {repeated}",
        "",
        "round  resident MB",
        *(f"{number:5d}  {memory[number - 1]:11.1f}" for number in range(1, len(memory) + 1, step)),
        "",
        "FAILED" if failed else "passed",
    ]
    return "\n".join(lines)


def _growth(memory_mb: list[float]) -> tuple[str, bool]:
    """What to say of it, and whether that is too much."""
    if len(memory_mb) < ENOUGH:
        return f"not judged: fewer than {ENOUGH} rounds", False
    warm, last = statistics.median(memory_mb[WINDOW : 2 * WINDOW]), statistics.median(memory_mb[-WINDOW:])
    growth = 100 * (last / warm - 1)
    windows = f"{warm:.1f} MB in rounds {WINDOW + 1} to {2 * WINDOW} (median; those before are warm-up)"
    return f"{windows}, {last:.1f} MB in the last {WINDOW}: {growth:+.2f} %", growth >= GREW_PERCENT


if __name__ == "__main__":
    run(main)
