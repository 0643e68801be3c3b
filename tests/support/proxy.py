"""A TCP proxy between agent and broker that can swallow everything (a half-open connection) or be slow."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

SLOW_BYTES, SLOW_S = 400, 0.1  # 4 kB a second: less than the results of 10 parts


class Proxy:
    """Forwards to a port of the loopback. Use it in a `with` block.

    Attributes:
        mode: "" forwards; "drop" reads and forgets, in both directions, without closing anything; "slow".
    """

    def __init__(self, to_port: int) -> None:
        self.mode = ""
        self._to = to_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._stopping = False

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        swallowed = False
        try:
            far = socket.create_connection(("127.0.0.1", self._to), 2)
        except OSError:
            near.close()
            return
        with near, far, suppress(OSError):
            while not self._stopping:
                readable, _, _ = select.select([near, far], [], [], 0.2)
                for source in readable:
                    piece = source.recv(SLOW_BYTES if self.mode == "slow" else 65536)
                    if not piece:
                        return
                    swallowed |= self.mode == "drop"
                    if swallowed:  # a connection that lost bytes is never whole again
                        continue
                    (far if source is near else near).sendall(piece)
                    if self.mode == "slow":
                        time.sleep(SLOW_S)
