"""The executor over Ray Tune: a search's trials under Tune's schedulers, loggers and callbacks."""

from __future__ import annotations

import dataclasses
import math
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ray
from ray import tune

from search_spaces.arguments import Count, NotNegative, Patience, Whole, checked
from search_spaces.errors import BuildError, ExecutorError
from workers.acceleration import Acceleration, Autocast, Choice
from workers.executor import Executor
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job
from workers.remote import cluster
from workers.remote.cluster import LOOK_SECONDS
from workers.remote.messages import Order, RemoteWeights
from workers.remote.runners import pack
from workers.tune.config import Quiet, check, configure
from workers.tune.feed import TrialFeed, TuneRun
from workers.tune.trial import OrderedTrial

if TYPE_CHECKING:
    from workers.problems.problem import Problem
    from workers.table import Table


class Tune(Executor):
    """Trains under Ray Tune, on the cluster that this process is connected to, else on one at ``address``,
    else on one started here for the time that it is open.

    A trial that Tune's scheduler (or ``stop`` in the run's configuration) ends early is `Finished` with the
    metrics of its last epoch and the network as it is then: a result like others, from fewer epochs; its log
    says so. Where the job has an ``until`` it has paused instead, before its time. Schedulers that give one
    trial the settings or weights of another one (population based training) are turned down: the record would
    not be true.

    Tune keeps all trials in memory, and looks at one thing at a time: a `workers.Pool` does with less, and is
    better where nothing of Tune is wanted. Some of Tune's schedulers (ASHA) draw from NumPy's global random
    state. With several nodes, a scheduler that pauses trials needs a ``storage_path`` that all of them reach.

    Args:
        workers: how many trials run at once, at most; left out, as many as the cluster has room for.
        cpus: the cores and torch threads of each trial.
        gpus: the GPUs, or the share of one, of each trial; above 0, it trains on it, and is held to its
            share of the memory. Where that is not enough the trial fails with ``out_of_memory``.
        address: the address of a cluster (``"auto"``, ``"host:port"``).
        memory: the bytes that Ray sets aside for each trial; nothing enforces them (`Job.memory` does).
        resources: what each trial takes of your cluster's own resources, such as ``{"A100": 1}``.
        tune_config: a `ray.tune.TuneConfig`: the scheduler, its metric and mode (left out: the problem's
            objective), and how trials are called. What is a search's own (``search_alg``, ``num_samples``,
            ``time_budget_s``, ``max_concurrent_trials``) cannot be said here. Actors are always reused.
        run_config: a `ray.tune.RunConfig`: callbacks, ``stop``, ``storage_path``, ... Left out, Tune logs
            nothing, and its files go into a temporary folder until `close`; so they do where it names neither
            a ``storage_path`` nor itself. Tune prints only where ``verbose`` is given and not its default, 1.
        retries: how often a trial whose worker is lost begins again, at most; then it is `Failed` with
            ``worker_lost``. Retries count here, not in Tune's ``failure_config``.
        grace: the seconds that a trial may run on when its time is over or it was stopped, till it loses its
            process. One that was stopped ends with the epoch.
        autocast, compile, graphs, deterministic: how trials make use of their device; see
            `workers.acceleration.Acceleration`.

    Attributes:
        lost_workers: how many workers were lost so far while trials ran on them.

    Raises:
        ExecutorError: a configuration says what it cannot.
    """

    trains = True

    @checked(ExecutorError)
    def __init__(
        self,
        workers: Count | None = None,
        cpus: Count = 1,
        gpus: NotNegative | Literal["auto"] = 0,
        address: str | None = None,
        *,
        memory: Count | None = None,
        resources: Mapping[str, float] | None = None,
        tune_config: tune.TuneConfig | None = None,
        run_config: tune.RunConfig | None = None,
        retries: Whole = 2,
        grace: Patience = 15.0,
        autocast: Autocast = "recipe",
        compile: Choice = False,
        graphs: Choice = "auto",
        deterministic: bool = False,
    ) -> None:
        check(tune_config)
        if isinstance(gpus, str):
            raise ExecutorError(
                f"Tune(gpus={gpus!r}): Ray Tune gives every trial the same share; expected a number, such as "
                '0.125 (gpus="auto" is the pool\'s)'
            )
        self._resources = cluster.Resources(cpus, gpus, memory, dict(resources or {}))
        self._asked, self._address = workers, address
        self._tune_config, self._run_config = tune_config, run_config
        self._retries, self._grace = retries, grace
        self._acceleration = Acceleration(autocast, compile, graphs, deterministic)
        self.lost_workers = 0
        self._own_ray = False
        self._feed: TrialFeed | None = None
        self._thread: threading.Thread | None = None
        self._quiet: Quiet | None = None
        self._folder: Path | None = None
        self._reset()

    def _reset(self) -> None:
        self._runs: dict[int, TuneRun] = {}  # by the job's number, until its last event is known
        self._out: list[Event] = []
        self._over = False  # Tune has ended its run
        self._unstarted = 0  # trials in a row that could not begin
        self._look_again = 0.0

    @property
    def slots(self) -> int:
        # what has paused waits for others to come as far: they need room
        return 2 * self.parallelism + (0 if self._feed is None else self._feed.paused)

    @property
    def parallelism(self) -> int:
        return self._asked or 1 if self._feed is None else self._feed.limit

    @property
    def holds(self) -> Mapping[str, float]:
        return {one: self.parallelism * getattr(self._resources, one) for one in ("cpus", "gpus")}

    def _open(self, problem: Problem | Table) -> None:
        cores = None if self._asked is None else self._asked * self._resources.cpus
        self._own_ray = cluster.connect(self._address, cores)
        self._reset()
        cluster.require_room(self._resources)
        data = ray.put(pack(problem))
        cpus, device = self._resources.cpus, "cuda" if self._resources.gpus > 0 else "cpu"

        def order(actor: Any, run: TuneRun | None) -> None:
            stopped = run is not None and run.stopping is not None
            what = None if run is None else run.order
            actor.order.remote(what, stopped, data, cpus, device, self._acceleration, self._resources.share)

        feed = self._feed = TrialFeed(order, self._limit())
        self._folder = Path(tempfile.mkdtemp(prefix="nas-tune-"))
        bundle = tune.PlacementGroupFactory([self._resources.bundle()])
        tune_config, run_config = configure(
            self._tune_config, self._run_config, feed, problem.objective, self._folder
        )
        self._quiet = Quiet(
            loud=bool(run_config.verbose), logs=self._run_config is not None, pending=feed.limit
        )

        def fit() -> None:
            error = None
            try:
                tune.Tuner(
                    tune.with_resources(OrderedTrial, bundle), tune_config=tune_config, run_config=run_config
                ).fit()
            except BaseException as raised:  # in whatever way: the executor has to hear of it
                error = raised
            feed.news.put(("over", None, error))
            feed.ready.set()

        self._thread = threading.Thread(target=fit, name="ray tune", daemon=True)
        with cluster.environment(self._quiet.variables):
            self._thread.start()
            feed.ready.wait()
        self._receive(0)  # an error, if that was all

    def _start(self, jobs: Sequence[Job]) -> None:
        feed = self._fed()
        self._receive(0)
        if self._over:
            raise ExecutorError("Ray Tune has ended its run: see stop and fail_fast in its configuration")
        for job in jobs:
            run = self._runs[job.number] = TuneRun(job)
            try:
                run.order = Order.of(0, job)
            except BuildError as error:
                self._end(run, run.failed("build", str(error)))
            else:
                feed.put(run)

    def _events(self, timeout: float | None) -> list[Event]:
        feed = self._fed()
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self._receive(0)
            if self._out:
                events, self._out = self._out, []
                return events
            now = time.monotonic()
            if now > end:
                return []
            if now >= self._look_again:
                self._look_again = now + LOOK_SECONDS
                feed.limit = self._limit()
            self._receive(max(0.0, min(end, self._look_again, self._kill_overdue(now)) - now))

    def _stop(self, number: int) -> None:
        run = self._runs.get(number)
        if run is None:
            return
        run.stopping = time.monotonic()
        if self._fed().withdraw(run):
            self._end(run, run.failed("stopped", "stopped on request"))

    def _queued(self) -> frozenset[int]:
        return frozenset(number for number, run in self._runs.items() if run.queued)

    def _close(self) -> None:
        feed, self._feed = self._feed, None
        thread, self._thread = self._thread, None
        if feed is not None and thread is not None:
            feed.close()
            for run in self._runs.values():
                if run.actor is not None and ray.is_initialized():
                    ray.kill(run.actor)  # Tune would wait for the end of an epoch
            thread.join()
            if feed.folder is not None and self._run_config is None:
                shutil.rmtree(feed.folder.parent, ignore_errors=True)
        if self._quiet is not None:
            self._quiet.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._quiet = self._folder = None
        self._reset()
        if self._own_ray and ray.is_initialized():
            ray.shutdown()
        self._own_ray = False

    def _fed(self) -> TrialFeed:
        assert self._feed is not None  # the executor is open
        return self._feed

    def _limit(self) -> int:
        room = max(1, cluster.room(self._resources))
        return room if self._asked is None else min(room, self._asked)

    # ---- what Tune tells

    def _receive(self, seconds: float) -> None:
        """Takes in all that there is, after waiting for it so long at most."""
        news = self._fed().news
        try:
            self._take(*news.get(timeout=seconds if math.isfinite(seconds) else None))
            while True:
                self._take(*news.get_nowait())
        except queue.Empty:
            return

    def _take(self, kind: str, run: TuneRun | None, what: Any) -> None:
        if run is None:
            self._take_end_of_tune(what)
        elif self._runs.get(run.job.number) is not run:
            pass  # it was given up
        elif kind == "reported":
            self._unstarted = 0
            self._out.append(what)
        elif kind == "ended":
            self._unstarted = 0
            self._take_ended(run, *what)
        elif kind == "dropped":
            self._end(run, run.failed("stopped", "stopped by Ray Tune before its first epoch"))
        else:
            self._take_unstarted(run, what)

    def _take_ended(self, run: TuneRun, answer: Any, weights: Any, state: Any) -> None:
        error = answer.exception()
        event = None if error else answer.result()
        if event is None:
            self._take_lost(run, f"{type(error).__name__}: {error}")
            return
        if not event.fit:
            ray.kill(run.actor)
        if isinstance(event, Failed) and event.reason == "worker_lost":  # its card is gone
            self._take_lost(run, event.message)
            return
        if isinstance(event, Finished):
            event = dataclasses.replace(event, weights=RemoteWeights(weights))
            event = _early(event, run.job, state)
        self._end(run, dataclasses.replace(event, number=run.job.number, attempts=run.lost + 1))

    def _take_lost(self, run: TuneRun, why: str) -> None:
        self.lost_workers += 1
        if run.doomed is not None:
            self._end(run, run.failed(run.doomed, run.killed(run.doomed, self._grace)))
            return
        given_up = run.lose(why, self._retries)
        if given_up is not None:
            self._end(run, run.failed(*given_up))
        else:
            self._again(run)

    def _take_unstarted(self, run: TuneRun, why: str) -> None:
        self._unstarted += 1
        if run.stopping is not None:
            self._end(run, run.failed("stopped", "stopped on request"))
        elif self._unstarted > self._retries + self._fed().limit:
            raise ExecutorError(f"no trial can be begun: {why}")
        else:
            self._again(run)

    def _take_end_of_tune(self, error: BaseException | None) -> None:
        self._over = True
        if error is not None:
            raise ExecutorError(f"Ray Tune has failed: {type(error).__name__}: {error}") from error
        for run in list(self._runs.values()):
            if not run.ending:
                self._end(run, run.failed("stopped", "stopped by Ray Tune, which has ended its run"))

    def _again(self, run: TuneRun) -> None:
        if self._over:
            self._end(run, run.failed("stopped", "stopped by Ray Tune, which has ended its run"))
        else:
            self._fed().put(run, first=True)

    def _end(self, run: TuneRun, event: Finished | Failed) -> None:
        del self._runs[run.job.number]
        self._out.append(event)

    def _kill_overdue(self, now: float) -> float:
        """Kills what should have ended; returns when the next is due."""
        next_due = math.inf
        for run in self._runs.values():
            if run.actor is None or run.doomed is not None:
                continue
            due, reason = run.overdue(self._grace)
            if due > now:
                next_due = min(next_due, due)
            else:
                run.doomed = reason
                ray.kill(run.actor)
        return next_due


def _early(event: Finished, job: Job, state: Any) -> Finished:
    """An end, where it came before its time: the end of the trial, or a pause, if pauses are asked for."""
    if event.checkpoint is None:
        return event
    epoch = event.checkpoint.epoch
    if isinstance(event.checkpoint.state, HeldWeights):  # not saved: it travels on its own
        event = dataclasses.replace(event, checkpoint=Checkpoint(epoch, RemoteWeights(state)))
    if job.until is None or epoch < job.until:
        event = dataclasses.replace(event, log=f"{event.log}ended by Ray Tune after epoch {epoch}\n")
    return dataclasses.replace(event, checkpoint=None) if job.until is None else event
