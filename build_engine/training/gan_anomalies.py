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
    """A pseudo-anomaly in each picture, of one of eight kinds.

    Args:
        pictures: float [N, C, S, S] in 0..1.

    Returns:
        The spoilt pictures, and bool [N]: whether the difference can be seen.
    """
    count = len(pictures)
    others = pictures[torch.randperm(count)]
    moved = transform(others, math.pi, 0.3, 0.3, 0.4)
    near = transform(others, 0.2, 0.1, 0.1, 0.5)
    low = pictures.amin((2, 3), keepdim=True).expand_as(pictures)
    high = pictures.amax((2, 3), keepdim=True).expand_as(pictures)
    ink = torch.where(torch.rand(count, 1, 1, 1) < 0.5, low, high)
    kinds = [
        torch.lerp(pictures, moved, regions(pictures, 0.06, 0.7)),  # a piece of another one, turned
        torch.lerp(pictures, near, regions(pictures, 0.06, 0.7)),  # a piece of another one, shifted
        torch.lerp(pictures, low, regions(pictures, 0.06, 0.7)),  # something missing
        torch.maximum(pictures, moved * regions(pictures, 0.06, 0.5)),  # something added
        torch.lerp(low, moved, regions(pictures, 0.1, 0.6)),  # a turned piece and nothing else
        torch.lerp(pictures, ink, lines(pictures)),  # a line drawn or wiped out
        distort(pictures, 0.25),
        transform(pictures, math.pi, 0.4, 0.5, 0.2),  # turned, sheared
    ]
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0])  # those of the whole shape weigh as much as pieces
    chosen = torch.multinomial(weights, count, replacement=True)
    spoilt = torch.stack(kinds)[chosen, torch.arange(count)]
    return spoilt, (spoilt - pictures).abs().mean((1, 2, 3)) > VISIBLE


def jitter(pictures: Tensor) -> Tensor:
    """Every second picture moved a little. The others stay as sharp as those to be judged, which nothing moved."""
    moved = transform(pictures, 0.08, 0.05, 0.05, 0.1)
    return torch.where(torch.rand(len(pictures), 1, 1, 1) < 0.5, pictures, moved)


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


def regions(pictures: Tensor, smallest: float, largest: float) -> Tensor:
    """A rectangle or a blob a picture: float [N, 1, S, S] in 0..1; arguments as of `rectangles`."""
    choice = torch.rand(len(pictures), 1, 1, 1) < 0.5
    return torch.where(choice, blobs(pictures, smallest, largest), rectangles(pictures, smallest, largest))


def blobs(pictures: Tensor, smallest: float, largest: float) -> Tensor:
    """As `rectangles`, with smooth outlines: where smooth noise is high. Edges are soft or hard."""
    count, size = len(pictures), pictures.shape[2]
    noise = F.interpolate(torch.randn(count, 1, 5, 5), (size, size), mode="bicubic", align_corners=True)
    area = torch.empty(count).uniform_(smallest, largest)
    ranked = noise.flatten(1).sort(1, descending=True).values
    limit = ranked.gather(1, (area * (size * size - 1)).long()[:, None])[:, :, None, None]
    return ((noise - limit) * torch.empty(count, 1, 1, 1).uniform_(2, 20)).sigmoid()


def lines(pictures: Tensor) -> Tensor:
    """One straight line with soft edges a picture, a twentieth to a fifth wide: float [N, 1, S, S] in 0..1."""
    count, size = len(pictures), pictures.shape[2]
    steps = torch.linspace(-1, 1, size)
    start = (torch.rand(count, 2, 1, 1) * 2 - 1) * 0.7
    angle, length = torch.rand(count, 1, 1) * 2 * math.pi, torch.rand(count, 1, 1) * 0.9 + 0.2
    along = torch.stack([angle.sin(), angle.cos()], 1) * length[:, None]
    away = torch.stack(torch.meshgrid(steps, steps, indexing="ij"))[None] - start
    nearest = ((away * along).sum(1) / length.square()).clamp(0, 1)
    distance = (away - nearest[:, None] * along).square().sum(1).sqrt()
    half = torch.rand(count, 1, 1) * 0.15 + 0.06
    return ((half - distance) * size / 2 + 0.5).clamp(0, 1)[:, None]


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
