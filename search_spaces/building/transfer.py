"""Trained bodies in other uses: as feature extractors, and with heads for other tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.blocks import masks
from search_spaces.blocks.graph import Encoding, Graph, in_order
from search_spaces.building.head_layers import head_layers
from search_spaces.building.network import Network
from search_spaces.building.sizes import shape_of
from search_spaces.errors import BuildError, NasError, UnknownNameError
from search_spaces.nodes import Layer
from search_spaces.signature import Retrieval, Signature, Task

Outputs = dict[str, tuple[str, ...]]
"""The calls of a graph that each task's head receives."""


class FeatureExtractor(nn.Module):
    """A network without its heads, frozen: no parameter is trained, and it stays in evaluation mode.

    Args:
        network: the network with its trained weights.
        pooled: whether sequences and maps become vectors, the means over their real positions.
    """

    def __init__(self, network: Network, pooled: bool = True) -> None:
        super().__init__()
        self.network, self.pooled = network, pooled
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Does nothing: running statistics and dropout stay as they are in evaluation mode."""
        super().train(False)
        return self

    def forward(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Any:
        """Inputs to what the head of each task receives, by task; of retrieval two vectors.

        A lone tensor, for a network of one input, is answered by a lone tensor where there is one task.

        Args:
            inputs, present: the inputs, and which examples have them; see `Network.encode`.
        """
        encoding = self.network.encode(inputs, present)
        features = {task: self._pooled(encoding, task) for task in encoding.features}
        return (
            next(iter(features.values())) if isinstance(inputs, Tensor) and len(features) == 1 else features
        )

    def _pooled(self, encoding: Encoding, task: str) -> Any:
        features = encoding.features[task]
        if isinstance(features, tuple) or not self.pooled:
            return features
        return masks.mean(features, encoding.masks[task])


def with_heads(
    network: Network,
    signature: Signature,
    *,
    like: Mapping[str, str] | None = None,
    heads: Mapping[str, Layer] | None = None,
) -> Network:
    """Returns the same body, shared with ``network``, with heads for other tasks.

    A task that the network serves already keeps its head; the others have new ones.

    Args:
        network: the network that has the body.
        signature: what is to be served, from the same inputs.
        like: the old task whose features a new task's head receives; where it is left out, one of the same
            kind, or else the first one that fits.
        heads: the layer that makes a new task's head; where it is left out, the default.

    Raises:
        BuildError: no features of the body suit a task.
        UnknownNameError: ``like`` names a task that the network does not serve.
    """
    like, heads = like or {}, heads or {}
    for wanted in like.values():
        if wanted not in network.signature.tasks:
            raise UnknownNameError("task", wanted, network.signature.tasks)
    training = network.training
    with torch.no_grad():
        device = next((parameter.device for parameter in network.parameters()), "cpu")
        encoding = network.eval().encode(network.signature.example(2, str(device)))
    network.train(training)
    outputs: Outputs = {}
    made: list[nn.Module] = []
    for name in signature.tasks:
        calls, head = _head(network, encoding, signature, name, like.get(name), heads.get(name))
        outputs[name] = calls
        made.append(head)
    body = _with_outputs(network.body, outputs) if isinstance(network.body, Graph) else network.body
    new = Network(body, made, signature).train(training)
    for name in signature.inputs:  # the body goes on to see what it has learnt from
        new.input_standardisation(name).take(network.input_standardisation(name))
    for name, head in zip(signature.tasks, made, strict=True):
        if name in network.signature.tasks and head is network.head(name):
            new.target_standardisation(name).take(network.target_standardisation(name))
    return new


def _head(
    network: Network,
    encoding: Encoding,
    signature: Signature,
    name: str,
    like: str | None,
    layer: Layer | None,
) -> tuple[tuple[str, ...], nn.Module]:
    """The calls whose answers the head of a task receives, and the head."""
    task, old = signature.tasks[name], network.signature.tasks
    if like is None and layer is None and old.get(name) == task:
        return _outputs(network, name), network.head(name)
    reasons = []
    for source, calls in _sources(network, task, name, like):
        pair = tuple(encoding.taps[call] for call in calls)
        features: Any = pair if source is None else encoding.features[source]
        shape = tuple(map(shape_of, features)) if isinstance(features, tuple) else shape_of(features)
        single = Signature(signature.inputs, {name: task})
        (written,) = head_layers({} if layer is None else {name: layer}, {name: shape}, single).values()
        try:
            return calls, written.factory(**written.arguments)
        except (NasError, ValueError, TypeError) as error:
            reasons.append(str(error))
    raise BuildError(f"no features of the network suit task {name!r}: {'; '.join(dict.fromkeys(reasons))}")


def _sources(
    network: Network, task: Task, name: str, like: str | None
) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Tasks whose features may do for another one, the likeliest first, each with the calls that answer them.

    For retrieval also None, with the calls that answer the vectors of its two inputs.
    """
    old = network.signature.tasks
    if like is not None:
        yield like, _outputs(network, like)
        return
    order = sorted(old, key=lambda one: (type(old[one]) is not type(task), one != name))
    for one in order:
        if not isinstance(task, Retrieval) or _same_pair(old[one], task):
            yield one, _outputs(network, one)
    if isinstance(task, Retrieval) and isinstance(network.body, Graph):
        pair = [network.body.embeddings.get(one) for one in (task.query, task.gallery)]
        if None not in pair:
            yield None, tuple(call for call in pair if call is not None)


def _same_pair(old: Task, new: Retrieval) -> bool:
    return isinstance(old, Retrieval) and (old.query, old.gallery) == (new.query, new.gallery)


def _outputs(network: Network, task: str) -> tuple[str, ...]:
    return network.body.outputs[task] if isinstance(network.body, Graph) else ()


def _with_outputs(graph: Graph, outputs: Outputs) -> Graph:
    """The parts of a graph that other outputs need."""
    calls = {name: [part, *sources] for name, (part, sources) in graph.calls.items()}
    used = {name for name, _ in in_order(calls, outputs)}

    def stays(call: str) -> bool:  # a vector is pooled only for the losses: what matters is of what
        return call in used or used.issuperset(source for source in calls[call][1:] if source in calls)

    parts = {graph.calls[name][0] for name in used}
    ties = [[part for part in group if part in parts] for group in graph.ties]
    new = Graph(
        dict(graph.parts.items()),
        calls,
        outputs,
        {name: call for name, call in graph.embeddings.items() if stays(call)},
        [group for group in ties if len(group) > 1],
        [pair for pair in graph.private if all(map(stays, pair))],
    )
    new.shapes = dict(graph.shapes)
    return new


def take_over(network: Network, trained: Network) -> None:
    """Takes from a trained network the weights of the body that go by the same name and shape, the heads of
    the same tasks, and how inputs and targets are standardised.

    Args:
        network: the network that is changed; its inputs and tasks are among those of the other.
        trained: the trained network.
    """
    _take_over_weights(network.body, trained.body)
    for task in network.signature.tasks:
        _take_over_weights(network.head(task), trained.head(task))
        network.target_standardisation(task).take(trained.target_standardisation(task))
    for name in network.signature.inputs:
        network.input_standardisation(name).take(trained.input_standardisation(name))


def _take_over_weights(module: nn.Module, trained: nn.Module) -> None:
    state, weights = module.state_dict(), trained.state_dict()
    fitting = {name: w for name, w in weights.items() if name in state and w.shape == state[name].shape}
    module.load_state_dict({**state, **fitting})
