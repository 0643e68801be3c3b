"""The whole training of CNN + GAN: generator, then encoder, then calibration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from build_engine.datasets.one_class import Pictures
from build_engine.networks.cnn_gan import CnnGan
from build_engine.training.encoder import EncoderSettings, EncoderTraining, calibrate, settle
from build_engine.training.fusion import split
from build_engine.training.gan import GanSettings, GanTraining, train_generator
from edge_agent.errors import ModelError

FEWEST_HELD_BACK = 5  # whose scores tell a deviation

log = logging.getLogger(__name__)

Save = Callable[[dict[str, Any]], None]
Tell = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class DetectorSettings:
    """Of both stages."""

    gan: GanSettings = field(default_factory=GanSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)


def train_detector(
    settings: DetectorSettings, state: dict[str, Any] | None, good: Pictures, save: Save, tell: Tell
) -> None:
    """Train, or go on from `state`; see `FusionTraining.run` for the other arguments.

    Of a generator that is trained further the encoder begins anew.
    """
    gan, network = GanTraining(settings.gan), _network(settings)
    if state:  # last of the three: it brings back where the run stood in its random numbers
        gan = GanTraining.restored(state["gan"], settings.gan.iterations)
    trained, held_back = (_channels(network, part) for part in (split(good)[0], unseen(good)))

    def everything(encoder: EncoderTraining | None, *, finished: bool = False) -> dict[str, Any]:
        return {
            "network": network.name,
            "finished": finished,
            "settings": asdict(settings),
            "gan": gan.state(),
            "encoder": encoder.state() if encoder else None,
            "weights": network.state_dict(),
            "history": [*gan.history, *(encoder.history if encoder else [])],
        }

    train_generator(
        gan,
        trained,
        lambda _: save(everything(None)),
        lambda done, loss: tell("generator", done, settings.gan.iterations, loss),
    )
    network.generator.load_state_dict(gan.generator.state_dict())
    encoder = EncoderTraining(settings.encoder, network)
    if state and state["encoder"] and state["gan"]["iteration"] >= settings.gan.iterations:
        network.load_state_dict(state["weights"])
        encoder.restore(state["encoder"])
    encoder.run(
        trained,
        lambda done, loss: tell("encoder", done, settings.encoder.iterations, loss),
        lambda: save(everything(encoder)),
    )
    settle(network.encoder, trained.float() / 255, held_back.float() / 255)
    calibrate(network, held_back.float() / 255)
    save(everything(encoder, finished=True))


def unseen(good: Pictures) -> Pictures:
    """The good pictures that set the limit: those held back; all where these are too few, and the log says so."""
    held_back = split(good)[1]
    if len(held_back) >= FEWEST_HELD_BACK:
        return held_back
    log.warning("calibrated on pictures that were trained on, too: only %d good ones are there", len(good))
    return good


def restore_network(state: dict[str, Any]) -> CnnGan:
    """The network of a saved state."""
    network = _network(restore_settings(state))
    network.load_state_dict(state["weights"])
    return network.eval()


def restore_settings(state: dict[str, Any]) -> DetectorSettings:
    """The settings of a saved state. Raises ModelError: of another version, whose settings were others."""
    saved = state["settings"]
    try:
        return DetectorSettings(GanSettings(**saved["gan"]), EncoderSettings(**saved["encoder"]))
    except (KeyError, TypeError):
        raise ModelError(
            "is a run of another version of matecheck", where="the checkpoint", mend="train anew"
        ) from None


def _network(settings: DetectorSettings) -> CnnGan:
    gan = settings.gan
    torch.manual_seed(gan.seed)
    return CnnGan(gan.size, gan.channels, gan.width, gan.latent, settings.encoder.width)


def _channels(network: CnnGan, pictures: Pictures) -> Tensor:
    """BGR [M, S, S, 3] -> uint8 [M, C, S, S] as the network sees them, in pieces to spare memory."""
    pieces = np.array_split(pictures, max(1, len(pictures) // 500))
    return torch.cat([network.pictures(torch.from_numpy(p)).mul(255).round().to(torch.uint8) for p in pieces])
