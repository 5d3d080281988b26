"""Stands for layers that torch takes long over on the meta device: linear layers, attention, LSTM and GRU.

Each makes the same multiply-adds and keeps as much for the backward pass as torch's own. A recurrent layer
makes them for all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.building.counters import counted_as

_KEPT = 7
"""Numbers that a recurrent layer keeps for each position and hidden feature.

An LSTM's are four gates, the cell, its tanh and the answer; a GRU, as torch computes it, keeps as many.
"""

_OPERATORS = {1: 2, 2: 0}
"""The operators that count for a step of a layer with one state (GRU) or two (LSTM).

Of a GRU torch makes a dozen small ones on a CPU, which take as long as two; an LSTM is one, all steps in all.
"""


def stand_in(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``func(*args, **kwargs)`` answers in shape, if there is a stand-in for it.

    None where there is none, or where the sizes do not fit, so that torch may say what is wrong.
    """
    stands = _STAND_INS.get(func)
    return None if stands is None else stands(*args, **kwargs)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if ctx.needs_input_grad[1]:
            ctx.save_for_backward(input)
        return F.linear(input, weight)


class _Attention(torch.autograd.Function):
    """Attention as fused kernels do it: of the weights they keep only each query's sum."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        weights = query @ key.transpose(-1, -2)
        answer = weights @ value
        ctx.save_for_backward(query, key, value, answer, weights.new_empty(weights.shape[:-1]))
        return answer


class _Recurrent(torch.autograd.Function):
    """One direction of one recurrent layer, over ``(L, N, F)``."""

    @staticmethod
    def forward(
        ctx: Any, states: int, input: Tensor, to_gates: Tensor, again: Tensor, *biases: Tensor
    ) -> Tensor:
        length, batch, hidden = *input.shape[:2], again.shape[1]
        answer = input.new_empty(length, batch, hidden)
        F.linear(input, to_gates)
        with counted_as(1 + length * _OPERATORS[states]):
            F.linear(answer, again)
        ctx.save_for_backward(input, input.new_empty(length, batch, _KEPT * hidden))
        return answer


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    if bias is None or weight.dim() != 2 or input.dim() < 2 or input.shape[-1] != weight.shape[1]:
        return None
    return _Linear.apply(input, weight, bias)  # type: ignore[no-untyped-call]


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *_: Any, **__: Any
) -> Any:
    weights = torch.Size((*query.shape[:-1], key.shape[-2]))
    fits = (
        query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
        and (attn_mask is None or _fits(attn_mask.shape, weights))
    )
    return _Attention.apply(query, key, value) if fits else None  # type: ignore[no-untyped-call]


def _fits(shape: torch.Size, other: torch.Size) -> bool:
    """Whether a tensor of ``shape`` is spread over one of the ``other``."""
    return len(shape) <= len(other) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(other), strict=False)
    )


def _recurrent(states: int, args: tuple[Any, ...]) -> Any:
    """An LSTM's answer (two states) or a GRU's (one), if the batch is not packed."""
    # of packed sequences the fourth argument is not a truth value but weights
    if len(args) != 9 or not isinstance(args[3], bool):
        return None
    input, _, weights, bias, layers, _, _, bidirectional, batch_first = args
    directions = 2 if bidirectional else 1
    each = 4 if bias else 2
    if input.dim() != 3 or len(weights) != layers * directions * each:  # those of projections are more
        return None
    signal = input.transpose(0, 1) if batch_first else input
    ends: list[Tensor] = []
    for i in range(0, len(weights), directions * each):
        answers = []
        for j in range(i, i + directions * each, each):
            if weights[j].shape[1] != signal.shape[-1]:
                return None
            answers.append(_Recurrent.apply(states, signal, *weights[j : j + each]))  # type: ignore[no-untyped-call]
        ends += [answer[-1] for answer in answers]
        signal = answers[0] if directions == 1 else torch.cat(answers, -1)
    last = torch.stack(ends)
    return (signal.transpose(0, 1) if batch_first else signal, *(last.clone() for _ in range(states)))


_STAND_INS: dict[Any, Callable[..., Any]] = {
    F.linear: _linear,
    F.scaled_dot_product_attention: _attention,
    torch.lstm: lambda *args: _recurrent(2, args),
    torch.gru: lambda *args: _recurrent(1, args),
}
