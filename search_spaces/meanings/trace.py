"""A dry run in which each feature is followed from the tensor that makes it to those that take it.

Beside a tensor of the network there goes one of whole numbers of the same shape: the labels of its features;
beside a parameter there goes one for each of its axes, which says from which index of it a number is. What
moves numbers moves these; what makes features gives them new labels; and where a parameter meets features its
axes are noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from search_spaces.building.network import Network
from search_spaces.meanings import flow
from search_spaces.meanings.flow import Flows
from search_spaces.meanings.notes import Notes, Tag, features_of, put, spread, tag_of
from search_spaces.meanings.rules import follow

_UNEXPECTED = (TypeError, ValueError, RuntimeError, LookupError, AttributeError)


def trace(network: Network, inputs: dict[str, Tensor], notes: Notes, flows: Flows) -> None:
    """Runs a network, and notes what its tensors meet. The network is of no use afterwards.

    Args:
        network: the network, in training: its normalisations are those of batches.
        inputs: a batch of at least two examples.
        notes: where it is noted.
        flows: where it is noted what is new, and how it begins.
    """
    with torch._C.DisableTorchFunction():
        tensors = [*network.named_parameters(), *network.named_buffers()]
        notes.begin(tensors, inputs)
        flows.begin(tensors, inputs)
    for name, module in network.named_modules():
        if isinstance(module, nn.RNNBase):
            module.forward = _recurrent(name, module, notes, flows)
    with _Following(notes, flows):
        answers = network.train()(inputs)
    for answer in answers.values() if isinstance(answers, Mapping) else [answers]:
        for one in _tensors([answer]):
            flows.end(flow.flow_of(one))


class _Following(TorchFunctionMode):
    """Lets the rules see each operator, with its answer."""

    def __init__(self, notes: Notes, flows: Flows) -> None:
        super().__init__()
        self._notes, self._flows = notes, flows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        answer = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name == "__get__":  # of an attribute, such as the shape
            name = getattr(getattr(func, "__self__", None), "__name__", "")
            if name not in ("T", "mT"):
                return answer
        with torch._C.DisableTorchFunction(), suppress(*_UNEXPECTED):
            self._flows.follow(name, args, kwargs, answer)
        answers = [*_tensors([answer])]
        if answers and any(map(tag_of, _tensors([*args, *kwargs.values()]))):
            # one that is called as no rule expects it answers features of which nothing is known
            with torch._C.DisableTorchFunction(), suppress(*_UNEXPECTED):
                follow(self._notes, name, args, kwargs, answer)
        return answer


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _recurrent(name: str, module: nn.RNNBase, notes: Notes, flows: Flows) -> Callable[..., Any]:
    """Stands for the forward of an RNN, an LSTM or a GRU: its gates, one after another, are a grid."""
    gates = {"LSTM": 4, "GRU": 3}.get(module.mode, 1)
    directions = 2 if module.bidirectional else 1
    size = module.proj_size or module.hidden_size
    tensors = dict(module.named_parameters())

    def forward(input: Any, state: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            came = features_of(input)
            labels = None if came is None else came.flatten(0, -2).amax(0)
            for layer in range(module.num_layers):
                ends = []
                for direction in range(directions):
                    end = f"_l{layer}" + "_reverse" * direction
                    rows = notes.produce(
                        f"{name}.weight_ih{end}", gates * module.hidden_size, grid=(gates, module.hidden_size)
                    )
                    own = notes.produce(f"{name}.weight_hh{end}", size)
                    notes.makes |= {f"{name}.weight_ih{end}": 0, f"{name}.weight_hh{end}": 0}
                    for tensor in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                        notes.meet_along(tag_of(tensors.get(tensor + end)), 0, rows)
                    if labels is not None:
                        notes.meet_along(tag_of(tensors[f"weight_ih{end}"]), 1, labels)
                    notes.meet_along(tag_of(tensors[f"weight_hh{end}"]), 1, own)
                    ends.append(own)
                labels = torch.cat(notes.labels.beside(ends)) if len(ends) > 1 else ends[0]
        answer = input.new_empty(*input.shape[:-1], size * directions)
        with torch._C.DisableTorchFunction():
            assert labels is not None
            put(answer, Tag(spread(labels, answer.shape, answer.dim() - 1)))
        batch = input.shape[0 if module.batch_first else 1] if input.dim() > 2 else None
        shape = (module.num_layers * directions, *([] if batch is None else [batch]), size)
        last = input.new_empty(shape)
        cell = input.new_empty(*shape[:-1], module.hidden_size)
        made = flows.take(
            filter(None, [flow.flow_of(input)]), filter(None, map(flow.flow_of, tensors.values()))
        )
        for one in (answer, last, cell):
            flow.put(one, made)
        return answer, (last, cell) if module.mode == "LSTM" else last

    return forward
