"""Every command's way: parsed, obeyed or refused, answered, written to the audit log."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.commands.audit import AuditLog
from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import parse_payload
from edge_agent.errors import CommandError, MatecheckError
from edge_agent.log import event
from edge_agent.mqtt.events import Incoming
from edge_agent.pipeline.worker import Worker

log = logging.getLogger(__name__)

WAIT_S = 0.5
MAX_SLOW = 4  # slow commands that wait for their turn

Answer = Callable[[str, Incoming, dict[str, Any]], None]


class Dispatcher(Worker):
    """The table of commands, and the thread of the slow ones.

    Args:
        answer: sends a reply to the sender of a message.
    """

    def __init__(self, commands: Sequence[Command], audit: AuditLog, answer: Answer) -> None:
        super().__init__("commands")
        self._commands = {command.name: command for command in commands}
        self._audit, self._answer = audit, answer
        self._slow: queue.Queue[tuple[Command, Incoming, Request]] = queue.Queue(MAX_SLOW)

    def handle(self, name: str, message: Incoming) -> None:
        """Take a command from the broker; called on the MQTT thread, returns soon."""
        try:
            command = self._commands.get(name)
            if command is None:
                known = ", ".join(sorted(self._commands))
                raise CommandError(f"there is no such command; known: {known}", code="unknown-command")  # noqa: TRY301
            request = Request(parse_payload(message.payload, retained=message.retained), message.expires_in_s)
        except CommandError as error:
            self._finish(name, message, message.payload, _refusal(error))
            return
        if not command.slow:
            self._obey(command, message, request)
            return
        try:
            self._slow.put_nowait((command, message, request))
        except queue.Full:
            busy = CommandError(f"{MAX_SLOW} commands wait already; wait for their replies", code="busy")
            self._finish(name, message, request.arguments, _refusal(busy))

    def step(self) -> bool:
        """Obey one slow command."""
        try:
            command, message, request = self._slow.get(timeout=WAIT_S)
        except queue.Empty:
            return True
        self._obey(command, message, request)
        return True

    def _obey(self, command: Command, message: Incoming, request: Request) -> None:
        try:
            answer = {"accepted": True, "reason": None} | command.obey(request)
        except MatecheckError as error:
            answer = _refusal(error)
        except Exception:
            log.exception(event("command-crashed", command=command.name))
            answer = {"accepted": False, "code": "internal", "reason": "internal error; see the agent's log"}
        self._finish(command.name, message, request.arguments, answer)

    def _finish(self, name: str, message: Incoming, asked: object, answer: dict[str, Any]) -> None:
        if not answer["accepted"]:
            log.warning(event("command-refused", command=ascii(name)[:100], code=answer["code"], why=answer["reason"]))
        self._answer(name, message, {"command": name} | answer)
        self._audit.write(name, asked, message.sender, answer)


def _refusal(error: MatecheckError) -> dict[str, Any]:
    details = error.details if isinstance(error, CommandError) else {}
    code = error.code if isinstance(error, CommandError) else "failed"
    return {"accepted": False, "code": code, "reason": str(error)} | details
