"""synflow: how much flows through a network, whatever the data.

Tanaka, Kunin, Yamins and Ganguli, Pruning Neural Networks without any Data by Iteratively Conserving Synaptic
Flow, 2020; as a score of networks in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, 2021.

The paper is about networks of linear layers and activations that are positively homogeneous, as ReLU is. In
such a network with weights above zero every unit is on. So it is read here: weights are absolute values,
inputs are ones, tokens and categories are all of them at once (a linear layer on ones), normalisations do
nothing, activations that come close to ReLU do as it does: nothing, and attention, whose positions all look
alike, takes their mean. What is left that is not homogeneous, such as the gates of an LSTM, has no flow to be
conserved, and the network no such score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

from search_spaces.building.network import Network
from search_spaces.signature import Tokens
from workers.zero_cost.probe import Probe, named_layer, undefined, weights
from workers.zero_cost.watching import OperatorWatch

_NOTHING = (
    *(_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm),
    *(nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.Hardswish, nn.Mish, nn.ReLU6, nn.Softplus),
)
"""Modules that pass on what they get: normalisations, and activations that grow as ReLU does."""

_NOT_HOMOGENEOUS = frozenset(
    {
        *("sin", "cos"),
        *("sigmoid", "tanh", "hardsigmoid", "log_sigmoid_forward", "softplus", "exp", "log", "logsumexp"),
        *("_softmax", "_log_softmax", "gelu", "silu", "elu", "hardswish", "mish", "hardtanh", "sqrt", "pow"),
        *("native_layer_norm", "native_batch_norm", "native_group_norm", "linalg_vector_norm", "rsqrt"),
        *("mkldnn_rnn_layer", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_cudnn_rnn"),
    }
)


def synflow(probe: Probe) -> float:
    """synflow: the log of the sum over weights of ``|w * dR/dw|``, R being the sum of all answers.

    Minus infinity where nothing comes through. (The paper has no log; it changes no rank.)
    """
    network = probe.network(standardised=False)
    linearise(network)
    inputs = _ones(probe)
    with _EvenAttention():
        _check(network, inputs)
        answers = network(inputs)
        torch.stack([answer.sum() for answer in answers.values()]).sum().backward()  # type: ignore[no-untyped-call]
    flows = [(w.detach() * w.grad).abs().sum() for w in weights(network).values() if w.grad is not None]
    total = float(torch.stack(flows).sum()) if flows else 0.0
    return math.log(total) if total > 0 else -math.inf


def linearise(network: nn.Module) -> None:
    """Makes a network linear for inputs of ones: all its numbers are absolute, in float64."""
    network.double()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    for module in network.modules():
        if isinstance(module, _NOTHING):
            module.forward = _pass_on  # type: ignore[method-assign]
        elif isinstance(module, nn.Embedding):
            module.register_forward_hook(_all_words)


class _EvenAttention(TorchFunctionMode):
    """Lets every position attend to all alike: the mean of the values."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, _, value = (*args, *(kwargs or {}).values())[:3]
        return value.mean(-2, keepdim=True).expand(*value.shape[:-2], query.shape[-2], value.shape[-1])


def _pass_on(input: Tensor, *_: Any) -> Tensor:
    return input


def _all_words(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.sum(0).expand_as(answer)


def _ones(probe: Probe) -> dict[str, Tensor]:
    """One example of ones for each input; of tokens the first that is no padding."""
    example = probe.signature.example(1, probe.device)
    for name, kind in probe.signature.inputs.items():
        one = min(1, kind.vocabulary - 1) if isinstance(kind, Tokens) else 1
        example[name] = example[name].fill_(one)
        if example[name].is_floating_point():
            example[name] = example[name].double()
    return example


def _check(network: Network, inputs: Mapping[str, Tensor]) -> None:
    """Refuses a network that is not homogeneous, by what its layers compute.

    Raises:
        ZeroCostError: the first layer that computes something else.
    """

    def seen(layer: str, operator: str, values: Tensor | None) -> None:
        # powers of whole numbers are no part of the flow
        real = values is not None and values.is_floating_point()
        if real and operator in _NOT_HOMOGENEOUS:
            where = named_layer(network, layer) if layer else "the network"
            raise undefined("synflow", f"{where} computes {operator.strip('_')}, which is not homogeneous")

    with torch.no_grad(), OperatorWatch(network, seen):
        network(inputs)
