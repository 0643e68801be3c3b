"""What holds for every test, before anything is imported."""

from __future__ import annotations

import os

# The threads of PyTorch wait for each other spinning: on a core that somebody else needs, seconds become minutes.
os.environ.setdefault("OMP_NUM_THREADS", "2")
