"""A broker that can be made to refuse, or to keep silent, as no real one can."""

from __future__ import annotations

import json
import socketserver
import struct
from typing import Any


class StrictBroker(socketserver.BaseRequestHandler):
    """Speaks as much MQTT 5 as it needs to refuse what a mosquitto cannot be made to refuse.

    `server.connack` are the properties of its CONNACK, `server.answer` the reason of its PUBACK to a result,
    `server.permits` how many results it still takes (None: all); it notes in `server.most` how many messages with
    QoS 1 were on their way at once, and in `server.results` the numbers of the results that came.
    """

    def handle(self) -> None:
        server: Any = self.server
        self.waiting: list[bytes] = []
        self.held: list[bytes] = []
        self.request.settimeout(0.05)
        received = b""
        while True:
            try:
                piece = self.request.recv(65536)
            except TimeoutError:
                piece = None
            if piece == b"":
                return
            received += piece or b""
            while (packet := _packet(received)) is not None:
                kind, body, received = packet
                self._take(kind, body)
            if self.held and server.permits.acquire(blocking=False):
                self.request.sendall(self.held.pop(0))
            if piece is None and self.waiting:  # answers when nothing more comes: so it sees how much was on its way
                self.request.sendall(b"".join(self.waiting))
                self.waiting.clear()

    def _take(self, kind: int, body: bytes) -> None:
        server: Any = self.server
        if kind >> 4 == 1:
            answer = b"\x00\x00" + bytes([len(server.connack)]) + server.connack
            self.request.sendall(b"\x20" + bytes([len(answer)]) + answer)
        elif kind >> 4 == 8:
            self.request.sendall(b"\x90\x04" + body[:2] + b"\x00\x01")
        elif kind >> 4 == 3 and kind & 0x06:
            (length,) = struct.unpack("!H", body[:2])
            topic, number = body[2 : 2 + length], body[2 + length : 4 + length]
            is_result = topic.endswith(b"/result")
            answer = b"\x40\x03" + number + bytes([server.answer if is_result else 0])
            if is_result:
                server.results.append(json.loads(body[body.index(b'{"') :])["seq"])
            (self.held if is_result and server.permits else self.waiting).append(answer)
            server.most = max(server.most, len(self.waiting) + len(self.held))


def _packet(received: bytes) -> tuple[int, bytes, bytes] | None:
    length, shift, place = 0, 0, 1
    while place < len(received):
        length |= (received[place] & 0x7F) << shift
        shift += 7
        place += 1
        if not received[place - 1] & 0x80:
            if len(received) < place + length:
                return None
            return received[0], received[place : place + length], received[place + length :]
    return None
