from dataclasses import replace

import numpy as np

from calibration.breadth import CLEAN, COUNT, LIGHT, OBJECTS, PLACES, helps, needs
from calibration.pair_set import Entry
from tests.support.agent import MADE_UP

X2_AND_X3 = {"recipe": replace(MADE_UP, name="x2"), "other": replace(MADE_UP, name="x3")}
RNG = np.random.default_rng(0)


def entry(**changes: object) -> Entry:
    """A clean part of a lively line; ids are hashes, so one in four is for the check."""
    name = f"{RNG.integers(1 << 62):016x}"
    spread = Entry(name, "recipe", False, float(RNG.uniform(0.9, 1.1)), (float(RNG.uniform(-3, 3)), 0.0))
    return replace(spread, **changes)  # type: ignore[arg-type]


def lacking(entries: list[Entry], pairs: int = 100) -> set[str]:
    return {need.subject for need in needs(entries, pairs, {}) if not need.met}


def lively_set() -> list[Entry]:
    return [entry(has_object=number < 20) for number in range(100)]


def test_an_empty_set_lacks_everything() -> None:
    assert lacking([]) == {COUNT, OBJECTS, CLEAN, LIGHT, PLACES}


def test_a_lively_set_lacks_nothing() -> None:
    assert lacking(lively_set()) == set()


def test_what_is_missing_is_named_one_by_one() -> None:
    entries = lively_set()
    assert lacking(entries[20:] + [entry() for _ in range(20)]) == {OBJECTS}
    assert lacking([replace(e, brightness=1.0) for e in entries]) == {LIGHT}
    assert lacking([replace(e, shift=(2.0, 2.0)) for e in entries]) == {PLACES}
    assert lacking([replace(e, has_object=True) for e in entries]) == {CLEAN}


def test_objects_that_are_all_in_the_calibration_leave_the_check_without() -> None:
    entries = [e for e in lively_set() if not (e.has_object and e.for_check)]
    assert OBJECTS in lacking(entries)


def test_a_set_that_is_full_takes_only_what_it_lacks() -> None:
    still = [replace(e, brightness=1.0, has_object=False) for e in lively_set()]
    assert helps(entry(has_object=True, brightness=1.0), still, 100, {})
    assert helps(entry(brightness=1.05), still, 100, {})
    assert not helps(entry(brightness=1.0), still, 100, {})
    assert not helps(entry(), lively_set(), 100, {})


def test_clean_parts_leave_room_for_parts_with_an_object() -> None:
    assert not helps(entry(), [entry() for _ in range(95)], 100, {})


def test_a_line_whose_light_never_changes_does_not_fill_the_disk() -> None:
    entries = [entry(has_object=n < 20, brightness=1.0) for n in range(200)]
    assert not helps(entry(brightness=1.3), entries, 100, {})


def test_of_several_recipes_each_that_runs_needs_pairs_of_its_own() -> None:
    entries = lively_set()
    (unmet,) = (need for need in needs(entries, 100, X2_AND_X3) if not need.met)
    assert (unmet.subject, unmet.vital) == ("recipe x3", False)
    assert "nobody knows whether the engine agrees with FP32 on it" in unmet.mend
    entries += [entry(recipe="other") for _ in range(5)]
    (unmet,) = (need for need in needs(entries, 100, X2_AND_X3) if not need.met)
    assert unmet.vital
    entries += [entry(recipe="other") for _ in range(30)]
    assert all(need.met for need in needs(entries, 100, X2_AND_X3))


def test_a_full_set_takes_parts_of_a_recipe_that_has_just_begun_to_run() -> None:
    entries = lively_set()
    assert helps(entry(recipe="other"), entries, 100, X2_AND_X3)
    entries += [entry(recipe="other") for _ in range(40)]
    assert not helps(entry(recipe="other"), entries, 100, X2_AND_X3)
    assert not helps(entry(), entries, 100, X2_AND_X3)
