"""Pseudo-anomalies for small pictures, a batch at once: pieces of other good pictures where they do not belong.

They teach the encoder what no good picture is. All are made of good pictures alone.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

VISIBLE = 0.03  # mean difference from which a picture counts as spoilt


def spoil(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """A pseudo-anomaly in each picture, of one of six kinds.

    Args:
        pictures: float [N, C, S, S] in 0..1.

    Returns:
        The spoilt pictures, and bool [N]: whether the difference can be seen.
    """
    others = pictures[torch.randperm(len(pictures))]
    moved = transform(others, math.pi, 0.3, 0.3, 0.4)
    near = transform(others, 0.2, 0.1, 0.1, 0.5)
    where = rectangles(pictures, 0.06, 0.7)
    kinds = [
        torch.lerp(pictures, moved, where),  # a piece of another one, turned
        torch.lerp(pictures, near, where),  # a piece of another one, shifted
        torch.lerp(pictures, pictures.amin((2, 3), keepdim=True).expand_as(pictures), where),  # something missing
        torch.maximum(pictures, moved * rectangles(pictures, 0.06, 0.5)),  # something added
        distort(pictures, 0.25),
        transform(pictures, math.pi, 0.4, 0.5, 0.2),  # turned, sheared
    ]
    chosen = torch.randint(len(kinds), (len(pictures),))
    spoilt = torch.stack(kinds)[chosen, torch.arange(len(pictures))]
    return spoilt, (spoilt - pictures).abs().mean((1, 2, 3)) > VISIBLE


def transform(pictures: Tensor, turn: float, scale: float, shear: float, shift: float) -> Tensor:
    """Each picture turned (radians), scaled (log), sheared and shifted (in half widths) at random up to these."""
    count = len(pictures)

    def random(limit: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * limit

    angle, wide, high = random(turn), random(scale).exp(), random(scale).exp()
    top = torch.stack([angle.cos() * wide, random(shear) - angle.sin() * high, random(shift)], 1)
    bottom = torch.stack([angle.sin() * wide, angle.cos() * high, random(shift)], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def rectangles(pictures: Tensor, smallest: float, largest: float) -> Tensor:
    """One rectangle a picture, its area between two shares of the whole: float [N, 1, S, S] of 0 and 1."""
    count, size = len(pictures), pictures.shape[2]
    area = torch.empty(count).uniform_(math.log(smallest), math.log(largest)).exp()
    ratio = torch.empty(count).uniform_(-1, 1).exp()
    steps = torch.linspace(0, 1, size)
    sides = [(area * ratio).sqrt(), (area / ratio).sqrt()]
    rows, columns = ((steps - torch.rand(count, 1)).abs() < side[:, None] / 2 for side in sides)
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()


def distort(pictures: Tensor, strength: float) -> Tensor:
    """Each picture pulled out of shape by a smooth random field of that many half widths."""
    count, size = len(pictures), pictures.shape[2]
    field = F.interpolate(torch.randn(count, 2, 4, 4), (size, size), mode="bicubic", align_corners=True) * strength
    still = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, still + field.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
