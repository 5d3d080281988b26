"""Evolution on a surrogate: candidates are bred for what a model thinks of them, without any training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controllers.curves import Curves
from controllers.predictor.acquisition import Acquisition, ExpectedImprovement, ThompsonSampling
from controllers.predictor.features import Genomes
from controllers.predictor.scored_inputs import ScoredInputs
from controllers.predictor.surrogate import Surrogate
from controllers.records import Outcome
from controllers.scores import FEWEST, Hints
from search_spaces import Architecture, Space

Floats = NDArray[np.float64]

FOUNDERS = 100  # random genomes, and as many mutants of the best results
BEST = 20  # results that are mutated
SETTLING = 0.5  # how often expected improvement is asked rather than Thompson sampling
SETTLING_TOGETHER = 0.9  # with others in flight, whose believed results keep new ones away already
ROUNDS, PARENTS, CHILDREN = 4, 10, 50  # of breeding from the most promising candidates
SHORTLIST = 32  # the most promising candidates, whose scores are looked at


class Evolver:
    """Learns from results, and finds what to try next.

    Args:
        space: the space that is searched.
        curves: what foretells the scores of trials that have paused, of each objective.
        results: the largest number of results that the model learns from.
        seed: the seed of the choice among results when there are more.
    """

    def __init__(self, space: Space, curves: Sequence[Curves], results: int, seed: int) -> None:
        self.genomes = Genomes(space)
        self.surrogate = Surrogate(self.genomes, curves, results, np.random.default_rng(seed % 2**64))
        self._told: set[bytes] = set()
        self._scored: ScoredInputs | None = None

    def use_scores(self, hints: Hints, seed: int) -> None:
        """Looks at the scores of the most promising candidates, too, from now on."""
        self._scored = ScoredInputs(self.genomes, hints, seed)
        self.surrogate.use_scores(self._scored)

    def learn(self, architecture: Architecture, outcome: Outcome) -> None:
        """Records a result."""
        genome = self.genomes.encode(architecture)
        self._told.add(genome.tobytes())
        self.surrogate.add(architecture.id, genome, outcome)

    def observe(self, architecture: Architecture) -> None:
        """Records that a trial was seen before its end, whose score the curves foretell."""
        genome = self.genomes.encode(architecture)
        self._told.add(genome.tobytes())
        self.surrogate.observe(architecture.id, genome)

    def candidates(self, in_flight: Sequence[Architecture], seed: int) -> Floats:
        """Returns untried genomes, the most promising first; none when all that were bred are known."""
        rng = np.random.default_rng(seed)
        flying = np.array([self.genomes.encode(architecture) for architecture in in_flight])
        settling = SETTLING_TOGETHER if in_flight else SETTLING
        beliefs = self.surrogate.beliefs()
        if in_flight:
            beliefs = beliefs.believing(self.genomes.features(flying))
        kind = ExpectedImprovement if rng.random() < settling else ThompsonSampling
        ranked = self._evolve(kind(beliefs, rng), {genome.tobytes() for genome in flying}, rng)
        return ranked if self._scored is None else self._shortlisted(ranked, flying, kind, rng)

    def _shortlisted(
        self, ranked: Floats, flying: Floats, kind: type[Acquisition], rng: np.random.Generator
    ) -> Floats:
        """Returns candidates with the best of them in another order: by what their scores say, too.

        They stay as they are where the scores cannot be paid, and the more often the less probable the
        results are to the model of scores.
        """
        assert self._scored is not None
        needed = self._scored.num_new([*self.surrogate.selected().genomes, *flying])
        count = min(SHORTLIST, len(ranked), self._scored.affordable - needed)
        if count < FEWEST or rng.random() >= self.surrogate.weight_of_hints:
            return ranked
        beliefs = self.surrogate.hinted_beliefs()
        if len(flying):
            beliefs = beliefs.believing(self._scored(flying))
        values = kind(beliefs, rng)(self._scored(ranked[:count]), rng)
        order = np.argsort(-values, kind="stable")
        return np.concatenate([ranked[:count][order], ranked[count:]])

    def _evolve(self, acquisition: Acquisition, flying: set[bytes], rng: np.random.Generator) -> Floats:
        best = self.surrogate.best(BEST)
        parents = best[rng.integers(len(best), size=FOUNDERS)]
        founders = [self.genomes.sample(FOUNDERS, rng), self.genomes.mutate(parents, rng)]
        pool = distinct(np.concatenate(founders), self._told, flying)
        values = acquisition(self.genomes.features(pool), rng) if len(pool) else np.empty(0)
        bred = {genome.tobytes() for genome in pool}
        for _ in range(ROUNDS if len(pool) else 0):
            parents = pool[np.argsort(-values, kind="stable")[:PARENTS]]
            children = self.genomes.mutate(parents[rng.integers(len(parents), size=CHILDREN)], rng)
            children = distinct(children, self._told, flying, bred)
            if len(children):
                bred.update(genome.tobytes() for genome in children)
                pool = np.concatenate([pool, children])
                values = np.concatenate([values, acquisition(self.genomes.features(children), rng)])
        ranked: Floats = pool[np.argsort(-values, kind="stable")]
        return ranked


def distinct(genomes: Floats, *known: set[bytes]) -> Floats:
    """Returns the genomes without repeats and without those known."""
    first: dict[bytes, int] = {}
    for index, genome in enumerate(genomes):
        first.setdefault(genome.tobytes(), index)
    return genomes[[index for key, index in first.items() if not any(key in keys for keys in known)]]
