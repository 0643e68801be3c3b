"""The agent is killed (SIGKILL) at random moments while a line triggers it."""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.nursery import Agent, Nursery
from benchmarks.soak.rig import IN_FLIGHT, Broker, Line, model_of, quicker_agent, verdict_of
from edge_agent.results.outbox import Outbox

CLAIM = (
    "every accepted trigger has exactly one result id, none is lost, duplicates come only with the same id and content"
)
BURST = 4  # triggers that the line sends before it looks for replies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--triggers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=240.0, help="stop after so long, and say how far it came")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matecheck-soak-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        try:
            config = quicker_agent(Path(scratch) / "agent", broker.port, trigger={"queue": 16, "deadline_s": 60.0})
            began = time.monotonic()
            with Line(broker.port) as line, Nursery() as nursery:
                kills, ends = _run(line, config, nursery, options)
                text = _judge(line, config, (kills, ends), time.monotonic() - began)
        finally:
            broker.stop()
        data = (
            f"a line with {IN_FLIGHT} parts of 160 x 120 px under way; "
            f"{options.kills} kills in {options.triggers} triggers asked for"
        )
        record("soak.killed", claim=CLAIM, data=data, model=model_of(config), result=text, keep=kills >= 100)


def _run(line: Line, config: Path, nursery: Nursery, options: argparse.Namespace) -> tuple[int, int]:
    """Trigger and kill until both numbers are reached; how often it was killed, and how often it ended by itself."""
    chance = random.Random(options.seed)
    kills, ends, end = 0, 0, time.monotonic() + 60 * options.minutes
    while (line.answered < options.triggers or kills < options.kills) and time.monotonic() < end:
        share = (options.triggers - line.answered) / max(options.kills - kills, 1)
        until = line.answered + max(1, round(chance.uniform(0.2, 1.8) * share))
        with nursery.start(config) as agent:
            _trigger(line, until, agent)
            time.sleep(chance.uniform(0.0, 0.2))
            if not agent.runs:
                ends += 1
                continue
            agent.end(signal.SIGKILL)
            kills += 1
    with nursery.start(config) as agent:
        line.wait(lambda: not line.open_triggers(), 300)
        agent.end(signal.SIGTERM)
    return kills, ends


def _trigger(line: Line, until: int, agent: Agent) -> None:
    while line.answered < until and agent.runs:
        before = line.answered
        for _ in range(BURST):
            line.trigger()
        # nobody answers while the agent starts: the trigger is repeated, as a PLC does after its time-out
        line.wait(lambda before=before: line.answered >= before + BURST, 0.5)  # type: ignore[misc]
        line.wait(lambda: line.open_triggers() <= IN_FLIGHT - BURST, 30)


def _judge(line: Line, config: Path, kills: tuple[int, int], took_s: float) -> str:
    lost = [result_id for result_id in line.accepted if result_id not in line.results]
    two = [result_id for result_id, payloads in line.results.items() if len(payloads) > 1]
    unasked = [result_id for result_id in line.results if result_id not in line.accepted]
    seqs = sorted(set(line.seqs))
    missing = seqs[-1] - len(seqs) if seqs else 0
    outbox = Outbox(config.parent / "results" / "outbox.sqlite")
    open_on_disk = len(outbox.unanswered())
    outbox.close()
    verdicts = Counter(verdict_of(next(iter(payloads))) for payloads in line.results.values())
    lines = [
        f"kills                              {kills[0]}; ended by itself: {kills[1]}",
        f"triggers sent, some to no agent    {line.published}",
        f"accepted (reply received)          {len(line.accepted)}",
        f"refused (reply received)           {dict(Counter(line.refused))}",
        f"accepted without a result          {len(lost)}",
        f"results with two contents          {len(two)}",
        f"results whose reply a kill cut off  {len(unasked)}",
        f"results                            {len(line.results)}: {dict(verdicts)}",
        f"results received twice (same id)   {line.received - len(line.results)}",
        f"gaps in seq                        {missing}",
        f"unanswered on disk at the end      {open_on_disk}",
        f"took                               {took_s:.0f} s",
        "",
        "passed" if not (lost or two or missing or open_on_disk) else "FAILED",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
