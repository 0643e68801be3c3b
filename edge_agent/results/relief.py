"""An outbox that goes on in memory while the disk takes nothing, and comes back to the disk by itself."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path

from edge_agent.errors import StorageError
from edge_agent.log import event
from edge_agent.pipeline.triggers import Trigger
from edge_agent.results.eviction import Evictions, OutboxLimits
from edge_agent.results.moving import move_everything
from edge_agent.results.outbox import Outbox, StoredResult
from edge_agent.results.result import Result

log = logging.getLogger(__name__)

RETRY_S = 2.0  # between two attempts to come back to the disk
IN_MEMORY = OutboxLimits(rows=20_000, size=32_000_000)


def memory_folder(outbox: Path) -> Path:
    """A folder of this outbox in memory: that of the service, or one in /dev/shm."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    key = sha256(str(outbox.absolute()).encode()).hexdigest()[:16]
    return Path(runtime or "/dev/shm") / f"matecheck-{os.geteuid()}-{key}"  # noqa: S108 # nosec B108 # made for this user alone, and looked at before it is used


class ReliefOutbox(Outbox):
    """What the disk refuses goes to a second outbox in memory (a tmpfs), with the numbers that follow.

    It survives the end of the process, not a power cut. It is bounded as every outbox is: the oldest OK results go
    first, and are counted. As soon as the disk takes it, everything moves there, in order. After a power cut meanwhile
    the numbers go on behind those that memory may have given: the receiver sees a gap where results were lost.

    Args:
        pictures_welcome: False while the disk is so full that thumbnails are left out.
        memory: where the second outbox stands; None takes `memory_folder`.

    Raises:
        StorageError: the outbox cannot be opened; from the methods only what neither disk nor memory can do.
    """

    def __init__(
        self,
        path: Path,
        limits: OutboxLimits | None = None,
        pictures_welcome: Callable[[], bool] = lambda: True,
        memory: Path | None = None,
    ) -> None:
        super().__init__(path, limits)
        self._pictures_welcome = pictures_welcome
        self._folder = memory or memory_folder(path)
        self._gate = threading.RLock()
        self._memory: Outbox | None = None
        self._marks: set[int] = set()  # sent, and the disk does not know it
        self._why = ""
        self._retry_at = 0.0
        self._evicted = Evictions()
        self._last = super().last_seq
        if (
            _is_ours(self._folder) and (self._folder / "outbox.sqlite").exists()
        ):  # of a process that ended while the disk was full
            self._memory = Outbox(self._folder / "outbox.sqlite", IN_MEMORY)
            self._last = max(self._last, self._memory.last_seq)  # else a number would be given twice
            self._why = "results of an earlier run are still in memory"
            self._come_back()
        elif self._mark.in_memory:
            self._pass_by_lost_numbers()

    @property
    def trouble(self) -> str:
        """Why results are kept in memory; "" while they are on disk."""
        if self._memory is None:
            return ""
        return f"results are kept in memory, a power cut would lose them ({self._why})"

    def accept(self, trigger: Trigger) -> None:
        """Remember a trigger, on disk or in memory."""
        with self._gate:
            self._come_back()
            if self._memory is None:
                try:
                    super().accept(trigger)
                except StorageError as error:
                    self._go_to_memory(error)
                else:
                    return
            assert self._memory
            with suppress(StorageError), self._database.transaction(durable=False) as connection:
                self._refuse_duplicate(connection, trigger)
            self._memory.accept(trigger)

    def record(
        self, make: Callable[[int], Result], thumbnail: bytes | None = None, *, awaits_confirmation: bool = False
    ) -> Result:
        """Commit a result, on disk or in memory."""
        with self._gate:
            self._come_back()
            if self._memory is None:
                try:
                    picture = thumbnail if self._pictures_welcome() else None
                    result = super().record(make, picture, awaits_confirmation=awaits_confirmation)
                except StorageError as error:
                    self._go_to_memory(error)
                else:
                    self._last = result.seq
                    return result
            assert self._memory
            with suppress(StorageError):  # a disk that is read-only: a power cut may then hide behind reused numbers
                self._mark.reserve_in_memory(self._last + 1)
            result = self._memory.record(make, None, awaits_confirmation=awaits_confirmation)
            self._last = result.seq
            return result

    def unanswered(self) -> list[Trigger]:
        """The accepted triggers without a result, oldest first."""
        with self._gate:
            # the memory was given those of the disk too, when it began
            return self._memory.unanswered() if self._memory else super().unanswered()

    def waiting(self, limit: int, *, after: int = 0, up_to: int | None = None) -> list[StoredResult]:
        """The oldest results not sent, first those on disk."""
        with self._gate:
            self._come_back()
            if self._memory is None and not self._marks:
                return super().waiting(limit, after=after, up_to=up_to)
            rows: list[StoredResult] = []
            try:
                more = super().waiting(limit + len(self._marks), after=after, up_to=up_to)
                rows = [row for row in more if row.seq not in self._marks][:limit]
            except StorageError:  # those in memory need not wait for those on disk
                self.overlooked += 1
            if self._memory and len(rows) < limit:
                rows += self._memory.waiting(limit - len(rows), after=after, up_to=up_to)
            return rows

    def sent(self, limit: int, *, after: int, up_to: int) -> list[StoredResult]:
        """The results that were sent and are still kept."""
        with self._gate:
            rows = super().sent(limit, after=after, up_to=up_to)
            if self._memory and len(rows) < limit:
                rows += self._memory.sent(limit - len(rows), after=after, up_to=up_to)
            return rows

    def mark_sent(self, seqs: Sequence[int]) -> None:
        """The broker has these results."""
        with self._gate:
            if self._memory:
                self._memory.mark_sent(seqs)
            self._marks.update(seqs)
            with suppress(StorageError):  # said already: it is the disk that the memory stands in for
                super().mark_sent(sorted(self._marks))
                self._marks.clear()

    def confirm(self, result_id: str) -> bool:
        """The receiver has this result."""
        with self._gate:
            return bool(self._memory and self._memory.confirm(result_id)) or super().confirm(result_id)

    def unconfirmed(self) -> list[str]:
        """Ids of the results whose confirmation is awaited, oldest first."""
        with self._gate:
            return super().unconfirmed() + (self._memory.unconfirmed() if self._memory else [])

    def count(self) -> int:
        """How many results wait, on disk and in memory."""
        with self._gate:
            self._come_back()
            on_disk = 0
            try:
                on_disk = super().count() - len(self._marks)
            except StorageError as error:
                if self._memory is None:
                    self._go_to_memory(error)
            return on_disk + (self._memory.count() if self._memory else 0)

    def kept(self, from_seq: int, to_seq: int) -> tuple[int, int]:
        """How many results of this range are there: sent, waiting."""
        with self._gate:
            sent, waiting = super().kept(from_seq, to_seq)
            more = self._memory.kept(from_seq, to_seq) if self._memory else (0, 0)
            return sent + more[0], waiting + more[1]

    @property
    def last_seq(self) -> int:
        """The highest number in use."""
        return self._last

    def last_id(self) -> str | None:
        """The greatest identifier in use."""
        with self._gate:
            known = [super().last_id(), self._memory.last_id() if self._memory else None]
        return max((identifier for identifier in known if identifier), default=None)

    def evictions(self) -> Evictions:
        """What had to go because the outbox was full."""
        with self._gate:
            with suppress(StorageError):  # a disk that cannot be read either: what was known of it stands
                self._evicted = super().evictions()
            disk, memory = self._evicted, self._memory.evictions() if self._memory else Evictions()
        return Evictions(*map(sum, zip(astuple(disk), astuple(memory), strict=True)))

    def close(self) -> None:
        """Release the files; what is in memory is found there by the next process."""
        with self._gate:
            self._retry_at = 0.0
            self._come_back()
            if self._memory:
                log.error(event("results-only-in-memory", count=self._memory.count(), where=self._folder))
                self._memory.close()
            super().close()

    def _pass_by_lost_numbers(self) -> None:
        before, self._last = self._last, self._mark.read()
        log.error(
            event("results-lost", between_seq=before, and_seq=self._last + 1, why="memory that held them is gone")
        )
        try:
            with self._database.transaction() as connection:
                connection.execute("UPDATE counter SET last_seq = max(last_seq, ?)", (self._last,))
            self._mark.nothing_in_memory()
        except StorageError as error:
            self._go_to_memory(error)

    def _go_to_memory(self, error: StorageError) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not _is_ours(self._folder):
                raise error  # somebody else has made it: nothing of ours is put there, nor of theirs taken
            (self._folder / "outbox.sqlite.seq").write_text(str(self._last), encoding="ascii")
        except OSError as no_memory:
            raise error from no_memory
        self._memory = Outbox(self._folder / "outbox.sqlite", IN_MEMORY)
        with suppress(StorageError):
            for trigger in super().unanswered():
                self._memory.accept(trigger)
        self._why = str(error)
        self._retry_at = time.monotonic() + RETRY_S
        log.error(event("results-in-memory", at_most=IN_MEMORY.rows, why=error))

    def _come_back(self) -> None:
        if self._memory is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_S
        try:
            moved = move_everything(self._memory._database, self._database)
            super().mark_sent(sorted(self._marks))
            self._mark.nothing_in_memory()
        except StorageError as error:
            self._why = str(error)
            return
        self._marks.clear()
        self._memory.close()
        self._memory = None
        shutil.rmtree(self._folder, ignore_errors=True)
        log.info(event("results-on-disk-again", moved=moved))


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder that this user has made: anybody may write into /dev/shm."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
