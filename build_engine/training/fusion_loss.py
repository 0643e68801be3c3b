"""Losses of the multi-level feature fusion network (Tang et al. 2025, section 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from build_engine.networks.feature_fusion import Parts, distance

PATCH = 4  # score pixels a side; the topologies are compared between patches


def fusion_loss(
    features: Tensor, scores: Tensor, mask: Tensor, parts: Parts, gamma: float, margin: float, hard: float = 1.0
) -> Tensor:
    """Eq. 8 with equal weights.

    Args:
        features: ψ, float [N, C, h, w].
        scores: float [N, 1, h, w].
        mask: float [N, 1, h, w], 1 where anomalous.
        parts: which terms are at work.
        gamma: score that normal pixels keep below.
        margin: λ, by which anomalous pixels exceed normal ones.
        hard: see `score_loss`.
    """
    loss = feature_loss(features, mask)
    if parts.score:
        loss = loss + score_loss(scores, mask, gamma, margin, hard)
    if parts.consistency:
        loss = loss + consistency_loss(features, scores, mask)
    return loss


def feature_loss(features: Tensor, mask: Tensor) -> Tensor:
    """Eq. 4: normal pixels near the centre, anomalous ones far from it, each kind weighing half."""
    away = distance(features)
    near = _mean(away, mask == 0)
    far = _mean(-torch.log1p(-torch.exp(-away.clamp_min(1e-4))), mask == 1)
    return (near + far) / 2


def score_loss(scores: Tensor, mask: Tensor, gamma: float, margin: float, hard: float = 1.0) -> Tensor:
    """Eq. 5: normal scores below gamma; each anomalous one above that of a normal pixel, drawn at random, by margin.

    Args:
        scores, mask, gamma, margin: see `fusion_loss`.
        hard: below 1 (ours) the loss is the mean of eq. 5 over all normal pixels and over this share of them, the
            highest: a picture is judged by its highest score, to which the usual normal pixel does not matter.
    """
    normal, anomalous = scores[mask == 0], scores[mask == 1]
    if not len(normal):
        return scores.sum() * 0
    loss = _hinges(normal, anomalous, gamma, margin)
    if hard < 1:
        highest = normal.topk(max(1, int(hard * len(normal)))).values
        loss = (loss + _hinges(highest, anomalous, gamma, margin)) / 2
    return loss


def _hinges(normal: Tensor, anomalous: Tensor, gamma: float, margin: float) -> Tensor:
    loss = F.relu(normal - gamma).mean()
    if len(anomalous):
        partners = normal[torch.randint(len(normal), (len(anomalous),))]
        loss = loss + F.relu(margin - (anomalous - partners)).mean()
    return loss


def consistency_loss(features: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Eq. 6 and 7: KL divergence between the topologies of features and of scores, over normal patches."""
    vectors = F.avg_pool2d(features, PATCH).flatten(2).transpose(1, 2)
    values = F.avg_pool2d(scores, PATCH).flatten(2).transpose(1, 2)
    normal = F.max_pool2d(mask, PATCH).flatten(1) == 0
    excluded = torch.where(normal, 0.0, -1e4)[:, None, :]
    of_features = torch.log_softmax(_pairwise(vectors) + excluded, dim=2)
    of_scores = torch.log_softmax(_pairwise(values) + excluded, dim=2)
    divergence = (of_scores.exp() * (of_scores - of_features)).sum(2)
    return _mean(divergence, normal)


def _pairwise(vectors: Tensor) -> Tensor:
    """Euclidean distances [N, K, K] of [N, K, C]."""
    square = vectors.square().sum(2)
    products = vectors @ vectors.transpose(1, 2)
    return (square[:, :, None] + square[:, None, :] - 2 * products).clamp_min(1e-6).sqrt()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean over the marked values, 0 where none is."""
    return (values * where).sum() / where.sum().clamp_min(1)
