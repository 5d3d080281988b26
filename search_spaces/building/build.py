"""From an architecture to a network: sizes found in a dry run on the meta device, heads added.

A first pass builds an outline on the meta device, in which every layer is made when its first input arrives,
so that its sizes can be read off. A second pass makes the real modules with the arguments so found.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from search_spaces.blocks.graph import Graph
from search_spaces.building.dry_run import dry_run
from search_spaces.building.head_layers import head_layers
from search_spaces.building.network import Chain, Network, answer_of
from search_spaces.building.sizes import resolved_arguments, shape_of
from search_spaces.errors import BuildError, NasError
from search_spaces.nodes import Composite, Layer, Model, Sequential, rebuilt
from search_spaces.signature import Signature, Tokens

MakeLayer = Callable[[Layer, str], nn.Module]
"""Makes the module of the layer at a path."""

BATCH = 2
"""Examples in a dry run: batch normalisation refuses a batch of one."""


@dataclass
class Resolved:
    """A layer after the dry run: its final arguments and the shapes of one example (no batch axis)."""

    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] = ()
    num_params: int = 0


@dataclass
class Plan:
    """What the dry run found.

    Attributes:
        body: what the body is built from: a composite is expanded.
        layers: by path.
        features: by task the shape of what its head receives; of retrieval two shapes.
        shapes: of the inputs and calls of a graph.
        texts: what went in for each input of tokens, and its vocabulary.
    """

    body: Layer | Sequential
    layers: dict[str, Resolved] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    texts: list[tuple[Tensor, int]] = field(default_factory=list)


def build(model: Model, signature: Signature) -> Network:
    """The network for ``model`` and ``signature``, initialised from torch's global random state.

    Raises:
        BuildError: it does not fit; the message says which layer, and what came in.
    """
    _, plan = outline(model, signature)
    body: nn.Module
    if isinstance(plan.body, Layer) and _is_graph(plan.body):
        body = _construct(plan.body, model.where, plan)
        body.shapes = dict(plan.shapes)  # type: ignore[assignment]
    else:
        body = _chain(plan.body, model.where, lambda node, path: _construct(node, path, plan))
    network = Network(body, _heads(model, plan, signature), signature)
    if any(isinstance(parameter, UninitializedParameter) for parameter in network.parameters()):
        training = network.training
        with torch.no_grad():  # lazy modules take their sizes from a first input
            network.eval()(signature.example(BATCH))
        network.train(training)
    return network


def outline(
    model: Model, signature: Signature, watch: Callable[[], Any] = nullcontext
) -> tuple[Network, Plan]:
    """The network on the meta device, and what was found while its first input went through.

    Args:
        model, signature: as of `build`.
        watch: makes a context in which the input goes through; anew if a second attempt is needed.

    Raises:
        BuildError: it does not fit the signature.
    """
    body = expanded(model, signature)
    if len(signature.inputs) != 1 and not _is_graph(body):
        raise BuildError(f"this model takes one input, the signature has {', '.join(signature.inputs)}")
    try:
        with watch():
            return _outline(model, body, signature, "meta")
    except BuildError as error:
        # some modules look at numbers, or name their device: let them have real ones
        cause = error.__cause__
        if not isinstance(cause, NotImplementedError) and "meta" not in str(cause).lower():
            raise
        with watch():
            return _outline(model, body, signature, "cpu")


def expanded(model: Model, signature: Signature | None = None) -> Layer | Sequential:
    """The body of a model as it is built for a signature: a composite in its place is written out.

    Args:
        model: of the network.
        signature: what it must serve; None: all that it can.

    Raises:
        BuildError: it makes no network for this signature.
    """
    body = model.body
    if (
        not isinstance(body, Layer)
        or not isinstance(body.factory, type)
        or not issubclass(body.factory, Composite)
    ):
        return body
    try:
        return body.factory(**body.arguments).expand(signature)
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{model.where}: {body.label} cannot be made: {error}") from error


def _is_graph(body: Layer | Sequential) -> bool:
    return isinstance(body, Layer) and body.factory is Graph


def _outline(
    model: Model, body: Layer | Sequential, signature: Signature, device: str
) -> tuple[Network, Plan]:
    plan = Plan(body)
    with dry_run(device):
        made: nn.Module
        if isinstance(body, Layer) and _is_graph(body):
            made = _Deferred(body, model.where, plan).realised()
            _check(made, model.where, signature)
        else:
            made = _chain(body, model.where, lambda node, path: _Deferred(node, path, plan))
        example = signature.example(BATCH, device)
        kinds = signature.inputs.items()
        plan.texts = [(example[name], kind.vocabulary) for name, kind in kinds if isinstance(kind, Tokens)]
        encoding = Network(made, [], signature).encode(example)
        if isinstance(made, Graph):
            plan.shapes = made.shapes
        for task, features in encoding.features.items():
            pair = features if isinstance(features, tuple) else (features,)
            for tensor in pair:
                if not isinstance(tensor, Tensor):
                    raise BuildError(f"the model answers {type(tensor).__name__}, expected a tensor")
            shapes = tuple(shape_of(tensor) for tensor in pair)
            plan.features[task] = shapes if isinstance(features, tuple) else shapes[0]
        heads = _heads(model, plan, signature)
        for task, head in zip(signature.tasks, heads, strict=True):
            answer_of(head, encoding.features[task], encoding.masks[task])
        return Network(made, heads, signature), plan


def _check(graph: nn.Module, where: str, signature: Signature) -> None:
    """Refuse a graph that needs other inputs or serves other tasks."""
    assert isinstance(graph, Graph)
    for name, (_, sources) in graph.calls.items():
        for source in sources:
            if source not in graph.calls and source not in signature.inputs:
                there = ", ".join((*signature.inputs, *graph.calls))
                raise BuildError(f"{where}: call {name!r}: expected sources from {there}, got {source!r}")
    if graph.outputs.keys() != signature.tasks.keys():
        wanted, got = ", ".join(signature.tasks), ", ".join(graph.outputs)
        raise BuildError(f"{where}: expected outputs for {wanted}, got {got}")


def _heads(model: Model, plan: Plan, signature: Signature) -> list[nn.Module]:
    return [
        _call(layer, f"model.heads.{name}", layer.arguments, f"for features {plan.features[name]}")
        for name, layer in head_layers(model.heads, plan.features, signature).items()
    ]


def _made(node: Any, path: str, make_layer: MakeLayer) -> Any:
    """A part of a model with its layers made, and a chain in place of each sequential."""
    if isinstance(node, Layer):
        return make_layer(node, path)
    if isinstance(node, Sequential):
        for i, part in enumerate(node.parts):
            if not isinstance(part, Layer | Sequential):
                raise BuildError(f"{path}.{i}: expected a layer, got {part!r:.80}")
    made = rebuilt(node, path, lambda child, where: _made(child, where, make_layer))
    return Chain(*made.parts) if isinstance(made, Sequential) else made


def _chain(body: Layer | Sequential, path: str, make_layer: MakeLayer) -> nn.Module:
    """The modules of a body that is no graph."""
    made: nn.Module = _made(body, path, make_layer)
    return Chain(made) if isinstance(body, Layer) else made


def _construct(node: Layer, path: str, plan: Plan) -> nn.Module:
    """The real module of a layer, with what the dry run found."""
    resolved = plan.layers.get(path)
    given = resolved.arguments if resolved else node.arguments

    def make(inner: Layer, where: str) -> nn.Module:
        return _construct(inner, where, plan)

    return _call(node, path, _made(given, path, make), "no input reached it in the dry run")


def _call(node: Layer, path: str, arguments: dict[str, Any], context: str) -> nn.Module:
    try:
        module = node.factory(**arguments)
    except NasError:
        raise
    except Exception as error:
        raise BuildError(f"{path}: {node.label} cannot be made ({context}): {error}") from error
    if not isinstance(module, nn.Module):
        raise BuildError(f"{path}: {node.label} must be the whole body, it stands for no part of one")
    return module


class _Deferred(nn.Module):
    """A layer of the outline: made when its first input arrives, which tells its sizes."""

    def __init__(self, node: Layer, path: str, plan: Plan, around: Tensor | None = None) -> None:
        super().__init__()
        self.node, self.path, self.plan, self.around = node, path, plan, around
        self.module: nn.Module | None = None

    @property
    def stands_for(self) -> Callable[..., Any]:
        """The class of the module to be made: what its ``forward`` takes, this takes."""
        return self.node.factory

    def __deepcopy__(self, memo: dict[int, Any]) -> _Deferred:
        # modules that clone a layer they are given (transformers) get another to be made at its place
        return _Deferred(self.node, self.path, self.plan, self.around)

    def __getattr__(self, name: str) -> Any:
        # a module around this one looks inside before it passes anything on: suppose its own input
        try:
            return super().__getattr__(name)
        except AttributeError:
            around = self.__dict__.get("around")
            if name == "module" or (self.module is None and around is None):
                raise
            if self.module is None:
                self._realise([around] if around is not None else [])
            return getattr(self.module, name)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        tensors = [item for item in inputs if isinstance(item, Tensor)]
        first = tensors[0] if tensors else None
        if self.module is None:
            self._realise(tensors)
        assert self.module is not None
        try:
            answer = self.module(*inputs, **options)
        except NasError:
            raise
        except Exception as error:
            raise BuildError(
                f"{self.path}: {self.node.label} cannot take an input of shape {shape_of(first)}: {error}"
            ) from error
        resolved = self.plan.layers[self.path]
        out = answer[0] if isinstance(answer, tuple) else answer
        resolved.output_shape = tuple(out.shape[1:]) if isinstance(out, Tensor) else ()
        resolved.num_params = sum(parameter.numel() for parameter in self.module.parameters())
        return answer

    def realised(self) -> nn.Module:
        """The module, made without an input: it has no size of its own."""
        self._realise([])
        assert self.module is not None
        return self.module

    def _realise(self, tensors: list[Tensor]) -> None:
        """Make the module, with the sizes of its inputs."""
        first = tensors[0] if tensors else None
        arguments = resolved_arguments(self.node, self.path, tensors, self.plan.texts)
        resolved = self.plan.layers.setdefault(self.path, Resolved(arguments, shape_of(first)))

        def make(node: Layer, path: str) -> nn.Module:
            return _Deferred(node, path, self.plan, around=first)

        made = _made(resolved.arguments, self.path, make)
        self.module = _call(self.node, self.path, made, f"for an input of shape {shape_of(first)}")
