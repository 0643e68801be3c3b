"""The device and its context through pycuda, with the driver's errors as ours.

Imported where a GPU is wanted, and only there: without pycuda the import fails.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pycuda.driver as cuda

from edge_agent.engines.plan import DeviceInfo
from edge_agent.errors import EngineError
from edge_agent.log import event

log = logging.getLogger(__name__)

NO_MEMORY = "stop what else uses the GPU, or compile for fewer tiles at once (--batch)"
LOST = "restart the agent; if it comes again, look at dmesg"
DRIVER_VERSIONS = (Path("/sys/module/nvidia/version"), Path("/etc/nv_tegra_release"))


class Gpu:
    """The first device and its primary context, which TensorRT uses too. It belongs to the thread that made it.

    Raises:
        EngineError: there is no device, or no driver.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        with told():
            cuda.init()
            if not cuda.Device.count():
                raise EngineError("there is no GPU", mend='write backend = "onnxruntime"')
            device = cuda.Device(0)
            self.info = _info(device)
            self._context = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """The context is current inside; errors of the driver come out as EngineError.

        It is popped whatever happens: a context left behind on a thread's stack aborts the process at its end.
        """
        if threading.get_ident() != self._thread:
            raise EngineError("the GPU belongs to another thread", mend="load and use an engine in one thread")
        with told():
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()

    def free_bytes(self) -> int:
        """Memory that can still be allocated. Only where the context is current."""
        return int(cuda.mem_get_info()[0])

    def close(self) -> None:
        """Let go of the context, after everything in it was freed."""
        try:
            self._context.detach()
        except cuda.Error as error:
            log.warning(event("gpu-not-released", why=error))


@contextmanager
def told() -> Iterator[None]:
    """Errors of the driver as EngineError."""
    try:
        yield
    except cuda.MemoryError as error:
        raise EngineError(f"the GPU is out of memory ({error})", mend=NO_MEMORY) from error
    except cuda.Error as error:
        raise EngineError(f"CUDA failed ({error})", mend=LOST) from error


def _info(device: cuda.Device) -> DeviceInfo:
    major, minor = device.compute_capability()
    version = cuda.get_driver_version()
    maps = device.get_attribute(cuda.device_attribute.CAN_MAP_HOST_MEMORY)
    return DeviceInfo(
        name=device.name(),
        compute_capability=f"{major}.{minor}",
        cuda=f"{version // 1000}.{version % 1000 // 10}",
        driver=_driver_version(),
        maps_host_memory=bool(maps),
    )


def _driver_version() -> str | None:
    for path in DRIVER_VERSIONS:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        release = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
        return f"L4T {release[1]}.{release[2]}" if release else text.strip()[:100] or None
    return None
