"""What TensorRT says in its log, which alone has the reasons. Imported where TensorRT is wanted, and only there."""

from __future__ import annotations

import logging

import tensorrt as trt

from edge_agent.log import event

log = logging.getLogger(__name__)

KEPT = 5


class TensorRtLog(trt.ILogger):  # type: ignore[misc] # where TensorRT is not installed its types are not known
    """Passes TensorRT's warnings and errors on to our log, and keeps the last errors.

    TensorRT answers False or None where it fails; `why` puts what failed and its reason together.
    """

    def __init__(self) -> None:
        super().__init__()
        self._errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT, from any thread. Nothing may be raised through its code."""
        line = next(iter(msg.strip().splitlines()), "")[:300]
        if severity in {trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR}:
            self._errors = [*self._errors, line][:KEPT]
            log.error(event("tensorrt", says=line))
        elif severity == trt.ILogger.Severity.WARNING:
            log.warning(event("tensorrt", says=line))
        else:
            log.debug(event("tensorrt", says=line))

    def why(self, what: str) -> str:
        """What failed, with the first error that TensorRT has logged since the last failure; the others follow."""
        errors, self._errors = self._errors, []
        return f"{what} ({errors[0]})" if errors else what
