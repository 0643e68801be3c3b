"""Multi-level feature fusion (Tang et al., NUDT journal 47(2), 2025): one picture in, where it is anomalous out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from build_engine.networks.backbones import Backbone
from build_engine.networks.self_calibration import SelfCalibration
from build_engine.networks.single import SingleNetwork
from build_engine.networks.texture import ConvNorm, Texture

SIZE = 256  # pixels, as published


@dataclass(frozen=True)
class Parts:
    """Which parts of the method are at work; the rows of the paper's ablation (table 4) switch them on in turn.

    Attributes:
        calibration: self-calibrated convolution on stage three.
        texture: STLNet on stages one and two; without it they are fused as they are.
        score: a score layer and its loss; without it the score is the distance from the hypersphere's centre.
        consistency: loss between the topologies of features and scores.
    """

    calibration: bool = True
    texture: bool = True
    score: bool = True
    consistency: bool = True


class FusionHead(nn.Module):
    """What is trained on the backbone's features.

    Args:
        inputs: channels of stride 4, 8 and 16.
        channels: of every branch and of the fused features ψ.
        parts: what is at work.
    """

    def __init__(self, inputs: tuple[int, int, int], channels: int, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        self.low: nn.Module = Texture(inputs[:2], channels) if parts.texture else _Plain(inputs[:2], channels)
        self.high = ConvNorm(inputs[2], channels)
        self.calibrate: nn.Module = SelfCalibration(channels) if parts.calibration else nn.Identity()
        self.fuse = nn.Sequential(ConvNorm(2 * channels, channels), nn.Conv2d(channels, channels, 1))
        # Without a bias the hypersphere's centre, where normal features gather, always scores 0. With one, table and
        # part settle at scores of their own below γ, and a faint defect on the lower one stays under the other.
        self.judge = nn.Conv2d(channels, 1, 1, bias=False)

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor]:
        """Features of stride 4, 8, 16 -> ψ [N, channels, H/8, W/8] and scores [N, 1, H/8, W/8]."""
        low = self.low(first, second)
        high = self.calibrate(self.high(third))
        high = F.interpolate(high, scale_factor=2.0, mode="bilinear", align_corners=False)
        features = self.fuse(torch.cat([low, high], dim=1))
        return features, self.judge(features) if self.parts.score else distance(features)


class _Plain(nn.Module):
    """Stages one and two fused without statistics: the baseline of the ablation."""

    def __init__(self, inputs: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.shrink = ConvNorm(inputs[0], channels, 3, 2)
        self.fuse = ConvNorm(channels + inputs[1], channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        fused: Tensor = self.fuse(torch.cat([self.shrink(first), second], dim=1))
        return fused


def distance(features: Tensor) -> Tensor:
    """A = √(‖ψ‖² + 1) − 1 (eq. 3): [N, C, H, W] -> [N, 1, H, W], the distance from the hypersphere's centre."""
    return (features.square().sum(1, keepdim=True) + 1).sqrt() - 1


class FeatureFusion(SingleNetwork):
    """The whole detector; see `FusionHead` for the parts.

    The score layer's values have no bounds. `calibrate_scores` sets the middle and the spread that bring them into
    0..1, so that 0.5 is the limit that good pictures keep.

    Attributes:
        any_pose: parts lie in any pose: a map is then the mean of those of the picture turned and mirrored in all
            eight ways. What differs between them is chance, and the mean has less of it.
        summed: the distance from the hypersphere's centre is added to the score, of which 0 is then the least (ours).
            Below γ the loss of scores orders nothing, so that faint pixels of an anomaly may lie below good ones.
    """

    name = "feature-fusion"
    size = (SIZE, SIZE)

    def __init__(self, backbone: Backbone, channels: int = 64, parts: Parts = Parts()) -> None:
        super().__init__()
        self.any_pose = self.summed = False
        self.backbone = backbone
        self.head = FusionHead(backbone.channels, channels, parts)
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(backbone.deviation).view(1, 3, 1, 1))
        self.register_buffer("middle", torch.tensor(2.5))
        self.register_buffer("spread", torch.tensor(1.0))
        self.mean: Tensor
        self.deviation: Tensor
        self.middle: Tensor
        self.spread: Tensor

    def normalised(self, test: Tensor) -> Tensor:
        """uint8 BGR [N, H, W, 3] -> float RGB [N, 3, H, W] as the backbone knows it."""
        return (test.permute(0, 3, 1, 2).flip(1).float() - self.mean) / self.deviation

    def raw(self, test: Tensor) -> Tensor:
        """Scores without bounds, float [N, 1, H, W], from uint8 [N, H, W, 3]: bilinear to full size."""
        rgb = self.normalised(test)
        scores = _mean_of_poses(self._scores(_poses(rgb))) if self.any_pose else self._scores(rgb)
        return F.interpolate(scores, scale_factor=8.0, mode="bilinear", align_corners=False)

    def _scores(self, rgb: Tensor) -> Tensor:
        features, scores = self.head(*self.backbone(rgb))
        return F.relu(scores) + distance(features) if self.summed else scores

    def forward(self, test: Tensor) -> Tensor:
        """Score map float32 [N, H, W] in 0..1 from uint8 BGR [N, H, W, 3]."""
        return torch.sigmoid((self.raw(test) - self.middle) / self.spread)[:, 0]

    def calibrate_scores(self, middle: float, spread: float) -> None:
        """Bring scores into 0..1: `middle` becomes 0.5."""
        self.middle.fill_(middle)
        self.spread.fill_(spread)


def _poses(x: Tensor) -> Tensor:
    """[N, C, S, S] -> [8 · N, C, S, S]: as it is, mirrored, upside down, both; then the same of it transposed."""
    both = (x, x.transpose(2, 3))
    return torch.cat([pose for way in both for pose in (way, way.flip(3), way.flip(2), way.flip(2, 3))])


def _mean_of_poses(scores: Tensor) -> Tensor:
    """The mean of maps [8 · N, 1, h, h] of `_poses`, each brought back: [N, 1, h, h]."""
    maps = scores.view(8, -1, *(int(size) for size in scores.shape[1:]))
    straight, transposed = (
        (part[0] + part[1].flip(3) + part[2].flip(2) + part[3].flip(2, 3)) / 8 for part in (maps[:4], maps[4:])
    )
    return straight + transposed.transpose(2, 3)
