"""Self-calibrated convolution (Liu et al., CVPR 2020), as Tang et al. 2025 put it on the third stage."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from build_engine.networks.texture import ConvNorm


class SelfCalibration(nn.Module):
    """A convolution gated by what a convolution of the picture shrunk by r sees: a wide field at the same size.

    Args:
        channels: of the input and the output.
        shrink: r, by which the input is averaged down.
    """

    def __init__(self, channels: int, shrink: int = 4) -> None:
        super().__init__()
        self.shrink = shrink
        self.wide = ConvNorm(channels, channels, 3, active=False)
        self.native = ConvNorm(channels, channels, 3, active=False)
        self.output = ConvNorm(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]; H and W multiples of `shrink`."""
        size = (int(x.shape[2]), int(x.shape[3]))
        wide = F.interpolate(self.wide(F.avg_pool2d(x, self.shrink)), size, mode="bilinear", align_corners=False)
        gated: Tensor = self.output(self.native(x) * torch.sigmoid(x + wide))
        return gated
