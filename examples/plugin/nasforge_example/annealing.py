"""Simulated annealing: the neighbour of the present network is taken if it is better, or by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from controllers import Controller, Draft, Limit, Objective, Outcome, Proposal
from search_spaces import Architecture


class Annealing(Controller):
    """Simulated annealing over architectures (Kirkpatrick, Gelatt & Vecchi, Science 1983).

    Args:
        space: The space to search.
        objectives: The objective; one.
        temperature: The temperature at the beginning, in units of the objective.
        cooling: The factor by which each result lowers the temperature, above 0 and up to 1.
        limits: The limits that a network must keep; one that breaks a limit is never moved to.
        seed: The only source of randomness.
        repeats: Whether proposals may repeat networks.
    """

    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        temperature: float = 0.1,
        cooling: float = 0.95,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        self.temperature, self.cooling = temperature, cooling
        self._here: tuple[Architecture, float] | None = None

    def _propose(self) -> Draft:
        if self._here is None:
            return self._draw()
        parent = self._here[0]
        return Draft(self.moves.mutate(parent, self.rng), (parent.id,), "mutation")

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        if outcome.failed or not outcome.feasible:
            return
        score = outcome.scores[0]
        gain = 0.0 if self._here is None else score - self._here[1]
        if self._here is None or gain >= 0 or self.rng.random() < math.exp(gain / self.temperature):
            self._here = proposal.architecture, score
        self.temperature = max(1e-9, self.temperature * self.cooling)
