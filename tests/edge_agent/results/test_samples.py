import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.recipe import Limits, Recipe
from edge_agent.results.samples import MAX_UNREAD, Samples, recipe_key
from tests.support.agent import MADE_UP, picture

OK, NG, ERROR = (Inspection(verdict, ()) for verdict in (Verdict.OK, Verdict.NG, Verdict.ERROR))


@contextmanager
def asking(folder: Path, every_s: float = 0.0) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / "request.json").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({"every_s": every_s}, file)
        file.flush()
        yield


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("inbox/*") if path.is_file())


def test_pictures_are_kept_exactly_and_only_while_somebody_asks(tmp_path: Path) -> None:
    samples = Samples(tmp_path, min_free_mb=0)
    samples.offer("before", picture(1), MADE_UP, OK)
    with asking(tmp_path):
        samples.offer("while", picture(2), MADE_UP, NG)
    samples.offer("after", picture(3), MADE_UP, OK)
    assert names(tmp_path) == ["while.json", "while.png"]
    record = json.loads((tmp_path / "inbox" / "while.json").read_text())
    assert record["verdict"] == "NG"
    assert np.array_equal(cv2.imread(str(tmp_path / "inbox" / "while.png")), picture(2))
    MADE_UP.save(tmp_path / "recipe")
    assert record["recipe"] == recipe_key(Recipe.load(tmp_path / "recipe"))


def test_a_part_that_was_not_inspected_is_no_sample(tmp_path: Path) -> None:
    with asking(tmp_path):
        Samples(tmp_path, min_free_mb=0).offer("error", picture(1), MADE_UP, ERROR)
    assert names(tmp_path) == []


def test_unread_samples_do_not_pile_up(tmp_path: Path) -> None:
    samples = Samples(tmp_path, min_free_mb=0)
    with asking(tmp_path):
        for number in range(MAX_UNREAD + 5):
            samples.offer(f"{number}", picture(number), MADE_UP, OK)
    assert len(names(tmp_path)) == 2 * MAX_UNREAD


def test_no_more_samples_come_than_were_asked_for(tmp_path: Path) -> None:
    samples = Samples(tmp_path, min_free_mb=0)
    with asking(tmp_path, every_s=3600):
        samples.offer("first", picture(1), MADE_UP, OK)
        samples.offer("second", picture(2), MADE_UP, OK)
    assert names(tmp_path) == ["first.json", "first.png"]


def test_a_disk_that_is_nearly_full_gets_no_samples(tmp_path: Path) -> None:
    with asking(tmp_path):
        Samples(tmp_path, min_free_mb=1 << 40).offer("x", picture(1), MADE_UP, OK)
    assert names(tmp_path) == []


def test_an_inbox_that_cannot_be_written_is_a_warning_not_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "inbox").write_text("")
    with asking(tmp_path):
        Samples(tmp_path, min_free_mb=0).offer("x", picture(1), MADE_UP, OK)
    assert "no-sample" in caplog.text


def test_limits_and_scale_leave_the_key_of_a_recipe_alone_and_what_the_network_sees_does_not() -> None:
    key = recipe_key(MADE_UP)
    assert recipe_key(replace(MADE_UP, version="9", mm_per_px=0.07, limits=Limits(threshold=0.2))) == key
    assert recipe_key(replace(MADE_UP, template=picture(7))) != key
    assert recipe_key(replace(MADE_UP, scales=(1.0, 0.5))) != key
