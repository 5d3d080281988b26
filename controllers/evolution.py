"""Regularized (aging) evolution: tournaments in a population from which the oldest, not the worst, dies."""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

from controllers import ranking
from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from controllers.population import Individual, is_starting
from search_spaces import Architecture
from search_spaces.arguments import AtLeast, Count, Share, checked
from search_spaces.errors import ControllerError

# for budgets from some dozens to many thousands: few founders, so that selection starts early, and a
# population large enough to stay diverse later
POPULATION, FOUNDERS = 50, 20


class RegularizedEvolution(Controller):
    """Aging evolution, after E. Real et al., "Regularized Evolution for Image Classifier Architecture
    Search", AAAI 2019 (Algorithm 1), made asynchronous: a parent is drawn among those told so far.

    A child is its parent with one active decision moved to another value or, with probability `crossover`, a
    uniform crossover of two parents. Infeasible trials live in the population and compete by how much they
    break the limits; failed ones never enter it.

    The published setting on NAS-Bench-201 is `population=10, sample=3, crossover=0.0, repeats=True`.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        population: the number of the latest results that are alive, and of founders that are drawn at random.
            None: 50 alive, of which 20 founders.
        sample: the size of a tournament, drawn with replacement. None: half of those alive.
        crossover: the probability of a crossover instead of a mutation, from 0 to 1.
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
        population: Annotated[int, AtLeast(2)] | None = None,
        sample: Count | None = None,
        crossover: Share = 0.2,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        self.population = POPULATION if population is None else population
        self.founders = FOUNDERS if population is None else population
        self.sample = sample
        self.crossover = crossover
        self._alive: deque[Individual] = deque()
        self._places: list[int] | None = None  # with several objectives: place of each among those alive

    def _propose(self) -> Draft:
        if is_starting(self, len(self._alive), self.founders):
            return self._draw()  # Alg. 1: initialize population
        first = self._parent()
        if self.crossover > 0.0 and self.rng.random() < self.crossover:
            second = self._parent()
            if second.id != first.id:
                child = self.moves.cross(first, second, self.rng)
                return Draft(child, (first.id, second.id), "crossover")
        return Draft(self.moves.mutate(first, self.rng), (first.id,), "mutation")  # Alg. 1: MUTATE(parent)

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        if outcome.failed:
            return
        self._alive.append(Individual(proposal.architecture, outcome))  # Alg. 1: add child to right
        while len(self._alive) > self.population:
            self._bury()
        self._places = None

    def _bury(self) -> None:
        """Lets the oldest die, but infeasible ones first: many of them may come while one other trains."""
        for index, individual in enumerate(self._alive):
            if not individual.outcome.feasible:
                del self._alive[index]
                return
        self._alive.popleft()  # Alg. 1: remove dead from left of population

    def _parent(self) -> Architecture:
        """Returns the winner of a tournament among those alive; the first drawn wins a tie."""
        size = len(self._alive)
        contestants = max(2, size // 2) if self.sample is None else self.sample
        drawn = [int(self.rng.random() * size) for _ in range(contestants)]  # Alg. 1: add candidate to sample
        if len(self.objectives) == 1:
            winner = max(drawn, key=lambda index: ranking.key(self._alive[index].outcome))
        else:
            if self._places is None:
                self._places = [0] * size
                order = ranking.order([individual.outcome for individual in self._alive])
                for place, index in enumerate(order):
                    self._places[index] = place
            winner = min(drawn, key=self._places.__getitem__)
        return self._alive[winner].architecture
