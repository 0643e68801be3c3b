"""What calibration raises on purpose."""

from __future__ import annotations

from edge_agent.errors import MatecheckError


class CalibrationError(MatecheckError):
    """A calibration cannot be done, or must not be used: too few pictures, unrelated ones, a gate not passed."""
