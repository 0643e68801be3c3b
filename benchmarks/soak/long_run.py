"""50,000 inspections in one process: its resident memory and its file descriptors must not grow.

python -m benchmarks.soak.long_run [--inspections N] [--minutes M]

The real agent in free-run, as fast as it goes: quality gate, registration, a network that subtracts, components,
verdict, thumbnail, archive at its limit, outbox, and a real mosquitto with a subscriber that counts. Parts of
160 × 120 pixels, one in four with an object. Results stand on a tmpfs where there is one: no fsync waits for a disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import record, run
from benchmarks.soak.rig import quicker_agent
from edge_agent.engines import load_engine
from tests.support.agent import AgentProcess
from tests.support.broker import Broker
from tests.support.listener import Listener

NAME = "soak.long_run"
CLAIM = "50,000 inspections in one process: resident memory grows < 2 % after warm-up, file descriptors stay"
INSPECTIONS = 50_000
WORTH_KEEPING = 5_000
MEMORY = "/dev/shm"  # noqa: S108 - a folder with a random name is made in it
WARM_UP = 0.1  # of the run
WINDOW = 0.1  # of the run, compared: after the warm-up, and at the end
SAMPLE_S = 2.0
STALLED_S = 300.0


@dataclass(frozen=True)
class Sample:
    """The process at one moment: results so far, resident memory in KiB, open file descriptors, threads."""

    results: int
    resident_kib: int
    descriptors: int
    threads: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspections", type=int, default=INSPECTIONS)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="end earlier, with what was done until then")
    arguments = parser.parse_args()
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        samples, seconds, verdicts = _soak(Path(folder), arguments.inspections, 60 * arguments.minutes)
        with closing(load_engine(Path(folder) / "agent" / "difference.onnx")) as engine:
            model = engine.info
    done = samples[-1].results
    record(
        NAME,
        claim=CLAIM if done >= INSPECTIONS else f"{CLAIM} (this run: {done:,})",
        data="8 made-up parts of 160 x 120 px, shown over and over, two with an object",
        model=model,
        result=_report(samples, seconds, verdicts),
        keep=done >= WORTH_KEEPING,
    )


def _soak(folder: Path, wanted: int, at_most_s: float) -> tuple[list[Sample], float, dict[str, int]]:
    broker = Broker(folder / "broker").start()
    config = quicker_agent(
        folder / "agent",
        broker.port,
        trigger={"mode": "free-run", "interval_s": 0.0},
        results={"thumbnail_width_px": 80, "archive_mb": 5, "min_free_mb": 0},
    )
    samples: list[Sample] = []
    verdicts = {"OK": 0, "NG": 0, "ERROR": 0}
    began = time.monotonic()
    with AgentProcess(config) as agent, Listener(broker.port, topic_filter="+/+/+/result") as listener:
        got, moved = 0, time.monotonic()
        while got < wanted and time.monotonic() - began < at_most_s:
            time.sleep(SAMPLE_S)
            messages = list(listener.messages)
            del listener.messages[: len(messages)]
            for verdict in verdicts:
                verdicts[verdict] += sum(f'"verdict":"{verdict}"'.encode() in message.payload for message in messages)
            got += len(messages)
            moved = time.monotonic() if messages else moved
            if agent.process.poll() is not None or time.monotonic() - moved > STALLED_S:
                raise RuntimeError(f"the agent stands still after {got} results:\n{agent.log[-3000:]}")
            samples.append(_sample(agent.process, got))
        seconds = time.monotonic() - began
        agent.stop()
    broker.stop()
    return samples, seconds, verdicts


def _sample(process: subprocess.Popen[bytes], results: int) -> Sample:
    place = Path("/proc") / str(process.pid)
    status = dict(line.split(":", 1) for line in (place / "status").read_text(encoding="ascii").splitlines())
    descriptors = len(list((place / "fd").iterdir()))
    return Sample(results, int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"]))


def _report(samples: list[Sample], seconds: float, verdicts: dict[str, int]) -> str:
    total = samples[-1].results
    first = [s for s in samples if WARM_UP <= s.results / total <= WARM_UP + WINDOW]
    last = [s for s in samples if s.results / total >= 1 - WINDOW]
    before, after = (statistics.median(s.resident_kib for s in window) for window in (first, last))
    growth = 100 * (after / before - 1)
    descriptors = [[s.descriptors for s in window] for window in (first, last)]
    threads = [[s.threads for s in window] for window in (first, last)]
    lines = [
        f"results             {total}: {verdicts['OK']} OK, {verdicts['NG']} NG, {verdicts['ERROR']} ERROR",
        f"rate                {total / seconds:.1f} a second",
        f"resident memory     {before / 1024:.1f} MiB (median, {WARM_UP:.0%} to {WARM_UP + WINDOW:.0%} of the run)",
        f"                    {after / 1024:.1f} MiB (median, last {WINDOW:.0%}): {growth:+.2f} %",
        "file descriptors    {} then, {} at the end".format(*map(_span, descriptors)),
        "threads             {} then, {} at the end".format(*map(_span, threads)),
        "",
        "results  resident MiB  descriptors  threads",
    ]
    step = max(1, len(samples) // 20)
    lines += [
        f"{s.results:7d}  {s.resident_kib / 1024:12.1f}  {s.descriptors:11d}  {s.threads:7d}" for s in samples[::step]
    ]
    held = growth < 2 and max(s.descriptors for s in last) <= max(s.descriptors for s in first)
    return "\n".join(["held" if held else "NOT HELD", *lines])


def _span(values: list[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


if __name__ == "__main__":
    run(main)
