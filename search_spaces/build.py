"""From an architecture to a network: sizes found in a dry run on the meta device, heads added.

A first pass builds an outline on the meta device, in which every layer is made when its first input arrives,
so that its sizes can be read off. A second pass makes the real modules with the arguments so found.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from search_spaces.blocks.graph import Graph
from search_spaces.blocks.heads import default_head
from search_spaces.composite import Composite
from search_spaces.dryrun import dry_run
from search_spaces.errors import BuildError, NasError
from search_spaces.network import Chain, Network, answer_of
from search_spaces.nodes import Layer, Model, Sequential, Size, constructor
from search_spaces.signature import Signature, Tagging, Tokens

BATCH = 2
"""Examples in a dry run: batch normalisation refuses a batch of one."""

SIZES = {
    "in_channels": 1,
    "num_channels": 1,
    "num_features": 1,
    "in_features": -1,
    "input_size": -1,
    "embed_dim": -1,
    "d_model": -1,
    "normalized_shape": -1,
}
"""Arguments that only repeat the input's size, and the axis it is read from."""


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
    """

    body: Layer | Sequential
    layers: dict[str, Resolved] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


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
        body = _make(plan.body, model.where, lambda node, path: _construct(node, path, plan))
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


def expanded(model: Model, signature: Signature) -> Layer | Sequential:
    """The body of a model as it is built for a signature: a composite in its place is written out.

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
            made = _Deferred(body, model.where, plan, signature).realised()
        else:
            made = _make(body, model.where, lambda node, path: _Deferred(node, path, plan, signature))
        encoding = Network(made, [], signature).encode(signature.example(BATCH, device))
        if isinstance(made, Graph):
            plan.shapes = made.shapes
        for task, features in encoding.features.items():
            pair = features if isinstance(features, tuple) else (features,)
            for tensor in pair:
                if not isinstance(tensor, Tensor):
                    raise BuildError(f"the model answers {type(tensor).__name__}, expected a tensor")
            shapes = tuple(_shape(tensor) for tensor in pair)
            plan.features[task] = shapes if isinstance(features, tuple) else shapes[0]
        heads = _heads(model, plan, signature)
        for task, head in zip(signature.tasks, heads, strict=True):
            answer_of(head, encoding.features[task], encoding.masks[task])
        return Network(made, heads, signature), plan


def _heads(model: Model, plan: Plan, signature: Signature) -> list[nn.Module]:
    heads = []
    for name, task in signature.tasks.items():
        node = model.heads.get(name) or Layer(default_head(task))
        arguments = {**node.arguments, "task": task, "shape": plan.features[name]}
        if "length" in constructor(node.factory).parameters and isinstance(task, Tagging):
            (arguments["length"], *_) = signature.inputs[signature.tagged_input(name)].shape
        heads.append(_call(node, f"model.heads.{name}", arguments, f"for features {plan.features[name]}"))
    return heads


def _make(node: Layer | Sequential, path: str, make_layer: Any) -> nn.Module:
    """The modules of a model in a chain; ``make_layer(node, path)`` makes each layer."""
    if isinstance(node, Layer):
        return Chain(make_layer(node, path))
    modules = []
    for i, part in enumerate(node.parts):
        where = f"{path}.{i}"
        if isinstance(part, Layer):
            modules.append(make_layer(part, where))
        elif isinstance(part, Sequential):
            modules.append(_make(part, where, make_layer))
        else:
            raise BuildError(f"{where}: expected a layer, got {part!r:.80}")
    return Chain(*modules)


def _arguments(value: Any, path: str, make_layer: Any) -> Any:
    """An argument with the layers in it made."""
    if isinstance(value, Layer):
        return make_layer(value, path)
    if isinstance(value, Sequential):
        return _make(value, path, make_layer)
    if isinstance(value, dict):
        return {key: _arguments(member, f"{path}.{key}", make_layer) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_arguments(member, f"{path}.{i}", make_layer) for i, member in enumerate(value))
    return value


def _construct(node: Layer, path: str, plan: Plan) -> nn.Module:
    """The real module of a layer, with what the dry run found."""
    resolved = plan.layers.get(path)
    given = resolved.arguments if resolved else node.arguments

    def make(inner: Layer, where: str) -> nn.Module:
        return _construct(inner, where, plan)

    arguments = {key: _arguments(value, f"{path}.{key}", make) for key, value in given.items()}
    return _call(node, path, arguments, "no input reached it in the dry run")


def _call(node: Layer, path: str, arguments: dict[str, Any], context: str) -> nn.Module:
    try:
        module = node.factory(**arguments)
    except NasError:
        raise
    except Exception as error:
        raise BuildError(f"{path}: {node.label} cannot be made ({context}): {error}") from error
    assert isinstance(module, nn.Module)
    return module


class _Deferred(nn.Module):
    """A layer of the outline: made when its first input arrives, which tells its sizes."""

    def __init__(
        self, node: Layer, path: str, plan: Plan, signature: Signature, around: Tensor | None = None
    ) -> None:
        super().__init__()
        self.node, self.path, self.plan, self.signature, self.around = node, path, plan, signature, around
        self.module: nn.Module | None = None

    @property
    def stands_for(self) -> Callable[..., Any]:
        """The class of the module to be made: what its ``forward`` takes, this takes."""
        return self.node.factory

    def __deepcopy__(self, memo: dict[int, Any]) -> _Deferred:
        # modules that clone a layer they are given (transformers) get another to be made at its place
        return _Deferred(self.node, self.path, self.plan, self.signature, self.around)

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
                f"{self.path}: {self.node.label} cannot take an input of shape {_shape(first)}: {error}"
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
        arguments = _resolve(self.node, self.path, tensors, self.signature)
        resolved = self.plan.layers.setdefault(self.path, Resolved(arguments, _shape(first)))

        def make(node: Layer, path: str) -> nn.Module:
            return _Deferred(node, path, self.plan, self.signature, around=first)

        made = {key: _arguments(v, f"{self.path}.{key}", make) for key, v in resolved.arguments.items()}
        self.module = _call(self.node, self.path, made, f"for an input of shape {_shape(first)}")


def _shape(first: Tensor | None) -> tuple[int, ...]:
    """The shape of one example."""
    return () if first is None else tuple(first.shape[1:])


def _resolve(node: Layer, path: str, inputs: list[Tensor], signature: Signature) -> dict[str, Any]:
    """The arguments of a layer with the sizes of its inputs filled in."""
    first = inputs[0] if inputs else None
    parameters = constructor(node.factory).parameters
    arguments = dict(node.arguments)
    for name, parameter in parameters.items():
        if name in arguments:
            if isinstance(arguments[name], Size):
                arguments[name] = _size(first, arguments[name].axis, f"{path}.{name}")
        elif name == "batch_first":
            arguments[name] = True
        elif name == "vocabulary":
            arguments[name] = _vocabulary(signature)
        elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            if name == "in_shapes":
                arguments[name] = tuple(map(_shape, inputs))
            elif name in SIZES:
                arguments[name] = _size(first, SIZES[name], f"{path}.{name}")
            elif name == "num_embeddings" and _vocabulary(signature) is not None:
                arguments[name] = _vocabulary(signature)
            else:
                raise BuildError(
                    f"{path}: {node.label} needs {name!r}, which is not a size of its input: "
                    f"give it a value, or {name}=size(axis)"
                )
    return arguments


def _size(first: Tensor | None, axis: int, where: str) -> int:
    if first is None or not -first.dim() <= axis < first.dim():
        shape = "no tensor" if first is None else f"an input of shape {tuple(first.shape[1:])}"
        raise BuildError(f"{where}: cannot read the size of axis {axis} from {shape}")
    return int(first.shape[axis])


def _vocabulary(signature: Signature) -> int | None:
    """The number of tokens, where exactly one input consists of them."""
    sizes = [kind.vocabulary for kind in signature.inputs.values() if isinstance(kind, Tokens)]
    return sizes[0] if len(sizes) == 1 else None
