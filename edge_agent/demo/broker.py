"""A real MQTT broker inside this process, for a demo on a machine that has none."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType

from amqtt.broker import Broker

from edge_agent.errors import BrokerError

HOST = "127.0.0.1"
START_S = 10.0
STOP_S = 5.0


class EmbeddedBroker:
    """amqtt (MQTT 3.1.1) on a free port of the loopback interface, in a thread of its own; a context manager.

    Attributes:
        port: where it listens, once entered.
    """

    def __init__(self) -> None:
        self.port = 0
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def __enter__(self) -> EmbeddedBroker:
        """Start. Raises BrokerError."""
        self.port = _free_port()
        self._thread.start()
        if not self._ready.wait(START_S) or self._failure:
            raise BrokerError(f"the embedded broker does not start ({self._failure})", where=f"{HOST}:{self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and free the port."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            broker = self._loop.run_until_complete(self._start())
        except Exception as error:  # noqa: BLE001 - whatever amqtt raises is told to the thread that waits
            self._failure = error
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(broker.shutdown())
        self._loop.close()

    async def _start(self) -> Broker:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        return broker


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
