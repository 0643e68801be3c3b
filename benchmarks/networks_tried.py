"""Networks that were tried beside the compact one and not kept: the same decoder, another way to compare two pictures.

Importing this module adds them to build_engine's NETWORKS.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from build_engine.networks.similarity_contrast import NETWORKS, Compact, ConvBlock


class BatchThroughout(Compact):
    """Batch norm in the first block too."""

    FIRST_NORM = "batch"


class SharedEncoder(Compact):
    """One encoder, of the same channels, for each picture alone; what differs between its features is decoded."""

    def __init__(self, width: float = 1.0, norm: str = "batch") -> None:
        super().__init__(width, norm)
        _takes(self.stages[0], 3)

    def encode(self, pair: Tensor) -> list[Tensor]:
        """Features of every stage, [N, C, h, w]: the absolute difference of the two pictures'."""
        both = torch.cat(pair.chunk(2, dim=1))
        features: list[Tensor] = []
        for stage in self.stages:
            both = stage(both)
            test, template = both.chunk(2)
            features.append((test - template).abs())
        return features


class Correlation(Compact):
    """Tells the encoder's second stage how alike the two pictures are under each shift by up to 4 px."""

    REACH, CHANNELS = 2, 16  # shifts in pixels at half the resolution; features that are compared

    def __init__(self, width: float = 1.0, norm: str = "batch") -> None:
        super().__init__(width, norm)
        self.alike = ConvBlock(3, self.CHANNELS, 5, 2, "instance")
        _takes(self.stages[1], max(4, round(self.ENCODER[0][0] * width / 4) * 4) + (2 * self.REACH + 1) ** 2)

    def encode(self, pair: Tensor) -> list[Tensor]:
        """Features of every stage, [N, C, h, w]."""
        features = [self.stages[0](pair)]
        x = torch.cat([features[0], self.correlation(pair)], dim=1)
        for stage in self.stages[1:]:
            x = stage(x)
            features.append(x)
        return features

    def correlation(self, pair: Tensor) -> Tensor:
        """Cosine between the features of a place and those of each place of the other picture within REACH."""
        test, template = (F.normalize(self.alike(picture).float(), dim=1) for picture in pair.chunk(2, dim=1))
        rows, columns = test.shape[2:]
        padded = F.pad(template, (self.REACH,) * 4)
        window = range(2 * self.REACH + 1)
        shifted = [(test * padded[:, :, y : y + rows, x : x + columns]).sum(1) for y in window for x in window]
        return torch.stack(shifted, dim=1).to(pair.dtype)


def _takes(stage: nn.Module, inputs: int) -> None:
    """Let a stage's first convolution take another number of channels."""
    block = cast("nn.Sequential", stage.get_submodule("0"))
    was = cast("nn.Conv2d", block[0])
    block[0] = nn.Conv2d(inputs, was.out_channels, was.kernel_size, was.stride, was.padding, bias=False)  # type: ignore[arg-type]


NETWORKS.update({"batch-throughout": BatchThroughout, "shared-encoder": SharedEncoder, "correlation": Correlation})
