"""The fake CUDA driver of `fake_cuda.c`, built and loaded before pycuda is imported, and what tests ask it."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_cuda.c")
SONAME = "libcuda.so.1"  # what the loader looks for on behalf of pycuda; one that is loaded already is taken
OUT_OF_MEMORY, LAUNCH_FAILED = 2, 719
CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class FakeCuda:
    """The driver, loaded into this process. There can be one only, and no real one beside it."""

    def __init__(self, folder: Path) -> None:
        self._library = library = ctypes.CDLL(str(_build(folder)), mode=ctypes.RTLD_GLOBAL)
        library.fake_cuda_trace.restype = ctypes.c_char_p
        library.fake_cuda_count.restype = ctypes.c_long
        library.fake_cuda_reachable.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        library.fake_cuda_call.argtypes = [ctypes.c_void_p, CALL, ctypes.c_void_p]
        self._called: list[object] = []

    def count(self, what: str) -> int:
        """How many: "pageable copies", "refused copies", "allocations", "streams", "events", "bytes to device"."""
        count = int(self._library.fake_cuda_count(what.encode()))
        assert count >= 0, f"the fake driver does not count {what}"
        return count

    def seed(self, value: int) -> None:
        """Another order in which streams take turns."""
        self._library.fake_cuda_seed(value)

    def fail(self, function: str, call: int = 1, code: int = OUT_OF_MEMORY, times: int = 1) -> None:
        """Let calls of a function of the driver fail, from the n-th from now on; after a code from 700 on all do."""
        self._library.fake_cuda_fail(function.encode(), call, code, times)

    def mend(self) -> None:
        """Let nothing fail any more."""
        self.fail("", times=0)

    def trace(self) -> list[tuple[str, int, int]]:
        """What was given to the streams and done since the last look: what, stream, bytes."""
        lines = self._library.fake_cuda_trace().decode().splitlines()
        self._library.fake_cuda_clear_trace()
        return [(what, int(stream), int(size)) for what, stream, size in (line.split() for line in lines)]

    def reachable(self, address: int, size: int) -> bool:
        """Whether a kernel may work there."""
        return bool(self._library.fake_cuda_reachable(address, size))

    def call(self, stream: int, function: Callable[[], None]) -> None:
        """Put a call on a stream, as the start of a kernel is."""
        called = CALL(lambda _: function())
        self._called = [*self._called[-100:], called]  # must live until it was called
        self._library.fake_cuda_call(stream, called, None)


def _build(folder: Path) -> Path:
    """Compile the driver, with an answer for each function of the driver that pycuda refers to."""
    spec = find_spec("pycuda")
    assert spec, "pycuda is not installed"
    (extension,) = Path(str(spec.origin)).parent.glob("_driver*.so")
    symbols = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", extension], check=True, capture_output=True, text=True
    ).stdout
    source = SOURCE.read_text(encoding="utf-8")
    wanted = {line.split()[-1] for line in symbols.splitlines()}
    missing = sorted(name for name in wanted if name.startswith("cu") and f"int {name}(" not in source)
    rest = folder / "unsupported.c"
    rest.write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in missing), encoding="utf-8")
    library = folder / SONAME
    command = ["gcc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{SONAME}", "-o", library, SOURCE, rest]
    subprocess.run(command, check=True)
    return library
