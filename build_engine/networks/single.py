"""What all networks have in common that judge one picture alone."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

KIND = "single"


class SingleNetwork(nn.Module, ABC):
    """A network of kind "single": the whole picture in, a score map out.

    Attributes:
        name: in the metadata of its exports.
        size: height and width that it sees; other pictures are resized to it.
    """

    name: str
    size: tuple[int, int]

    @abstractmethod
    def forward(self, test: Tensor) -> Tensor:
        """Score map float32 [N, H, W] in 0..1 from uint8 BGR [N, H, W, 3]."""
