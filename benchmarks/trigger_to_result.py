"""The agent's own overhead: from a trigger published to its result received, beside the bare inference."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.record import record, run
from benchmarks.soak.rig import Line
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.engines import load_engine
from edge_agent.images import write_image
from edge_agent.inspection.recipe import Recipe
from tests.support.agent import BASE, AgentProcess
from tests.support.broker import Broker

CLAIM = "p50, p95, p99 from trigger published to result received, beside the bare inference time, from the same run"
PICTURES = 8
CONFIG = """
[camera]
kind = "folder"
source = "parts"
loop = true
[recipe]
folder = "recipe"
[engine]
threads = {threads}
[trigger]
queue = 2
deadline_s = 60.0
[mqtt]
topic_base = "{base}"
host = "127.0.0.1"
port = {port}
[results]
folder = "results"
[health]
hang_s = 120.0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1, help="of one inference")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matecheck-benchmark-") as scratch:
        broker = Broker(Path(scratch) / "broker").start()
        try:
            folder = Path(scratch) / "agent"
            folder.mkdir()
            camera = SimulatedCamera("dsub25")
            region = tuple(camera.region())
            Recipe("dsub25", "1", camera.template(), region, camera.mm_per_px).save(folder / "recipe")
            (folder / "parts").mkdir()
            for number in range(PICTURES):
                write_image(folder / "parts" / f"{number}.png", camera.part(number)[0])
            config = folder / "agent.toml"
            config.write_text(CONFIG.format(base=BASE, port=broker.port, threads=options.threads), encoding="utf-8")
            with AgentProcess(config) as agent, Line(broker.port) as line:
                agent.wait_for_log("mqtt connected", 120)
                text = _measure(line, options.parts)
                agent.stop()
        finally:
            broker.stop()
    engine = load_engine(None, threads=1)
    engine.close()
    height, width = camera.template().shape[:2]
    data = f"{options.parts} simulated parts of {width} x {height} pixels, one at a time, {options.threads} thread(s)"
    record("trigger_to_result", claim=CLAIM, data=data, model=engine.info, result=text, keep=options.parts >= 300)


def _measure(line: Line, parts: int) -> str:
    while not line.answered:  # the first part warms everything up, and does not count
        line.trigger()
        line.wait(lambda: line.answered, 5)
    line.wait(lambda: line.received >= line.answered, 60)
    took_ms = []
    for number in range(line.received + 1, line.received + 1 + parts):
        began = time.perf_counter()
        line.trigger()
        assert line.wait(lambda number=number: line.received >= number, 60)  # type: ignore[misc]
        took_ms.append((time.perf_counter() - began) * 1000)
    results = [json.loads(next(iter(payloads))) for payloads in line.results.values()][1:]
    stages = {key: [result["timing_ms"].get(key, 0.0) for result in results] for key in results[0]["timing_ms"]}
    inference = np.array(stages["inference"])
    work = inference + sum(np.array(stages[key]) for key in ("quality", "alignment", "components") if key in stages)
    total = np.array(took_ms)
    rows = [
        ("trigger published to result received", total),
        ("bare inference", inference),
        ("inspection: quality, registration, inference, components", work),
        ("all but inference", total - inference),
        ("all but inspection: MQTT, camera, disk twice, hand-overs", total - work),
    ]
    lines = [f"{'ms':<58} {'p50':>8} {'p95':>8} {'p99':>8}"]
    for name, values in rows:
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        lines.append(f"{name:<58} {p50:8.1f} {p95:8.1f} {p99:8.1f}")
    verdicts = [result["verdict"] for result in results]
    lines += ["", f"verdicts: {', '.join(f'{verdicts.count(v)} {v}' for v in sorted(set(verdicts)))}"]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
