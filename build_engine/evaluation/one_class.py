"""Judges a model of kind "single" on labelled pictures, through the engine that the agent uses."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from build_engine.datasets.annotated_pair import DatasetError
from build_engine.datasets.one_class import TestSet, read_tests
from build_engine.evaluation.anomaly import AnomalyReport, judge_maps
from edge_agent.engines import Engine, ModelInfo, load_engine
from edge_agent.errors import ModelError

TIMED = 20  # pictures, one by one
AT_ONCE = 8  # pictures; a network may look at each in eight poses


@dataclass(frozen=True)
class Judged:
    """A test set with what a model says of it.

    Attributes:
        info: of the model.
        tests: the pictures at the model's size.
        maps: its scores, float32 [M, H, W].
        report: the figures.
        fps: pictures a second, one at a time, engine alone.
    """

    info: ModelInfo
    tests: TestSet
    maps: NDArray[np.float32]
    report: AnomalyReport
    fps: float


def judge_model(
    model: Path, source: Path, *, normal: int | None = None, threshold: float | None = None, threads: int = 0
) -> Judged:
    """Run a model over a test set.

    Args:
        model: ONNX file of kind "single".
        source, normal: see `read_tests`.
        threshold: of F1 and IoU; None is the model's own.
        threads: of the engine; 0 is all cores.

    Raises:
        ModelError: a model of another kind.
        DatasetError: no test set, or one with good or with anomalous pictures only.
    """
    engine = load_engine(model, threads=threads)
    try:
        if engine.info.kind != "single":
            raise ModelError("compares with a template", where=str(model), mend="judge it with --pairs or --deeppcb")
        tests = labelled(source, (engine.info.height, engine.info.width), normal)
        maps = np.concatenate([engine.infer(part, part) for part in np.array_split(tests.pictures, _parts(tests))])
        fps = _fps(engine, tests)
        info = engine.info
    finally:
        engine.close()
    report = judge_maps(maps, tests.anomalous, tests.masks, threshold or info.threshold)
    return Judged(info, tests, maps, report, fps)


def labelled(source: Path, size: tuple[int, int], normal: int | None) -> TestSet:
    """`read_tests`, which must give both kinds. Raises DatasetError."""
    tests = read_tests(source, size, normal)
    if tests.anomalous.all() or not tests.anomalous.any():
        raise DatasetError("must hold good and anomalous pictures", where=str(source))
    return tests


def _parts(tests: TestSet) -> int:
    return -(-len(tests.pictures) // AT_ONCE)


def _fps(engine: Engine, tests: TestSet) -> float:
    """The median over TIMED pictures after one to warm up."""
    seconds = []
    for number in range(min(TIMED, len(tests.pictures) - 1) + 1):
        picture = tests.pictures[number : number + 1]
        began = time.perf_counter()
        engine.infer(picture, picture)
        seconds.append(time.perf_counter() - began)
    return 1 / float(np.median(seconds[1:]))
