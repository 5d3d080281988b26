"""Which source of data each step of a training learns from, where a problem's examples have several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import get_args

import torch
from torch import Generator, Tensor

from workers.recipe import Sampling

POLICIES: tuple[Sampling, ...] = get_args(Sampling)

_MEMORY = 0.9
"""What a running loss keeps of itself when it is told the next one."""
_READ = 10
"""Losses are read back once in so many steps: each time a GPU has to wait."""
_LEAST = 0.05
"""A domain's weight never falls below this, so that its running loss does not grow stale."""


class Sampler:
    """The domain of each step of an epoch; as many steps in each, whatever the policy.

    ``round_robin``: the domains in turn. ``proportional``: each as often as it has batches, in random order.
    ``alternate``: one domain for each epoch, in turn. ``uncertainty``: drawn in proportion to the running
    training loss relative to the domain's first, so that what is learnt slowly is trained more (after the
    dynamic sampling of Gottumukkala et al. 2020, which weighs by metrics).

    Args:
        policy: one of the four; ``mixed`` needs no sampler.
        steps: how many batches each domain has.
    """

    def __init__(self, policy: Sampling, steps: Sequence[int]) -> None:
        self._policy, self._steps = policy, list(steps)
        weighs = policy == "uncertainty"
        # NaN: not told of yet.
        self._first, self._running = (torch.full((len(steps) if weighs else 0,), math.nan) for _ in range(2))
        self._told: list[tuple[int, Tensor | float]] = []

    def epoch(self, number: int, generator: Generator) -> Iterator[int]:
        """Yields the domain of each step of an epoch, drawn as it goes.

        Args:
            number: the number of the epoch, from 1.
            generator: the generator of what is random, on the CPU.
        """
        count, total = len(self._steps), sum(self._steps)
        if self._policy == "alternate":
            yield from itertools.repeat((number - 1) % count, total)
        elif self._policy == "round_robin":
            # An epoch goes on where the one before it ended.
            yield from ((step + (number - 1) * total) % count for step in range(total))
        elif self._policy == "proportional":
            domains = torch.arange(count).repeat_interleave(torch.tensor(self._steps))
            yield from domains[torch.randperm(total, generator=generator)].tolist()
        else:
            for step in range(total):
                if step % _READ == 0:
                    self._read()
                    weights = (self._running / self._first).nan_to_num(1.0, 1.0, 1.0).clamp(min=_LEAST)
                yield int(torch.multinomial(weights, 1, generator=generator))

    def told(self, domain: int, loss: Tensor | float) -> None:
        """Counts a step's training loss: a scalar, on any device; only ``uncertainty`` looks at it."""
        if self._policy == "uncertainty":
            self._told.append((domain, loss))

    def state(self) -> dict[str, Tensor]:
        """What it remembers of the losses, by name; to be copied into where a training goes on."""
        self._read()
        return {"first": self._first, "running": self._running} if len(self._first) else {}

    def _read(self) -> None:
        for domain, told in self._told:
            loss = float(told)
            if self._first[domain].isnan():
                self._first[domain] = self._running[domain] = loss
            else:
                self._running[domain] = _MEMORY * float(self._running[domain]) + (1 - _MEMORY) * loss
        self._told.clear()
