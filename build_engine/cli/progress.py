"""What every training command shows and leaves while it runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_engine.training.loop import Progress


@contextmanager
def training_bar(iterations: int, *, shown: bool) -> Iterator[Progress]:
    """A progress bar on stderr, on a terminal alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    loss_column = TextColumn("loss {task.fields[loss]:.4f}")
    hidden = not (shown and sys.stderr.isatty())
    with Display(*columns, loss_column, console=Console(stderr=True), disable=hidden) as display:
        task = display.add_task("", total=iterations, loss=float("nan"))

        class Bar:
            def update(self, iteration: int, loss: float) -> None:
                display.update(task, completed=iteration, loss=loss)

        yield Bar()


def log_to(file: Path) -> None:
    """Write what the training packages log to a file as well."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("build_engine")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
