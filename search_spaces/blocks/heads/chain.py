"""Linear chains of tags: their partition function, marginals and best path, for batches with padding.

The score of a sequence of tags is ``start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t-1,
y_t] + end[y_n]`` over its n real positions (Lafferty, McCallum and Pereira 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from search_spaces.blocks.pooling import full_precision

SMALL = 1e-30
"""The least that a transition is worth beside the best one: then each tag can be reached from each other, and
sums of products with it are numbers of float32."""
TINY = 1e-38
"""What is divided by where there is nothing."""


@dataclass(frozen=True)
class Scores:
    """What a chain is scored by: ``emissions (N, L, T)``, ``transitions (T, T)`` from one tag to the next,
    ``start (T,)`` and ``end (T,)``; ``real (N, L)`` says which positions there are."""

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor
    real: Tensor


@dataclass(frozen=True)
class Sums:
    """Sums over all sequences of tags.

    Attributes:
        log_partition: the log of the summed exponentials of the scores, ``(N,)``; 0 where nothing is real.
        marginals: the probability of each tag at each position, ``(N, L, T)``; 0 where it is not real.
        pairs: the expected number of each transition, ``(T, T)``, in a weighted sum over the examples.
        first, last: the first and the last real position, bool ``(N, L)``.
    """

    log_partition: Tensor
    marginals: Tensor
    pairs: Tensor
    first: Tensor
    last: Tensor


@torch.no_grad()
def sum_over_tags(scores: Scores, weights: Tensor | None = None) -> Sums:
    """The forward-backward algorithm, scaled at each position (Rabiner 1989, section V.A).

    Both directions go in one loop over the positions, in which all is one product of matrices for each.

    Args:
        scores: the scores; minus infinity forbids a tag at a position.
        weights: the weight of each example in ``pairs``, ``(N,)``; None: 1.
    """
    emissions, real = scores.emissions.float(), scores.real
    length = emissions.shape[1]
    top = emissions.amax(2, keepdim=True)
    potentials = (emissions - top).exp()
    # by position, then direction: forwards, backwards
    steps = torch.stack([potentials, potentials.flip(1)]).permute(2, 0, 1, 3).contiguous()
    there = torch.stack([real, real.flip(1)]).permute(2, 0, 1).unsqueeze(3)
    first = there & (there.cumsum(0) == 1)
    matrix, offset = _exponential(scores.transitions)
    (start, start_offset), (end, end_offset) = _exponential(scores.start), _exponential(scores.end)
    matrices, begin = torch.stack([matrix, matrix.T]), torch.stack([start, end]).unsqueeze(1)

    # Before the first real position the state is zeros; where nothing is real, it stays as it is.
    states = torch.zeros((length + 1, *steps.shape[1:]), device=emissions.device)
    arrivals, norms = torch.empty_like(steps), torch.empty_like(steps[..., :1])
    begins, moves, stays = first.float(), there.float(), (~there).float()
    with full_precision(emissions):
        for t in range(length):
            arriving = torch.baddbmm(begin * begins[t], states[t], matrices, out=arrivals[t])
            leaving = arriving * steps[t]
            norm = torch.sum(leaving, 2, keepdim=True, out=norms[t]).clamp_(min=TINY)
            torch.mul(states[t], stays[t], out=states[t + 1]).addcmul_(leaving, moves[t] / norm)

        from_end = states[1:, 1].flip(0)
        joint = arrivals[:, 0] * from_end
        total = joint.sum(2, keepdim=True).clamp(min=TINY)
        # expected transitions into each position but the first
        into = (moves - begins)[:, 0] / total
        if weights is not None:
            into = into * weights.unsqueeze(1)
        pairs = matrix * (states[:-1, 0].flatten(0, 1).T @ (from_end * into).flatten(0, 1))

    marginals = joint * (moves[:, 0] / total)
    ending = (states[-1, 0] * end).sum(1).clamp(min=TINY).log() + start_offset + end_offset
    logs = norms[:, 0].log() + top.transpose(0, 1) + offset
    log_partition = (logs * moves[:, 0]).sum((0, 2)) + ending - offset
    return Sums(
        log_partition * real.any(1),
        marginals.transpose(0, 1),
        pairs,
        first[:, 0].squeeze(2).T,
        first[:, 1].flip(0).squeeze(2).T,
    )


def _exponential(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(scores - offset)`` between `SMALL` and 1, and the offset, their largest."""
    offset = scores.float().max()
    return (scores.float() - offset).exp().clamp(min=SMALL), offset


class _NegativeLogLikelihood(torch.autograd.Function):
    """Its derivatives are differences of expectations, so that no loop is differentiated."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        transitions: Tensor,
        start: Tensor,
        end: Tensor,
        real: Tensor,
        allowed: Tensor,
    ) -> Tensor:
        count = len(emissions)
        # all sequences of tags and those that are allowed, in one batch
        both = torch.cat([emissions, emissions.masked_fill(~allowed, float("-inf"))])
        signs = torch.ones(2 * count, device=emissions.device)
        signs[count:] = -1
        sums = sum_over_tags(Scores(both, transitions, start, end, real.repeat(2, 1)), signs)
        every, observed = sums.marginals.chunk(2)
        difference = every - observed
        at_first, at_last = (
            torch.where(where[:count].unsqueeze(2), difference, 0).sum((0, 1))
            for where in (sums.first, sums.last)
        )
        ctx.save_for_backward(
            *(one.to(emissions.dtype) for one in (difference, sums.pairs, at_first, at_last))
        )
        return (sums.log_partition * signs).sum().to(emissions.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (*(gradient * one for one in ctx.saved_tensors), None, None)


def negative_log_likelihood(scores: Scores, allowed: Tensor) -> Tensor:
    """Minus the log probability that the tags are among those allowed, summed over the examples.

    Where one tag is allowed at each position, that of the one sequence; where all are, nothing was observed.
    It can be differentiated once.

    Args:
        scores: the scores of all sequences.
        allowed: the tags that are allowed, at least one at each position; bool ``(N, L, T)``.
    """
    answer: Tensor = _NegativeLogLikelihood.apply(  # type: ignore[no-untyped-call]
        scores.emissions, scores.transitions, scores.start, scores.end, scores.real, allowed
    )
    return answer


@torch.no_grad()
def best_tags(scores: Scores) -> Tensor:
    """The sequence of tags with the highest score (Viterbi 1967): int64 ``(N, L)``, 0 where not real."""
    emissions, real = scores.emissions.double(), scores.real
    transitions = scores.transitions.double()
    count, length, tags = emissions.shape
    stay = torch.arange(tags, device=emissions.device).expand(count, tags)
    best, begun = scores.start.double().expand(count, tags), torch.zeros_like(real[:, 0])
    origins = []
    for t in range(length):
        arriving, origin = (best.unsqueeze(2) + transitions).max(1)
        arriving = torch.where(begun.unsqueeze(1), arriving, best) + emissions[:, t]
        moved = (real[:, t] & begun).unsqueeze(1)
        origins.append(torch.where(moved, origin, stay))
        best = torch.where(real[:, t].unsqueeze(1), arriving, best)
        begun = begun | real[:, t]
    tag = (best + scores.end.double()).argmax(1, keepdim=True)
    path = []
    for t in reversed(range(length)):
        path.append(tag)
        tag = origins[t].gather(1, tag)
    return torch.cat(path[::-1], 1).masked_fill(~real, 0)
