"""Everything that decides what a training run gives, in one place; stored in each checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a run.

    Attributes:
        network, width, norm: see networks.similarity_contrast.build_network; norm "" is the network's own.
        recipe: mixture of synthetic pairs, a name in synthesis.pairs.RECIPES.
        iterations: optimiser steps of the whole run.
        batch: pairs a step.
        learning_rate: of AdamW, reached after `warm_up` steps, held, and brought to 0 over the last `decay` share.
        weight_decay: of AdamW (paper: 0.0005).
        smoothing: label smoothing, eq. 6 of the paper (there 0.05). Ours is smaller: a pixel of
            the background is taught this score, and a threshold of 0.1 must stay clear of it.
        positive_weight: of pixels that differ, in the cross-entropy.
        averaging: decay of the moving average of the weights; the average is what is used.
        seed: of weights and pairs.
        bf16: bfloat16 arithmetic where the processor has it.
    """

    network: str = "compact"
    width: float = 1.0
    norm: str = ""
    recipe: str = "default"
    iterations: int = 8_500
    batch: int = 8
    learning_rate: float = 2e-3
    warm_up: int = 500
    decay: float = 0.4
    weight_decay: float = 5e-4
    smoothing: float = 0.01
    positive_weight: float = 2.0
    averaging: float = 0.998
    seed: int = 0
    bf16: bool = True

    def rate(self, iteration: int) -> float:
        """Learning rate at a step: warm-up, plateau, linear to 0.

        The plateau has no memory of the run's length: a run can be resumed with more iterations.
        """
        decaying = self.iterations * self.decay
        left = (self.iterations - iteration) / max(1.0, decaying)
        return self.learning_rate * max(0.0, min(1.0, (iteration + 1) / max(1, self.warm_up), left))
