"""Training of the encoder on the frozen generator, and the calibration of the detector's scores."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from build_engine.networks.cnn_gan import CnnGan
from build_engine.networks.view_encoder import MIRRORS, SPOILT, SURE, TURNS, VIEWS, ViewEncoder, information, laid
from build_engine.training.gan_anomalies import jitter, spoil

REPORT_EVERY = 50
WARM_UP = 0.15  # share of the steps
SHRINKAGE = 0.05  # of the covariance towards a sphere
DENSITY = 3.0  # weight of the features' density, where it holds as well as for the pictures that it was fitted to
STRICTNESS = 4  # power at which that weight falls with the pictures that are held back and found strange
BATCH = 250
SIGMAS = 3.0
RESIDUAL = 0.1  # the residual alone tells less than the origin distance; weighed more it blurs it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderSettings:
    """Of the encoder's training.

    Attributes:
        iterations: as it says.
        good, spoilt: pictures of either kind a step.
        learning_rate, weight_decay: of AdamW; the rate rises to it over WARM_UP and falls to 0 from there.
        picture: weight of how badly G(E(x)) paints a good picture x.
        width: number of features of the encoder's first convolution.
    """

    iterations: int = 2000
    good: int = 48
    spoilt: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    picture: float = 5.0
    width: int = 32


class EncoderTraining:
    """The encoder of a network with its optimiser."""

    def __init__(self, settings: EncoderSettings, network: CnnGan) -> None:
        self.settings, self.network, self.iteration = settings, network, 0
        network.generator.eval().requires_grad_(False)
        network.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            network.encoder.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.history: list[dict[str, float]] = []

    def step(self, pictures: Tensor) -> float:
        """One step on uint8 [M, C, S, S] good pictures; the loss."""
        settings, network, encoder = self.settings, self.network, self.network.encoder
        done = self.iteration / settings.iterations
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * min((done + 1e-3) / WARM_UP, (1 - done) / (1 - WARM_UP))
        good = pictures[torch.randint(len(pictures), (settings.good + settings.spoilt,))].float().div(255)
        good, to_spoil = torch.split(jitter(good), [settings.good, settings.spoilt])
        spoilt, visible = spoil(to_spoil)
        seen = torch.cat([laid(part, view) for parts in (good, spoilt) for view, part in enumerate(parts.chunk(VIEWS))])
        kinds = [torch.full((len(part),), view) for view, part in enumerate(good.chunk(VIEWS))]
        kinds.append(torch.full((len(spoilt),), SPOILT))
        counts = torch.cat([torch.ones(len(good)), visible.float()])
        features = encoder.features(seen.contiguous(memory_format=torch.channels_last))
        judged = F.cross_entropy(encoder.judge(features), torch.cat(kinds), reduction="none")
        painted = network.generator(encoder.direction(features[: len(good)]))
        loss = (judged * counts).sum() / counts.sum() + settings.picture * (painted - good).square().mean()
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


def settle(encoder: ViewEncoder, trained: Tensor, held_back: Tensor) -> None:
    """What the encoder takes from good pictures after its training: the density of features, and the weights of both.

    The density is fitted to the pictures trained on. How often it takes a picture held back for stranger than one of
    those says how far it holds: half of the time, wholly; always, not at all.

    Args:
        encoder: trained.
        trained, held_back: good pictures, float [M, C, S, S] in 0..1.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - takes a second to import

    encoder.eval()
    with torch.no_grad():
        features = torch.cat([encoder.of_views(part).mean(1) for part in torch.split(trained, BATCH)]).double()
        covariance = torch.cov(features.T)
        scale = covariance.diagonal().mean().clamp_min(1e-12)
        covariance = torch.lerp(covariance, torch.eye(len(covariance), dtype=torch.float64) * scale, SHRINKAGE)
        encoder.centre.copy_(features.mean(0))
        encoder.whiten.copy_(torch.linalg.inv(torch.linalg.cholesky(covariance)).T)
        views = torch.cat([encoder.of_views(part) for part in torch.split(held_back, BATCH)])
        _, turn, mirror = encoder.unlikelihoods(views)
        encoder.shares.copy_(
            torch.tensor([information(float(turn.mean()), TURNS), information(float(mirror.mean()), MIRRORS)])
        )
        strange = encoder.strangeness(views)
        fitted = (features.float() - encoder.centre) @ encoder.whiten
        distances = torch.cat([fitted.square().mean(1).add(SURE).log(), strange[:, 1]])
        stranger = roc_auc_score([0] * len(fitted) + [1] * len(strange), distances)
        spreads = strange.std(0).clamp_min(1e-6)
        encoder.usual.copy_(strange.mean(0))
        density = DENSITY * min(1.0, 2 - 2 * stranger) ** STRICTNESS
        encoder.weights.copy_(torch.tensor([1.0, density]) / spreads)
    told = tuple(float(value) for value in (*encoder.shares, stranger, density))
    log.info("settled turns=%.3f mirrors=%.3f stranger=%.3f density=%.3f", *told)


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
