import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.breadth import needs
from calibration.collecting import Bounds, Collector, collect
from calibration.pair_set import PairSet
from calibration.progress import Progress
from calibration.sources import Candidate, Source
from edge_agent.inspection.recipe import Recipe
from tests.support.agent import MADE_UP, picture
from tests.support.line import part_on_the_line

BOUNDS = Bounds(pairs=80, limit_mb=100, min_free_mb=0, seconds=600, patience_s=600)


class Line(Source):
    """Parts of a made-up line, one after the other."""

    hint = ""

    def __init__(self, candidates: Iterator[Candidate]) -> None:
        self._candidates = candidates

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_error: object) -> None: ...

    def take(self) -> Candidate | None:
        candidate = next(self._candidates, None)
        self.ended = candidate is None
        return candidate


def parts(count: int, recipe: str = "key") -> Iterator[Candidate]:
    return (Candidate(part_on_the_line(number), recipe, number % 5 == 0) for number in range(count))


def collected(
    folder: Path, candidates: Iterator[Candidate], bounds: Bounds = BOUNDS, recipe: Recipe = MADE_UP
) -> tuple[str, Collector, str]:
    output = io.StringIO()
    collector = Collector(PairSet(folder), {"key": recipe}, bounds.pairs)
    return collect(Line(candidates), collector, bounds, Progress(output)), collector, output.getvalue()


def test_a_line_fills_the_set_and_collecting_ends_by_itself(tmp_path: Path) -> None:
    why, collector, _ = collected(tmp_path, parts(130))
    assert why == ""
    assert all(need.met for need in needs(collector.entries, 80, collector.recipes))
    assert len(PairSet(tmp_path).entries) < 100


def test_a_part_that_stands_still_is_taken_once(tmp_path: Path) -> None:
    _, collector, _ = collected(tmp_path, (Candidate(picture(number), "key", False) for number in range(5)))
    assert (len(collector.entries), collector.left_out["near-duplicates"]) == (1, 4)


def test_pictures_of_other_recipes_and_of_other_parts_are_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    others = [Candidate(noise, "key", False), Candidate(picture(1)[:200], "key", False)]
    _, collector, _ = collected(tmp_path, iter([*others, *parts(2, "another")]))
    assert collector.entries == []
    assert collector.left_out == {"not recognised": 1, "of another recipe": 3}


def test_it_ends_where_the_disk_has_no_more_room_for_it(tmp_path: Path) -> None:
    why, collector, _ = collected(tmp_path, parts(50), replace(BOUNDS, limit_mb=1))
    assert "as much as it may" in why
    assert collector.pairs.size_bytes < 2_000_000
    why, collector, _ = collected(tmp_path, parts(50), replace(BOUNDS, min_free_mb=1 << 40))
    assert "must stay free for the results" in why
