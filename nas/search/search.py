"""Search: a space, a problem and a controller joined into one search."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from controllers.base import Controller
from controllers.fidelity import Fidelity
from controllers.objectives import Limit, Objective
from controllers.planner import Planner
from nas.description import AUTO
from nas.lease import Driver, new_driver, release
from nas.records import PlanChoice, Trial
from nas.results import html
from nas.results.leaderboard import entries, leaderboard
from nas.results.text import cell
from nas.search.arguments import (
    arguments_of,
    check_metrics,
    check_sharing,
    description_of,
    executor_of,
    fidelity_of,
    limits_of,
    name_of,
    objectives_of,
    planned,
    problem_of,
    space_of,
)
from nas.search.callbacks import Callback, Callbacks, callbacks_of
from nas.search.end import End, extended
from nas.search.hints import NetworkScores
from nas.search.loop import Loop
from nas.search.making import made_controller, made_fidelity, with_prior
from nas.search.notices import tell_strangers, tell_vain, tell_warnings
from nas.search.options import SearchOptions
from nas.search.plan.nearest import nearest
from nas.search.plan.preview import preview
from nas.search.priors import PLAIN, Given, prior_from, words_of
from nas.search.sources import Source, sources_of, starts_of
from nas.search.space_check import check_space
from nas.search.store_record import claimed_record, find_record, new_record
from nas.store.database import in_memory
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.architecture import Architecture
from search_spaces.arguments import Count, NotNegative, Positive, Seed, Whole, checked
from search_spaces.bounds import Epochs
from search_spaces.errors import DecisionError, NasError, SearchError, UnmetLimitsError
from search_spaces.space import Space
from workers.bank.paths import plainly_trained
from workers.speed.speed import Speed

if TYPE_CHECKING:
    import pandas as pd

    from workers.executor import Executor
    from workers.problems import Problem
    from workers.tabular import Table

_PARTS = ("space", "problem", "controller")
"""The arguments of a search that are no options."""

_SHOWN = 5
"""The number of rows of the leaderboard that notebooks show of a search."""


class Search:
    """A search for the best network of a space on a problem.

    Args:
        space: the networks that there are: a `Space`, or anything that `Space()` takes.
        problem: what they must learn: a `workers.problems.Problem`, or the name of one of the catalog; for
            `workers.tabular.Simulated`, a `workers.tabular.Table`.
        controller: who proposes: ``"auto"``, the plan of the search chooses by the budget, and with
            ``seconds`` how long trials train, too (see `nas.search.plan`), and the plain network is tried
            first; a name of the catalog, a class (or any callable that takes ``(space, objectives, limits=,
            seed=)``), or a controller made for the same space.
        objectives: what to improve, the most important first; left out: the controller's if it was made
            already, else the problem's own.
        limits: bounds on metrics; left out: the controller's. Those on costs (``num_params``, ``num_macs``,
            ``activation_bytes``) are checked before any training; ``peak_memory_bytes``, what a training took
            at the most, is known after it.
        trials: the number of networks to train, failed ones included (default 100, where no other end is
            given).
        seconds: the wall-clock time of the search.
        target: the value of the first objective that is good enough.
        cpu_hours: the hours for which its workers may hold their cores, busy or idle, all together.
        gpu_hours: the same of their GPUs.
        failures: the number of trials in a row that fail for one reason (the same message but for numbers and
            ids) after which the search stops, as long as none was ever trained: it would only go on so.
            Resumed, it counts anew. None or 0: it never does.
        rejections: the number of networks in a row that break a limit on costs after which the search gives
            up. None or 0: it never does.
        executor: where networks are trained: ``"pool"`` (Ray actors), ``"tune"`` (Ray Tune), ``"inline"``
            (this process), or an `Executor`.
        store: where results are kept: an SQLAlchemy URL, a path, or a `Store`.
        seed: the seed of the controller and of every training.
        name: the name of the search in the store; left out: one that is free.
        trial_seconds: the time for one trial; a longer one fails.
        epochs: the epochs of every trial, in place of its recipe's.
        keep_weights: the number of the best networks whose weights are kept, those of the plain network
            beside them; 0: none are.
        fidelity: how long trials train: ``"asha"`` or ``"hyperband"`` (trials pause, the best go on),
            ``"auto"`` (the plan of the search chooses that), ``"full"``, or a
            `controllers.fidelity.Fidelity`; left out: each in full. By name, ``epochs`` are those of a trial
            that is never stopped. Recipes with ``schedule="wsd"`` and an ``ema_decay`` suit trials that pause
            (`search_spaces.catalog.recipe_for`).
        trial_memory: the bytes that a worker may hold while it runs a trial; more fails it.
        trial_silence: the seconds that a trial may take without a report (an epoch, at least); more fails it.
        checkpoints: where trials in training are saved, so that one that is interrupted goes on where it was:
            a path that all machines share, or a URI as fsspec knows it (``s3://bucket/folder``).
        checkpoint_seconds: the seconds of training between checkpoints there.
        start_from: older searches to start from: names or numbers in the same store, or pairs ``(store,
            search)``. The controller learns from their results where the problem, the data and the epochs are
            the same; else networks like the best of them are tried first.
        first: networks to try before the controller is asked, in this order: each an `Architecture` or its
            decisions (path -> value); those that are left out are the plain ones (`Space.plain`), so that
            ``first=[{}]`` begins with the plain network of the space.
        prior: what is expected to be good, near which the controller's first proposals lie: ``"plain"``, the
            plain network; an architecture or a list of good ones; decisions (path -> a value, or the weights
            of several: ``{"model.width": 64, "model.op": {"conv": 3, "pool": 1}}``), of which those that are
            left out are plain; or an older search, whose best networks they are then: its name in the same
            store, or a pair ``(store, search)``. It fades with the number of results, see
            `controllers.prior.Prior`. ``"none"``: nothing, they are anywhere, equally likely. None: that,
            too, but for the controller ``"auto"``, which begins near the plain network.
        callbacks: who hears of the search while it runs: each a `nas.search.callbacks.Callback`.
        reuse_results: whether to take results over that other searches of the store have: of the same network
            and recipe on the same data, with the same epochs and seed (see `nas.search.reused_results`). They
            count as trials, took no seconds, and have the reason ``reused``. Not with a fidelity.
        inherit_weights: whether a network that a controller made from others begins from the weights of the
            first of them whose weights are kept (``keep_weights`` says how many are), wherever they mean the
            same (`search_spaces.meanings.meaning`). What is measured then depends on them:
            ``inherited_tensors`` says how many of its tensors got some. Not with ``reuse_results``.
        weights: whose they are. ``"shared"``: a bank of weights is trained by networks of the space, all
            others are scored with what it has of theirs, which takes a fraction of a training, and
            the best are trained. Those scores are believed only where they order some trained
            networks better than their sizes do; else the rest of the budget goes to ordinary trials.
            The recipe is that of the plain network, its choices are not searched: scores of a bank
            know of one recipe. With ``"own"`` every network is trained.
        finish: how those begin that are trained after shared weights: from ``"scratch"``, or with what they
            ``"inherit"`` of the bank.
        paths: the networks that train the bank (`workers.bank.paths.paths`): ``"uniform"``, one in each step,
            all of them equally likely; ``"fair"``, several in each, every option of a choice as often as any
            other; ``"sandwich"``, the largest and the smallest with some others, for spaces that differ in
            sizes; or ``"controller"``, those that a controller of the search's kind draws, which learns from
            how they do with the bank so far.
        scores: the zero-cost scores that each network gets before it is trained, by their names in
            `workers.zero_cost.catalog`: more columns of the leaderboard. Objectives and limits may be on any
            of them, named here or not; a network beyond such a limit is not trained. Where a score is not
            defined for a network, an objective or a limit on it fails the network.
        hints: the scores of untrained networks that the controller may look at, by their names in
            `workers.zero_cost.catalog`, the cheapest first: at most a twentieth of what is trained is spent
            on them, by the driver, and those that take too long beside a training are not looked at (see
            `nas.search.plan.hints`). ``["none"]``, or left out: none. A search that goes on has those that
            it began with.

    Attributes:
        space: the space of the search.
        problem: the problem of the search.
        controller: the controller of the search, new for each `run`.
        description: what the search is, as its store keeps it.
        store: where results are kept.
        executor: where networks are trained.
        callbacks: the callbacks as given, to be added to.
        name: the name of the search in the store; None: it gets one when it runs.
        seed: the seed of the controller and of every training.

    Example:
        >>> search = Search(cnn(), "digits", "evolution", limits=[at_most("num_params", 100_000)], trials=40)
        >>> search.run().head()

    Raises:
        SearchError: an argument that is not what it should be.
        UnknownNameError: a problem, controller or metric that does not exist.
        RecipeError: the space has a recipe with a field that there is not, or a value that is none for it.
    """

    @checked(SearchError, elsewhere=("problem", *(one.name for one in fields(SearchOptions))))
    def __init__(
        self,
        space: Any,
        problem: Problem | Table | str,
        controller: str | Controller | Callable[..., Controller] = AUTO,
        *,
        objectives: Objective | Sequence[Objective] | None = None,
        limits: Limit | Sequence[Limit] | None = None,
        trials: Count | None = None,
        seconds: Positive | None = None,
        target: float | None = None,
        cpu_hours: Positive | None = None,
        gpu_hours: Positive | None = None,
        failures: Whole | None = 10,
        rejections: Whole | None = 1000,
        executor: str | Executor = "pool",
        store: str | Path | Store = DEFAULT_STORE,
        seed: Seed = 0,
        name: str | None = None,
        trial_seconds: Positive | None = None,
        epochs: Epochs | None = None,
        keep_weights: Whole = 5,
        fidelity: str | Fidelity | None = None,
        trial_memory: Count | None = None,
        trial_silence: Positive | None = None,
        checkpoints: str | Path | None = None,
        checkpoint_seconds: NotNegative = 60.0,
        start_from: Source | list[Source] | None = None,
        first: Sequence[Architecture | Mapping[str, Any]] = (),
        prior: Given | None = None,
        callbacks: Sequence[Callback] = (),
        reuse_results: bool = False,
        inherit_weights: bool = False,
        weights: Literal["own", "shared"] = "own",
        finish: Literal["scratch", "inherit"] = "scratch",
        paths: Literal["uniform", "fair", "sandwich", "controller"] = "uniform",
        scores: Sequence[str] = (),
        hints: Sequence[str] | None = None,
    ) -> None:
        options = SearchOptions.of(locals())
        space, problem = space_of(space), problem_of(problem)
        if executor_of(options.executor).trains:  # an unknown name is said now
            check_space(space, problem)
        if options.weights == "shared":
            space = plainly_trained(space)
        if controller == AUTO and options.prior is None:  # one that is in a store and has none stays so
            options = replace(options, prior=PLAIN)
        self._make(space, problem, controller, options)
        if controller == AUTO:
            self._begin_within_limits()

    def _make(
        self,
        space: Space,
        problem: Problem | Table,
        controller: str | Controller | Callable[..., Controller],
        options: SearchOptions,
    ) -> None:
        self.space = space
        self.problem: Any = problem
        store, seed = options.store, options.seed
        # a store in memory ends with its object: it stays open as long as the search is there
        self.store = store if isinstance(store, Store) or not in_memory(store) else Store(store, create=True)
        self.executor = options.executor
        self.callbacks = callbacks_of(options.callbacks)
        self.name = name_of(options.name)
        self.seed = seed
        self._sources = sources_of(options.start_from)
        self._objectives = objectives_of(options.objectives, controller, self.problem)
        self._limits = limits_of(options.limits, controller)
        check_sharing(options, space, self.problem, self._objectives, self._limits)
        options = planned(options, controller, self.problem, self.space)
        self._fidelity = fidelity_of(options.fidelity, options.epochs)
        self._controller = controller
        self._prior = prior_from(options.prior, space, controller, self.store)
        self.controller = self._new_controller()
        options = replace(options, objectives=self._objectives, limits=self._limits, prior=self._prior)
        self.description = description_of(
            options, self.space, self.problem, self.controller, self._fidelity, controller
        )
        check_metrics(self.description, self.problem)

    def _begin_within_limits(self) -> None:
        """Let a network near the plain one stand for it where that is tried first and breaks a limit."""
        if self.description.first == (dict(self.space.plain().decisions),):
            stands = nearest(self.space, self.description)
            self.description = replace(self.description, first=(dict(stands.decisions),))

    @staticmethod
    @checked(SearchError, only=("store", "name"))
    def from_store(
        store: str | Path | Store = DEFAULT_STORE,
        name: str | int | None = None,
        *,
        executor: str | Executor = "pool",
        modules: Iterable[Callable[..., Any]] | None = None,
        trials: int | None = None,
        seconds: float | None = None,
        target: float | None = None,
        checkpoints: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Search:
        """Returns the search that a store describes, ready to `run` with ``resume=True``.

        Args:
            store: where it is kept.
            name: the name of the search, or its number; left out: the latest.
            executor: where networks are trained; see `Search`.
            modules: classes of your own that its space uses.
            trials, seconds, target: another end in place of its own, counted from its beginning.
            checkpoints: another place for the trials in training; those that were saved are looked for there.
            callbacks: who hears of the search while it runs; see `Search`.

        Raises:
            SearchError: its problem or controller is not of the catalog: run your script again instead; or
                its checkpoints have a password, which an older version has kept.
        """
        with open_store(store) as opened:
            record = opened.search(name)
        arguments = arguments_of(record, modules, checkpoints)
        given = SearchOptions(
            **{name: value for name, value in arguments.items() if name not in _PARTS},
            executor=executor,
            store=store,
            callbacks=callbacks,
        )
        executor_of(executor)  # an unknown name is said now
        search = Search.__new__(Search)
        # its space was accepted when it was made: an older search goes on as it is
        search._make(arguments["space"], arguments["problem"], arguments["controller"], given)
        search.description = search.description.with_end(trials, seconds, target)
        return search

    @checked(SearchError, elsewhere=("trials", "seconds", "target"))
    def extend(
        self, *, trials: int | None = None, seconds: float | None = None, target: float | None = None
    ) -> Search:
        """Move the end of this search, as its store knows it, further out: ``run(resume=True)`` goes there.

        Where one trial was in training at a time, the proposals are those of a search that was as long from
        the beginning. Of several, it waited for the last ones, so that it knows more when it asks again.

        Args:
            trials, seconds: how many more; see `nas.search.end.extended`.
            target: another target in place of its own.

        Returns:
            This search.

        Raises:
            UnknownNameError, StoreError: the store has no such search.
            SearchError: nothing is to be moved, or the search in the store is another one.

        Example:
            >>> Search.from_store("sqlite:///nas.db").extend(trials=50).run(resume=True)
        """
        with open_store(self.store) as store:
            record = find_record(store, self.name, self.description)
            budget = extended(store, record, trials, seconds, target)
        self.name = record.name
        self.description = self.description.with_end(budget.trials, budget.seconds, budget.target)
        return self

    @checked(SearchError)
    def run(self, *, resume: bool = False, accept_code: bool = False) -> pd.DataFrame:
        """Search until the end; returns the leaderboard, best first (see `nas.leaderboard`).

        Ctrl-C ends it cleanly: what was trained stays, what was being trained begins again on ``resume``.
        Where nothing came out of it (all trials failed, or none kept the limits) a warning in the log says
        why, with the end of the traceback; so does a search that stops after as many ``failures`` in a row.

        Args:
            resume: whether to go on with the search of this name in the store, where the last driver left it.
            accept_code: whether it goes on, too, if code of your own is not what it was when the search began
                (see `nas.search.user_code`). Where it was that of networks or of the problem, no other search
                takes its results over then.

        Raises:
            StoreError: the name is taken (without ``resume``), or the store cannot be used.
            UnmetLimitsError: no proposal respects the limits.
            SearchError: another space, problem or code than that of the search to ``resume``.
            ExecutorError: nothing can be trained at all.
        """
        if accept_code and not resume:
            raise SearchError("accept_code: only with resume=True: a new search begins with the code of now")
        self.controller = self._new_controller()
        with open_store(self.store, create=True) as store, _driving() as driver:
            if resume:
                record = claimed_record(store, self.name, self.description, driver, accept_code)
                self._prior = record.description.prior  # the search that it is of may have gone on
                with_prior(self.controller, self._prior)
            else:
                starts = starts_of(store, self._sources, self.description)
                record = new_record(store, self.name, self.description, driver, starts)
            self.name = record.name
            # a search that an older version began goes on as it began
            self.description = self.description.as_begun(record.description)
            fidelity = made_fidelity(self._fidelity, self.description, self.space)
            callbacks = Callbacks(self.callbacks)
            speed = Speed(self.problem) if executor_of(self.executor).trains else None
            hints = NetworkScores.of(self.problem, self.description)
            loop = Loop(
                store, record, self.description, self.controller, fidelity, driver, callbacks, speed, hints
            )
            ended = ("stopped", "an error")
            try:
                if not resume:
                    tell_warnings(self.description)
                    loop.progress.messages += [words_of(self._prior)] if self._prior else []
                callbacks.tell(lambda callback: callback.on_search_begin(record, self.description))
                end = self._drive(loop, resume)
                self.reason = end.words
                ended = ("stopped" if end.stops else "finished", end.words)
            except (KeyboardInterrupt, SystemExit):  # SIGTERM while Ray starts is the latter
                ended = ("stopped", "interrupted")
                raise
            except BaseException as error:
                ended = ("stopped", f"{type(error).__name__}: {error}")
                raise
            finally:
                try:
                    loop.leave(*ended)
                finally:
                    callbacks.tell(lambda callback: callback.on_search_end(*ended))
            tell_vain(store, record)
            tell_strangers(store, record)
            return leaderboard(store, record.name)

    def plan(self) -> list[PlanChoice]:
        """Returns what the plan of this search would choose now, with its reasons; nothing is kept.

        Where it has a time and its trials may pause as the plan chooses, the plain network is trained for two
        epochs to see how long one takes, and a few networks of the space are held against it, as their work
        is predicted to take. What was named by hand is not among the choices.

        Raises:
            SearchError: the plain network cannot be trained, or the time is too short for an epoch of it.
            ExecutorError: nothing can be trained at all.
        """
        planner = Planner(self._new_controller(), copy.deepcopy(self._fidelity))
        with executor_of(self.executor) as executor:
            executor.open(self.problem)
            speed = Speed(self.problem) if executor.trains else None
            return preview(self.description, planner, executor, speed)

    def _drive(self, loop: Loop, resume: bool) -> End:
        """Search; returns why it ended."""
        loop.begin_with([self.space.architecture(decisions) for decisions in self.description.first])
        loop.start_from(loop.store.starts(loop.record.id))
        if resume:
            loop.restore(self._rebuild)
            end = loop.done()
            if end is not None and end.fails:
                raise UnmetLimitsError(end.words)
            if end is not None:
                return end  # no worker is needed to see that
        with executor_of(self.executor) as executor:
            executor.open(self.problem)
            return loop.run(executor)

    def _rebuild(self, trial: Trial) -> Architecture:
        try:
            return self.space.architecture(trial.decisions)
        except DecisionError as error:
            raise SearchError(f"the space is not that of trial {trial.number} any more: {error}") from error

    def _repr_html_(self) -> str:
        """Returns what notebooks show."""
        described = self.description
        facts: dict[str, Any] = {
            "problem": described.problem,
            "controller": described.controller,
            "objectives": ", ".join(map(str, described.objectives)),
            "limits": ", ".join(map(str, described.limits)),
            "state": "not begun",
        }
        rows: list[dict[str, Any]] = []
        if self.name is not None:
            with suppress(NasError), open_store(self.store) as store:
                record = store.search(self.name)
                rows = entries(store, record.id, top=_SHOWN)
                facts |= {"state": record.state, "trained": store.count_trials(record.id)}
        names = ["rank", "id", "status", *(one.metric for one in described.objectives), "num_params"]
        names = [name for name in names if any(name in row for row in rows)]
        cells = [[cell(row.get(name), name) for name in names] for row in rows]
        return html.heading("Search", self.name or "") + html.pairs(facts) + html.table(names, cells)

    @checked(SearchError)
    def leaderboard(self, top: Whole | None = None) -> pd.DataFrame:
        """Returns the trials so far, best first; see `nas.results.leaderboard.leaderboard`.

        Args:
            top: the number of rows at the most.

        Raises:
            StoreError, UnknownNameError: the search has not begun.
            SearchError: ``top`` is no whole number of at least 0.
        """
        with open_store(self.store) as store:
            return leaderboard(store, self.name, top=top)

    def _new_controller(self) -> Controller:
        """Returns a controller as it was given: a run may have to begin again from nothing."""
        return made_controller(
            self._controller, self.space, self._objectives, self._limits, self.seed, self._prior
        )


@contextmanager
def _driving() -> Iterator[Driver]:
    driver = new_driver()
    try:
        yield driver
    finally:
        release(driver)
