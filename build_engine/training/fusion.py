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

from build_engine.datasets.one_class import Pictures
from build_engine.networks.backbones import build_backbone, load_backbone
from build_engine.networks.feature_fusion import FeatureFusion, Parts
from build_engine.training.checkpoint import update_average
from build_engine.training.fusion_data import Features, pool
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
    """Of a run.

    Attributes:
        backbone: see backbones.BACKBONES; frozen.
        channels: of the branches.
        parts: what of the method is at work.
        repeats: how often each picture is used; half of them get a pseudo-anomaly. Published 10.
        iterations: published 200 epochs, which are 13,000 of 209 pictures.
        batch: published 32.
        learning_rate: at its highest, falling as a cosine; published 0.001, for 30 times as many iterations.
        momentum, weight_decay: of SGD; published decay 0.00003.
        gamma, margin: of the score loss.
        averaging: decay of the moving average of the weights, which is what judges.
        seed: of weights, jitter, anomalies and order.
    """

    backbone: str = "efficientnet-lite0"
    channels: int = 64
    parts: Parts = field(default_factory=Parts)
    repeats: int = 10
    iterations: int = 400
    batch: int = 32
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 3e-5
    gamma: float = 0.25
    margin: float = 5.0
    averaging: float = 0.99
    seed: int = 1

    def rate(self, iteration: int) -> float:
        """Learning rate of a step."""
        falling = 0.5 + 0.5 * math.cos(math.pi * iteration / self.iterations)
        return self.learning_rate * falling * min(1.0, (iteration + 1) / WARM_UP)


class FusionTraining:
    """A network with its optimiser."""

    def __init__(self, settings: FusionSettings, network: FeatureFusion) -> None:
        self.settings, self.network = settings, network
        self.network.backbone.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            network.head.parameters(),
            settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.averaged = copy.deepcopy(network.head).eval().requires_grad_(False)
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
        features = pool(
            self.network, trained, settings.repeats, settings.seed, lambda n, total: tell("features", n, total, 0.0)
        )
        bf16 = bf16_supported()
        self.network.head.train()
        since, mean = time.monotonic(), 0.0
        while self.iteration < settings.iterations:
            loss = self._step(features, bf16)
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
        self.network.head.load_state_dict(self.averaged.state_dict())
        self.calibrate(held_back)
        save(self.state(finished=True))

    def _step(self, features: Features, bf16: bool) -> float:
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate(self.iteration)
        rng = np.random.default_rng((settings.seed, 1, self.iteration))  # by number, so that a run can be resumed
        chosen = torch.from_numpy(rng.choice(len(features.masks), min(settings.batch, len(features.masks)), False))
        levels, mask = features.batch(chosen)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            vectors, scores = self.network.head(*levels)
        loss = fusion_loss(vectors.float(), scores.float(), mask, settings.parts, settings.gamma, settings.margin)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.head.parameters(), 5.0)
        self.optimiser.step()
        update_average(self.averaged, self.network.head, self.iteration, settings.averaging)
        return float(loss.detach())

    def calibrate(self, pictures: Pictures) -> None:
        """Make 0.5 the limit that good pictures keep: mean + SIGMAS standard deviations of their highest scores."""
        self.network.eval()
        with torch.no_grad():
            highest = [float(self.network.raw(torch.from_numpy(picture[None])).max()) for picture in pictures]
        middle = float(np.mean(highest) + SIGMAS * max(float(np.std(highest)), 0.1))
        self.network.calibrate_scores(middle, self.settings.margin / 5)
        log.info("calibrated pictures=%d highest=%.3f limit=%.3f", len(pictures), max(highest), middle)


def restore_network(state: dict[str, Any]) -> FeatureFusion:
    """The network of a saved state; needs no pretrained weights."""
    return _restored(state)[1].eval()


def _restored(state: dict[str, Any]) -> tuple[FusionSettings, FeatureFusion]:
    settings = FusionSettings(**{**state["settings"], "parts": Parts(**state["settings"]["parts"])})
    network = FeatureFusion(build_backbone(settings.backbone), settings.channels, settings.parts)
    network.load_state_dict(state["weights"])
    return settings, network


def split(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """To train on, and held back."""
    back = np.arange(len(pictures)) % HELD_BACK == HELD_BACK - 1
    if not back.any():
        return pictures, pictures
    return pictures[~back], pictures[back]
