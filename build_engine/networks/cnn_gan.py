"""CNN + GAN reconstruction: a generator of good pictures, a critic to train it, an encoder to search it.

The generator and the discriminator are those of the thesis "CNN + GAN" (WGAN-GP): a vector of 128 normal numbers
becomes a picture through a fully connected layer and transposed convolutions; three strided convolutions judge it. A
picture is anomalous by how badly the generator can paint it, and by how far from usual the vector is that it takes.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from build_engine.networks.single import SingleNetwork
from build_engine.networks.view_encoder import ViewEncoder

SIZES = (28, 30, 64, 128)
SHORTEST = 1e-6  # of what is divided by
BGR_TO_GREY = (0.114, 0.587, 0.299)


class Generator(nn.Module):
    """Vectors to pictures: float [N, latent] -> float [N, channels, size, size] in 0..1.

    Kernels 5, 5, 8 with strides 1, 1, 2 as printed give 4, 8, 12, 30. That is the published colour network; cropping
    8 to 7 gives 11 and 28, the grey one. Sizes 64 and 128 go on from 8 by doubling stages of kernel 4, stride 2.

    Args:
        size: one of SIZES.
        channels: 1 (grey) or 3 (BGR).
        width: number of features of the widest picture, ngf; published 64.
        latent: length of the vector; published 128.
    """

    def __init__(self, size: int = 28, channels: int = 1, width: int = 64, latent: int = 128) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(map(str, SIZES))}, but got {size}")
        self.width, self.crop = width, 7 if size == 28 else 8
        self.project = nn.Linear(latent, 16 * 4 * width)
        if size <= 30:
            kernels: tuple[tuple[int, int, int], ...] = ((5, 1, 0), (5, 1, 0), (8, 2, 0))
            features = [4 * width, 2 * width, width, channels]
        else:
            doublings = {64: 3, 128: 4}[size]
            kernels = ((5, 1, 0), *((4, 2, 1) for _ in range(doublings)))
            features = [4 * width, *(max(width, (4 * width) >> n) for n in range(1, doublings + 1)), channels]
        self.stages = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding)
            for inputs, outputs, (kernel, stride, padding) in zip(features[:-1], features[1:], kernels, strict=True)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """See the class."""
        x = F.relu(self.project(vectors)).view(-1, 4 * self.width, 4, 4)
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number < len(self.stages) - 1:
                x = F.relu(x)
            if number == 0:
                x = x[:, :, : self.crop, : self.crop]
        return torch.sigmoid(x)


class Discriminator(nn.Module):
    """Pictures to numbers: float [N, channels, size, size] -> float [N, 1].

    5 × 5 convolutions of stride 2 down to 4 × 4, then a fully connected layer: the critic of WGAN-GP; without
    normalisation, which its gradient penalty does not allow.

    Args:
        size, channels: of the pictures.
        width: number of features of the first stage, ndf; published 64.
    """

    def __init__(self, size: int = 28, channels: int = 1, width: int = 64) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inputs, number = channels, 0
        while size > 4:
            features = min(4, 2**number) * width
            stages += [nn.Conv2d(inputs, features, 5, 2, 2), nn.ReLU()]
            inputs, size, number = features, (size + 1) // 2, number + 1
        self.stages = nn.Sequential(*stages)
        self.judge = nn.Linear(16 * inputs, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return cast("Tensor", self.judge(self.stages(pictures).flatten(1)))


class CnnGan(SingleNetwork):
    """Generator and encoder as a detector.

    The anomaly score is a = λ · L_n + (1 − λ) · L_o of one picture: L_n = ‖w(Q) − w(G(ẑ))‖₂ / N with w the min-max
    normalisation (eq. 3-7, 3-8), and L_o = −‖ẑ‖₂ / √N_z (eq. 3-9). The sign is the published one: vectors of good
    pictures lie near the sphere of radius √N_z, and the encoder puts those of anything else to the origin. The map is
    the residual of what the vector paints on the sphere, scaled so that its highest value is the score of the picture.

    Args:
        size, channels, width, latent: see Generator.
        encoder_width: see ViewEncoder.
    """

    name = "cnn-gan"

    def __init__(
        self, size: int = 28, channels: int = 1, width: int = 64, latent: int = 128, encoder_width: int = 32
    ) -> None:
        super().__init__()
        self.size = (size, size)
        self.channels, self.latent = channels, latent
        self.generator = Generator(size, channels, width, latent)
        self.encoder = ViewEncoder(size, channels, encoder_width, latent)
        self.register_buffer("balance", torch.tensor(0.5))
        self.register_buffer("middle", torch.tensor(0.0))
        self.register_buffer("spread", torch.tensor(1.0))
        self.register_buffer("grey", torch.tensor(BGR_TO_GREY))
        self.balance: Tensor
        self.middle: Tensor
        self.spread: Tensor
        self.grey: Tensor

    def pictures(self, test: Tensor) -> Tensor:
        """uint8 BGR [N, S, S, 3] -> float [N, channels, S, S] in 0..1."""
        if self.channels == 1:
            return (test.float() @ self.grey)[:, None] / 255
        return test.permute(0, 3, 1, 2).float() / 255

    def losses(self, pictures: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """L_n [N], L_o [N] and the residual [N, S, S] of pictures painted from vectors [N, latent]."""
        difference = _stretched(pictures) - _stretched(self.generator(vectors))
        count = difference[0].numel()
        residual_loss = difference.square().sum((1, 2, 3)).sqrt() / count
        origin_loss = -vectors.square().sum(1).sqrt() / vectors.shape[1] ** 0.5
        return residual_loss, origin_loss, difference.abs().mean(1)

    def forward(self, test: Tensor) -> Tensor:
        """See SingleNetwork."""
        pictures = self.pictures(test)
        return self.maps(pictures, self.encoder(pictures))

    def maps(self, pictures: Tensor, vectors: Tensor) -> Tensor:
        """Score maps [N, S, S] in 0..1 of pictures [N, C, S, S] with the vectors [N, latent] that paint them."""
        residual_loss, origin_loss, _ = self.losses(pictures, vectors)
        # What lies near the origin is painted as a blur, whose residual is everywhere: the map takes the sphere's.
        drawn_out = vectors / vectors.abs().amax(1, keepdim=True).clamp_min(SHORTEST)  # whose squares half can hold
        on_sphere = F.normalize(drawn_out, eps=SHORTEST) * self.latent**0.5
        _, _, residual = self.losses(pictures, on_sphere)
        anomaly = self.balance * residual_loss + (1 - self.balance) * origin_loss
        score = torch.sigmoid((anomaly - self.middle) / self.spread)
        highest = residual.amax((1, 2), keepdim=True).clamp_min(1e-6)
        return score[:, None, None] * residual / highest


def _stretched(pictures: Tensor) -> Tensor:
    """Min-max normalisation of each picture [N, C, S, S] (eq. 3-8)."""
    low, high = pictures.amin((1, 2, 3), keepdim=True), pictures.amax((1, 2, 3), keepdim=True)
    return (pictures - low) / (high - low).clamp_min(1e-6)
