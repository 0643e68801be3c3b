"""Pictures in, a set that is broad enough out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from calibration.breadth import COUNT, helps, needs
from calibration.near_duplicates import Seen, reduced
from calibration.pair_set import Entry, PairSet, picture_id
from calibration.progress import Progress
from calibration.sources import Candidate, Source
from edge_agent import health
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.recipe import Recipe, region_polygon
from edge_agent.inspection.registration import HALO, Registered, Registrar

NO_PICTURES_S = 15.0  # after so long without a picture the person is told what to look at


@dataclass(frozen=True)
class Bounds:
    """When to end although something is missing.

    Attributes:
        pairs: how many are wanted.
        limit_mb: most that the set may take on disk.
        min_free_mb: least that must stay free on that disk.
        seconds: longest time.
        patience_s: longest time for what is not vital, when all the rest is there.
    """

    pairs: int
    limit_mb: int
    min_free_mb: int
    seconds: float
    patience_s: float


@dataclass
class Collector:
    """Chooses which pictures come into the set.

    Attributes:
        recipes: those at work, by key; pictures of others are left aside.
        left_out: how many were not taken, by why.
    """

    pairs: PairSet
    recipes: Mapping[str, Recipe]
    wanted: int
    left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._seen = Seen()
        self._registrar = Registrar()
        for entry in self.entries:
            small = self.pairs.small(entry)
            if small is not None:
                self._seen.add(entry.recipe, small)

    @property
    def entries(self) -> list[Entry]:
        """The pairs of the recipes at work."""
        return [entry for entry in self.pairs.entries if entry.recipe in self.recipes]

    def consider(self, candidate: Candidate) -> Entry | None:
        """Take a picture into the set, or count why not. Raises StorageError if it cannot be written."""
        recipe = self.recipes.get(candidate.recipe)
        if recipe is None or candidate.image.shape != recipe.template.shape:
            self.left_out["of another recipe"] += 1
            return None
        small = reduced(candidate.image, recipe)
        if self._seen.knows(candidate.recipe, small):
            self.left_out["near-duplicates"] += 1
            return None
        registered = self._registrar.register(candidate.image, recipe)
        if isinstance(registered, Inspection):
            self.left_out["not recognised"] += 1
            return None
        entry = _measured(candidate, registered)
        if not helps(entry, self.entries, self.wanted, self.recipes):
            self.left_out["nothing new"] += 1
            return None
        self._seen.add(candidate.recipe, small)
        return self.pairs.add(candidate.image, small, entry)


def collect(
    source: Source,
    collector: Collector,
    bounds: Bounds,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Take pictures from an open source until nothing is missing. Returns "" then, else why it ended before that.

    Raises:
        MatecheckError: the source fails for good, or the disk cannot be written.
    """
    began = heard = clock()
    ready: float | None = None
    while missing := [need for need in needs(collector.entries, bounds.pairs, collector.recipes) if not need.met]:
        now = clock()
        ready = None if any(need.vital for need in missing) else ready or now
        if why := _must_end(collector.pairs, bounds, now - began, 0.0 if ready is None else now - ready):
            return why
        candidate = source.take()
        if candidate is not None:
            heard = clock()
            collector.consider(candidate)
        elif source.ended:
            return "the camera has come to its end"
        silent = clock() - heard
        progress.passing(
            f"no picture for {silent:.0f} s: {source.hint}" if silent > NO_PICTURES_S else _state(collector, bounds)
        )
    return ""


def _measured(candidate: Candidate, registered: Registered) -> Entry:
    inside = ~registered.outside
    corners = region_polygon(registered.recipe)
    expected = [max(0.0, float(corners[:, axis].min() // 1) - HALO) for axis in (0, 1)]
    template = float(registered.template[inside].mean())
    return Entry(
        picture_id(candidate.image),
        candidate.recipe,
        candidate.has_object,
        float(registered.test[inside].mean()) / max(template, 1.0),
        (registered.window[0] - expected[0], registered.window[1] - expected[1]),
    )


def _must_end(pairs: PairSet, bounds: Bounds, seconds: float, ready_s: float) -> str:
    if seconds > bounds.seconds:
        return f"{bounds.seconds / 60:g} minutes are over"
    if ready_s > bounds.patience_s:
        return f"what can be done without is still missing after {bounds.patience_s / 60:g} more minutes"
    if pairs.size_bytes > bounds.limit_mb * 1_000_000:
        return f"the set takes {bounds.limit_mb} MB, as much as it may: give more with --limit-mb"
    free = health.disk_free_mb(pairs.folder)
    if free < bounds.min_free_mb:
        return f"only {free} MB are free on the disk, {bounds.min_free_mb} MB must stay free for the results"
    return ""


def _state(collector: Collector, bounds: Bounds) -> str:
    entries = collector.entries
    found = needs(entries, bounds.pairs, collector.recipes)
    missing = [need.subject for need in found if not need.met and need.subject != COUNT]
    left_out = ", ".join(f"{count} {why}" for why, count in collector.left_out.most_common())
    parts = [
        f"{len(entries)} of {bounds.pairs} pairs, {sum(entry.has_object for entry in entries)} with an object",
        f"left out: {left_out}" if left_out else "",
        f"still missing: {', '.join(missing)}" if missing else "",
    ]
    return "; ".join(filter(None, parts))
