"""AZ-NAS: four looks at a network that hardly agree with each other, joined by their ranks.

Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, 2024. Random inputs, no
labels. What the paper calls primary blocks are here the members of a body in a row (of a stage its blocks),
or the calls of a graph; what has no weights is none, be it an activation between them or a call that pools.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from search_spaces.blocks.convolution import Stage
from search_spaces.blocks.graph import Graph
from search_spaces.building.network import Chain, Network
from workers.zero_cost.probe import Probe, named_layer, undefined
from workers.zero_cost.ranks import of_parts

_ROWS = (nn.Sequential, Chain, Stage)
"""Modules whose members are blocks themselves."""

_EPSILON = 1e-6


@of_parts("expressivity", "progressivity", "trainability", "complexity")
def az_nas(probe: Probe) -> dict[str, float]:
    """AZ-NAS: expressivity, progressivity, trainability and complexity; one score by their ranks in a sample.

    - ``expressivity``: how evenly each block's features spread over their principal components, as entropies,
      summed
    - ``progressivity``: the least gain in that from a block to the next
    - ``trainability``: how near the largest singular value of each block's Jacobian is to 1, the mean; minus
      infinity with a block that does nothing, as the authors have it
    - ``complexity``: multiply-adds
    """
    network = probe.network(standardised=False)
    _initialise(network)
    features, blocks, pairs = _features(network, _noise(probe))
    entropies = {name: _entropy(_by_position(tensor.detach())) for name, tensor in features.items()}
    gains = [entropies[after] - entropies[before] for before, after in pairs]
    trained = []
    for before, after in reversed(pairs):
        if (found := _trainability(features[before], features[after])) is not None:
            trained.append(found)
    if not trained:
        told = ", ".join(blocks[:3])
        raise undefined("az_nas", f"no two blocks in a row keep positions apart in the same way ({told})")
    return {
        "expressivity": sum(entropies[name] for name in blocks),
        "progressivity": min(gains),
        "trainability": sum(trained) / len(trained),
        "complexity": float(probe.architecture.cost(probe.signature).num_macs),
    }


def _initialise(network: nn.Module) -> None:
    """Sets weights as the authors do, by He et al. 2015, so that signals keep their size; biases are 0."""
    for module in network.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _noise(probe: Probe) -> dict[str, Tensor]:
    """Random inputs: numbers of a normal distribution, tokens that are no padding, categories."""
    kinds = probe.signature.inputs.items()
    return {name: kind.random(probe.batch_size).to(probe.device) for name, kind in kinds}


def _features(
    network: Network, inputs: dict[str, Tensor]
) -> tuple[dict[str, Tensor], list[str], list[tuple[str, str]]]:
    """Returns features by the names of what made them, which of these are blocks, and pairs in a row.

    Raises:
        ZeroCostError: there are no two blocks in a row.
    """
    body = network.body
    if isinstance(body, Graph):
        found = dict(network.encode(inputs).taps)
        calls = ((name, body.parts[part]) for name, (part, _) in body.calls.items() if name in found)
        blocks = [name for name, part in calls if _weighty(part)]
        pairs = [(before, name) for name in blocks for before in body.calls[name][1] if before in found]
    else:
        found = _outputs(network, dict(_blocks(body, "body")), inputs)
        blocks = list(found)
        pairs = list(pairwise(blocks))
    if not pairs:
        raise undefined("az_nas", f"{named_layer(network, 'body')} has no two blocks in a row")
    return found, blocks, pairs


def _outputs(network: Network, modules: dict[str, nn.Module], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What modules of a network answer, by their names, in their order."""
    found: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, module in modules.items():

            def keep(module: nn.Module, given: object, answer: object, name: str = name) -> None:
                first = answer[0] if isinstance(answer, tuple) else answer
                if isinstance(first, Tensor) and first.is_floating_point():
                    found[name] = first

            hooks.enter_context(module.register_forward_hook(keep))
        network.encode(inputs)
    return {name: found[name] for name in modules if name in found}


def _weighty(module: nn.Module) -> bool:
    """Whether a module has weights."""
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _blocks(module: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The blocks of a body in a row, by name."""
    if type(module) in _ROWS:
        return [
            block for part, child in module.named_children() for block in _blocks(child, f"{name}.{part}")
        ]
    # a cell without weights is a block: that is what is wrong with it
    leaf = next(module.children(), None) is None
    return [] if leaf and not _weighty(module) else [(name, module)]


def _by_position(features: Tensor) -> Tensor:
    """Features ``(N, F)``, of a sequence ``(N, L, F)`` or a map ``(N, C, H, W)``, as ``(positions, F)``."""
    return (features.movedim(1, -1) if features.ndim > 3 else features).flatten(0, -2)


def _entropy(features: Tensor) -> float:
    """The entropy of how the variance of features ``(positions, F)`` is spread over principal components."""
    centred = features.double() - features.double().mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(centred)).clamp(min=0)
    if not values.sum() > 0:
        return 0.0
    shares = values / values.sum()
    return float(-torch.xlogy(shares, shares).sum())


def _trainability(before: Tensor, after: Tensor) -> float | None:
    """Returns how near the gradient from ``after`` to ``before`` is to keeping its size; at most 0.

    None where their positions do not correspond, so that there is no one Jacobian for all of them.
    """
    if not (before.requires_grad and after.requires_grad):  # nothing before it has weights
        return None
    sign = torch.empty_like(after).bernoulli_(0.5) * 2 - 1
    found: Sequence[Tensor | None] = torch.autograd.grad(
        after, before, sign, retain_graph=True, allow_unused=True
    )
    gradient = found[0]
    if gradient is None:
        return None
    if gradient.shape == sign.shape and torch.equal(gradient, sign):
        return -math.inf
    folded = _folded(gradient, sign)
    if folded is None:
        return None
    came, went = _by_position(folded), _by_position(sign)
    largest = float(torch.linalg.matrix_norm(came.T @ went / len(went), ord=2))
    return 2 - largest - 1 / (largest + _EPSILON)


def _folded(gradient: Tensor, like: Tensor) -> Tensor | None:
    """A gradient with as many positions as another tensor has: those that became one are features of it."""
    if gradient.ndim != like.ndim:
        return None
    places, wanted = _positions(gradient), _positions(like)
    if places == wanted:
        return gradient
    steps = [divmod(mine, its) for mine, its in zip(places, wanted, strict=True)]
    if gradient.ndim > 4 or any(rest or not step for step, rest in steps) or len({*steps}) > 1:
        return None
    if gradient.ndim == 3:
        return gradient.reshape(len(gradient), *wanted, -1)
    return F.pixel_unshuffle(gradient, steps[0][0])


def _positions(features: Tensor) -> tuple[int, ...]:
    """The shape of the positions of one example: all but the channels of a map, or the last axis."""
    return tuple(features.shape[2:] if features.ndim > 3 else features.shape[1:-1])
