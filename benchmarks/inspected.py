"""What the product says of pairs with each of several models, kept in a folder: a long run goes on where it stopped."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import edge_agent.inspection
from benchmarks.record import pictures_folder
from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.inspecting import recipe_of
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from edge_agent.engines import Engine, load_engine
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.inspector import Inspector, conclude
from edge_agent.inspection.registration import Registrar


def inspected(pairs: Sequence[AnnotatedPair], models: Sequence[Path], jobs: int) -> list[list[Inspection]]:
    """Of each pair, what the product says with each of the models, without arrays.

    Kept by the digests of the model and of the code that inspects: after a change of either it is inspected again.
    """
    work = partial(_of_pair, models=tuple(models), code=digest_of_code())
    return list(
        tracked(inspect_each(work, pairs, model=models[0], jobs=jobs), len(pairs), "inspecting with all models")
    )


def _of_pair(_: Inspector, pair: AnnotatedPair, models: tuple[Path, ...], code: str) -> list[Inspection]:
    """A pair is registered once, which no model changes."""
    files = [pictures_folder("inspected") / f"{code}-{_engine(model).info.digest[:16]}" / pair.name for model in models]
    if not all(file.exists() for file in files):
        registered = Registrar().register(read_image(pair.test), recipe_of(pair, None))
        for model, file in zip(models, files, strict=True):
            seen = registered if isinstance(registered, Inspection) else Inspector(_engine(model)).look(registered)
            inspection = seen if isinstance(seen, Inspection) else conclude(seen)
            _keep(file, replace(inspection, score_map=None, aligned_template=None))
    return [pickle.loads(file.read_bytes()) for file in files]  # noqa: S301 - nobody but us writes there


def _keep(file: Path, inspection: Inspection) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.part")
    aside.write_bytes(pickle.dumps(inspection))
    aside.replace(file)


def digest_of_code(*others: Path) -> str:
    """Of what inspects, and of other files and folders: it stands in the name of what is kept from the last time."""
    digest = hashlib.sha256()
    for place in (Path(edge_agent.inspection.__file__).parent, *others):
        for file in sorted(place.glob("*.py")) if place.is_dir() else (place,):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _engine(model: Path) -> Engine:
    return load_engine(model, threads=1)
