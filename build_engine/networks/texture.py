"""STLNet's texture branch: quantisation and counting, texture enhancement, pyramid texture features.

Tang et al., NUDT journal 47(2), 2025, section 1.2, after Zhu et al., Learning statistical texture for semantic
segmentation, CVPR 2021. All maps here have a fixed size, so that the branch exports to ONNX.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def quantise(features: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Soft one-hot code of each pixel's similarity to the mean feature (eq. 1).

    Args:
        features: float [N, C, H, W].
        levels: how many.

    Returns:
        code [N, levels, H, W], 1 − |L_n − M_i| where that distance is below 0.5 / levels, else 0;
        levels L_n [N, levels], evenly from just above the lowest similarity to the highest.
    """
    pixels = features.flatten(2)
    mean = pixels.mean(2)
    lengths = pixels.square().sum(1, keepdim=True).sqrt() * mean.square().sum(1)[:, None, None].sqrt()
    similarity = (mean[:, None] @ pixels) / lengths.clamp_min(1e-6)  # the cosine, as one matrix product
    similarity = similarity.view(-1, 1, int(features.shape[2]), int(features.shape[3]))
    low, high = similarity.amin((2, 3)), similarity.amax((2, 3))
    steps = torch.arange(1, levels + 1, device=features.device, dtype=features.dtype) / levels
    values = low + (high - low) * steps
    distance = (values[:, :, None, None] - similarity).abs()
    return torch.where(distance < 0.5 / levels, 1 - distance, torch.zeros_like(distance)), values


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, ReLU where `active`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, active: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU()] if active else []))


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LeakyReLU(0.1), nn.Linear(outputs, outputs), nn.ReLU())


class TextureEnhancement(nn.Module):
    """TEM: the histogram of similarities becomes one feature a level, which a graph over the levels reworks.

    Args:
        channels: of the input and the output.
        levels: N of eq. 1.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.encode = _perceptron(2, channels)  # eq. 2: a level and how often it occurs
        self.mix = nn.Linear(2 * channels, channels)
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]: R = D'·E."""
        code, values = quantise(x, self.levels)
        counts = code.sum((2, 3))
        shares = counts / counts.sum(1, keepdim=True).clamp_min(1e-6)
        encoded = self.encode(torch.stack([values, shares], dim=2))
        mean = x.mean((2, 3))[:, None].expand(-1, self.levels, -1)
        statistics = self.mix(torch.cat([encoded, mean], dim=2))
        graph = torch.softmax(self.query(statistics) @ self.key(statistics).transpose(1, 2), dim=2)
        reworked = graph @ self.value(statistics)
        spread: Tensor = reworked.transpose(1, 2) @ code.flatten(2)
        return spread.view(x.shape)


class PyramidTexture(nn.Module):
    """PTFEM: which levels stand beside which, in 1, 4, 16 and 64 parts of the picture.

    Args:
        inputs, channels: of the input and the output.
        levels: of each of the two neighbours.
    """

    SCALES = (1, 2, 4, 8)

    def __init__(self, inputs: int, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.reduce = ConvNorm(inputs, channels)
        part = channels // len(self.SCALES)
        self.encode = nn.ModuleList(_perceptron(3, part) for _ in self.SCALES)
        self.mix = nn.ModuleList(nn.Linear(part + channels, part) for _ in self.SCALES)
        self.join = ConvNorm(part * len(self.SCALES), channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, channels, H, W]; H and W multiples of 8."""
        x = self.reduce(x)
        height, width = int(x.shape[2]), int(x.shape[3])
        maps = []
        for scale, encode, mix in zip(self.SCALES, self.encode, self.mix, strict=True):
            parts = _split(x, scale)
            described = mix(torch.cat([self._co_occurrence(parts, encode), parts.mean((2, 3))], dim=1))
            described = F.relu(described).view(-1, scale, scale, described.shape[1]).permute(0, 3, 1, 2)
            maps.append(F.interpolate(described, (height, width), mode="bilinear", align_corners=False))
        joined: Tensor = self.join(torch.cat(maps, dim=1))
        return joined

    def _co_occurrence(self, parts: Tensor, encode: nn.Module) -> Tensor:
        """[M, C, h, w] -> [M, part]: two levels and how often the second is right below the first, encoded."""
        code, values = quantise(parts, self.levels)
        first, second = code[:, :, :-1, :-1].flatten(2), code[:, :, 1:, 1:].flatten(2)
        counts = first @ second.transpose(1, 2)
        shares = counts / counts.sum((1, 2), keepdim=True).clamp_min(1e-6)
        pairs = [values[:, :, None].expand_as(shares), values[:, None, :].expand_as(shares), shares]
        encoded: Tensor = encode(torch.stack(pairs, dim=3).flatten(1, 2)).mean(1)
        return encoded


def _split(x: Tensor, scale: int) -> Tensor:
    """[N, C, H, W] -> [N · scale², C, H / scale, W / scale], row by row."""
    channels, height, width = (int(size) for size in x.shape[1:])
    x = x.view(-1, channels, scale, height // scale, scale, width // scale)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, height // scale, width // scale)


class Texture(nn.Module):
    """STLNet: both modules on the fused features of the first two stages.

    Args:
        inputs: channels of the features of stride 4 and of stride 8.
        channels: of the output.
    """

    TEM_LEVELS, PTFEM_LEVELS = 64, 8

    def __init__(self, inputs: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.shrink = ConvNorm(inputs[0], channels, 3, 2)
        self.fuse = ConvNorm(channels + inputs[1], channels)
        self.enhance = TextureEnhancement(channels, self.TEM_LEVELS)
        self.pyramid = PyramidTexture(2 * channels, channels, self.PTFEM_LEVELS)
        self.join = ConvNorm(3 * channels, channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Features of stride 4 and 8 -> [N, channels, H/8, W/8]."""
        low = self.fuse(torch.cat([self.shrink(first), second], dim=1))
        enhanced = self.enhance(low)
        pyramid = self.pyramid(torch.cat([low, enhanced], dim=1))
        joined: Tensor = self.join(torch.cat([low, enhanced, pyramid], dim=1))
        return joined
