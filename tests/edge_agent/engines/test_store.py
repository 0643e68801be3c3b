import itertools
import os
from pathlib import Path

import pytest

from edge_agent.engines.manifest import Manifest
from edge_agent.engines.store import EngineStore
from edge_agent.errors import MatecheckError, ModelError, StorageError
from tests.support.artifacts import write_artifact
from tests.support.killed import killed_at


def add(store: EngineStore, name: str, gain: float = 5.0) -> None:
    with store.staged(name) as folder:
        write_artifact(folder, gain=gain)


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    store = EngineStore(tmp_path / "engines")
    for number, name in enumerate(("fp16", "int8")):
        add(store, name, 4.0 + number)
    return store


def whole(store: EngineStore, name: str) -> None:
    """The artifact is complete, and its files are those of its manifest."""
    Manifest.read(store.folder / name).check_files(store.folder / name)


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    store = EngineStore(tmp_path / "none")
    assert (store.names(), store.current(), store.previous()) == ([], None, None)
    assert not store.folder.exists()


def test_activation_remembers_what_was_current_and_rollback_goes_there_and_back(store: EngineStore) -> None:
    store.activate("fp16")
    assert (store.current(), store.previous()) == (store.folder / "fp16", None)
    store.activate("int8")
    store.activate("int8")
    assert (store.current(), store.previous()) == (store.folder / "int8", store.folder / "fp16")
    assert store.rollback() == "fp16"
    assert (store.current(), store.previous()) == (store.folder / "fp16", store.folder / "int8")
    assert store.rollback() == "int8"


def test_before_the_first_engine_there_was_the_model_of_the_agent_and_rollback_goes_there_too(
    store: EngineStore,
) -> None:
    with pytest.raises(ModelError, match="no engine to go back to"):
        store.rollback()
    store.activate("int8")
    assert store.rollback() is None
    assert (store.current(), store.previous()) == (None, store.folder / "int8")
    assert store.rollback() == "int8"
    assert (store.current(), store.previous()) == (store.folder / "int8", None)
    store.rollback()
    store.activate("fp16")
    assert store.rollback() is None


def test_a_lost_current_engine_is_said_and_rollback_mends_it(store: EngineStore) -> None:
    store.activate("fp16")
    store.activate("int8")
    (store.folder / "int8" / "manifest.json").unlink()
    with pytest.raises(ModelError, match='points at "int8", which is no engine'):
        store.current()
    assert store.rollback() == "fp16"
    assert store.current() == store.folder / "fp16"


def test_an_engine_whose_making_fails_never_appears(store: EngineStore) -> None:
    with pytest.raises(StorageError), store.staged("new") as folder:
        write_artifact(folder / "not-made")
    assert store.names() == ["fp16", "int8"]
    assert not list(store.folder.glob(".staged-*"))


def test_another_user_may_read_what_was_staged(store: EngineStore) -> None:
    assert (store.folder / "int8").stat().st_mode & 0o055 == 0o055


def test_names_that_are_none_or_taken_are_refused(store: EngineStore) -> None:
    for name in ("", "current", "previous", "../x", "a/b", ".hidden", "x" * 101, "ü"):
        with pytest.raises(StorageError, match="cannot name an engine"), store.staged(name):
            pass
    with pytest.raises(StorageError, match="is there already"), store.staged("int8"):
        pass
    with pytest.raises(ModelError, match="the engines are: fp16, int8"):
        store.activate("int4")


def test_what_is_in_use_is_not_removed(store: EngineStore) -> None:
    store.activate("fp16")
    store.activate("int8")
    add(store, "old")
    for name in ("fp16", "int8"):
        with pytest.raises(ModelError, match="is in use"):
            store.remove(name)
    store.remove("old")
    assert store.names() == ["fp16", "int8"]


def test_a_sweep_leaves_alone_what_somebody_works_on(store: EngineStore) -> None:
    with store.staged("slow") as folder:
        write_artifact(folder)
        add(store, "quick")
    assert store.names() == ["fp16", "int8", "quick", "slow"]


def test_a_store_that_may_not_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), EngineStore(tmp_path / "file" / "engines").staged("new"):
        pass


def test_killed_at_any_moment_of_staging_the_next_call_starts_clean(store: EngineStore) -> None:
    store.activate("int8")
    for moment in itertools.count(1):
        killed = killed_at(moment, lambda: add(store, "new", 6.0))
        assert store.current() == store.folder / "int8"
        if "new" in store.names():
            whole(store, "new")
            store.remove("new")
        if not killed:
            break
        add(store, "next", 7.0)
        assert not list(store.folder.glob(".staged-*"))
        store.remove("next")
    assert moment > 20


def test_killed_at_any_moment_of_an_activation_the_old_or_the_new_engine_is_current(store: EngineStore) -> None:
    for moment in itertools.count(1):
        store.activate("fp16")
        killed = killed_at(moment, lambda: store.activate("int8"))
        now = store.current()
        assert now is not None
        assert now.name in {"fp16", "int8"}
        assert killed or now.name == "int8"
        store.activate("int8")
        assert store.previous() == store.folder / "fp16"
        if not killed:
            break
    assert moment > 8


def test_killed_at_any_moment_of_a_rollback_one_of_both_engines_is_current(store: EngineStore) -> None:
    for moment in itertools.count(1):
        store.activate("fp16")
        store.activate("int8")
        killed = killed_at(moment, store.rollback)
        now = store.current()
        assert now is not None
        assert now.name in {"fp16", "int8"}
        assert killed or now.name == "fp16"
        if not killed:
            break
    assert moment > 8


def test_two_processes_activate_and_roll_back_at_once_and_current_is_always_an_engine(store: EngineStore) -> None:
    store.activate("fp16")
    store.activate("int8")
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                for _turn in range(30):
                    try:
                        store.rollback()
                    except MatecheckError:
                        store.activate("fp16")
                os._exit(0)
            except BaseException:  # noqa: BLE001 - the child must never come back into the test
                os._exit(1)
        children.append(child)
    for _ in range(300):
        assert store.current() in {store.folder / "fp16", store.folder / "int8"}
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
