"""Whom a build tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[str, str, int, int], None]
"""Name of a phase, of the phase around it ("" for none), steps done, steps in all. Called from another thread."""
