"""Search: a space, a problem and a controller joined into one search."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controllers import catalog
from controllers.base import Controller
from controllers.objectives import Limit, Objective
from nas.description import Budget, Description, controller_name, space_json
from nas.loop import COSTS, Listener, Loop
from nas.records import SearchRecord
from nas.store import DEFAULT_STORE, Store
from search_spaces.errors import SearchError, UnknownNameError
from search_spaces.holes import is_plain
from search_spaces.space import Space

if TYPE_CHECKING:
    import pandas as pd

    from workers.executor import Executor
    from workers.problems import Problem

DEFAULT_TRIALS = 100


class Search:
    """A search for the best network of a space on a problem.

    Args:
        space: what networks there are: a `Space`, or anything that `Space()` takes.
        problem: what they must learn: a `workers.problems.Problem`, or the name of one of the catalog.
        controller: who proposes: a name of the catalog, a class (or any callable that takes
            ``(space, objectives, limits=, seed=)``), or a controller made for the same space.
        objectives: what to improve, the most important first; left out: the problem's own.
        limits: bounds on metrics. Those on costs (``num_params``, ``num_macs``, ``activation_bytes``) are
            checked before any training.
        trials: networks to train, failed ones included (default 100, where no other end is given).
        seconds: wall-clock time.
        target: value of the first objective that is good enough.
        executor: where networks are trained: ``"pool"`` (Ray actors), ``"inline"`` (this process), or an
            `Executor`.
        store: where results are kept: an SQLAlchemy URL, a path, or a `Store`.
        seed: of the controller and of every training.
        name: of the search in the store; left out: one that is free.
        trial_seconds: time for one trial; a longer one fails.
        epochs: for every trial, in place of its recipe's.
        keep_weights: of how many of the best networks to keep the weights.

    Example:
        >>> search = Search(cnn(), "digits", "evolution", limits=[at_most("num_params", 100_000)], trials=40)
        >>> search.run().head()

    Raises:
        SearchError: an argument that is not what it should be.
        UnknownNameError: a problem, controller or metric that does not exist.
    """

    def __init__(
        self,
        space: Any,
        problem: Problem | str,
        controller: str | Controller | Callable[..., Controller] = "evolution",
        *,
        objectives: Objective | Sequence[Objective] | None = None,
        limits: Limit | Sequence[Limit] = (),
        trials: int | None = None,
        seconds: float | None = None,
        target: float | None = None,
        executor: str | Executor = "pool",
        store: str | Path | Store = DEFAULT_STORE,
        seed: int = 0,
        name: str | None = None,
        trial_seconds: float | None = None,
        epochs: int | None = None,
        keep_weights: int = 5,
    ) -> None:
        self.space = space if isinstance(space, Space) else Space(space)
        self.problem = _problem(problem)
        self.store = store
        self.executor = executor
        self.name = name
        self._objectives = _objectives(objectives, controller, self.problem)
        self._limits = (limits,) if isinstance(limits, Limit) else tuple(limits)
        self.seed = seed
        if isinstance(controller, Controller):
            _check_fit(controller, self.space, self._objectives)
        self._controller = controller
        if trials is None and seconds is None and target is None:
            trials = DEFAULT_TRIALS
        if isinstance(keep_weights, bool) or not isinstance(keep_weights, int) or keep_weights < 0:
            raise SearchError(f"keep_weights: expected a whole number >= 0, got {keep_weights!r}")
        self.controller = self._new_controller()
        self.description = Description(
            space=space_json(self.space),
            problem=self.problem.name,
            options=self.problem.options,
            signature=self.problem.signature,
            controller=controller_name(self.controller),
            settings=_plain_settings(self.controller),
            objectives=self._objectives,
            limits=self._limits,
            budget=Budget(trials, seconds, target, trial_seconds, epochs),
            seed=seed,
            keep_weights=keep_weights,
            metrics=tuple(self.problem.metrics),
        )
        _check_metrics(self.description)
        _executor(executor)  # an unknown name is said now, not after the problem is loaded

    @staticmethod
    def from_store(
        store: str | Path | Store = DEFAULT_STORE,
        name: str | None = None,
        *,
        executor: str | Executor = "pool",
        modules: Iterable[Callable[..., Any]] | None = None,
        trials: int | None = None,
        seconds: float | None = None,
        target: float | None = None,
    ) -> Search:
        """The search that a store describes, ready to `run` with ``resume=True``.

        Args:
            store: where it is kept.
            name: of the search; left out: the latest.
            executor: as in `Search`.
            modules: classes of your own that its space uses.
            trials, seconds, target: a new end.

        Raises:
            SearchError: its problem or controller is not of the catalog: run your script again instead.
        """
        with _opened(store, create=False) as opened:
            record = opened.search(name)
        found = Description.from_dict(record.description)
        found = found.with_budget(trials=trials, seconds=seconds, target=target)
        from workers.problems import catalog as problems

        for kind, known, came in (
            ("problem", problems, found.problem),
            ("controller", catalog, found.controller),
        ):
            if came not in known:
                raise SearchError(
                    f"search {record.name!r}: its {kind} {came!r} is your own: "
                    "go on with the file that describes the search (nas resume my_search.py)"
                )

        def controller(space: Space, objectives: Any, **options: Any) -> Controller:
            return catalog[found.controller](space, objectives, **options, **found.settings)

        from workers.problems import load

        return Search(
            found.load_space(modules),
            load(found.problem, **found.options),
            controller,
            objectives=found.objectives,
            limits=found.limits,
            trials=found.budget.trials,
            seconds=found.budget.seconds,
            target=found.budget.target,
            executor=executor,
            store=store,
            seed=found.seed,
            name=record.name,
            trial_seconds=found.budget.trial_seconds,
            epochs=found.budget.epochs,
            keep_weights=found.keep_weights,
        )

    def run(self, *, resume: bool = False, listener: Listener | None = None) -> pd.DataFrame:
        """Search until the end; gives the leaderboard, best first (see `nas.leaderboard`).

        Ctrl-C ends it cleanly: what was trained stays, what was being trained begins again on ``resume``.

        Args:
            resume: go on with the search of this name in the store, where the last driver left it.
            listener: called with the `Progress` at every turn.

        Raises:
            StoreError: the name is taken (without ``resume``), or the store cannot be used.
            SearchError: no proposal respects the limits; or, on ``resume``, another space or problem.
            ExecutorError: nothing can be trained at all.
        """
        from nas.leaderboard import leaderboard

        with _opened(self.store, create=True) as store:
            record = self._enter(store, resume)
            self.name = record.name
            self.controller = self._new_controller()
            executor = _executor(self.executor)
            loop = Loop(store, record, self.description, self.controller, executor, listener)
            ended = ("stopped", "an error")
            try:
                if resume:
                    loop.restore(lambda trial: self.space.architecture(trial.decisions))
                with executor:
                    executor.open(self.problem)
                    try:
                        ended = ("finished", loop.run())
                    finally:
                        if ended[0] != "finished":
                            loop.interrupt()
            except KeyboardInterrupt:
                ended = ("stopped", "interrupted")
                raise
            except BaseException as error:
                ended = ("stopped", f"{type(error).__name__}: {error}")
                raise
            finally:
                store.update_search(record.id, status=ended[0], reason=ended[1])
            self.reason = ended[1]
            return leaderboard(store, record.name)

    def leaderboard(self, top: int | None = None) -> pd.DataFrame:
        """The trials so far, best first; see `nas.leaderboard.leaderboard`."""
        from nas.leaderboard import leaderboard

        with _opened(self.store, create=False) as store:
            return leaderboard(store, self.name, top=top)

    def _enter(self, store: Store, resume: bool) -> SearchRecord:
        """The record of this search in the store: a new one, or the one to go on with."""
        if not resume:
            name = self.name or store.free_name(
                f"{self.problem.name}-{self.description.controller.split('.')[-1]}"
            )
            return store.create_search(name, self.description.to_dict())
        record = store.search(self.name)
        before = Description.from_dict(record.description)
        for what in (
            "space",
            "problem",
            "signature",
            "objectives",
            "limits",
            "seed",
            "controller",
            "settings",
        ):
            if getattr(before, what) != getattr(self.description, what):
                raise SearchError(
                    f"search {record.name!r} cannot go on: its {what} was "
                    f"{str(getattr(before, what))[:100]!r}, now it is "
                    f"{str(getattr(self.description, what))[:100]!r}"
                )
        store.update_search(record.id, status="running", reason=None, description=self.description.to_dict())
        return record

    def _new_controller(self) -> Controller:
        """A controller as it was given: a run may have to begin again from nothing."""
        given = self._controller
        if isinstance(given, Controller):
            return copy.deepcopy(given)
        if isinstance(given, str):
            if given not in catalog:
                raise UnknownNameError("controller", given, catalog)
            given = catalog[given]
        controller = given(self.space, self._objectives, limits=self._limits, seed=self.seed)
        if not isinstance(controller, Controller):
            raise SearchError(f"controller: expected a Controller or its name, got {controller!r}")
        return controller


def _plain_settings(controller: Controller) -> dict[str, Any]:
    """The settings of a controller as far as they are plain values."""
    return {name: value for name, value in controller.settings.items() if is_plain(value)}


def _problem(problem: Problem | str) -> Problem:
    from workers.problems import Problem, load

    if isinstance(problem, str):
        return load(problem)
    if not isinstance(problem, Problem):
        raise SearchError(f"problem: expected a Problem or a name of the catalog, got {problem!r:.80}")
    return problem


def _objectives(
    objectives: Objective | Sequence[Objective] | None, controller: object, problem: Problem
) -> tuple[Objective, ...]:
    if objectives is None:
        if isinstance(controller, Controller):
            return controller.objectives
        metric, direction = problem.objective
        return (Objective(metric, direction),)  # type: ignore[arg-type]
    found = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
    if not found or not all(isinstance(objective, Objective) for objective in found):
        raise SearchError(f"objectives: expected some, such as maximize('accuracy'), got {objectives!r}")
    return found


def _check_fit(controller: Controller, space: Space, objectives: tuple[Objective, ...]) -> None:
    """A controller that was made elsewhere must be for the same space and objectives."""
    if controller.space is not space and controller.space.holes() != space.holes():
        raise SearchError("controller: it was made for another space than the search's")
    if controller.objectives != objectives:
        raise SearchError(
            f"controller: it was made for {', '.join(map(str, controller.objectives))}, "
            f"the search is for {', '.join(map(str, objectives))}"
        )


def _check_metrics(description: Description) -> None:
    known = (*description.metrics, *sorted(COSTS))
    wanted = [o.metric for o in description.objectives] + [limit.metric for limit in description.limits]
    for metric in wanted:
        if metric not in known:
            raise UnknownNameError("metric", metric, known)


def _executor(executor: str | Executor) -> Executor:
    from workers.executor import Executor

    if isinstance(executor, Executor):
        return executor
    if executor == "inline":
        from workers.inline import Inline

        return Inline()
    if executor == "pool":
        from workers.pool import Pool

        return Pool()
    raise UnknownNameError("executor", str(executor), ("pool", "inline"))


def _opened(store: str | Path | Store, create: bool) -> AbstractContextManager[Store]:
    """A store to be used and let go of; one that is open already stays open."""
    return nullcontext(store) if isinstance(store, Store) else Store(store, create=create)
