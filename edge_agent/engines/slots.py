"""Page-locked memory that is allocated once and used again for every batch, with the stream that copies it.

While the network looks at the tiles of one slot, the next tiles are written into the other and copied. What comes
after what is said to the GPU by events:

    slot's stream     copy in ─ copied ┐              ┌ copy out ─ done
    network's stream                   └ the network ─ computed ┘
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pycuda.driver as cuda
from numpy.typing import NDArray

from edge_agent.engines.engine import ScoreMaps, Tiles

OUTPUT = "score"
SAMPLE = 61  # every so manieth row of pixels tells at once that two templates differ


class Slot:
    """Buffers of one batch of up to N tiles. Its methods need the GPU's context to be current.

    Args:
        inputs: "test", or "test" and "template".
        shape: N, H, W of the largest batch.
        mapped: True: the network works in the host's memory itself, which a Jetson shares between CPU and GPU;
            False: it works in memory of the GPU, and the slot's stream copies.
    """

    def __init__(self, inputs: tuple[str, ...], shape: tuple[int, int, int], mapped: bool) -> None:
        self._stream = cuda.Stream()
        flags = cuda.event_flags.BLOCKING_SYNC | cuda.event_flags.DISABLE_TIMING
        self._copied, self._computed, self._done = (cuda.Event(flags) for _ in range(3))
        self._host: dict[str, NDArray[Any]] = {}
        self._locked: dict[str, Any] = {}  # the page-locked memory behind it
        self._device: dict[str, Any] = {}
        self._template_tiles = 0
        self.rows: slice | None = None
        wanted = dict.fromkeys(inputs, ((*shape, 3), np.uint8)) | {OUTPUT: (shape, np.float32)}
        try:
            for name, (size, dtype) in wanted.items():
                host = cuda.pagelocked_empty(size, dtype, mem_flags=cuda.host_alloc_flags.DEVICEMAP)
                self._host[name], self._locked[name] = host, host.base
                if not mapped:
                    self._device[name] = cuda.mem_alloc(host.nbytes)
        except cuda.Error:
            self.free()
            raise

    def addresses(self) -> Mapping[str, int]:
        """Where the network reads and writes, by the name of the tensor."""
        return {
            name: int(self._device[name] if name in self._device else locked.get_device_pointer())
            for name, locked in self._locked.items()
        }

    def fill(self, test: Tiles, template: Tiles, rows: slice, network: cuda.Stream) -> None:
        """Put tiles in, copy them, and let the stream `network` wait for that.

        A template that is on the GPU already is left there: registration moves the template with each part, but
        parts in a fixture may lie alike.

        Args:
            test, template: uint8 [n, H, W, 3], n ≤ N.
            rows: which of the whole batch they are.
            network: the stream that will run the network.
        """
        self.rows = rows
        self._upload("test", test)
        if "template" in self._host and not self._has(template):
            self._template_tiles = 0  # nothing is known of it until all is written
            self._upload("template", template)
            self._template_tiles = len(template)
        self._copied.record(self._stream)
        network.wait_for_event(self._copied)

    def fetch(self, network: cuda.Stream) -> None:
        """Copy the scores out as soon as what was put on the stream `network` so far is done."""
        self._computed.record(network)
        self._stream.wait_for_event(self._computed)
        if OUTPUT in self._device and self.rows is not None:
            count = self.rows.stop - self.rows.start
            cuda.memcpy_dtoh_async(self._host[OUTPUT][:count], self._device[OUTPUT], self._stream)
        self._done.record(self._stream)

    def collect(self, scores: ScoreMaps) -> None:
        """Wait for the scores, and write them to their rows of the whole batch's."""
        if self.rows is not None:
            self._done.synchronize()
            scores[self.rows] = self._host[OUTPUT][: self.rows.stop - self.rows.start]
            self.rows = None

    def abandon(self) -> None:
        """After a failure: let nothing of it be in flight or taken for granted."""
        self.rows, self._template_tiles = None, 0
        self._stream.synchronize()

    def free(self) -> None:
        """Give everything back. It cannot be used after this."""
        for device in self._device.values():
            device.free()
        for locked in self._locked.values():
            locked.free()
        self._device, self._host, self._locked = {}, {}, {}
        del self._stream, self._copied, self._computed, self._done

    def _upload(self, name: str, tiles: Tiles) -> None:
        host = self._host[name][: len(tiles)]
        host[...] = tiles  # into the page-locked array, never in its place: only copies from there are asynchronous
        if name in self._device:
            cuda.memcpy_htod_async(self._device[name], host, self._stream)

    def _has(self, template: Tiles) -> bool:
        if self._template_tiles < len(template):
            return False
        known = self._host["template"][: len(template)]
        return bool((known[:, ::SAMPLE] == template[:, ::SAMPLE]).all()) and np.array_equal(known, template)
