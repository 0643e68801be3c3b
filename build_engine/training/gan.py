"""WGAN-GP training of the generator: good pictures in, checkpoints out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from build_engine.networks.cnn_gan import Discriminator, Generator

REPORT_EVERY = 20  # generator steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GanSettings:
    """Of the generator's training; the defaults take minutes on a CPU.

    Published: width 64, 20,000 iterations and more, learning rate 0.0001; the rest is as published.

    Attributes:
        size, channels, width, latent: see Generator.
        iterations: steps of the generator.
        batch: pictures a step.
        critic_steps: steps of the discriminator for one of the generator.
        penalty: weight of the gradient penalty.
        learning_rate: of both, Adam with β 0 and 0.9.
        seed: of weights and batches.
    """

    size: int = 28
    channels: int = 1
    width: int = 16
    latent: int = 128
    iterations: int = 150
    batch: int = 50
    critic_steps: int = 5
    penalty: float = 10.0
    learning_rate: float = 5e-4
    seed: int = 0


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, penalty: float, mix: Tensor) -> Tensor:
    """Eq. 3-5: D(fake) − D(real) + penalty · (‖∇D‖ − 1)² at points between, each [N, C, H, W]; mix is [N, 1, 1, 1]."""
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    judged_real, judged_fake = critic(torch.cat([real, fake])).split(len(real))
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    excess = gradient.flatten(1).norm(dim=1) - 1
    loss: Tensor = judged_fake.mean() - judged_real.mean() + penalty * excess.square().mean()
    return loss


class GanTraining:
    """Generator and critic with their optimisers; one `step` is one of the generator."""

    def __init__(self, settings: GanSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.iteration = settings, 0
        s = settings
        last = torch.channels_last  # a third faster than the default layout on a CPU
        self.generator = Generator(s.size, s.channels, s.width, s.latent).to(memory_format=last)  # type: ignore[call-overload]
        self.critic = Discriminator(s.size, s.channels, s.width).to(memory_format=last)  # type: ignore[call-overload]
        self.optimisers = [
            torch.optim.Adam(net.parameters(), s.learning_rate, (0.0, 0.9)) for net in (self.generator, self.critic)
        ]
        self.history: list[dict[str, float]] = []

    def step(self, pictures: Tensor) -> float:
        """One generator step after `critic_steps` of the critic, on uint8 [M, C, S, S]; the critic's last loss."""
        settings = self.settings
        loss = torch.zeros(())
        for _ in range(settings.critic_steps):
            real = pictures[torch.randint(len(pictures), (settings.batch,))].float().div(255)
            with torch.no_grad():
                fake = self.generator(torch.randn(settings.batch, settings.latent))
            mix = torch.rand(settings.batch, 1, 1, 1)
            loss = critic_loss(self.critic, real, fake, settings.penalty, mix)
            self._descend(1, loss)
        self.critic.requires_grad_(False)
        self._descend(0, -self.critic(self.generator(torch.randn(settings.batch, settings.latent))).mean())
        self.critic.requires_grad_(True)
        self.iteration += 1
        return float(loss.detach())

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimisers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[which].step()

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "settings": asdict(self.settings),
            "iteration": self.iteration,
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "history": self.history,
            "random": torch.get_rng_state(),
        }

    @classmethod
    def restored(cls, state: dict[str, Any], iterations: int) -> GanTraining:
        """From `state()`, with a new number of iterations."""
        training = cls(GanSettings(**{**state["settings"], "iterations": iterations}))
        training.iteration, training.history = state["iteration"], state["history"]
        training.generator.load_state_dict(state["generator"])
        training.critic.load_state_dict(state["critic"])
        for optimiser, saved in zip(training.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        return training


def train_generator(
    training: GanTraining, pictures: Tensor, save: Callable[[dict[str, Any]], None], tell: Callable[[int, float], None]
) -> None:
    """Run to the settings' number of iterations; saves at each report.

    Args:
        training: fresh or restored.
        pictures: uint8 [M, C, S, S], good ones.
        save: keeps a state.
        tell: is told iteration and loss after each step.
    """
    since, mean = time.monotonic(), 0.0
    while training.iteration < training.settings.iterations:
        loss = training.step(pictures)
        mean += loss / REPORT_EVERY
        tell(training.iteration, loss)
        if training.iteration % REPORT_EVERY == 0 or training.iteration == training.settings.iterations:
            seconds = time.monotonic() - since
            training.history.append({"iteration": training.iteration, "critic_loss": mean, "seconds": seconds})
            log.info("stage=generator iteration=%d critic_loss=%.4f seconds=%.1f", training.iteration, mean, seconds)
            save(training.state())
            since, mean = time.monotonic(), 0.0


def samples(generator: Generator, count: int, latent: int, seed: int = 0) -> Tensor:
    """`count` pictures of the generator, uint8 [count, C, S, S], to look at."""
    vectors = torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        pictures: Tensor = generator(vectors)
    return pictures.mul(255).round().to(torch.uint8)
