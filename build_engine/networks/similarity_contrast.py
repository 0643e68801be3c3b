"""Similarity-contrast pair networks: test and template in, map of their differences out.

`Paper` is the published topology (Wang et al., Chinese Journal of Scientific
Instrument 44(10), 2023, section 1.2; widths and kernels from the authors' code, a
FlowNetS). `Compact` is our default: a U-Net of the same convolution blocks with
a finer mask, a thirteenth of the arithmetic and a thirtieth of the parameters.

Both take what a camera gives, uint8 BGR [N, H, W, 3]: normalisation happens
inside, so that it is exported with the weights and cannot differ anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

NORMS = ("instance", "layer", "batch")


def normalisation(kind: str, channels: int) -> nn.Module:
    """One of NORMS over [N, C, H, W]. `layer` normalises over C, H and W (group norm with one group)."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "layer":
        return nn.GroupNorm(1, channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    raise ValueError(f"norm must be one of {', '.join(NORMS)}, but got {kind!r}")


class ConvBlock(nn.Sequential):
    """Convolution, normalisation, GELU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, norm: str) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            normalisation(norm, outputs),
            nn.GELU(),  # not its tanh form, which ONNX Runtime runs as eight operators instead of one
        )


class DeconvBlock(nn.Sequential):
    """Transposed convolution that doubles the size, GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.GELU())


class MaskPrediction(nn.Conv2d):
    """3 × 3 convolution to the logits of a mask."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs, 1, 3, 1, 1)


class PairNetwork(nn.Module, ABC):
    """A network that compares two pictures. Subclasses define `masks`.

    Attributes:
        multiple: height and width must be multiples of it.
        width, norm: as it was built.
    """

    multiple: int
    width: float
    norm: str

    @abstractmethod
    def masks(self, pair: Tensor) -> list[Tensor]:
        """Logits [N, 1, H/s, W/s] at every predicted scale, finest first, from float [N, 6, H, W] in -1..1."""

    def logits(self, test: Tensor, template: Tensor) -> list[Tensor]:
        """Logits at every predicted scale, finest first, from two uint8 [N, H, W, 3]."""
        pair = torch.cat([test.float(), template.float()], dim=3).permute(0, 3, 1, 2)
        return self.masks(pair / 127.5 - 1.0)

    def forward(self, test: Tensor, template: Tensor) -> Tensor:
        """Score map float32 [N, H, W] in 0..1 from two uint8 [N, H, W, 3]."""
        finest = self.logits(test, template)[0]
        return torch.sigmoid(self.upsample(finest).float())[:, 0]

    def upsample(self, finest: Tensor) -> Tensor:
        """The finest logits at the size of the picture, bilinear."""
        return F.interpolate(finest, scale_factor=2.0, mode="bilinear", align_corners=False)


class Paper(PairNetwork):
    """The published network: 10 conv blocks, 4 deconv blocks, 5 mask predictions, 5 upsamplings.

    Args:
        width: factor on all channel numbers; 1.0 is the published network (49 GMAC at 640 × 480).
        norm: one of NORMS; the paper's best is "instance".
    """

    multiple = 4
    # (channels, kernel, stride) of the ten blocks
    ENCODER = (
        *((64, 15, 2), (128, 11, 2), (256, 7, 2), (256, 3, 1), (512, 3, 2)),
        *((512, 3, 1), (512, 3, 2), (512, 3, 1), (1024, 3, 2), (1024, 3, 1)),
    )
    DECODER = (512, 256, 128, 64)
    SKIPS = (7, 5, 3, 1)  # the block whose output meets each decoder stage

    def __init__(self, width: float = 1.0, norm: str = "instance") -> None:
        super().__init__()
        self.width, self.norm = width, norm

        def scaled(channels: int) -> int:
            return max(4, round(channels * width))

        self.encoder = nn.ModuleList()
        inputs = 6
        for channels, kernel, stride in self.ENCODER:
            self.encoder.append(ConvBlock(inputs, scaled(channels), kernel, stride, norm))
            inputs = scaled(channels)
        self.deconvs, self.predictions, self.mask_ups = (
            nn.ModuleList(),
            nn.ModuleList([MaskPrediction(inputs)]),
            nn.ModuleList(),
        )
        for channels, skip in zip(self.DECODER, self.SKIPS, strict=True):
            self.deconvs.append(DeconvBlock(inputs, scaled(channels)))
            self.mask_ups.append(nn.ConvTranspose2d(1, 1, 4, 2, 1))
            inputs = scaled(channels) + scaled(self.ENCODER[skip][0]) + 1
            self.predictions.append(MaskPrediction(inputs))
        self.last_up = nn.ConvTranspose2d(1, 1, 8, 4, 2)

    def masks(self, pair: Tensor) -> list[Tensor]:
        """See PairNetwork. The finest is already at the size of the picture, from a mask at 1/4."""
        features: list[Tensor] = []
        x = pair
        for block in self.encoder:
            x = block(x)
            features.append(x)
        predicted = [self.predictions[0](x)]
        for stage, skip in enumerate(self.SKIPS):
            rows, columns = features[skip].shape[2:]  # one less than doubled where 480 lines give 15, then 8
            up, mask = self.deconvs[stage](x), self.mask_ups[stage](predicted[-1])
            x = torch.cat([features[skip], up[:, :, :rows, :columns], mask[:, :, :rows, :columns]], dim=1)
            predicted.append(self.predictions[stage + 1](x))
        return [self.last_up(predicted[-1]), *reversed(predicted)]

    def upsample(self, finest: Tensor) -> Tensor:
        """The last transposed convolution has already done it."""
        return finest


class Upsampling(nn.Module):
    """Halve the channels, double the size, join the encoder's features, convolve.

    A resize instead of a transposed convolution: it needs a sixteenth of the arithmetic
    and its convolutions run in INT8, which transposed ones do not.
    """

    def __init__(self, inputs: int, skip: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, outputs, 1)
        self.join = ConvBlock(outputs + skip, outputs, 3, 1, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[N, inputs, h, w] and [N, skip, 2h, 2w] -> [N, outputs, 2h, 2w]."""
        x = F.interpolate(self.reduce(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        joined: Tensor = self.join(torch.cat([x, skip], dim=1))
        return joined


class Compact(PairNetwork):
    """Our default network: five encoder stages, four upsamplings, mask at 1/2 resolution.

    Args:
        width: factor on all channel numbers.
        norm: one of NORMS for all blocks but the first, which is always instance
            normalised: it takes the light of the scene out, and batch norm folds
            into the convolutions behind it.
    """

    multiple = 32
    FIRST_NORM = "instance"
    # Multiples of 16: other numbers are padded to them by every fast kernel, here and on a GPU.
    ENCODER = ((32, 1), (48, 2), (64, 3), (112, 3), (160, 3))  # (channels, conv blocks) of each stage
    DECODER = (96, 64, 32, 16)

    def __init__(self, width: float = 1.0, norm: str = "batch") -> None:
        super().__init__()
        self.width, self.norm = width, norm

        def scaled(channels: int) -> int:
            return max(4, round(channels * width / 4) * 4)

        self.stages = nn.ModuleList()
        inputs = 6
        for number, (channels, blocks) in enumerate(self.ENCODER):
            kernel, kind = (5, self.FIRST_NORM) if number == 0 else (3, norm)
            stage = [ConvBlock(inputs, scaled(channels), kernel, 2, kind)]
            stage += [ConvBlock(scaled(channels), scaled(channels), 3, 1, kind) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            inputs = scaled(channels)
        self.ups, self.predictions = nn.ModuleList(), nn.ModuleList()
        skips = [scaled(channels) for channels, _ in self.ENCODER[-2::-1]]
        for channels, skip in zip(self.DECODER, skips, strict=True):
            self.ups.append(Upsampling(inputs, skip, scaled(channels), norm))
            inputs = scaled(channels)
            self.predictions.append(MaskPrediction(inputs))

    def masks(self, pair: Tensor) -> list[Tensor]:
        """See PairNetwork. Scales 1/2, 1/4, 1/8, 1/16; outside training only the finest is computed."""
        features: list[Tensor] = []
        x = pair
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        predicted: list[Tensor] = []
        for number, up in enumerate(self.ups):
            x = up(x, features[-2 - number])
            if self.training or number == len(self.ups) - 1:
                predicted.insert(0, self.predictions[number](x))
        return predicted


NETWORKS: dict[str, type[Paper] | type[Compact]] = {"paper": Paper, "compact": Compact}


def build_network(name: str, width: float = 1.0, norm: str = "") -> PairNetwork:
    """A network by its name in NETWORKS; an empty norm means the network's own default."""
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, but got {name!r}")
    return NETWORKS[name](width, norm) if norm else NETWORKS[name](width)


def count_parameters(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_gmac(network: PairNetwork, height: int, width: int) -> float:
    """Multiply-accumulates of all convolutions for one pair of height × width pixels, in 10⁹."""
    total = 0

    def count(module: nn.Module, inputs: Sequence[Tensor], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):  # every input value meets the whole kernel
            total += inputs[0].numel() * module.out_channels * module.kernel_size[0] * module.kernel_size[1]
        elif isinstance(module, nn.Conv2d):
            total += output.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1]

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    was_training = network.training
    try:
        picture = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        with torch.no_grad():
            network.eval()(picture, picture)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total / 1e9
