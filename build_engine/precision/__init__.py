"""Precision in the graph: FP16 by conversion, INT8 by explicit Q/DQ, and a lint of what TensorRT would not run so.

TensorRT 11 has no builder flags for precision any more. What stands in the ONNX file is built the same way by
10.3 to 11.4, and ONNX Runtime computes the very same numbers on a CPU.
"""

from build_engine.precision.half import rounds_half, to_fp16
from build_engine.precision.int8 import to_int8
from build_engine.precision.lint import Finding, lint
from build_engine.precision.ranges import METHODS
from build_engine.precision.report import Difference, Layer, PrecisionReport, read_report, write_report
from build_engine.precision.search import Budget
from build_engine.precision.tiles import CalibrationTiles, TileSet, tiles_of_good, tiles_of_pairs, tiles_of_photographs

__all__ = [
    "METHODS",
    "Budget",
    "CalibrationTiles",
    "Difference",
    "Finding",
    "Layer",
    "PrecisionReport",
    "TileSet",
    "lint",
    "read_report",
    "rounds_half",
    "tiles_of_good",
    "tiles_of_pairs",
    "tiles_of_photographs",
    "to_fp16",
    "to_int8",
    "write_report",
]
