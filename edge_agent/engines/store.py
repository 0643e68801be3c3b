"""The engine store: a folder with one folder per artifact, and `current` and `previous` that point at two of them.

Whoever is killed at any moment leaves a whole store: an artifact appears under its name when it is complete and on
disk, `current` changes by one rename. What a killed build leaves behind is hidden, and swept away by the next one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.durable import put_on_disk
from edge_agent.engines.manifest import MANIFEST
from edge_agent.errors import ModelError, StorageError

CURRENT, PREVIOUS = "current", "previous"
STAGED = ".staged-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class EngineStore:
    """Engine artifacts on disk, one of them active.

    Any number of processes may read; those that write take turns by a lock, which ends with its process.

    Args:
        folder: is made by the first `staged`; a reader needs no right to write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The artifacts that are there, in the order of their names."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if _is_name(path.name) and not path.is_symlink())
        return sorted(path.name for path in found if (path / MANIFEST).is_file())

    def current(self) -> Path | None:
        """The active artifact's own folder (not the link); None if nothing was ever activated.

        Raises:
            ModelError: `current` points at something that is not there.
        """
        return self._target(CURRENT)

    def previous(self) -> Path | None:
        """Where `rollback` would go; None where there is no such. Raises ModelError as `current` does."""
        return None if self._link(PREVIOUS) == self._link(CURRENT) else self._target(PREVIOUS)

    @contextmanager
    def staged(self, name: str) -> Iterator[Path]:
        """A new folder to fill. When the block ends well it is put on disk and appears as `name`, else it is removed.

        Raises:
            StorageError: the name is no name or taken, or the disk is full or may not be written.
        """
        final = self._path(name)
        with _told(self.folder):
            with self._locked():
                self._sweep()
                if final.exists():
                    mend = "activate that one, or choose another name"
                    raise StorageError("is there already", where=str(final), mend=mend)
                aside = Path(tempfile.mkdtemp(prefix=f"{STAGED}{name}-", dir=self.folder))
                owner = os.open(aside, os.O_RDONLY)
                fcntl.flock(owner, fcntl.LOCK_EX)  # tells a sweep of another process that somebody works here
            try:
                yield aside
                aside.chmod(0o755)  # mkdtemp lets in its owner alone, the agent may be another user
                for path in (*aside.rglob("*"), aside):
                    put_on_disk(path)
                with self._locked():
                    if final.exists():  # rename would replace an empty folder
                        raise StorageError("has appeared meanwhile", where=str(final), mend="activate that one")
                    aside.rename(final)
                    put_on_disk(self.folder)
            finally:
                os.close(owner)
                shutil.rmtree(aside, ignore_errors=True)  # renamed by now if all went well

    def activate(self, name: str) -> None:
        """Make an artifact the current one; what was current becomes `previous`. Without effect if it is current.

        Killed half-way, the old one stays current.

        Raises:
            ModelError: there is no such artifact.
            StorageError: the store may not be written.
        """
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ModelError(f'there is no engine "{name}"', where=str(self.folder), mend=f"the engines are: {known}")
        with _told(self.folder), self._locked():
            old = self._link(CURRENT)
            if old == name:
                return
            self._point(PREVIOUS, old)
            self._point(CURRENT, name)

    def rollback(self) -> str | None:
        """Change current and previous: back to the engine before, and with another call forth again.

        Before the first engine that was ever activated there was none: the model that agent.toml names.

        Returns:
            The name of the now current artifact; None where that is the model of agent.toml.

        Raises:
            ModelError: there is nothing to go back to.
            StorageError: the store may not be written.
        """
        with _told(self.folder), self._locked():
            old, back = self._link(CURRENT), self.previous()
            if back is not None:
                self._point(CURRENT, back.name)
                self._point(PREVIOUS, old)
                return back.name
            if old is None:
                mend = "calibrate status shows what is there, calibrate activate takes one by name"
                raise ModelError("there is no engine to go back to", where=str(self.folder), mend=mend)
            self._point(PREVIOUS, old)
            self._point(CURRENT, None)
            return None

    def remove(self, name: str) -> None:
        """Delete an artifact. Raises ModelError if it is current or previous, StorageError if it cannot be deleted."""
        with _told(self.folder), self._locked():
            if name in {self._link(CURRENT), self._link(PREVIOUS)}:
                where = str(self._path(name))
                raise ModelError("is in use", where=where, mend="current and previous stay")
            aside = Path(tempfile.mkdtemp(prefix=f"{STAGED}{name}-", dir=self.folder))
            self._path(name).rename(aside / name)  # gone at once, even if deleting it is cut short
            shutil.rmtree(aside)

    def _path(self, name: str) -> Path:
        if not _is_name(name):
            mend = "use up to 100 letters, digits and . _ + -, the first a letter or digit"
            raise StorageError(f"{name!a} cannot name an engine", where=str(self.folder), mend=mend)
        return self.folder / name

    def _link(self, which: str) -> str | None:
        try:
            return (self.folder / which).readlink().name
        except FileNotFoundError:
            return None
        except OSError as error:
            mend = "move that away; calibrate activate makes the link"
            raise ModelError("is no link to an engine", where=str(self.folder / which), mend=mend) from error

    def _target(self, which: str) -> Path | None:
        name = self._link(which)
        if name is None:
            return None
        if not (self.folder / name / MANIFEST).is_file():
            what = f'points at "{name}", which is no engine'
            mend = "calibrate activate takes another one by name"
            raise ModelError(what, where=str(self.folder / which), mend=mend)
        return self.folder / name

    def _point(self, which: str, name: str | None) -> None:
        """One rename: whoever looks sees the old target or the new one. None takes the link away."""
        if name is None:
            (self.folder / which).unlink(missing_ok=True)
            put_on_disk(self.folder)
            return
        aside = self.folder / f".{which}.new"
        aside.unlink(missing_ok=True)
        aside.symlink_to(name)
        aside.replace(self.folder / which)
        put_on_disk(self.folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Short turns of the processes that write; the kernel ends the turn of one that is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove what killed builds have left: staged folders that nobody holds."""
        for path in self.folder.glob(f"{STAGED}*"):
            with suppress(OSError):  # gone meanwhile, or somebody works in it
                holder = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
                finally:
                    os.close(holder)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in {CURRENT, PREVIOUS}


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = str(error.filename or folder)
        what = f"cannot be written ({error.strerror or error})"
        raise StorageError(what, where=where, mend="check free space and permissions; root may be needed") from error
