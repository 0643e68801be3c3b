"""Weights out of an exported ONNX file, so that training can go on from what is installed.

The export folds each batch norm into the convolution before it. Here the folded convolution is taken as it is, with a
batch norm behind it that adds its bias; `recentre` gives that norm the statistics of real data again. Neither changes
what the network says. The masks at coarser scales, which only training uses, are not in the file: they start anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from build_engine.networks.similarity_contrast import NETWORKS, ConvBlock, PairNetwork, build_network
from build_engine.onnx_export import TOLERANCE, largest_difference
from edge_agent.engines import load_engine
from edge_agent.errors import ModelError

# Root mean square of the weights of a filter as training leaves them. Folding scales each filter; a learning rate is
# a share of the weights' size, so the size is brought back and the norm behind takes the rest.
TYPICAL_WEIGHT = 0.12
MEND = "start from a float model that build-engine export wrote, or from the folder of its training run"


def read_network(file: Path) -> tuple[PairNetwork, str]:
    """The network of an exported model, and its name.

    Raises:
        ModelError: the file is missing, broken, of another program, or not in float32; or it does not say the same
            as the network built from it.
    """
    load_engine(file, threads=1).close()  # says what is wrong with a file better than the parser
    model = onnx.load(file)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    name, width = metadata["network"], float(metadata.get("width", "1.0"))
    norm = metadata.get("norm", "")
    if name not in NETWORKS or metadata.get("precision", "fp32") != "fp32":
        raise ModelError(
            f"cannot be trained on (network {name}, {metadata.get('precision', 'fp32')})", where=str(file), mend=MEND
        )
    torch.manual_seed(0)  # of the coarser masks
    network = build_network(name, width, norm).eval()
    try:
        _fill(network, model.graph)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"holds other weights than a {name} ({error})", where=str(file), mend=MEND) from error
    difference = largest_difference(network, file)
    if difference > TOLERANCE:
        raise ModelError(f"says something else than its weights, by {difference:.2g}", where=str(file), mend=MEND)
    return network, name


def _fill(network: PairNetwork, graph: onnx.GraphProto) -> None:
    """Copy the file's weights. Raises KeyError, ValueError or RuntimeError where they do not fit."""
    values = {entry.name: torch.from_numpy(np.array(numpy_helper.to_array(entry))) for entry in graph.initializer}
    for node in graph.node:  # weights that are equal are written once
        if node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    state = network.state_dict()
    with torch.no_grad():
        for name in values.keys() & state.keys():
            state[name].copy_(values[name])
        convolutions = [node for node in graph.node if node.op_type in {"Conv", "ConvTranspose"}]
        for module, node in zip(_in_order(network), convolutions, strict=True):
            _fill_convolution(module, [values[name] for name in node.input[1:]])


def _in_order(network: PairNetwork) -> list[nn.Module]:
    """Convolutions, and conv blocks instead of theirs, in the order in which a picture meets them."""
    met: list[nn.Module] = []
    inside = {id(block[0]): block for block in network.modules() if isinstance(block, ConvBlock)}
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [
        module.register_forward_hook(lambda module, *_: met.append(inside.get(id(module)) or module))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    picture = torch.zeros(1, 4 * network.multiple, 4 * network.multiple, 3, dtype=torch.uint8)
    with torch.no_grad():
        network(picture, picture)
    for hook in hooks:
        hook.remove()
    return met


def _fill_convolution(module: nn.Module, values: list[Tensor]) -> None:
    convolution = module[0] if isinstance(module, ConvBlock) else module
    assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
    if convolution.weight.shape != values[0].shape:
        raise ValueError(f"{list(values[0].shape)} instead of {list(convolution.weight.shape)}")
    if convolution.bias is not None:
        convolution.weight.copy_(values[0])
        convolution.bias.copy_(values[1])
    elif len(values) > 1:
        assert isinstance(module, ConvBlock)
        _unfold(convolution.weight, module[1], *values)
    else:
        convolution.weight.copy_(values[0])


def _unfold(weight: Tensor, norm: nn.Module, folded: Tensor, bias: Tensor) -> None:
    """A convolution of the usual size of weights and a batch norm behind it, which together make the folded one."""
    if not isinstance(norm, nn.BatchNorm2d):
        raise KeyError("a bias where there is no batch norm")
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = TYPICAL_WEIGHT / folded.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-8)
    weight.copy_(folded * gain)
    norm.weight.copy_((1 + norm.eps) ** 0.5 / gain[:, 0, 0, 0])
    norm.bias.copy_(bias)
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)


def recentre(network: PairNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give every batch norm the statistics of these test and template pictures, and change nothing that it says.

    Training then begins where the network stands: with statistics of other data, or with none, as after `read_network`,
    its first steps would undo what it has learnt.
    """
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def collect(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        count = torch.tensor(x.numel() / x.shape[1])
        parts = [count, x.sum(dim=(0, 2, 3)), (x * x).sum(dim=(0, 2, 3))]
        sums[norm] = [old + new for old, new in zip(sums[norm], parts, strict=True)] if norm in sums else parts

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(collect) for norm in norms]
    network.eval()
    with torch.no_grad():
        for test, template in batches:
            network(test, template)
        for hook in hooks:
            hook.remove()
        for norm, (count, first, second) in sums.items():
            assert norm.running_mean is not None
            assert norm.running_var is not None
            mean = (first / count).float()
            variance = (second / count).float() - mean * mean
            gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            offset = norm.bias - gain * norm.running_mean
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance.clamp(min=0.0))
            norm.weight.copy_(gain * torch.sqrt(norm.running_var + norm.eps))
            norm.bias.copy_(offset + gain * mean)
