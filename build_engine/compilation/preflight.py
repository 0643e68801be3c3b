"""Whether there is room to build a plan. A build that runs out of memory is killed by the kernel without a word."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from edge_agent.errors import EngineError, StorageError

BUILDER_MB = 1536  # the libraries of TensorRT's builder; it logs their size, about 1450 MB
PLAN_SHARE = 4  # plan, its copy while it is written and the timing cache, in sizes of the model
MEMINFO = Path("/proc/meminfo")


def check_memory(workspace_mb: int, meminfo: Path = MEMINFO) -> None:
    """Refuse where the memory of this machine is too small. Raises EngineError."""
    text = meminfo.read_text(encoding="ascii")
    found = {key: int(kb) // 1024 for key, kb in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    free, needed = found["MemAvailable"] + found["SwapFree"], workspace_mb + BUILDER_MB
    if free < needed:
        raise EngineError(
            f"building needs about {needed} MB of memory, {free} MB are free (swap included)",
            mend="stop the agent and the desktop meanwhile, add swap, or give a smaller --workspace-mb",
        )


def check_gpu_memory(workspace_mb: int, free_bytes: int) -> None:
    """The same for the GPU's memory; a Jetson's is the machine's. Raises EngineError."""
    if free_bytes >> 20 < workspace_mb:
        raise EngineError(
            f"building may need {workspace_mb} MB of GPU memory, {free_bytes >> 20} MB are free",
            mend="stop what else uses the GPU, or give a smaller --workspace-mb",
        )


def check_disk(folder: Path, model_bytes: int) -> None:
    """Refuse where the plan would not fit on the disk. Raises StorageError."""
    free, needed = shutil.disk_usage(folder).free, PLAN_SHARE * model_bytes + (16 << 20)
    if free < needed:
        what = f"the plan needs about {needed >> 20} MB, {free >> 20} MB are free"
        raise StorageError(what, where=str(folder), mend="make room on that disk")
