"""When two engines agree on a part: the same for the gate as for build-engine verify."""

from build_engine.evaluation.agreement import Agreement, AgreementLimits, compare

__all__ = ["Agreement", "AgreementLimits", "compare"]
