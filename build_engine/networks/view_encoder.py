"""The encoder of CNN + GAN: a picture laid in eight ways, and the vector that paints it.

The thesis does not say what its encoder is. Ours is taught to tell in which of eight ways a good picture is laid (four
turns, each mirrored or not: Golan and El-Yaniv, Deep anomaly detection using geometric transformations, NeurIPS 2018)
and to tell any of them from a spoilt picture. A picture whose lie it cannot tell is none that it knows. Which of the
eight good pictures tell apart at all, good ones that were held back say: mirrored cars look alike, mirrored digits do
not. Beside it stands how likely the features are (a Gaussian of them, as in Rippel et al., Modeling the distribution of
normal data in pre-trained deep features, ICPR 2020), weighed by how far that likelihood holds on those held back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

TURNS, MIRRORS = 4, 2
VIEWS = TURNS * MIRRORS
SPOILT = VIEWS  # the ninth class
LARGEST_MAP = 16  # side of the maps of the first residual block
LEAST = 1e-6  # likelihood that half precision still holds
SURE = 1e-3  # unlikelihood below which pictures are alike
HALF_LENGTH = 4.0  # spreads above the usual at which a vector is half as long
STRANGEST = 14.0  # spreads from which it gets no shorter, so that its direction is not lost in half precision


class Block(nn.Module):
    """Two 3 × 3 convolutions and a way around them: float [N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3, 1)
        shrink = [nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)] if stride == 2 else []
        self.around = nn.Sequential(*shrink, _convolution(inputs, outputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.relu(self.second(F.relu(self.first(x))) + self.around(x))


class ViewEncoder(nn.Module):
    """Pictures to vectors: float [N, channels, size, size] -> float [N, latent].

    The direction of a vector paints the picture; its length, in units of √latent, is near 1 for pictures that are
    judged good and falls to 0 for others.

    Args:
        size, channels: of the pictures.
        width: number of features of the first convolution.
        latent: length of the vectors.
    """

    def __init__(self, size: int, channels: int, width: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        stages: list[nn.Module] = [_convolution(channels, width, 5, 2), nn.ReLU()]
        side = (size + 1) // 2
        while side > LARGEST_MAP:
            stages += [_convolution(width, width, 3, 2), nn.ReLU()]
            side = (side + 1) // 2
        stages += [Block(width, 2 * width, 1), Block(2 * width, 4 * width, 2), Block(4 * width, 4 * width, 2)]
        self.stages = nn.Sequential(*stages)
        count = 4 * width * ((side + 3) // 4) ** 2
        self.judge = nn.Linear(count, VIEWS + 1)
        self.paint = nn.Linear(count, latent)
        self.register_buffer("centre", torch.zeros(count))
        self.register_buffer("whiten", torch.eye(count))
        self.register_buffer("shares", torch.ones(2))
        self.register_buffer("usual", torch.zeros(2))
        self.register_buffer("weights", torch.tensor([1.0, 0.0]))
        self.centre: Tensor
        self.whiten: Tensor
        self.shares: Tensor  # of what turns and mirrors could tell, how much they tell of good pictures
        self.usual: Tensor  # of the two measures of `strangeness`, over good pictures
        self.weights: Tensor

    def features(self, pictures: Tensor) -> Tensor:
        """Float [N, channels, size, size] -> [N, F]."""
        x: Tensor = self.stages(pictures)
        return x.flatten(1)

    def direction(self, features: Tensor) -> Tensor:
        """[N, F] -> [N, latent] of length √latent."""
        painting: Tensor = self.paint(features)
        return F.normalize(painting) * math.sqrt(self.latent)

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        features = self.of_views(pictures)
        strange = (self.strangeness(features).sub(self.usual) * self.weights).sum(1)
        length = torch.sigmoid(HALF_LENGTH - strange.clamp_max(STRANGEST))
        return self.direction(features.mean(1)) * length[:, None]

    def of_views(self, pictures: Tensor) -> Tensor:
        """Features of all views: float [N, channels, size, size] -> [N, VIEWS, F]."""
        features = self.features(torch.cat([laid(pictures, view) for view in range(VIEWS)]))
        return features.view(VIEWS, -1, features.shape[1]).transpose(0, 1)

    def strangeness(self, features: Tensor) -> Tensor:
        """Two measures of features of all views [N, VIEWS, F]: [N, 2], the higher the stranger.

        The logarithms of the mean unlikelihood of being good and laid as it is, and of the squared Mahalanobis
        distance of the mean features.
        """
        good, turn, mirror = self.unlikelihoods(features)
        lie = good + self.shares[0] * turn + self.shares[1] * mirror
        distance = ((features.mean(1) - self.centre) @ self.whiten).square().mean(1)
        return torch.stack([lie + SURE, distance + SURE], 1).log()

    def unlikelihoods(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of features of all views [N, VIEWS, F], means over the views, each [N] and >= 0, in nats.

        Of being good; if good, of being turned as it is; if that, of being mirrored as it is.
        """
        # Flat, for ONNX Runtime dies of a product of three dimensions in half precision behind convolutions.
        likely = self.judge(features.flatten(0, 1)).softmax(1).view(-1, VIEWS, VIEWS + 1)
        views = torch.arange(VIEWS)
        same = views[:, None] == views
        same_turn = (views[:, None] - views) % TURNS == 0
        good, turned, lie = (
            (likely * F.pad(mask.float(), (0, 1))).sum(2).clamp_min(LEAST).log().mean(1)
            for mask in (torch.ones_like(same), same_turn, same)
        )
        return -good, good - turned, turned - lie


def laid(pictures: Tensor, view: int) -> Tensor:
    """Pictures [N, C, S, S] as view 0..7 has them: from 4 on mirrored, then turned by view % 4 quarters."""
    if view >= TURNS:
        pictures = pictures.flip(3)
    turns = view % TURNS
    if turns % 2:
        pictures = pictures.transpose(2, 3).flip(2 if turns == 1 else 3)
    return pictures.flip((2, 3)) if turns == 2 else pictures


def information(unlikelihood: float, ways: int) -> float:
    """Of what could be told of so many ways, the share that is told with a mean unlikelihood in nats: 0..1."""
    return max(0.0, 1 - unlikelihood / math.log(ways))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))
