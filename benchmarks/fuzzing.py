"""Any bytes instead of commands, configurations, recipes, manifests, pairs, pictures: no crash, no hang, no memory.

Needs atheris (`pip install atheris`), which knows which branches an input takes and looks for new ones.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.record import REPOSITORY, record, run
from edge_agent.errors import EngineError, UsageError

EXECUTIONS = 1_000_000
HANG_S, MEMORY_MB, LONGEST_BYTES = 20, 1024, 4300


@dataclass(frozen=True)
class Outcome:
    """What a target stood."""

    name: str
    executions: int
    seconds: int
    branches: int
    memory_mb: int


def main() -> None:
    """Run all targets, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="of all targets together")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    try:
        tool = f"atheris {version('atheris')}"
    except PackageNotFoundError as error:
        raise UsageError("atheris is not installed", mend="pip install atheris") from error
    shares = _shares()
    with ThreadPoolExecutor(arguments.processes) as processes:
        outcomes = list(
            processes.map(lambda name: _fuzz(name, round(arguments.executions * shares[name])), list(shares))
        )
    total = sum(outcome.executions for outcome in outcomes)
    rows = [f"{o.name:<14}{o.executions:>10,}{o.seconds:>8} s{o.branches:>10}{o.memory_mb:>10} MB" for o in outcomes]
    head = f"{'target':<14}{'executions':>10}{'time':>10}{'branches':>10}{'memory':>13}"
    record(
        "fuzzing",
        claim=f"{EXECUTIONS:,} executions or more on whatever strangers write: no crash, no hang, no unbounded memory",
        data=f"made by {tool} (libFuzzer) from one good input of each kind; {LONGEST_BYTES} bytes at most",
        model=None,
        result="\n".join(
            [
                head,
                *rows,
                "",
                f"{total:,} executions, no finding",
                f"A finding: any exception but our own errors, {HANG_S} s for one input, {MEMORY_MB} MB of memory.",
            ]
        ),
        keep=arguments.executions >= EXECUTIONS,
    )


def _shares() -> dict[str, float]:
    """Of each target in all executions."""
    sys.path.append(str(REPOSITORY / "systemd"))  # the installer is a target too, and no part of the package
    from tests.fuzzing.targets import targets  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        return {name: target.share for name, target in targets(Path(folder)).items()}


def _fuzz(name: str, executions: int) -> Outcome:
    options = [f"-runs={executions}", f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LONGEST_BYTES}"]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "systemd"), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory(prefix="matecheck-fuzzing-", dir="/dev/shm") as corpus:
        command = [sys.executable, "-m", "tests.fuzzing.atheris_target", name, corpus, *options, "-seed=1"]
        environment = os.environ | {"PYTHONPATH": path, "OPENCV_LOG_LEVEL": "OFF"}
        environment |= {"OPENCV_IO_MAX_IMAGE_PIXELS": "100000000"}  # as the commands themselves set it
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env=environment, cwd=corpus
        )
        said = done.stderr + done.stdout
        ended = re.search(r"Done (\d+) runs in (\d+) second", said)
        if done.returncode or not ended:
            kept = Path(tempfile.gettempdir()) / f"matecheck-fuzzing-{name}.log"
            kept.write_text(said, encoding="utf-8")
            raise EngineError(f"{name}: a finding (exit code {done.returncode})", where=str(kept), mend="look into it")
    last = re.findall(r"#\d+\s+DONE\s+cov: (\d+).*?rss: (\d+)Mb", said)
    branches, memory = (int(number) for number in last[-1])
    return Outcome(name, int(ended[1]), int(ended[2]), branches, memory)


if __name__ == "__main__":
    run(main)
