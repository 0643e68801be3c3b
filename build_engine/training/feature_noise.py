"""Anomalies made in the features themselves: what no pixel drawing on a few pictures can show the head.

The backbone is frozen, so that its features of good pictures stay where they are; a head that has seen confetti and
CutPaste alone takes anything else for normal. Noise on the features marks what is off their manifold in any direction
(after Liu et al., SimpleNet, CVPR 2023).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Levels = tuple[Tensor, Tensor, Tensor]

WEAKEST, STRONGEST = 0.3, 2.0  # in standard deviations of each channel
LARGEST = 0.6  # of the picture's side


def deviations(levels: Levels) -> Levels:
    """Standard deviation of each channel, float [1, C, 1, 1], of features [M, C, h, w]."""
    first, second, third = (
        level[:: max(1, len(level) // 100)].float().std((0, 2, 3), keepdim=True) for level in levels
    )
    return first, second, third


def disturb(levels: Levels, masks: Tensor, spread: Levels, share: float) -> tuple[Levels, Tensor]:
    """Noise in one rectangle of some pictures of a batch.

    Args:
        levels: features float [N, C, h, w] of stride 4, 8 and 16.
        masks: float [N, 1, h, w] of stride 8, 1 where anomalous.
        spread: of `deviations`.
        share: of the pictures.

    Returns:
        The features and masks with the noise; of each rectangle half is one direction, half differs pixel by pixel.
    """
    count, _, height, width = levels[2].shape
    where = _rectangles(count, height, width) * (torch.rand(count, 1, 1, 1) < share)
    strength = torch.empty(count, 1, 1, 1).uniform_(WEAKEST, STRONGEST)
    disturbed = []
    for level, deviation in zip(levels, spread, strict=True):
        cover = F.interpolate(where, level.shape[2:], mode="nearest")
        common = torch.randn(count, level.shape[1], 1, 1)
        noise = (common + torch.randn_like(level)) * 0.5**0.5
        disturbed.append(level + cover * strength * deviation * noise)
    first, second, third = disturbed
    return (first, second, third), torch.maximum(masks, F.interpolate(where, masks.shape[2:], mode="nearest"))


def _rectangles(count: int, height: int, width: int) -> Tensor:
    """One rectangle a picture, float [N, 1, height, width] of 0 and 1."""
    sides = (torch.rand(count, 2) * LARGEST).clamp_min(1 / height)
    centres = torch.rand(count, 2)
    rows = ((torch.arange(height) + 0.5) / height - centres[:, :1]).abs() <= sides[:, :1] / 2
    columns = ((torch.arange(width) + 0.5) / width - centres[:, 1:]).abs() <= sides[:, 1:] / 2
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()
