"""Annotated pairs of images to measure on and to train with."""

from build_engine.datasets.annotated_pair import AnnotatedPair, Box, DatasetError
from build_engine.datasets.deeppcb import read_deeppcb
from build_engine.datasets.pairs import read_pairs

__all__ = ["AnnotatedPair", "Box", "DatasetError", "read_deeppcb", "read_pairs"]
