"""Register many annotated pairs in several processes, once for all who need them."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import cv2

from build_engine.datasets.annotated_pair import AnnotatedPair, DatasetError
from build_engine.datasets.registered import RegisteredPair, register_pair
from edge_agent.errors import EngineError, StorageError

INDEX = "index.json"
AT_ONCE = 10  # pairs that a process takes together


@dataclass(frozen=True)
class Registration:
    """What came of registering: the pairs, and one line with the reason for each that the agent would refuse."""

    pairs: tuple[RegisteredPair, ...]
    refused: tuple[str, ...]


def register_all(pairs: Sequence[AnnotatedPair], folder: Path, margin: float, *, jobs: int) -> Registration:
    """Register pairs as the agent does, into a folder of arrays; what the folder holds already is not done again.

    Args:
        pairs: with their files.
        folder: of the arrays and their index; made where it is missing.
        margin: pixels by which annotated boxes stand off their objects on each side.
        jobs: number of processes.

    Raises:
        DatasetError: not one pair can be registered.
        ImageError, RecipeError: a pair cannot be read.
        StorageError: an array cannot be written.
        EngineError: a process died.
    """
    index, asked = folder / INDEX, _fingerprint(pairs, margin)
    with suppress(OSError, ValueError, KeyError, TypeError):  # missing, or torn by a power cut
        known = read_index(folder)
        if known[0] == asked:
            return known[1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index.unlink(missing_ok=True)  # the arrays change: killed half-way, they must not pass for those of before
    except OSError as error:
        raise StorageError(f"cannot be made ready ({error.strerror})", where=str(folder)) from error
    outcomes = list(_registered(pairs, folder, margin, jobs))
    kept = tuple(outcome for outcome in outcomes if isinstance(outcome, RegisteredPair))
    refused = tuple(outcome for outcome in outcomes if isinstance(outcome, str))
    if not kept:
        raise DatasetError(
            f"not one of {len(pairs)} pairs can be registered; the first, {refused[0]}",
            where=str(folder),
            mend="are test and template of a pair photos of the same kind of part, taken alike?",
        )
    content = {"asked": asked, "refused": refused, "pairs": [(p.name, p.file.name, p.boxes) for p in kept]}
    aside = index.with_suffix(".part")
    aside.write_text(json.dumps(content), encoding="utf-8")
    aside.replace(index)
    return Registration(kept, refused)


def read_index(folder: Path) -> tuple[str, Registration]:
    """What `register_all` left in a folder: the fingerprint of what was asked for, and what came of it."""
    content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    pairs = (
        RegisteredPair(name, folder / file, tuple((x0, y0, x1, y1) for x0, y0, x1, y1 in boxes))
        for name, file, boxes in content["pairs"]
    )
    return content["asked"], Registration(tuple(pairs), tuple(content["refused"]))


def _registered(
    pairs: Sequence[AnnotatedPair], folder: Path, margin: float, jobs: int
) -> Iterator[RegisteredPair | str]:
    work = partial(register_pair, margin=margin)
    files = [folder / f"{number:05}.npy" for number in range(len(pairs))]
    if jobs == 1:
        yield from map(work, pairs, files)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads in a locked state
    with ProcessPoolExecutor(min(jobs, len(pairs)), context, _set_up) as pool:
        try:
            yield from pool.map(work, pairs, files, chunksize=AT_ONCE)
        except BrokenProcessPool as error:
            mend = "if memory ran out, use fewer of them: --jobs"
            raise EngineError("a process that registers pairs died", mend=mend) from error


def _set_up() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    cv2.setNumThreads(1)


def _fingerprint(pairs: Sequence[AnnotatedPair], margin: float) -> str:
    """Of all that decides what the arrays hold: names, sizes and times of the files, boxes, regions, margin."""
    digest = hashlib.sha256(repr(margin).encode())
    for pair in pairs:
        files = [path.stat() for path in (pair.test, pair.template, pair.mask) if path]
        digest.update(repr((astuple(pair), [(file.st_size, file.st_mtime_ns) for file in files])).encode())
    return digest.hexdigest()
