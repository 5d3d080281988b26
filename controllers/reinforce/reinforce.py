"""REINFORCE and PPO: a policy over decisions, made likelier to do again what did better than expected."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from controllers.reinforce.advantage import AdvantageKind, advantage_for
from controllers.reinforce.encoding import HoleTable, Token
from search_spaces.arguments import AtLeast, Count, NotNegative, Positive, checked
from search_spaces.errors import ControllerError
from search_spaces.holes import Hole, Value

PolicyKind = Literal["lstm", "independent"]
UpdateKind = Literal["reinforce", "ppo"]

FIRST = 20  # proposals drawn where there is a prior, before the policy's own


class Reinforce(Controller):
    """Policy gradient, after R. J. Williams, "Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning", 1992, and B. Zoph and Q. V. Le, "Neural Architecture Search with
    Reinforcement Learning", ICLR 2017.

    `policy="lstm"` decides one hole after another and sees what it decided before; it takes any space.
    `policy="independent"` has one distribution per hole. Choices are categorical; `real` holes and integers
    with more than 32 values have a normal distribution cut to the range. Both start uniform (nearly so for
    the continuous). Results that were not asked for are learnt from by the likelihood of their decisions; so
    are those of the first 20 proposals where there is a prior: they are drawn in the policy's place.

    The published setting on NAS-Bench-201 is `policy="independent", learning_rate=0.01, batch=1,
    advantage="raw", baseline=0.9, entropy=0.0, repeats=True`.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        policy: "lstm" or "independent".
        update: "reinforce" makes one step of the optimizer with each batch; "ppo" makes `passes` steps, as
            far as they change the probability of a decision by no more than a share of `clip` (J. Schulman et
            al., "Proximal Policy Optimization Algorithms", 2017).
        learning_rate: the learning rate of Adam. None: 0.01 for the LSTM, 0.1 for the independent policy.
        batch: the number of results that make one update. None: 5, and 10 with "ppo".
        advantage: "rank" weighs a result by its place among the latest `window`; "scaled" by its distance
            from the moving average in standard deviations; "raw" by that distance itself. The first two do
            not depend on the metric's unit. Several objectives need "rank".
        baseline: the decay of the moving averages of "scaled" and "raw".
        window: the number of results that "rank" compares with.
        entropy: the weight of the entropy of each decision (in nats), against settling too early.
        hidden: the size of the LSTM's state.
        embedding: the size of the LSTM's input.
        clip: the share by which "ppo" may change the probability of a decision.
        passes: the number of steps that "ppo" makes with each batch.
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Raises:
        ControllerError: a parameter is out of its range.
    """

    retries = 3  # a policy that repeats itself will do so again; the guard then looks next to what it wants

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        policy: PolicyKind = "lstm",
        update: UpdateKind = "reinforce",
        learning_rate: Positive | None = None,
        batch: Count | None = None,
        advantage: AdvantageKind = "rank",
        baseline: float = 0.9,
        window: Annotated[int, AtLeast(2)] = 64,
        entropy: NotNegative = 0.1,
        hidden: Count = 64,
        embedding: Count = 32,
        clip: float = 0.2,
        passes: Count = 4,
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        if advantage != "rank" and len(self.objectives) > 1:
            raise ControllerError(f"advantage: several objectives need 'rank', got {advantage!r}")
        if learning_rate is None:
            learning_rate = 0.01 if policy == "lstm" else 0.1
        if batch is None:
            batch = 5 if update == "reinforce" else 10
        if not 0.0 <= baseline < 1.0:
            raise ControllerError(f"baseline: expected a number from 0 to below 1, got {baseline!r}")
        if not 0.0 < clip < 1.0:
            raise ControllerError(f"clip: expected a share between 0 and 1, got {clip!r}")
        self.batch = batch
        self._table = HoleTable(self.space)
        self._advantage = advantage_for(
            advantage, decay=baseline, window=window, objectives=len(self.objectives)
        )
        self._results: list[tuple[list[Token], float]] = []
        # here, so that `import controllers` stays free of torch
        from controllers.reinforce.learner import Learner

        self._learner = Learner(
            self._table.sizes,
            recurrent=policy == "lstm",
            hidden=hidden,
            embedding=embedding,
            learning_rate=learning_rate,
            entropy=entropy,
            seed=seed,
            clip=clip if update == "ppo" else None,
            passes=passes if update == "ppo" else 1,
        )

    def _propose(self) -> Draft:
        if self.prior is not None and self._evidence < FIRST:
            return self._draw()
        rollout = self._learner.rollout()
        paths = self._table.paths

        def pick(path: str, hole: Hole) -> Value:
            index = paths.get(path)
            if index is None:  # nothing to decide
                return hole.sample(self.rng)
            return self._table.value(rollout.decide(index, self.rng))

        return Draft(self.space.fill(pick), origin="policy")

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        weight = self._advantage(outcome)
        tokens = self._table.encode(proposal.architecture)
        if tokens:
            self._results.append((tokens, weight))
        if len(self._results) >= self.batch:
            self._learner.update(self._results)
            self._results = []
