"""Any sampler of Optuna as a controller, by ask and tell."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from controllers.base import Controller, Draft, Outcome, Proposal
from controllers.objectives import Limit, Objective
from controllers.population import CHOSEN
from search_spaces import Architecture
from search_spaces.arguments import checked
from search_spaces.errors import ControllerError, UnknownNameError
from search_spaces.holes import Choice, Hole, Value
from search_spaces.ranges import Integer

SAMPLERS = ("tpe", "gp", "cmaes", "nsga2", "nsga3", "qmc", "random")
_ONE_OBJECTIVE = ("cmaes",)
_FIRST = 10  # proposals drawn where there is a prior: as many as the results that TPE and GP wait for


class OptunaController(Controller):
    """A sampler of Optuna (T. Akiba et al., KDD 2019), TPE by default, asked hole by hole as they are active.

    Every hole keeps its path as its name and its own distribution: categorical for a choice, integer, float.
    Optuna is told what was evaluated: where the sampler repeats itself and a neighbour is tried instead, and
    for results from elsewhere, that architecture is added to its study; what it wanted is told as failed.
    Failures are told as failed. Limits reach the samplers that know constraints ("tpe", "gp", "nsga2",
    "nsga3") as such. The others, and samplers given as objects, are told the worst scores seen for the
    infeasible. Trials that pause are told to "tpe" with one objective as pruned, at each rung anew, as soon
    as four others have gone on to their ends: TPE takes those of the highest rungs for the best after these.
    CMA-ES learns only from what it proposed itself, and decides choices at random. With a prior, the first
    ten proposals are drawn in the sampler's place. The time of an ask grows with the number of results for
    most samplers.

    Args:
        space: a `Space`, or anything that `Space()` takes.
        objectives: one objective or several.
        sampler: one of "tpe" (multivariate, with groups of holes active together, and with those in flight
            taken for poor), "gp", "cmaes" (needs the package cmaes), "nsga2", "nsga3", "qmc" and "random",
            each seeded with `seed`; or any sampler of Optuna. Of the latter a copy is used; it must have been
            made with a seed of its own, for Optuna has no way to set one later, or nothing is reproducible.
        limits: the bounds that a trial must respect to be feasible.
        seed: the only source of randomness.
        repeats: whether proposals may repeat networks that have been told or are in flight.

    Raises:
        UnknownNameError: there is no sampler of that name.
        ControllerError: it is no sampler, or cannot take several objectives.
    """

    retries = 1  # it is a whole proposal of the sampler, and costs as much

    @checked(ControllerError)
    def __init__(
        self,
        space: Any,
        objectives: Objective | Sequence[Objective],
        *,
        sampler: Any = "tpe",
        limits: Limit | Sequence[Limit] = (),
        seed: int = 0,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, objectives, limits=limits, seed=seed, repeats=repeats)
        if isinstance(sampler, str):
            if sampler not in SAMPLERS:
                raise UnknownNameError("sampler", sampler, SAMPLERS)
            if sampler in _ONE_OBJECTIVE and len(self.objectives) > 1:
                raise ControllerError(
                    f"sampler {sampler!r}: expected one objective, got {len(self.objectives)}"
                )
        elif not callable(getattr(sampler, "sample_relative", None)):
            raise ControllerError(
                f"sampler: expected one of {SAMPLERS} or a sampler of Optuna, got {sampler!r}"
            )
        self._sampler = sampler if isinstance(sampler, str) else copy.deepcopy(sampler)
        # what was observed before enough trials had gone on to their end: proposals, epochs and scores
        self._waiting: list[tuple[Proposal, int, float]] = []
        self._violation = 0.0  # of the result being told, for the sampler to ask for
        self._worst: list[float] = []  # score seen, per objective
        self._num_trials = 0  # in the study, which numbers them from 0
        # the latest draft: its trial, its architecture, and the number that its proposal would have
        self._draft: tuple[int, Architecture, int] | None = None
        self._trials: dict[int, int] = {}  # the trial of each proposal in flight, by the proposal's number

    def _propose(self) -> Draft:
        if self._draft is not None and self._draft[2] == self.num_asked:
            self._fail(self._draft[0])  # the same ask again: that one was a repeat
            self._draft = None
        self._settle()
        if self.prior is not None and self._evidence < _FIRST:
            draft = self._draw()
            self._draft = (self._add(draft.architecture), draft.architecture, self.num_asked)
            return draft
        with quiet():
            trial = self._study.ask()
            architecture = self.space.fill(lambda path, hole: _suggest(trial, path, hole))
        self._num_trials += 1
        self._draft = (trial.number, architecture, self.num_asked)
        return Draft(architecture, origin="sampler")

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self._settle(proposal)
        own = proposal.number not in self._in_flight
        trial = self._trials.pop(proposal.number, None) if own else None
        if trial is None:
            trial = self._add(proposal.architecture)
        self._tell(trial, outcome)
        self._prune()

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        if self._sampler != "tpe" or len(self.objectives) > 1:
            return
        self._settle(proposal)
        self._waiting.append((proposal, epochs, outcome.scores[0]))
        self._prune()

    def _prune(self) -> None:
        """Tells the study of trials that have paused, once it knows some ends: first epochs alone mislead."""
        import optuna

        if self._curves[0].num_complete < CHOSEN:
            return
        for proposal, epochs, score in self._waiting:
            asked = None
            if proposal.number not in self._in_flight:
                asked = self._trials.pop(proposal.number, None)
            if asked is not None:
                self._fail(asked)  # it cannot be told twice, and may come to its end
            self._violation = 0.0
            trial = self._add(proposal.architecture, {epochs: score})
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        self._waiting.clear()

    def _tell(self, trial: int, outcome: Outcome) -> None:
        """Tells the study how a trial ended."""
        if outcome.failed:
            self._fail(trial)
            return
        if outcome.scores:
            self._worst = [
                min(pair) for pair in zip(self._worst or outcome.scores, outcome.scores, strict=True)
            ]
        told: Sequence[float] = outcome.scores
        if not outcome.feasible and not (told and self._knows_constraints):
            told = self._worst or [0.0] * len(self.objectives)
        self._violation = outcome.violation
        self._study.tell(trial, list(told))

    def _settle(self, told: Proposal | None = None) -> None:
        """Finds out what became of the latest draft: proposed, or replaced by something else."""
        if self._draft is None:
            return
        trial, architecture, number = self._draft
        self._draft = None
        proposal = self._in_flight.get(number)
        if proposal is None and told is not None and told.number == number:
            proposal = told
        if proposal is not None and proposal.architecture.id == architecture.id:
            self._trials[number] = trial
            return
        self._fail(trial)
        if proposal is not None:
            self._trials[number] = self._add(proposal.architecture)

    def _add(self, architecture: Architecture, scores: Mapping[int, float] | None = None) -> int:
        """Adds a running trial of an architecture that the sampler did not propose; returns its number.

        Args:
            architecture: the architecture.
            scores: the scores that it had on its way, by epochs; None: nothing is known of them.
        """
        import optuna

        params, distributions = parameters(self._holes, architecture.decisions)
        running = optuna.trial.TrialState.RUNNING
        with quiet():
            self._study.add_trial(
                optuna.trial.create_trial(
                    state=running,
                    params=params,
                    distributions=distributions,
                    intermediate_values=dict(scores or {}),
                )
            )
        self._num_trials += 1
        # genetic algorithms would not count it to any generation
        generation = getattr(self._study.sampler, "get_trial_generation", None)
        if generation is not None:
            generation(self._study, self._study.get_trials(deepcopy=False)[-1])
        return self._num_trials - 1

    def _fail(self, trial: int) -> None:
        import optuna

        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    @property
    def _knows_constraints(self) -> bool:
        return self._sampler in ("tpe", "gp", "nsga2", "nsga3")

    @cached_property
    def _holes(self) -> dict[str, Hole]:
        return self.space.holes()

    @cached_property
    def _study(self) -> Any:
        """The study, made when it is first needed: until then the controller can be copied."""
        import optuna

        with quiet():
            return optuna.create_study(
                directions=["maximize"] * len(self.objectives),  # scores: higher is better
                sampler=self._make() if isinstance(self._sampler, str) else self._sampler,
            )

    def _make(self) -> Any:
        from optuna import samplers

        limited: dict[str, Any] = {"seed": self.seed}
        if self.limits:
            limited["constraints_func"] = lambda trial: (self._violation,)
        quiet = {"seed": self.seed, "warn_independent_sampling": False}
        match self._sampler:
            case "tpe":
                return samplers.TPESampler(multivariate=True, group=True, constant_liar=True, **limited)
            case "gp":
                return samplers.GPSampler(**limited)
            case "nsga2":
                return samplers.NSGAIISampler(**limited)
            case "nsga3":
                return samplers.NSGAIIISampler(**limited)
            case "qmc":
                return samplers.QMCSampler(scramble=True, warn_asynchronous_seeding=False, **quiet)
            case "cmaes":
                try:
                    return samplers.CmaEsSampler(**quiet)
                except ImportError as error:
                    raise ControllerError(f"sampler 'cmaes': {error}") from error
        return samplers.RandomSampler(seed=self.seed)


@contextmanager
def quiet() -> Iterator[None]:
    """Silences Optuna's remarks: that features are experimental, that a hole is sampled independently."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # of constraints_func, which the versions before 5 have nothing but
            warnings.filterwarnings("ignore", message="`constraints_func`", category=FutureWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _is_rounded(hole: Hole) -> bool:
    """Returns whether it is an integer that Optuna has no distribution for: logarithmic, in steps."""
    return isinstance(hole, Integer) and hole.log and hole.step > 1


def parameters(
    holes: Mapping[str, Hole], decisions: Mapping[str, Value]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns decisions as Optuna's parameters and distributions, by path; without those that no hole has."""
    params, distributions = dict[str, Any](), dict[str, Any]()
    for path, value in decisions.items():
        hole = holes.get(path)
        if hole is not None and hole.contains(value):
            distributions[path] = _distribution(hole)
            params[path] = float(value) if _is_rounded(hole) else value  # type: ignore[arg-type]
    return params, distributions


def _distribution(hole: Hole) -> Any:
    from optuna import distributions

    if isinstance(hole, Choice):
        return distributions.CategoricalDistribution(hole.labels)
    if isinstance(hole, Integer) and not _is_rounded(hole):
        return distributions.IntDistribution(hole.low, hole.high, log=hole.log, step=hole.step)
    return distributions.FloatDistribution(hole.low, hole.high, log=hole.log)  # type: ignore[attr-defined]


def _suggest(trial: Any, path: str, hole: Hole) -> Value:
    value: Value
    if isinstance(hole, Choice):
        value = trial.suggest_categorical(path, hole.labels)
    elif isinstance(hole, Integer) and not _is_rounded(hole):
        value = trial.suggest_int(path, hole.low, hole.high, log=hole.log, step=hole.step)
    else:
        number = trial.suggest_float(path, hole.low, hole.high, log=hole.log)  # type: ignore[attr-defined]
        value = (
            hole.low + hole.step * round((number - hole.low) / hole.step)
            if isinstance(hole, Integer)
            else number
        )
    return value
