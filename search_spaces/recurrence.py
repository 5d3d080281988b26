"""Stands for LSTM and GRU on the meta device: their products at once, not step after step.

torch takes a chain of operators for every step of a sequence there, tens of milliseconds for a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_KEPT = 7
"""Numbers that the backward pass needs for each position and hidden feature.

An LSTM's are four gates, the cell, its tanh and the answer; a GRU's, as torch computes it, are as many.
"""


class _Layer(torch.autograd.Function):
    """One direction of one layer: the same multiply-adds, and as much kept, as torch's own."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, to_gates: Tensor, again: Tensor, *biases: Tensor) -> Tensor:
        length, batch, hidden = *input.shape[:2], again.shape[1]
        answer = input.new_empty(length, batch, hidden)
        F.linear(input, to_gates)
        F.linear(answer, again)
        ctx.save_for_backward(input, input.new_empty(length, batch, _KEPT * hidden))
        return answer


def stand_in(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Tensor, ...] | None:
    """What ``func(*args)`` answers in shape, if it is torch's LSTM or GRU of a batch that is not packed.

    None where it is not, or where the sizes do not fit, so that torch may say what is wrong.
    """
    # of packed sequences the fourth argument is not a truth value but weights
    if func not in (torch.lstm, torch.gru) or len(args) != 9 or not isinstance(args[3], bool):
        return None
    input, _, weights, bias, layers, _, _, bidirectional, batch_first = args
    directions = 2 if bidirectional else 1
    each = 4 if bias else 2
    if input.dim() != 3 or len(weights) != layers * directions * each:  # those of projections are more
        return None
    signal = input.transpose(0, 1) if batch_first else input
    states: list[Tensor] = []
    for i in range(0, len(weights), directions * each):
        answers = []
        for j in range(i, i + directions * each, each):
            if weights[j].shape[1] != signal.shape[-1]:
                return None
            answers.append(_Layer.apply(signal, *weights[j : j + each]))  # type: ignore[no-untyped-call]
        states += [answer[-1] for answer in answers]
        signal = answers[0] if directions == 1 else torch.cat(answers, -1)
    answer, last = signal.transpose(0, 1) if batch_first else signal, torch.stack(states)
    return (answer, last, last.clone()) if func is torch.lstm else (answer, last)
