"""Loss of the pair networks: cross-entropy at every scale, overlap at the finest."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from build_engine.networks.similarity_contrast import PairNetwork
from build_engine.training.parallel import Parallel

ALONE = Parallel()


def pair_loss(
    network: PairNetwork,
    predicted: list[Tensor],
    mask: Tensor,
    *,
    smoothing: float,
    positive_weight: float,
    parallel: Parallel = ALONE,
) -> Tensor:
    """Loss of a batch.

    Args:
        predicted: logits of `PairNetwork.logits`, finest first.
        mask: float [N, 1, H, W] of 0 and 1.
        smoothing: eq. 6 of the paper: targets become 1 - smoothing and smoothing.
        positive_weight: weight of pixels that differ.
        parallel: the processes that share the batch. The mean of their losses is the loss of the whole batch.

    Returns:
        A scalar: binary cross-entropy (eq. 7) at full size, half the Dice loss there (small objects weigh as
        much as large ones), and 0.15 × cross-entropy of each coarser mask against the pooled target.
    """
    weight = torch.tensor(positive_weight, device=mask.device)
    finest = network.upsample(predicted[0]).float()
    loss: Tensor = _cross_entropy(finest, mask, smoothing, weight)
    score = torch.sigmoid(finest)
    overlap, size = parallel.total(torch.stack([(score * mask).sum(), score.sum() + mask.sum()]))
    loss = loss + 0.5 * (1 - (2 * overlap + 1) / (size + 1))
    for coarse in predicted[1:]:
        pooled = F.adaptive_max_pool2d(mask, coarse.shape[2:])
        loss = loss + 0.15 * _cross_entropy(coarse.float(), pooled, smoothing, weight)
    return loss


def _cross_entropy(logits: Tensor, mask: Tensor, smoothing: float, weight: Tensor) -> Tensor:
    target = mask * (1 - 2 * smoothing) + smoothing
    return F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
