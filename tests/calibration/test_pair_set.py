import itertools
from pathlib import Path

import numpy as np

from calibration.near_duplicates import Seen, reduced
from calibration.pair_set import Entry, PairSet, picture_id, set_digest
from edge_agent.images import read_image
from tests.support.agent import MADE_UP, picture
from tests.support.killed import killed_at
from tests.support.line import part_on_the_line


def add(pairs: PairSet, number: int) -> Entry:
    image = part_on_the_line(number)
    entry = Entry(picture_id(image), "recipe", number % 5 == 0, 1.0, (0.5, -1.0))
    return pairs.add(image, reduced(image, MADE_UP), entry)


def test_what_was_added_is_there_for_the_next_process_exactly(tmp_path: Path) -> None:
    pairs = PairSet(tmp_path / "set")
    entries = {entry.id: entry for entry in (add(pairs, number) for number in range(5))}
    again = PairSet(tmp_path / "set")
    assert {entry.id: entry for entry in again.entries} == entries
    assert again.size_bytes > 5 * 100_000
    first = add(pairs, 0)
    assert np.array_equal(read_image(again.picture(first)), part_on_the_line(0))
    assert np.array_equal(again.small(first), reduced(part_on_the_line(0), MADE_UP))


def test_a_quarter_is_kept_for_the_check_and_it_is_always_the_same_quarter() -> None:
    ids = [picture_id(np.full((1, 1, 3), number, np.uint8)) for number in range(200)]
    checked = [name for name in ids if Entry(name, "recipe", False, 1.0, (0, 0)).for_check]
    assert 30 <= len(checked) <= 70


def test_the_digest_depends_on_the_pictures_and_not_on_their_order(tmp_path: Path) -> None:
    entries = [add(PairSet(tmp_path), number) for number in range(3)]
    assert set_digest(entries) == set_digest(entries[::-1]) != set_digest(entries[:2])


def test_killed_at_any_moment_a_pair_is_there_wholly_or_not_at_all(tmp_path: Path) -> None:
    image = picture(1)
    small = reduced(image, MADE_UP)
    entry = Entry(picture_id(image), "recipe", False, 1.0, (0, 0))
    for moment in itertools.count(1):
        killed = killed_at(moment, lambda: PairSet(tmp_path).add(image, small, entry))
        pairs = PairSet(tmp_path)
        for there in pairs.entries:
            assert np.array_equal(read_image(pairs.picture(there)), image)
        pairs.sweep()
        assert len(list(tmp_path.iterdir())) == 3 * len(pairs.entries)
        pairs.drop(pairs.entries)
        assert not list(tmp_path.iterdir())
        if not killed:
            break
    assert moment > 6


def test_torn_files_are_no_pairs(tmp_path: Path) -> None:
    entry = add(PairSet(tmp_path), 1)
    path = tmp_path / f"{entry.id}.json"
    for content in (b"", b"{}", b"[1]", b'{"id": 3}', path.read_bytes()[:-9]):
        path.write_bytes(content)
        assert PairSet(tmp_path).entries == []


def test_the_same_part_untouched_is_a_near_duplicate_and_anything_else_is_not() -> None:
    seen = Seen()
    seen.add("recipe", reduced(picture(1), MADE_UP))
    assert seen.knows("recipe", reduced(picture(2), MADE_UP))
    assert not seen.knows("another", reduced(picture(2), MADE_UP))
    assert not seen.knows("recipe", reduced(picture(2, sliver=True), MADE_UP))
    assert not seen.knows("recipe", reduced(np.roll(picture(2), 1, axis=1), MADE_UP))
    assert not seen.knows("recipe", reduced((picture(2) * 0.9).astype(np.uint8), MADE_UP))
