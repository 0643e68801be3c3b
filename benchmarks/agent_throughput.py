"""The whole agent against bare ONNX Runtime on the same tiles; start to first result; memory after 500 results.

python -m benchmarks.agent_throughput [--region whole|face] [--model ONNX] [--threads N] [--frames N] [--results N]

Agent and bare inference run in turn, block by block, so that both see the same machine. The agent runs with its
defaults, in this process: quality gate, registration, tiles, components, verdict, thumbnail, archive, outbox on disk,
and a real mosquitto; a result counts when a subscriber has it. Its frames are drawn beforehand. Of a block of the
agent counts the time from its first result to its last: how long one part takes is latency, and said beside.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.bare_runtime import BareRuntime, tiles_of
from benchmarks.record import record, run
from edge_agent.agent import Agent
from edge_agent.cameras.camera import Camera, Frame
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.config import CameraSettings, EngineSettings, RecipeSettings, ResultsSettings, Settings, TriggerSettings
from edge_agent.engines import ModelInfo, load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.onnx_runtime import MAX_BATCH
from edge_agent.health_settings import HealthSettings
from edge_agent.inspection.recipe import Recipe
from tests.support.broker import Broker
from tests.support.listener import Listener

NAME = "agent_throughput"
CLAIM = "agent over bare ONNX Runtime, same model, tiles and threads, free-run, run in turn: throughput >= 0.9 x"
FRAMES, RESULTS, BLOCK = 300, 500, 15
DRAWN = 10  # different pictures, shown over and over
RESULT_TIMEOUT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="of one inference; 0: the agent's default")
    parser.add_argument(
        "--region", choices=("whole", "face"), default="whole", help="of 1200 x 800 px (default: whole)"
    )
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--results", type=int, default=RESULTS)
    arguments = parser.parse_args()

    model = arguments.model or shipped_model()
    camera = SimulatedCamera(seed=7)
    parts = [camera.part(number)[0] for number in range(DRAWN)]
    region = tuple(camera.region()) if arguments.region == "face" else ()
    recipe = Recipe("throughput", "1", camera.template(), region, camera.mm_per_px)
    with tempfile.TemporaryDirectory(prefix="matecheck-") as place:
        folder = Path(place)
        recipe.save(folder / "recipe")
        broker = Broker(folder / "broker").start()
        try:
            throughput = _throughput(folder, broker, model, parts, recipe, arguments.threads, arguments.frames)
            process = _process(folder, broker, model, parts, arguments.threads, arguments.results)
        finally:
            broker.stop()
    defaults = arguments.model is None and (arguments.threads, arguments.frames, arguments.results) == (
        0,
        FRAMES,
        RESULTS,
    )
    record(
        NAME if arguments.region == "whole" else f"{NAME}-face",
        claim=CLAIM,
        data=f"simulated dsub25, 1200 x 800, region: {arguments.region}, {DRAWN} parts drawn beforehand, "
        f"{arguments.threads or 'default'} threads, tiles in batches of at most {MAX_BATCH}",
        model=_info(model),
        result=f"{throughput}\n\n{process}",
        keep=defaults,
    )


def _throughput(
    folder: Path,
    broker: Broker,
    model: Path,
    parts: list[NDArray[np.uint8]],
    recipe: Recipe,
    threads: int,
    frames: int,
) -> str:
    engine = EngineSettings(model, threads=threads)
    tiles = tiles_of(model, parts, recipe)
    bare, widest = BareRuntime(model, tiles, engine.inference_threads), BareRuntime(model, tiles, 0)
    camera = _DrawnCamera(parts)
    settings = Settings(
        camera=CameraSettings(kind="simulated"),
        recipe=RecipeSettings(folder / "recipe"),
        mqtt=broker.settings(),
        engine=engine,
        trigger=TriggerSettings(mode="free-run", interval_s=0.0),
        results=ResultsSettings(folder / "results"),
        health=HealthSettings(hang_s=600.0),  # the camera waits while bare inference has its turn
    )
    agent_times: list[tuple[float, float]] = []
    bare_times: list[tuple[float, float]] = []
    widest_times: list[tuple[float, float]] = []
    with Listener(broker.port) as listener, _running(Agent(settings, camera)):
        for block in range(-1, frames // BLOCK):  # the first block warms up
            first = (block + 1) * BLOCK + 1
            camera.release(BLOCK)
            listener.wait(lambda first=first: len(listener.on("/result")) >= first, RESULT_TIMEOUT_S)  # type: ignore[misc]
            with _timed(agent_times, BLOCK - 1):
                last = first + BLOCK - 1
                listener.wait(lambda last=last: len(listener.on("/result")) >= last, RESULT_TIMEOUT_S)  # type: ignore[misc]
            with _timed(bare_times, BLOCK):
                for number in range(BLOCK):
                    bare.infer(number)
        with _timed(widest_times, 2 * BLOCK):
            for number in range(2 * BLOCK):
                widest.infer(number)
        results = listener.json_on("/result")[BLOCK:]
        camera.release(None)
    agent_ms, bare_ms = (1000 * np.mean(times[1:], axis=0) for times in (agent_times, bare_times))
    widest_ms = 1000 * np.array(widest_times[0])
    ratios = [bare[0] / agent[0] for agent, bare in zip(agent_times[1:], bare_times[1:], strict=True)]
    stages = {stage: np.median([result["timing_ms"][stage] for result in results]) for stage in results[0]["timing_ms"]}
    verdicts = ", ".join(sorted({result["verdict"] for result in results}))
    return "\n".join(
        [
            f"frames                {len(results)} each, in blocks of {BLOCK}; verdicts {verdicts}",
            f"agent                 {agent_ms[0]:7.1f} ms a frame, {agent_ms[1]:.1f} ms of CPU",
            (
                f"bare ONNX Runtime     {bare_ms[0]:7.1f} ms a frame, {bare_ms[1]:.1f} ms of CPU, "
                f"{len(tiles[0][0])} tiles, {engine.inference_threads} threads as the agent"
            ),
            (
                f"bare, all cores       {widest_ms[0]:7.1f} ms a frame, {widest_ms[1]:.1f} ms of CPU; "
                f"agent / this {widest_ms[0] / agent_ms[0]:.3f}"
            ),
            (
                f"agent / bare          {np.median(ratios):7.3f} x the throughput in the median block, "
                f"{min(ratios):.3f} to {max(ratios):.3f}; of the means {bare_ms[0] / agent_ms[0]:.3f}"
            ),
            "median of a result    " + ", ".join(f"{stage} {ms:.0f}" for stage, ms in stages.items()) + " ms",
        ]
    )


def _process(
    folder: Path, broker: Broker, model: Path, parts: list[NDArray[np.uint8]], threads: int, results: int
) -> str:
    """Start of `edge-agent run` to its first result at a subscriber, and the memory of that process."""
    config = _write_config(folder, broker, model, parts, threads)
    with Listener(broker.port) as listener:
        before = len(listener.on("/result"))
        began = time.perf_counter()
        agent = subprocess.Popen(
            [sys.executable, "-m", "edge_agent.cli.main", "run", str(config)], stderr=subprocess.DEVNULL
        )
        try:
            memory = {}
            for count in (1, results // 10, results):
                listener.wait(
                    lambda count=count: len(listener.on("/result")) - before >= count,  # type: ignore[misc]
                    RESULT_TIMEOUT_S,
                )
                if count == 1:
                    first_s = time.perf_counter() - began
                memory[count] = _resident_mb(agent.pid)
        finally:
            agent.terminate()
            agent.wait(30)
    shown = ", ".join(f"{mb:.0f} MB after {count}" for count, mb in memory.items())
    start = f"start to first result {first_s:7.2f} s, from the start of the process to the subscriber"
    return f"{start}\nresident memory       {shown} results"


class _DrawnCamera(Camera):
    """Shows pictures drawn beforehand, as many as are released."""

    name = "drawn"

    def __init__(self, parts: list[NDArray[np.uint8]]) -> None:
        self._parts = parts
        self._released = threading.Semaphore(0)
        self._ended = False
        self._number = 0

    def release(self, frames: int | None) -> None:
        """Let so many frames be read; None ends the camera."""
        self._ended = frames is None
        self._released.release(frames or 1)

    def open(self) -> None:
        """Nothing to open."""

    def read(self) -> Frame | None:
        """The next picture, when it is released."""
        self._released.acquire()
        if self._ended:
            return None
        number = self._number
        self._number += 1
        return Frame(self._parts[number % DRAWN], datetime.now(timezone.utc), time.monotonic_ns(), number)

    def close(self) -> None:
        """Nothing to close."""


@contextmanager
def _timed(times: list[tuple[float, float]], frames: int) -> Iterator[None]:
    """Append seconds of wall clock and of CPU a frame, of all threads of this process."""
    began = time.perf_counter(), time.process_time()
    yield
    times.append(((time.perf_counter() - began[0]) / frames, (time.process_time() - began[1]) / frames))


@contextmanager
def _running(agent: Agent) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def _write_config(folder: Path, broker: Broker, model: Path, parts: list[NDArray[np.uint8]], threads: int) -> Path:
    (folder / "parts").mkdir()
    for number, part in enumerate(parts):
        cv2.imwrite(str(folder / "parts" / f"{number}.png"), part)
    config = folder / "agent.toml"
    config.write_text(
        f'[camera]\nkind = "folder"\nsource = "parts"\nloop = true\n[recipe]\nfolder = "recipe"\n'
        f'[engine]\nmodel = "{model.absolute()}"\nthreads = {threads}\n[trigger]\nmode = "free-run"\ninterval_s = 0\n'
        f'[mqtt]\ntopic_base = "plant1/process"\nhost = "127.0.0.1"\nport = {broker.port}\n'
        '[results]\nfolder = "process-results"\n',
        encoding="utf-8",
    )
    return config


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def _info(model: Path) -> ModelInfo:
    engine = load_engine(model, threads=1)
    engine.close()
    return engine.info


if __name__ == "__main__":
    run(main)
