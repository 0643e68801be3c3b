"""The broker is stopped, frozen, cut off (half-open) or slow, round after round, while parts are inspected."""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.proxy import Proxy
from benchmarks.soak.rig import Broker, Line, files_of, model_of, quick_agent, resident_mb
from tests.support.agent import AgentProcess

CLAIM = "no result is lost; the agent is back within 2 x its longest pause after the broker is; memory flat"
PAUSE_S = 1.0  # reconnect_max_s of the agent
KEEPALIVE_S = 2
FAULTS = ("stopped", "frozen", "half-open", "slow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after so long, and say how far it came")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matecheck-soak-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        try:
            with Proxy(broker.port) as proxy:
                config = quick_agent(
                    Path(scratch) / "agent",
                    proxy.port,
                    trigger={"mode": "free-run", "interval_s": 0.1},
                    mqtt={"reconnect_min_s": 0.2, "reconnect_max_s": PAUSE_S, "keepalive_s": KEEPALIVE_S},
                )
                text = _run(config, broker, proxy, options)
        finally:
            broker.stop()
        data = (
            f"free-run, 10 parts a second; keep-alive {KEEPALIVE_S} s, longest pause {PAUSE_S:g} s, seed {options.seed}"
        )
        record("soak.broker_rounds", claim=CLAIM, data=data, model=model_of(config), result=text, keep=True)


def _run(config: Path, broker: Broker, proxy: Proxy, options: argparse.Namespace) -> str:
    chance = random.Random(options.seed)
    end = time.monotonic() + 60 * options.minutes
    faults: Counter[str] = Counter()
    back_s: dict[str, list[float]] = {fault: [] for fault in FAULTS}
    memory: list[float] = []
    with AgentProcess(config) as agent, Line(broker.port) as line:
        pid = agent.process.pid
        line.wait(lambda: line.received >= 50, 120)
        files = files_of(pid)
        while sum(faults.values()) < options.rounds and time.monotonic() < end:
            fault = FAULTS[sum(faults.values()) % len(FAULTS)]
            faults[fault] += 1
            before = agent.log.count("mqtt connected")
            _inflict(fault, broker, proxy, chance.uniform(0.5, 6.0))
            began = time.monotonic()
            if agent.log.count("mqtt connected") > before or fault == "slow":
                back_s[fault].append(0.0)
            else:
                _reconnected(agent, line, before, 60)
                back_s[fault].append(time.monotonic() - began)
            memory.append(resident_mb(pid))
        recorded = agent.log.count(" result seq=")
        line.wait(lambda: len(set(line.seqs)) >= recorded, 120)
        files_after = files_of(pid)
        agent.stop()
        final = agent.log.count(" result seq=")
        line.wait(lambda: len(set(line.seqs)) >= final, 60)
    return _judge(line, final, faults, back_s, memory, (files, files_after))


def _inflict(fault: str, broker: Broker, proxy: Proxy, seconds: float) -> None:
    if fault == "stopped":
        broker.stop()
        time.sleep(seconds)
        broker.start()
    elif fault == "frozen":
        assert broker.process
        broker.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        broker.process.send_signal(signal.SIGCONT)
    else:
        proxy.mode = "drop" if fault == "half-open" else "slow"
        time.sleep(seconds)
        proxy.mode = ""


def _reconnected(agent: AgentProcess, line: Line, before: int, timeout_s: float) -> None:
    """Wait until the agent has connected again, or delivers on the connection that it has kept."""
    seen, end = line.received, time.monotonic() + timeout_s
    while time.monotonic() < end:
        if agent.log.count("mqtt connected") > before or line.received > seen:
            return
        time.sleep(0.02)


def _judge(
    line: Line,
    recorded: int,
    faults: Counter[str],
    back_s: dict[str, list[float]],
    memory: list[float],
    files: tuple[int, int],
) -> str:
    seqs = set(line.seqs)
    missing = sorted(set(range(1, recorded + 1)) - seqs)
    two = sum(1 for payloads in line.results.values() if len(payloads) > 1)
    warm = memory[len(memory) // 5 :]
    growth = 100 * (max(warm[-3:]) / max(warm[:3]) - 1)
    limits = {"stopped": 2 * PAUSE_S, "frozen": 2 * PAUSE_S, "half-open": 2 * (KEEPALIVE_S + PAUSE_S), "slow": 0.0}
    late = sum(1 for fault in FAULTS for seconds in back_s[fault] if seconds > limits[fault])
    lines = [
        f"rounds                     {sum(faults.values())}: {dict(faults)}",
        f"results recorded           {recorded}",
        f"missing at the subscriber  {len(missing)} {missing[:10]}",
        f"with two contents          {two}",
        f"received twice (same id)   {line.received - len(line.results)}",
        *(
            f"back after {fault:<10}      at most {max(back_s[fault], default=0):.2f} s (limit {limits[fault]:g} s)"
            for fault in FAULTS
        ),
        f"later than the limit       {late}",
        f"resident memory            {warm[0]:.1f} MB after warm-up, {warm[-1]:.1f} MB at the end ({growth:+.1f} %)",
        f"open files                 {files[0]} before, {files[1]} after",
        "",
        "passed" if not (missing or two or late) else "FAILED",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
