"""`calibrate` is killed (SIGKILL) at random moments of collect, int8 and activate, `build-engine` at those of compile.

After every kill the engine that ran must be whole and answer, every engine of the store and every picture of the set
must be whole, and at the end the next calls must come to an active engine. A made-up line and a small network: what is
shown is what becomes of files, not of numbers. To compile needs an environment in which `make test-gpu` runs: its
driver and TensorRT are made up, the files are not.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.record import record, run
from calibration.cli.main import main as calibrate
from calibration.pair_set import PairSet
from calibration.place import Place
from edge_agent.engines import load_engine
from edge_agent.errors import MatecheckError
from tests.support.agent import AgentProcess
from tests.support.artifacts import write_artifact
from tests.support.calibrate_process import killed_after, what_is_broken
from tests.support.calibration import calibration_place, fill
from tests.support.line import write_line

KILLS = 15
CLAIM = "killed at any moment of collect, int8, compile, activate: the old engine still runs, the next call goes on"
OLD = "old"


class Count:
    """Kills of one command, and what they broke."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.killed = self.ended_before = 0
        self.broken: list[str] = []

    def add(self, killed: bool, look: Callable[[], str]) -> None:
        """One call, and a look at what it has left."""
        self.killed += killed
        self.ended_before += not killed
        try:
            broken = look()
        except MatecheckError as error:
            broken = str(error)
        if broken:
            self.broken.append(broken)

    def line(self) -> str:
        """For the table."""
        return f"{self.command:<10}{self.killed:>8}{self.ended_before:>14}{len(self.broken):>10}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"of each command; default: {KILLS}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--gpu-python", metavar="PYTHON", help="of an environment with pycuda; else nothing is compiled"
    )
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="matecheck-killed-") as scratch:
        place = calibration_place(Path(scratch))
        config = Path(scratch) / "agent.toml"
        with place.store.staged(OLD) as folder:
            write_artifact(folder)
        place.store.activate(OLD)
        began = time.monotonic()
        counts = [
            _collect(place, config, options.kills, chance),
            _int8(place, config, options.kills, chance),
            _activate(place, config, options.kills, chance),
        ]
        if options.gpu_python:
            counts.append(_compile(place, options.gpu_python, options.kills, chance))
        last, well = _at_last(place, config)
        model = load_engine(place.model, "onnxruntime", 1)
        lines = [f"{'':<10}{'killed':>8}{'ended before':>14}{'broken':>10}", *(count.line() for count in counts), ""]
        lines += [f"broken: {text}" for count in counts for text in count.broken]
        lines += [f"exit codes of the next calls: {last}", f"took {(time.monotonic() - began) / 60:.0f} minutes", ""]
        passed = well and not any(count.broken for count in counts)
        lines.append("passed" if passed else "FAILED")
        data = f"a made-up line of 400 x 300; {options.kills} calls of each command, seed {options.seed}"
        result = "\n".join(lines)
        keep = options.kills == KILLS and options.gpu_python is not None
        record("calibration_killed", claim=CLAIM, data=data, model=model.info, result=result, keep=keep)


def _collect(place: Place, config: Path, kills: int, chance: random.Random) -> Count:
    """The line runs on meanwhile; what was collected before must be there still."""
    count = Count("collect")
    write_line(config.with_name("parts"), 100)
    free_run = config.with_name("free-run.toml")
    free_run.write_text(config.read_text().replace('"command"', '"free-run"\ninterval_s = 0.0'))
    with AgentProcess(free_run) as agent:
        agent.wait_for_log("agent-started", 120)
        before: set[str] = set()
        for _ in range(kills):
            killed = killed_after(["collect", free_run, "--every", "0"], chance.uniform(0, 1.5))
            now = {entry.id for entry in PairSet(place.pairs).entries}
            lost = before - now
            lost_text = f"{len(lost)} pictures are lost" if lost else ""
            count.add(killed, lambda lost_text=lost_text: lost_text or what_is_broken(place, [OLD]))  # type: ignore[misc]
            before = now
    fill(place)
    return count


def _int8(place: Place, config: Path, kills: int, chance: random.Random) -> Count:
    count = Count("int8")
    took = _seconds(lambda: calibrate(["int8", str(config)]))
    _forget(place)
    for _ in range(kills):
        killed = killed_after(["int8", config], chance.uniform(0, 1.2 * took))
        count.add(killed, lambda: what_is_broken(place, [OLD]))
        if not killed or chance.random() < 0.3:  # else the next call goes on where this one was killed
            _forget(place)
    calibrate(["int8", str(config)])
    return count


def _activate(place: Place, config: Path, kills: int, chance: random.Random) -> Count:
    count = Count("activate")
    (new,) = (name for name in place.store.names() if name != OLD)
    took = _seconds(lambda: killed_after(["activate", config, new], 60.0, from_first_words=False))
    place.store.activate(OLD)
    for _ in range(kills):
        seconds = chance.uniform(0.5 * took, 1.05 * took)  # before, it is only starting
        killed = killed_after(["activate", config, new], seconds, from_first_words=False)
        count.add(killed, lambda: what_is_broken(place, [OLD, new]))
        place.store.activate(OLD)
    return count


def _compile(place: Place, python: str, kills: int, chance: random.Random) -> Count:
    count = Count("compile")
    program = (python, "-m", "tests.support.gpu.process", "build-engine")
    command: list[str | Path] = ["compile", place.model, "--store", place.store.folder]
    before = place.store.names()
    took = _seconds(lambda: killed_after(command, 60.0, from_first_words=False, program=program))

    def start_anew() -> list[str]:
        made = [name for name in place.store.names() if name not in before]
        for name in made:
            place.store.remove(name)
        return made

    start_anew()
    for _ in range(kills):
        seconds = chance.uniform(0.3 * took, took)
        killed = killed_after(command, seconds, from_first_words=False, program=program)
        count.add(killed, lambda: what_is_broken(place, [OLD]))
        start_anew()
    killed_after(command, 60.0, from_first_words=False, program=program)
    if len(start_anew()) != 1:
        count.broken.append("the next call does not compile")
    return count


def _at_last(place: Place, config: Path) -> tuple[str, bool]:
    """The next calls, in words, and whether all of them did what they are for and nothing half-made is left."""
    (new,) = (name for name in place.store.names() if name != OLD)
    calls = (["int8", str(config)], ["activate", str(config), new], ["rollback", str(config)])
    codes = {call[0]: calibrate(call) for call in calls}
    left = len(list(place.store.folder.glob(".staged-*")))
    said = ", ".join(f"{command} {code}" for command, code in codes.items())
    return f"{said}; half-made engines left: {left}", not any(codes.values()) and not left


def _forget(place: Place) -> None:
    """Let the next int8 begin from the beginning."""
    for name in place.store.names():
        if name != OLD:
            place.store.remove(name)
    shutil.rmtree(place.work, ignore_errors=True)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    run(main)
