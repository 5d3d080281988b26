"""What a search is, in plain data: enough to list it, check it and, where all is known by name, redo it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

from controllers import catalog as controllers
from controllers.base import Controller
from controllers.fidelity import Fidelity
from controllers.fidelity import catalog as fidelities
from controllers.objectives import Limit, Objective
from controllers.planner import UndecidedController
from controllers.prior import Prior
from nas import identity
from nas.ranking import Ranking
from search_spaces.arguments import Count, Positive, Whole, check_fields
from search_spaces.bounds import Epochs
from search_spaces.errors import (
    FormatError,
    NasError,
    SearchError,
    SpaceError,
    StoreError,
    UnknownNameError,
)
from search_spaces.signature import Signature
from search_spaces.space import Space

AUTO = "auto"
"""The name of a controller, and of a fidelity, that the plan of a search chooses (`nas.search.plan`)."""

HOURS = {"cpu_hours": "cpus", "gpu_hours": "gpus"}
"""The budgets of hours, and what of `workers.executor.Executor.holds` spends each."""

DEFAULT_TRIALS = 100
"""The trials of a search that is given no end."""


@dataclass(frozen=True)
class Description:
    """What a search is.

    Attributes:
        space: JSON of the space; None where it holds what JSON cannot.
        problem: the name of the problem; one of the catalog can be loaded again with its ``options``.
        options: the options of the problem.
        signature: the inputs and tasks of the problem.
        controller: the name of the controller's class, in the catalog or the user's own.
        settings: the settings of the controller beside space, objectives, limits and seed, as far as JSON can
            hold them.
        more_settings: the names of the settings that JSON cannot hold.
        data: the fingerprint of the problem's data; see `nas.search.fingerprint`.
        objectives: what the search tries to improve.
        limits: what its networks must respect.
        budget: when the search ends.
        seed: the seed of the controller and of every training.
        keep_weights: the number of the best networks whose weights are kept.
        metrics: the names of the problem's metrics.
        fidelity: how long trials train: ``name`` and ``settings``; None: in full.
        checkpoints: the URI where trials in training are saved; None: they are not.
        checkpoint_seconds: the seconds of training between two checkpoints.
        reuse_results: whether results that other searches of the store have are taken over.
        inherit_weights: whether children begin from their parents' weights.
        first: the decisions of the networks that are tried before the controller is asked.
        prior: what is expected of decisions before there are results; None: nothing.
        warnings: sentences about the data by which results may mislead; see `nas.search.notices`.
        older_data: the fingerprint of the version before, by which it is compared with what older versions
            kept; empty where they kept this.
        code: the hashes of the user's own code that it runs, by its names: what its networks and its problem
            are made with, its controller and its fidelity; see `nas.search.user_code`. None: an older version
            did not keep it.
        mixed_code: whether it went on with other code of its networks or its problem than it began with: then
            nobody knows which of its results are of which.
        validation_examples: the number of validation examples of which the first objective is a share, as an
            accuracy is; None: it is none, or an older version did not count them.
        standardise: whether its networks standardise inputs and targets where their recipes say so
            (`workers.recipe.Recipe.standardise`). False where there are no numbers to be standardised, and in
            a search that an older version began: it goes on as it began.
        scores: the names of the zero-cost scores that its networks get before they are trained, those of its
            objectives and limits among them.
        weights: whether its networks are first scored with the weights of a bank that they share.
        finish: what weights networks begin with that are trained after that.
        paths: how the networks are drawn that train the bank.
        hints: the names of the scores that the controller may look at before a training; an older version
            had none.
        preprocessing: what makes the inputs of its problem of rows, as JSON has it
            (`workers.problems.frames.preprocessing.Preprocessing`); None: nothing does.
    """

    space: str | None
    problem: str
    options: Mapping[str, Any]
    signature: Signature
    controller: str
    settings: Mapping[str, Any]
    more_settings: tuple[str, ...]
    data: str
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    budget: Budget
    seed: int
    keep_weights: int
    metrics: tuple[str, ...]
    fidelity: Mapping[str, Any] | None = None
    checkpoints: str | None = None
    checkpoint_seconds: float = 60.0
    reuse_results: bool = False
    inherit_weights: bool = False
    first: tuple[Mapping[str, Any], ...] = ()
    prior: Prior | None = None
    warnings: tuple[str, ...] = ()
    older_data: str = ""
    code: Mapping[str, str] | None = None
    mixed_code: bool = False
    standardise: bool = False
    validation_examples: int | None = None
    scores: tuple[str, ...] = ()
    weights: Literal["own", "shared"] = "own"
    finish: Literal["scratch", "inherit"] = "scratch"
    paths: Literal["uniform", "fair", "sandwich", "controller"] = "uniform"
    hints: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for the store."""
        data = asdict(self)
        return data | {"signature": self.signature.to_dict()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Description:
        """Returns the description that `to_dict` wrote.

        Raises:
            FormatError: the data are no description.
        """
        try:
            if not data["objectives"]:
                raise FormatError("it has no objective")
            # what a description of an older version lacks has a default
            kept = [one.name for one in fields(Description) if one.default is MISSING or one.name in data]
            return Description(**{name: _READ.get(name, _as_it_is)(data[name]) for name in kept})
        except (AttributeError, KeyError, TypeError, ValueError, NasError) as error:
            raise FormatError(f"not the description of a search: {error!r}") from error

    def with_end(self, trials: int | None, seconds: float | None, target: float | None) -> Description:
        """Returns the same search with another end in place of its own; with its own where all are None."""
        if trials is None and seconds is None and target is None:
            return self
        end = replace(
            self.budget, trials=trials, seconds=seconds, target=target, cpu_hours=None, gpu_hours=None
        )
        return replace(self, budget=end)

    @cached_property
    def ranking(self) -> Ranking:
        """By what the trials of this search are judged and ranked."""
        return Ranking(
            self.objectives,
            self.limits,
            paused=self.fidelity is not None or self.weights == "shared",
            examples=self.validation_examples,
            given=len(self.first),
            estimated=len(self.objectives) == 1 and not self.inherit_weights and self.finish == "scratch",
        )

    def objective(self, metric: str | None = None) -> Objective:
        """Returns the objective of that metric; the first where none is named.

        Raises:
            UnknownNameError: it is no objective of this search.
        """
        if metric is None:
            return self.objectives[0]
        for objective in self.objectives:
            if objective.metric == metric:
                return objective
        raise UnknownNameError("objective", metric, [objective.metric for objective in self.objectives])

    def continues(self, earlier: Description) -> bool:
        """Whether this is the same search as ``earlier``, which may go on.

        See `difference` and `code_difference`.
        """
        return earlier.difference(self) is None and earlier.code_difference(self) is None

    def difference(self, later: Description) -> str | None:
        """Says in what ``later`` is another search and no continuation of this one; None where it is one.

        Whatever decides which networks are proposed, how they are trained and by what they are compared has
        to stay: a search that goes on replays its record (see `nas.search.replay`), and its old results stand
        beside the new ones. What decides only how long it goes on and what is kept of it may change: the
        budget, the weights that are kept, the checkpoints, the reuse of results.
        """
        for what in _OF_A_SEARCH:
            mine, theirs = getattr(self, what), getattr(later, what)
            if not self._agrees(later, [what]):
                mine, theirs = _around_difference(_words(mine), _words(theirs))
                return f"its {what.replace('_', ' ')} was {mine}, now it is {theirs}"
        return None

    def code_difference(self, later: Description) -> str | None:
        """Says what code ``later`` has that this search had not when it began; None where it is the same."""
        return identity.code_difference(self.code, later.code)

    def going_on_from(self, earlier: Description) -> Description:
        """Returns this description as the store is to have it where this search goes on with ``earlier``.

        What an older version kept of its data and its code stays what is known of them: no later driver knows
        with what the first results were made. Its networks train as they did.
        """
        known: dict[str, Any] = {"standardise": earlier.standardise, "hints": earlier.hints}
        if identity.version_of(earlier.data) != identity.version_of(self.data):
            known |= {"data": earlier.data, "older_data": earlier.older_data}
        if earlier.code is None:
            known["code"] = None
        if earlier.prior is not None:  # the search that it is of may have better networks by now
            known["prior"] = earlier.prior
        same = earlier.code is None or identity.of_training(earlier.code) == identity.of_training(self.code)
        return replace(self, mixed_code=earlier.mixed_code or not same, **known)

    def as_begun(self, earlier: Description) -> Description:
        """Returns this description with what a search keeps that it began with, whatever is asked for now."""
        return replace(self, standardise=earlier.standardise, hints=earlier.hints)

    def same_training(self, other: Description) -> bool:
        """Whether the same network trains in the same way in both searches, so that its result can be reused.

        That needs the same seed, too, all scores that ``other`` takes, and that the code of the user's own is
        the same as far as both use it. The epochs belong to the recipe of each network: compare them trial by
        trial. Where children inherit weights their results depend on their parents: a search that inherits
        weights reuses no results at all (see `nas.search.Search`).
        """
        same = self._agrees(other, _OF_A_TRAINING) and self.same_code(other)
        return same and set(other.scores) <= set(self.scores)

    def comparable(self, other: Description) -> bool:
        """Whether values that both searches measured may be learnt from together, as a warm start does.

        They come from the same data after the same number of epochs; the seed may differ, as it does between
        any two networks, and so may the device and the precision: they change a score as another seed does.
        A fidelity stops the worse networks early, and inherited weights stand for epochs of the parents:
        values with them say something else than values without. The memory that a training takes is that of
        its device: where ``other`` has an objective or a limit on it, no older value says what it will be.
        """
        if PEAK_MEMORY in other.ranked_by:
            return False
        same = self._agrees(other, _OF_A_VALUE) and self.budget.epochs == other.budget.epochs
        return same and self.same_code(other)

    @property
    def bounds(self) -> dict[str, tuple[float | None, float | None]]:
        """The least and the most that its limits let zero-cost scores be, by name; None: there is no end."""
        found: dict[str, tuple[float | None, float | None]] = {}
        for limit in self.limits:
            if limit.metric not in self.metrics and limit.metric.partition(".")[0] in self.scores:
                ends = {one.at_least: one.bound for one in self.limits if one.metric == limit.metric}
                found[limit.metric] = ends.get(True), ends.get(False)
        return found

    @property
    def ranked_by(self) -> frozenset[str]:
        """The metrics of the objectives and limits."""
        return frozenset([one.metric for one in self.objectives] + [one.metric for one in self.limits])

    def same_data(self, other: Description) -> bool:
        """Whether both searches solve the same problem, so that one leaderboard can show their networks.

        Its readers see the epochs and the seeds, and may rank networks that were trained in different ways.
        """
        tables = any(identity.PROBLEM in (one.code or {}) for one in (self, other))
        return self._agrees(other, _OF_A_PROBLEM) and (
            not tables or identity.same_code(self.code, other.code)
        )

    def has_data(self, data: str, older_data: str) -> bool:
        """Whether these are the fingerprints of the data of this search, by the newest version that it knows.

        Args:
            data: the fingerprint of some data.
            older_data: their fingerprint by the version before.
        """
        return identity.same_data(self.data, self.older_data, data, older_data)

    def _agrees(self, other: Description, what: Iterable[str]) -> bool:
        def agree(name: str) -> bool:
            mine, its = getattr(self, name), getattr(other, name)
            if name == "data":
                return self.has_data(other.data, other.older_data)
            if name == "prior" and mine is not None and its is not None and mine.search is not None:
                return bool(mine.search == its.search)
            return bool(mine == its)

        return all(map(agree, what))

    def same_code(self, other: Description) -> bool:
        """Whether what both use is the same: the hash of each name says which others its code uses."""
        if any(one.mixed_code and identity.of_training(one.code) != {} for one in (self, other)):
            return False
        return identity.same_code(self.code, other.code)

    def load_space(self, modules: Iterable[Callable[..., Any]] | None = None) -> Space:
        """Returns the space, from its JSON.

        Raises:
            StoreError: it was not kept, for it holds what JSON cannot.
            FormatError: it uses classes that are not known here; pass them as ``modules``.
        """
        if self.space is None:
            raise StoreError("the space of this search was not kept (it holds objects that are no data)")
        return Space.from_json(self.space, modules)


def _as_it_is(value: Any) -> Any:
    return value


_READ: Mapping[str, Callable[[Any], Any]] = {
    "signature": Signature.from_dict,
    "more_settings": tuple,
    "objectives": lambda several: tuple(Objective(**one) for one in several),
    "limits": lambda several: tuple(Limit(**one) for one in several),
    "budget": lambda values: Budget(**values),
    "metrics": tuple,
    "first": tuple,
    "prior": lambda values: None if values is None else Prior(**values),
    "warnings": tuple,
    "scores": tuple,
    "hints": tuple,
}  # how those fields of a description are read that JSON does not hold as they are


_OF_A_SEARCH = (
    "problem",
    "signature",
    "data",
    "space",
    "objectives",
    "limits",
    "seed",
    "controller",
    "settings",
    "more_settings",
    "fidelity",
    "inherit_weights",
    "weights",
    "finish",
    "paths",
    "first",
    "prior",
)
_OF_A_TRAINING = ("data", "signature", "metrics", "seed", "inherit_weights", "finish", "standardise")
_OF_A_VALUE = ("problem", "data", "fidelity", "inherit_weights", "weights", "finish", "paths", "standardise")
_OF_A_PROBLEM = ("problem", "data", "signature")


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _around_difference(first: str, second: str, width: int = 60) -> tuple[str, str]:
    """Returns two texts, shortened to where they begin to differ."""
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
    start = 0 if max(len(first), len(second)) <= width else max(0, same - width // 3)

    def part(text: str) -> str:
        end = start + width
        return ("..." if start else "") + text[start:end] + ("..." if len(text) > end else "")

    return part(first), part(second)


def space_json(space: Space) -> str | None:
    """Returns the JSON of a space, or None where it holds what JSON cannot."""
    try:
        return space.to_json()
    except SpaceError:
        return None


def fidelity_json(fidelity: Fidelity | None) -> dict[str, Any] | None:
    """Returns a fidelity as plain data: its name in the catalog, else its full name, and its settings."""
    if fidelity is None:
        return None
    kind = type(fidelity)
    names = {known: name for name, known in fidelities.items()}
    return {
        "name": names.get(kind, f"{kind.__module__}.{kind.__qualname__}"),
        "settings": dict(fidelity.settings),
    }


def controller_name(controller: Controller) -> str:
    """Returns the name of a controller's class in the catalog, else its full name; `AUTO` for none yet."""
    kind = type(controller)
    if kind is UndecidedController:
        return AUTO
    return controllers.name_of(kind) or f"{kind.__module__}.{kind.__qualname__}"


@dataclass(frozen=True)
class Budget:
    """When a search ends: at the first of these that is reached. None means without that end.

    Attributes:
        trials: the number of networks trained, failed ones and repeats answered from the record included.
        seconds: the wall-clock time of the search's drivers together.
        target: a value of the first objective.
        cpu_hours, gpu_hours: the hours for which the search's workers hold a core, or a GPU, those of all of
            them together.
        trial_seconds: the time for one trial; a longer one fails with reason ``timeout``.
        epochs: the epochs of every trial, in place of its recipe's.
        trial_memory: the bytes that a worker may hold in a trial; more fails it (``out_of_memory``).
        trial_silence: the seconds that a trial may take without a report; more fails it (``silent``).
        failures: the number of trials in a row that fail for one reason, while none was ever trained, after
            which the search stops; 0 too is without that end.
        rejections: the number of networks in a row that break a limit before any training, after which the
            search gives up; 0 too is without that end.

    Raises:
        SearchError: a value that is no such number.
    """

    trials: Count | None = None
    seconds: Positive | None = None
    target: float | None = None
    cpu_hours: Positive | None = None
    gpu_hours: Positive | None = None
    trial_seconds: Positive | None = None
    epochs: Epochs | None = None
    trial_memory: Count | None = None
    trial_silence: Positive | None = None
    failures: Whole | None = 10
    rejections: Whole | None = 1000

    def __post_init__(self) -> None:
        check_fields(self, SearchError)


def training_seed(seed: int, architecture_id: str) -> int:
    """Returns the seed of a training: the same wherever this network is trained in this search."""
    return int.from_bytes(hashlib.sha256(f"{seed} {architecture_id}".encode()).digest()[:4])


COSTS = frozenset({"num_params", "num_macs", "activation_bytes"})
"""The names of the metrics that are costs, which are known before any training."""

PEAK_MEMORY = "peak_memory_bytes"
"""The name of the metric that says how much memory a training took at the most; of the card where it had one.

It is measured in the training itself, so that a `Table` has none unless it says so; and it belongs to the
device, so that values of two kinds of device do not compare.
"""
