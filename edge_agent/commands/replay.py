"""`replay`: stored results once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, whole_number
from edge_agent.errors import CommandError
from edge_agent.results.outbox import Outbox


class Replay(Command):
    """`{"from_seq": 17, "to_seq": 20}`, both ends included: what was sent before is sent again, marked `replayed`.

    Args:
        again: takes the range; False when too many are at work.
    """

    name = "replay"

    def __init__(self, outbox: Outbox, again: Callable[[int, int], bool]) -> None:
        self._outbox, self._again = outbox, again

    def obey(self, request: Request) -> dict[str, Any]:
        """The reply says how many of the range will come, and how many are there no more."""
        only(request.arguments, "from_seq", "to_seq")
        first = whole_number(request.arguments, "from_seq", 1)
        last = whole_number(request.arguments, "to_seq", 1)
        if last < first:
            raise CommandError(f"to_seq must not be below from_seq, but {last} is below {first}")
        last_seq = self._outbox.last_seq
        if first > last_seq:
            raise CommandError(f"the last result is {last_seq}", code="unknown-seq", details={"last_seq": last_seq})
        last = min(last, last_seq)
        sent, waiting = self._outbox.kept(first, last)
        if sent and not self._again(first, last):
            raise CommandError("other replays are at work; wait for them", code="busy")
        gone = last - first + 1 - sent - waiting
        return {"from_seq": first, "to_seq": last, "replayed": sent, "waiting": waiting, "gone": gone}
