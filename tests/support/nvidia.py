"""NVIDIA's own compiler, which runs without a GPU: tests that need it say loudly where it is missing."""

from __future__ import annotations

import pytest

from build_engine.precision.nvidia_compiler import available

needs_nvidia_compiler = pytest.mark.skipif(
    not available(), reason="NOT RUN: NVIDIA's compiler is not installed; pip install tensorrt-rtx-cu12"
)
