"""Everything that decides what a training run gives, in one place; stored in each checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

MIXTURES = ("default", "paper", "paper-colour")  # the names in synthesis.pairs.RECIPES


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a run.

    Attributes:
        network, width, norm: see networks.similarity_contrast.build_network; norm "" is the network's own.
        start: digest of the weights that it starts from; "" for random ones.
        recipe: mixture of synthetic pairs, a name in synthesis.pairs.RECIPES.
        iterations: optimiser steps of the whole run.
        batch: pairs a step, over all processes.
        learning_rate: of AdamW, reached after `warm_up` steps, held, and brought to 0 over the last `decay` share.
        weight_decay: of AdamW (paper: 0.0005).
        smoothing: label smoothing, eq. 6 of the paper (there 0.05). None: it was measured to gain nothing.
        positive_weight: of pixels that differ, in the cross-entropy.
        averaging: decay of the moving average of the weights; the average is what is used.
        seed: of weights and pairs.
        bf16: bfloat16 arithmetic where the processor has it.
        validate_every: steps between validations, which also write the checkpoint.
        select: figure of the validation whose highest value names the weights to keep; "" keeps the last.
        patience: validations in a row without a higher one after which the run ends; 0: never.
    """

    COMMAND: ClassVar[str] = "train --photographs PHOTOGRAPHS"
    IMPLIED: ClassVar[frozenset[str]] = frozenset()  # not said on the command line

    network: str = "compact"
    width: float = 1.0
    norm: str = ""
    start: str = ""
    recipe: str = "default"
    iterations: int = 8_500
    batch: int = 8
    learning_rate: float = 2e-3
    warm_up: int = 500
    decay: float = 0.4
    weight_decay: float = 5e-4
    smoothing: float = 0.0
    positive_weight: float = 2.0
    averaging: float = 0.998
    seed: int = 0
    bf16: bool = True
    validate_every: int = 1000
    select: str = ""
    patience: int = 0

    def rate(self, iteration: int) -> float:
        """Learning rate at a step: warm-up, plateau, linear to 0.

        The plateau has no memory of the run's length: a run can be resumed with more iterations.
        """
        decaying = self.iterations * self.decay
        left = (self.iterations - iteration) / max(1.0, decaying)
        return self.learning_rate * max(0.0, min(1.0, (iteration + 1) / max(1, self.warm_up), left))

    def command(self) -> str:
        """The command line that made the run; what is not said is the default."""
        default = asdict(type(self)()) | {"iterations": None, "seed": None}  # these two are always said
        changed = {
            key: value for key, value in asdict(self).items() if value != default[key] and key not in self.IMPLIED
        }
        without = changed.pop("bf16", True) is False
        begun = " --from MODEL" if changed.pop("start", "") else ""
        if begun:  # which brings these
            changed = {key: value for key, value in changed.items() if key not in {"network", "width", "norm"}}
        options = "".join(f" --{key.replace('_', '-')} {value}" for key, value in changed.items())
        return f"build-engine {self.COMMAND} --output runs/{self.network}{begun}{options}{' --no-bf16' * without}"


@dataclass(frozen=True)
class FinetuneSettings(TrainingSettings):
    """Settings of a run on annotated pairs. Network, width and norm are those of the weights that it starts from.

    Attributes:
        crop: side of a training sample in pixels.
        margin: pixels by which annotated boxes stand off their objects on each side.
        validation_share: of the pairs, kept out of training.
        split: "folders" keeps back whole ones, "pairs" single pairs; see datasets.splitting.
        held_back: digest of the names of the pairs kept back.
    """

    COMMAND: ClassVar[str] = "finetune --pairs PAIRS"
    IMPLIED: ClassVar[frozenset[str]] = frozenset({"network", "width", "norm", "start", "held_back"})

    recipe: str = ""
    iterations: int = 1600
    learning_rate: float = 5e-4
    warm_up: int = 100
    decay: float = 0.5
    positive_weight: float = 1.0
    averaging: float = 0.99
    validate_every: int = 200
    select: str = "f1"
    patience: int = 3
    crop: int = 256
    margin: float = 0.0
    validation_share: float = 0.2
    split: str = "folders"
    held_back: str = ""


KINDS: dict[str, type[TrainingSettings]] = {"train": TrainingSettings, "finetune": FinetuneSettings}
