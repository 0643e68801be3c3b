"""Every topic name that the agent uses, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.errors import ConfigError

MAX_BASE_BYTES = 512


@dataclass(frozen=True)
class Topics:
    """The topics of one device under its base, such as "plant1/assembly/line3/cell2/jetson-07".

    Raises:
        ConfigError: the base cannot be the beginning of a topic name.
    """

    base: str

    def __post_init__(self) -> None:
        problem = _problem(self.base)
        if problem:
            raise ConfigError(
                problem, where="topic_base", mend='write a path such as "plant1/assembly/line3/cell2/jetson-07"'
            )

    @property
    def status(self) -> str:
        """Retained: "online", "degraded", "stopped", or "offline" by the last will."""
        return f"{self.base}/status"

    @property
    def info(self) -> str:
        """Retained: what this device is and runs."""
        return f"{self.base}/info"

    @property
    def result(self) -> str:
        """One message a part, QoS 1, in order of seq; after an outage live ones go before the backlog."""
        return f"{self.base}/result"

    @property
    def thumbnail(self) -> str:
        """JPEG bytes of the last part."""
        return f"{self.base}/thumbnail"

    @property
    def metrics(self) -> str:
        """Numbers about the device, for dashboards."""
        return f"{self.base}/metrics"

    @property
    def handshake(self) -> str:
        """Retained: whether a trigger would be accepted now, and whether a part is at work."""
        return f"{self.base}/handshake"

    @property
    def evicted(self) -> str:
        """Retained: what had to go because the outbox was full."""
        return f"{self.base}/evicted"

    @property
    def snapshot(self) -> str:
        """JPEG bytes of a picture that a command asked for."""
        return f"{self.base}/snapshot"

    @property
    def audit(self) -> str:
        """One message a command: who, what, when, outcome."""
        return f"{self.base}/audit"

    @property
    def command_filter(self) -> str:
        """What the agent subscribes to."""
        return f"{self.base}/command/+"

    def reply(self, name: str) -> str:
        """Where the answer to the command `name` goes when the sender named no response topic."""
        return f"{self.base}/reply/{name}"

    def may_reply_to(self, topic: str) -> bool:
        """Whether a reply may go where its sender wants it.

        Under our own base only `reply` is for replies: nobody writes our status through us. What begins with "$"
        belongs to the broker, and some end the connection of a client that publishes there.
        """
        return not set("+#") & set(topic) and not topic.startswith(("$", f"{self.base}/"))

    def command_name(self, topic: str) -> str | None:
        """The command that was published to `topic`; None when it is no command topic of ours."""
        head = f"{self.base}/command/"
        name = topic.removeprefix(head)
        return name if topic.startswith(head) and "/" not in name else None


def _problem(base: str) -> str:
    """What is wrong with the base, "" when nothing is."""
    if not base.isprintable():  # first: surrogates are not printable, and cannot be encoded below
        return "must hold printable characters only"
    checks = (
        (not base, "must not be empty"),
        ("+" in base or "#" in base, 'must not hold "+" or "#", which are wildcards in subscriptions'),
        (base.startswith("$"), 'must not begin with "$", which is reserved for the broker'),
        ("" in base.split("/"), "must not begin or end with a slash, nor hold two in a row"),
        (len(base.encode()) > MAX_BASE_BYTES, f"must be at most {MAX_BASE_BYTES} bytes long"),
    )
    return next((problem for wrong, problem in checks if wrong), "")
