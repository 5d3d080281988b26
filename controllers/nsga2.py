"""NSGA-II: a population kept along the whole front of several objectives."""

from collections.abc import Sequence
from typing import Annotated, Any

from controllers import ranking
from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from controllers.population import Individual, is_starting
from search_spaces import Architecture
from search_spaces.arguments import AtLeast, Count, Share, checked
from search_spaces.errors import ControllerError


class NSGA2(Controller):
    """Elitist genetic algorithm for several objectives, after K. Deb, A. Pratap, S. Agarwal and T. Meyarivan,
    "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE TEC 2002.

    In its steady-state form, so that no ask waits for a generation to end: every result joins the population
    at once, and the last one by the crowded comparison leaves it (J. J. Durillo, A. J. Nebro, F. Luna and
    E. Alba, "On the Effect of the Steady-State Selection Scheme in Multi-Objective Genetic Algorithms", EMO
    2009).

    Parents win tournaments by non-dominated front, then by crowding distance. Limits count as constrained
    domination: the feasible before the infeasible, these by their violation. Failed trials never enter. A
    child is a uniform crossover of two parents with probability `crossover`, else a copy of one, in which one
    decision is moved to another value (always in a copy, else with probability `mutation`).
    With a single objective it is an elitist genetic algorithm.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        population: the number of results that are kept.
        founders: the number of networks that are drawn at random to begin with. None: as many as are kept, at
            most 20.
        sample: the size of a tournament, drawn with replacement. None: a quarter of those alive (the paper's
            2 is slow to begin, at the few hundred evaluations that there usually are).
        crossover: the probability of a crossover, from 0 to 1.
        mutation: the probability of a mutation after a crossover, from 0 to 1.
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Raises:
        ControllerError: a parameter is out of its range.
    """

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        population: Annotated[int, AtLeast(2)] = 50,
        founders: Count | None = None,
        sample: Count | None = None,
        crossover: Share = 0.5,
        mutation: Share = 0.5,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        self.population = population
        self.founders = min(population, 20) if founders is None else founders
        self.sample = sample
        self.crossover = crossover
        self.mutation = mutation
        self._alive: list[Individual] = []  # the best first, once selected
        self._selected = True

    def _propose(self) -> Draft:
        if is_starting(self, len(self._alive), self.founders):
            return self._draw()
        if not self._selected:
            self._select()
        first = self._parent()
        if self.rng.random() < self.crossover:
            second = self._parent()
            if second.id != first.id:
                child = self.moves.cross(first, second, self.rng)
                if self.rng.random() < self.mutation:
                    child = self.moves.mutate(child, self.rng)
                return Draft(child, (first.id, second.id), "crossover")
        return Draft(self.moves.mutate(first, self.rng), (first.id,), "mutation")

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        if outcome.failed:
            return
        self._alive.append(Individual(proposal.architecture, outcome))
        self._selected = False
        if len(self._alive) >= 2 * self.population:  # told without being asked
            self._select()

    def _select(self) -> None:
        """Orders the population by front and crowding, and lets the last ones go."""
        # Deb et al. 2002: the crowded-comparison operator, over the constrained domination of definition 1
        order = ranking.order([individual.outcome for individual in self._alive])
        self._alive = [self._alive[index] for index in order[: self.population]]
        self._selected = True

    def _parent(self) -> Architecture:
        """Returns the winner of a tournament: the first in order of those drawn."""
        size = len(self._alive)
        contestants = max(2, size // 4) if self.sample is None else self.sample
        return self._alive[min(int(self.rng.random() * size) for _ in range(contestants))].architecture
