"""What every benchmark shares: where the data is, and how a result is written down."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from edge_agent.engines import ModelInfo
from edge_agent.errors import MatecheckError, UsageError

RESULTS = Path(__file__).parent / "results"
REPOSITORY = Path(__file__).parents[1]


def data_folder(name: str) -> Path:
    """A folder of real images: in $MATECHECK_DATA, else in ../shared/data beside the repository. Raises UsageError."""
    root = Path(os.environ.get("MATECHECK_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (root / name).is_dir():
        raise UsageError("is not there", where=str(root / name), mend="set MATECHECK_DATA to the folder that holds it")
    return root / name


def pictures_folder(name: str) -> Path:
    """A folder outside the repository for pictures that may show images which are not ours to publish."""
    folder = Path(tempfile.gettempdir()) / "matecheck-benchmarks" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def record(name: str, *, claim: str, data: str, model: ModelInfo | None, result: str, keep: bool) -> None:
    """Print a result under its header and, if `keep`, write both to results/NAME.txt.

    Args:
        name: of the benchmark's module; after a dash what is special about this run.
        claim: what is shown, with the figure to reach.
        data: in words, without a path.
        model: that was measured; None where none was.
        result: lines of text.
        keep: False for a run on a part of the data or of another model, which must not pass for the product's.
    """
    judged = []
    if model is not None:
        size = f"{model.width} x {model.height}"
        judged = [
            f"model    {model.network} {model.version}, {model.precision}, {size}, threshold {model.threshold:g}",
            f"digest   sha256 {model.digest}",
        ]
    text = "\n".join(
        [
            f"claim    {claim}",
            f"command  python -m benchmarks.{name.partition('-')[0]} {shlex.join(_arguments())}".rstrip(),
            f"data     {data}",
            *judged,
            f"machine  {machine()}",
            f"date     {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
            "",
            result,
            "",
        ]
    )
    print(text)
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.txt").write_text(text, encoding="utf-8")


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; an expected failure is one line and exit code 2."""
    try:
        main()
    except MatecheckError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        sys.exit(2)


def machine() -> str:
    """The machine in words, with how busy it was: other work on it makes a time longer."""
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    packages = ", ".join(f"{package} {version(package)}" for package in ("onnxruntime", "opencv-python-headless"))
    return f"{_processor()}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _arguments() -> list[str]:
    """The command line, of paths the last part alone: where a file lay on this machine is nobody's concern."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]
