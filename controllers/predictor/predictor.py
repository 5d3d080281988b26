"""Model-guided evolution: a Gaussian process says which of many mutants are worth a training."""

from collections.abc import Sequence
from typing import Annotated, Any

from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from controllers.population import is_starting
from controllers.scores import Hints
from search_spaces.arguments import AtLeast, checked
from search_spaces.errors import ControllerError

IN_FLIGHT = 64  # how many of the latest in flight the model is told to expect
LOOKED_AT = 50  # candidates looked through for one that is untried
REMEMBERED = 20_000  # ids of candidates that were not: genomes may differ where their networks do not


class PredictorEvolution(Controller):
    """Evolution on a surrogate, for trainings that cost much more than the milliseconds it thinks.

    In the line of C. White, W. Neiswanger and Y. Savani, "BANANAS: Bayesian Optimization with Neural
    Architectures for Neural Architecture Search", AAAI 2021, with a Gaussian process over the decisions in
    place of the ensemble of networks. After a few random results, each ask
    1. has the model expect of what is in flight that it turns out as predicted (kriging believer);
    2. tosses a coin for the acquisition: expected improvement, which settles, or independent Thompson
       sampling, which keeps looking elsewhere (rarely when others in flight do that already); several
       objectives are joined in a random direction;
    3. evolves candidates on it, from random ones and mutants of the best results;
    4. proposes the best of them that is untried.

    Trials that pause are learnt from before their end: by what their scores so far are expected to become
    (`Curves`), tied to the ends as far as that was right of others.

    Limits and failures are learnt too: where they are likely, little is proposed. Architectures of
    conditional spaces are compared over all holes; see `Genomes.features`.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        initial: the number of random results to start from. None: 8, and one more for every two holes, up to
            24.
        results: the largest number of results that the model learns from: half of them the best, the others
            the latest and random ones. The time of an ask grows with its square.
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Raises:
        ControllerError: a parameter is out of its range.
    """

    retries = 1  # `_propose` looks for an untried one itself
    models_scores = True

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        initial: Annotated[int, AtLeast(2)] | None = None,
        results: Annotated[int, AtLeast(20)] = 300,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        # here, so that `import controllers` stays free of numpy and scipy
        from controllers.predictor.evolver import Evolver

        self._evolver = Evolver(self.space, self._curves, results, seed)
        self._ids: dict[bytes, str] = {}
        num_holes = self._evolver.genomes.num_genes
        self.initial = min(8 + num_holes // 2, 24) if initial is None else initial

    def _propose(self) -> Draft:
        if self._starting():
            return self._draw()
        flying = [proposal.architecture for proposal in self.in_flight[-IN_FLIGHT:]]
        genomes = self._evolver.candidates(flying, self.rng.getrandbits(64))
        for genome in genomes[:LOOKED_AT]:
            key = genome.tobytes()
            if not self.repeats and self._guard.tried(self._ids.get(key, "")):
                continue
            architecture = self._evolver.genomes.decode(genome)
            if self.repeats or not self._guard.tried(architecture.id):
                return Draft(architecture, origin="model")
            if len(self._ids) == REMEMBERED:
                self._ids.clear()
            self._ids[key] = architecture.id
        # all tried: the guard looks around the most promising
        promising = self._evolver.genomes.decode(genomes[0]) if len(genomes) else self.space.sample(self.rng)
        return Draft(promising, origin="model")

    def _use_hints(self, hints: Hints) -> None:
        self._evolver.use_scores(hints, self.seed)

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self._evolver.learn(proposal.architecture, outcome)

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        self._evolver.observe(proposal.architecture)

    def _starting(self) -> bool:
        """Returns whether too little is known or in flight."""
        scored = self._evolver.surrogate.num_scored
        if not self._evolver.genomes.num_genes or scored < 2:
            return True
        return is_starting(self, scored, self.initial)
