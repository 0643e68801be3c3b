"""Training of the encoder on the frozen generator, and the calibration of the detector's scores."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from build_engine.networks.cnn_gan import CnnGan
from build_engine.training.gan_anomalies import jitter, spoil

REPORT_EVERY = 50
SIGMAS = 3.0
RESIDUAL = 0.5  # the residual alone tells less than the origin distance; weighed alike it blurs it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderSettings:
    """Of the encoder's training.

    Attributes:
        iterations, batch: as they say.
        learning_rate, weight_decay: of AdamW; the rate falls as a cosine.
        picture: weight of how badly G(E(x)) paints a good picture x.
        vector: weight of how badly E(G(z)) finds z.
        sphere: weight of how far vectors of good pictures are off the sphere of radius √N_z.
        origin: weight of how far vectors of pseudo-anomalies are off the origin.
    """

    iterations: int = 300
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    picture: float = 20.0
    vector: float = 0.3
    sphere: float = 2.0
    origin: float = 2.0


class EncoderTraining:
    """The encoder of a network with its optimiser."""

    def __init__(self, settings: EncoderSettings, network: CnnGan) -> None:
        self.settings, self.network, self.iteration = settings, network, 0
        network.generator.eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            network.encoder.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.history: list[dict[str, float]] = []

    def step(self, pictures: Tensor) -> float:
        """One step on uint8 [M, C, S, S] good pictures; the loss."""
        settings, generator = self.settings, self.network.generator
        for group in self.optimiser.param_groups:
            falling = 0.5 + 0.5 * math.cos(math.pi * self.iteration / settings.iterations)
            group["lr"] = settings.learning_rate * falling
        good = pictures[torch.randint(len(pictures), (settings.batch,))].float().div(255)
        good = jitter(good)
        spoilt, visible = spoil(good)
        vectors = torch.randn(settings.batch, self.network.latent)
        with torch.no_grad():
            painted = generator(vectors)
        of_good, of_spoilt, of_painted = self.network.encoder(torch.cat([good, spoilt, painted])).chunk(3)
        loss = settings.picture * (generator(of_good) - good).square().mean()
        loss = loss + settings.vector * (of_painted - vectors).square().mean()
        loss = loss + settings.sphere * (of_good.square().mean(1).sqrt() - 1).square().mean()
        loss = loss + settings.origin * (of_spoilt.square().mean(1) * visible).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.iteration += 1
        return float(loss.detach())

    def run(self, pictures: Tensor, tell: Callable[[int, float], None], save: Callable[[], None]) -> None:
        """Train to the settings' number of iterations on uint8 [M, C, S, S]."""
        since, mean = time.monotonic(), 0.0
        self.network.encoder.train()
        while self.iteration < self.settings.iterations:
            loss = self.step(pictures)
            mean += loss / REPORT_EVERY
            tell(self.iteration, loss)
            if self.iteration % REPORT_EVERY == 0:
                seconds = time.monotonic() - since
                self.history.append({"iteration": self.iteration, "loss": mean, "seconds": seconds})
                log.info("stage=encoder iteration=%d loss=%.4f seconds=%.1f", self.iteration, mean, seconds)
                save()
                since, mean = time.monotonic(), 0.0
        self.network.eval()

    def state(self) -> dict[str, Any]:
        """Of optimiser and progress; the weights are the network's."""
        return {"iteration": self.iteration, "optimiser": self.optimiser.state_dict(), "history": self.history}

    def restore(self, state: dict[str, Any]) -> None:
        """From `state()`."""
        self.iteration, self.history = state["iteration"], state["history"]
        self.optimiser.load_state_dict(state["optimiser"])


def calibrate(network: CnnGan, pictures: Tensor, vectors: Tensor | None = None) -> None:
    """Weigh the two losses, and make 0.5 the limit that good pictures keep.

    λ is such that over good pictures the residual loss varies by RESIDUAL of what the origin loss varies; the limit is
    their mean + SIGMAS standard deviations.

    Args:
        network: encoder and generator trained.
        pictures: good ones that were not trained on, float [M, C, S, S] in 0..1.
        vectors: that paint them, [M, latent]; None is what the encoder says.
    """
    network.eval()
    with torch.no_grad():
        residual, origin, _ = network.losses(pictures, network.encoder(pictures) if vectors is None else vectors)
        of_residual, of_origin = float(residual.std()), float(origin.std())
        balance = RESIDUAL * of_origin / max(RESIDUAL * of_origin + of_residual, 1e-12)
        network.balance.fill_(balance)
        anomaly = balance * residual + (1 - balance) * origin
        deviation = max(float(anomaly.std()), 1e-6)
        network.middle.fill_(float(anomaly.mean()) + SIGMAS * deviation)
        network.spread.fill_(deviation)
    log.info("calibrated pictures=%d lambda=%.5f limit=%.6f", len(pictures), balance, float(network.middle))
