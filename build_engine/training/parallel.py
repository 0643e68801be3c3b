"""One process or several of one training run, as torchrun starts them: who is who, and sums over all.

With the same global batch several processes give the same losses as one. Three things make it so: every process
gets its own part of each batch; batch norm takes its mean and variance over all parts; and so does the overlap loss,
which is no mean over samples.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from edge_agent.errors import UsageError

CPU = torch.device("cpu")
PATIENCE = timedelta(hours=2)  # the others wait while the first one validates


@dataclass(frozen=True)
class Parallel:
    """The place of this process among those of the run.

    Attributes:
        rank: number of this process; the first one, 0, logs, validates and writes.
        world: how many there are.
        device: where its tensors live.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this process logs, validates and writes."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """Which samples of a global batch are this process's. Raises UsageError unless all get as many."""
        if batch % self.world:
            raise UsageError(
                f"--batch {batch} cannot be shared by {self.world} processes", mend=f"use a multiple of {self.world}"
            )
        each = batch // self.world
        return range(self.rank * each, (self.rank + 1) * each)

    def total(self, value: Tensor) -> Tensor:
        """Sum over all processes; gradients flow back to each."""
        if self.world == 1:
            return value
        summed: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
        return summed

    def mean(self, value: float) -> float:
        """Mean over all processes, without gradients."""
        if self.world == 1:
            return value
        return float(self.total(torch.tensor(value, device=self.device))) / self.world

    def agree(self, flag: bool) -> bool:
        """What the first process says."""
        if self.world == 1:
            return flag
        said = torch.tensor(int(flag), device=self.device)
        dist.broadcast(said, 0)
        return bool(said)

    def wrap(self, network: nn.Module, objective: nn.Module) -> nn.Module:
        """The objective, which holds the network, with gradients averaged over all processes."""
        if self.world == 1:
            return objective
        share_norms(network, self)
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            objective, devices, broadcast_buffers=False, gradient_as_bucket_view=True
        )


def joined() -> Parallel:
    """Join the processes that torchrun started (NCCL where there are GPUs, else Gloo); alone without torchrun."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local)
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if world == 1:
        return Parallel(device=device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return Parallel(dist.get_rank(), world, device)


def left() -> None:
    """Leave the other processes in order."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class _Total(torch.autograd.Function):
    """Sum over all processes, there and back."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004 - the signature of autograd
        summed = value.detach().clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        summed = gradients[0].clone()
        dist.all_reduce(summed)
        return summed


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, for the CPU, where PyTorch's own SyncBatchNorm does not run."""

    parallel: Parallel

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] of any floating type; statistics in float32."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        values = x.float()
        count = self.parallel.world * values.numel() / values.shape[1]
        mean = self.parallel.total(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = self.parallel.total((centred * centred).sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def share_norms(network: nn.Module, parallel: Parallel) -> None:
    """Let every batch norm of a network, in place, see the batches of all processes. Names of weights stay."""
    for name, child in network.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            share_norms(child, parallel)
        elif parallel.device.type == "cuda":
            setattr(network, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
        else:
            shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum)
            shared.parallel = parallel
            shared.weight, shared.bias = child.weight, child.bias
            shared.running_mean, shared.running_var = child.running_mean, child.running_var
            shared.num_batches_tracked = child.num_batches_tracked
            shared.train(child.training)
            setattr(network, name, shared)
