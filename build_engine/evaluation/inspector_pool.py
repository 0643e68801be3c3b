"""Many inspections at once: a pool of processes, each with its own inspector that runs on one thread.

One thread a process keeps all cores busy without any of the waiting that threads inside one inference cost.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2

from edge_agent.engines import load_engine
from edge_agent.errors import EngineError
from edge_agent.inspection.inspector import Inspector

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# Set in a worker process only, once, by _set_up: a pool offers no other place for what its workers keep.
_inspector: Inspector | None = None


def inspect_each(
    work: Callable[[Inspector, Item], Outcome], items: Sequence[Item], *, model: Path | None, jobs: int
) -> Iterator[Outcome]:
    """Outcomes of `work(inspector, item)` for each item, in order, as they are ready.

    Args:
        work: a function at the top of a module, or a partial of one: it is sent to other processes, as are items and
            outcomes.
        items: what to work on.
        model: file of the model, None for the shipped one; load it once before to see that it can be.
        jobs: number of processes.

    Raises:
        EngineError: a process died.
        MatecheckError: what `work` raises.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads in a locked state
    with ProcessPoolExecutor(max(1, min(jobs, len(items))), context, _set_up, (model,)) as pool:
        try:
            yield from pool.map(partial(_work, work), items)
        except BrokenProcessPool as error:
            raise EngineError(
                "a process of the evaluation died", mend="if memory ran out, use fewer of them: --jobs"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def tracked(items: Iterable[Item], total: int, what: str) -> Iterable[Item]:
    """The items, with a progress bar on stderr."""
    from rich.console import Console  # noqa: PLC0415 - an extra that the figures do without
    from rich.progress import track  # noqa: PLC0415

    return track(items, description=what, total=total, console=Console(stderr=True))


def _set_up(model: Path | None) -> None:
    global _inspector  # noqa: PLW0603 - see above
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    cv2.setNumThreads(1)
    _inspector = Inspector(load_engine(model, threads=1))


def _work(work: Callable[[Inspector, Item], Outcome], item: Item) -> Outcome:
    assert _inspector is not None, "set up when the process started"
    return work(_inspector, item)
