"""Training of the feature fusion network: good pictures in, a calibrated network out."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from build_engine.datasets.one_class import Pictures
from build_engine.networks.backbones import build_backbone, load_backbone
from build_engine.networks.feature_fusion import SIZE, FeatureFusion, Parts
from build_engine.training.checkpoint import update_average
from build_engine.training.fusion_data import Samples, any_pose
from build_engine.training.fusion_loss import fusion_loss
from build_engine.training.loop import bf16_supported

REPORT_EVERY = 20
SAVE_EVERY = 100
WARM_UP = 20
HELD_BACK = 10  # every tenth good picture is not trained on: the limit of good scores is measured there
SIGMAS = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FusionSettings:
    """Of a run; see `published` for the paper's.

    Attributes:
        backbone: see backbones.BACKBONES.
        channels: of the branches.
        parts: what of the method is at work.
        tuned: what of the backbone learns too: "none", "upper" (all above stride 4; statistics of its norms stay as
            they are) or "all".
        iterations: steps.
        batch: pictures, or crops, a step.
        crop, whole, published_data: see `Samples`.
        optimiser: "adamw", or "sgd" with momentum 0.9.
        learning_rate: of the head, at its highest.
        backbone_rate: of the backbone, at its highest.
        falling: as a cosine; else it stays.
        weight_decay: of all weights.
        gamma, margin, hard: of the score loss.
        summed: see `FeatureFusion`.
        averaging: decay of the moving average of the weights, which is what judges.
        seed: of weights, jitter, anomalies and order.
    """

    backbone: str = "efficientnet-lite0"
    channels: int = 64
    parts: Parts = field(default_factory=Parts)
    tuned: str = "upper"
    iterations: int = 600
    batch: int = 32
    crop: int = 128
    whole: float = 0.25
    published_data: bool = False
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    backbone_rate: float = 5e-4
    falling: bool = True
    weight_decay: float = 1e-4
    gamma: float = 0.25
    margin: float = 5.0
    hard: float = 0.05
    summed: bool = True
    averaging: float = 0.99
    seed: int = 1

    @classmethod
    def published(cls, pictures: int) -> FusionSettings:
        """The paper's, for a number of good pictures: 200 epochs of each picture ten times."""
        return cls(
            backbone="resnet50",
            channels=256,
            tuned="all",
            iterations=max(1, 200 * 10 * pictures // 32),
            crop=SIZE,
            whole=1.0,
            published_data=True,
            optimiser="sgd",
            learning_rate=1e-3,
            backbone_rate=1e-3,
            falling=False,
            weight_decay=3e-5,
            gamma=2.5,
            hard=1.0,
            summed=False,
            averaging=0.0,
        )

    def factor(self, iteration: int) -> float:
        """Of the learning rates, at a step."""
        fallen = 0.5 + 0.5 * math.cos(math.pi * iteration / self.iterations) if self.falling else 1.0
        return fallen * min(1.0, (iteration + 1) / WARM_UP)


class FusionTraining:
    """A network with its optimiser."""

    def __init__(self, settings: FusionSettings, network: FeatureFusion) -> None:
        self.settings, self.network = settings, network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.summed = settings.summed
        network.backbone.requires_grad_(settings.tuned != "none")
        rates = ((network.head, settings.learning_rate), (network.backbone, settings.backbone_rate))
        groups = [{"params": list(part.parameters()), "lr": rate, "highest": rate} for part, rate in rates]
        self.optimiser: torch.optim.Optimizer = (
            torch.optim.SGD(groups, momentum=0.9, weight_decay=settings.weight_decay)
            if settings.optimiser == "sgd"
            else torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        )
        self.averaged = copy.deepcopy(network).eval().requires_grad_(False)
        self.iteration = 0
        self.history: list[dict[str, float]] = []

    @classmethod
    def fresh(cls, settings: FusionSettings, weights: Path | None) -> FusionTraining:
        """With pretrained weights of the backbone; see `load_backbone`."""
        torch.manual_seed(settings.seed)
        network = FeatureFusion(load_backbone(settings.backbone, weights), settings.channels, settings.parts)
        return cls(settings, network)

    @classmethod
    def restored(cls, state: dict[str, Any], iterations: int | None = None) -> FusionTraining:
        """From `state()`, to another number of iterations if one is given."""
        settings, network = _restored(state)
        training = cls(replace(settings, iterations=iterations or settings.iterations), network)
        training.averaged.load_state_dict(state["averaged"])
        training.optimiser.load_state_dict(state["optimiser"])
        training.iteration, training.history = state["iteration"], state["history"]
        return training

    def state(self, *, finished: bool = False) -> dict[str, Any]:
        """All that is needed to go on, and to export."""
        return {
            "network": self.network.name,
            "finished": finished,
            "settings": asdict(self.settings),
            "any_pose": self.network.any_pose,
            "iteration": self.iteration,
            "weights": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
        }

    def run(
        self,
        pictures: Pictures,
        save: Callable[[dict[str, Any]], None],
        tell: Callable[[str, int, int, float], None],
    ) -> None:
        """Train to the settings' number of iterations, then calibrate the scores.

        Args:
            pictures: good ones, uint8 BGR [M, SIZE, SIZE, 3].
            save: keeps a state.
            tell: is told stage, how many of how many steps are done, and the loss.
        """
        settings = self.settings
        trained, held_back = split(pictures)
        self.network.any_pose = turned = not settings.published_data and any_pose(trained)
        samples = Samples(trained, settings.crop, settings.whole, turned, settings.published_data, settings.seed)
        self.network.train()
        if settings.tuned != "all":
            self.network.backbone.eval()
        since, mean = time.monotonic(), 0.0
        while self.iteration < settings.iterations:
            loss = self._step(samples)
            mean += loss / REPORT_EVERY
            self.iteration += 1
            tell("training", self.iteration, settings.iterations, loss)
            if self.iteration % REPORT_EVERY == 0:
                row = {"iteration": self.iteration, "loss": mean, "seconds": time.monotonic() - since}
                self.history.append(row)
                log.info(" ".join(f"{key}={value:.5g}" for key, value in row.items()))
                since, mean = time.monotonic(), 0.0
            if self.iteration % SAVE_EVERY == 0:
                save(self.state())
        self.network.load_state_dict(self.averaged.state_dict())
        self.calibrate(held_back)
        save(self.state(finished=True))

    def _step(self, samples: Samples) -> float:
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * settings.factor(self.iteration)
        images, mask = samples.batch(self.iteration, settings.batch)
        vectors, scores = self.network.head(*self._features(images))
        loss = fusion_loss(vectors, scores, mask, settings.parts, settings.gamma, settings.margin, settings.hard)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        update_average(self.averaged, self.network, self.iteration, settings.averaging)
        return float(loss.detach())

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the backbone, with gradients as far down as it learns; what does not learn runs in bfloat16."""
        backbone, rgb = self.network.backbone, self.network.normalised(images)
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        if self.settings.tuned == "all":
            features: tuple[Tensor, Tensor, Tensor] = backbone(rgb)
            return features
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16_supported()):
            first = backbone.lower(rgb)
            if self.settings.tuned == "none":
                second, third = backbone.upper(first)
                return first.float(), second.float(), third.float()
        first = first.float()
        return first, *backbone.upper(first)

    def calibrate(self, pictures: Pictures) -> None:
        """Make 0.5 the limit that good pictures keep: mean + SIGMAS standard deviations of their highest scores."""
        self.network.eval()
        with torch.no_grad():
            highest = [float(self.network.raw(torch.from_numpy(picture[None])).max()) for picture in pictures]
        middle = float(np.mean(highest) + SIGMAS * max(float(np.std(highest)), 0.1))
        self.network.calibrate_scores(middle, self.settings.margin / 5 * (2 if self.network.summed else 1))
        log.info("calibrated pictures=%d highest=%.3f limit=%.3f", len(pictures), max(highest), middle)


def restore_network(state: dict[str, Any]) -> FeatureFusion:
    """The network of a saved state; needs no pretrained weights."""
    return _restored(state)[1].eval()


def _restored(state: dict[str, Any]) -> tuple[FusionSettings, FeatureFusion]:
    settings = FusionSettings(**{**state["settings"], "parts": Parts(**state["settings"]["parts"])})
    network = FeatureFusion(build_backbone(settings.backbone), settings.channels, settings.parts)
    network.any_pose, network.summed = state.get("any_pose", False), settings.summed
    network.load_state_dict(state["weights"])
    return settings, network


def split(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """To train on, and held back."""
    back = np.arange(len(pictures)) % HELD_BACK == HELD_BACK - 1
    if not back.any():
        return pictures, pictures
    return pictures[~back], pictures[back]
