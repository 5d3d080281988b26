"""A network in outline: on the meta device, to find out its sizes, its shapes and what it costs.

Every layer of the outline is made when its first input arrives, so that its sizes can be read off.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.graph import Graph
from search_spaces.bounds import MOST, beyond
from search_spaces.building.cost import Cost
from search_spaces.building.counters import Counters
from search_spaces.building.dry_run import dry_run
from search_spaces.building.modules import chain, construct, heads, is_graph, with_modules
from search_spaces.building.network import Network, answer_of
from search_spaces.building.plan import Plan, Resolved
from search_spaces.building.sizes import Entries, resolved_arguments, shape_of
from search_spaces.building.work import Work
from search_spaces.errors import BuildError, NasError
from search_spaces.model import Model, graph_of
from search_spaces.nodes import Composite, Layer, Sequential
from search_spaces.signature import Signature

BATCH = 2
"""Examples in a dry run: batch normalisation refuses a batch of one."""


def outline(model: Model, signature: Signature, *, counted: bool = False) -> Plan:
    """Returns what is found while a first input goes through the network in outline.

    Args:
        model: what the network is built from.
        signature: what the network serves.
        counted: whether the cost and the work are counted, too.

    Raises:
        BuildError: it does not fit the signature.
    """
    body = expanded(model, signature)
    if len(signature.inputs) != 1 and not is_graph(body):
        raise BuildError(
            f"this model takes one input, the signature has {', '.join(signature.inputs)}: expected "
            f"{graph_of(body, signature)}, or a space of the catalog that joins them (multimodal)"
        )
    try:
        return _outline(model, body, signature, counted, "meta")
    except BuildError as error:
        # some modules look at numbers, or name their device: let them have real ones
        cause = error.__cause__
        if not isinstance(cause, NotImplementedError) and "meta" not in str(cause).lower():
            raise
        return _outline(model, body, signature, counted, "cpu")


def expanded(model: Model, signature: Signature | None = None) -> Layer | Sequential:
    """Returns the body of a model as it is built for a signature: a composite in its place is written out.

    Args:
        model: what the network is built from.
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


def _outline(
    model: Model, body: Layer | Sequential, signature: Signature, counted: bool, device: str
) -> Plan:
    plan, counters = Plan(body), Counters()
    with counters.watch() if counted else nullcontext(), dry_run(device):
        network = _run(model, plan, signature, device)
    if counted:
        held = counters.held_bytes(network.parameters())
        num_params = sum(p.numel() for p in network.parameters() if p.requires_grad)
        macs, batched = counters.num_macs() // BATCH, counters.num_batched_macs() // BATCH
        plan.cost = Cost(num_params, macs, activation_bytes=held // BATCH)
        plan.work = Work(
            num_operators=counters.num_operators(),
            num_written=counters.num_written() // BATCH,
            num_macs=macs - batched,
            num_batched_macs=batched,
            num_params=num_params,
        )
    return plan


def _run(model: Model, plan: Plan, signature: Signature, device: str) -> Network:
    """The network in outline, after an input went through it. Notes in ``plan`` what was found."""
    example = signature.example(BATCH, device)
    entries = [(example[name], kind) for name, kind in signature.inputs.items()]

    def make(node: Layer, path: str) -> _Deferred:
        return _Deferred(node, path, plan, entries)

    body: nn.Module
    if is_graph(plan.body):
        assert isinstance(plan.body, Layer)
        body = make(plan.body, model.where).realised()
        _check(body, model.where, signature)
    else:
        body = chain(plan.body, model.where, make)
    encoding = Network(body, [], signature).encode(example)
    if isinstance(body, Graph):
        plan.shapes = body.shapes
    for task, features in encoding.features.items():
        pair = features if isinstance(features, tuple) else (features,)
        for tensor in pair:
            if not isinstance(tensor, Tensor):
                raise BuildError(f"the model answers {type(tensor).__name__}, expected a tensor")
        shapes = tuple(shape_of(tensor) for tensor in pair)
        plan.features[task] = shapes if isinstance(features, tuple) else shapes[0]
    network = Network(body, heads(model, plan, signature), signature)
    for task, head in zip(signature.tasks, network.heads, strict=True):
        answer_of(head, encoding.features[task], encoding.masks[task])
        plan.head_params[task] = sum(parameter.numel() for parameter in head.parameters())
    return network


def _check(graph: nn.Module, where: str, signature: Signature) -> None:
    """Refuses a graph that needs other inputs or serves other tasks."""
    assert isinstance(graph, Graph)
    for name, (_, sources) in graph.calls.items():
        for source in sources:
            if source not in graph.calls and source not in signature.inputs:
                there = ", ".join((*signature.inputs, *graph.calls))
                raise BuildError(f"{where}: call {name!r}: expected sources from {there}, got {source!r}")
    if graph.outputs.keys() != signature.tasks.keys():
        wanted, got = ", ".join(signature.tasks), ", ".join(graph.outputs)
        raise BuildError(f"{where}: expected outputs for {wanted}, got {got}")


class _Deferred(nn.Module):
    """A layer of the outline: made when its first input arrives, which tells its sizes."""

    def __init__(
        self, node: Layer, path: str, plan: Plan, entries: Entries, around: Tensor | None = None
    ) -> None:
        super().__init__()
        self.node, self.path, self.plan, self.entries, self.around = node, path, plan, entries, around
        self.module: nn.Module | None = None

    @property
    def stands_for(self) -> Callable[..., Any]:
        """The class of the module to be made: what its ``forward`` takes, this takes."""
        return self.node.factory

    def __deepcopy__(self, memo: dict[int, Any]) -> _Deferred:
        # modules that clone a layer they are given (transformers) get another to be made at its place
        self.plan.copies += 1
        if self.plan.copies > MOST.modules:
            raise BuildError(beyond("modules", f"{self.path}: {self.node.label} is copied too often"))
        return _Deferred(self.node, self.path, self.plan, self.entries, self.around)

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
            shape = shape_of(first)
            raise BuildError(
                f"{self.path}: {self.node.label} cannot take an input of shape {shape}: {error}{self._hint()}"
            ) from error
        resolved = self.plan.layers[self.path]
        out = answer[0] if isinstance(answer, tuple) else answer
        resolved.output_shape = tuple(out.shape[1:]) if isinstance(out, Tensor) else ()
        resolved.num_params = sum(parameter.numel() for parameter in self.module.parameters())
        return answer

    def _hint(self) -> str:
        """What to do where a layer wants more inputs than come to it; nothing where it does not."""
        try:
            parameters = inspect.signature(self.node.factory.forward).parameters.values()  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            return ""
        wanted = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(wanted) <= 2:  # self and one input
            return ""
        return (
            f" (its forward takes {', '.join(wanted[1:])}, and a layer in a row gets one input: "
            "search_spaces.blocks.Graph says which inputs and answers go where)"
        )

    def realised(self) -> nn.Module:
        """The module, made without an input: it has no size of its own."""
        self._realise([])
        assert self.module is not None
        return self.module

    def _realise(self, tensors: list[Tensor]) -> None:
        """Makes the module, with the sizes of its inputs."""
        first = tensors[0] if tensors else None
        arguments = resolved_arguments(self.node, self.path, tensors, self.entries)
        resolved = self.plan.layers.setdefault(self.path, Resolved(arguments, shape_of(first)))

        def make(node: Layer, path: str) -> nn.Module:
            return _Deferred(node, path, self.plan, self.entries, around=first)

        made = with_modules(resolved.arguments, self.path, make)
        self.module = construct(self.node, self.path, made, f"for an input of shape {shape_of(first)}")
