"""What Ray Tune calls: it asks for trials and tells what becomes of them, in its own thread."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from search_spaces.errors import ExecutorError
from workers.job import Reported
from workers.remote.messages import Order
from workers.remote.runs import RemoteRun
from workers.tune.trial import REPORT


@dataclass(eq=False)
class TuneRun(RemoteRun):
    """A job in flight, and the trial that Tune makes of it.

    Attributes:
        order: the order for its worker.
        trial: Tune's own; None: Tune has not begun it.
        actor: where it runs, or is about to end.
        pause: Ray's references to the answer of `OrderedTrial.paused`, as of when it was saved last.
        ending: Tune has ended it, its last event is on its way.
        doomed: why its process was killed.
    """

    order: Order | None = None
    trial: Any = None
    actor: Any = None
    pause: list[Any] | None = None
    ending: bool = False
    doomed: str | None = None

    @property
    def status(self) -> str:
        """Tune's word for it."""
        return str(Trial.PENDING if self.trial is None else self.trial.status)

    def renew(self) -> None:
        """Forgets the attempt before."""
        self.trial = self.actor = self.pause = self.began = self.heard = self.doomed = None
        self.ending = False


News = tuple[str, TuneRun | None, Any]
"""What happened: ``reported``, ``ended`` (what `OrderedTrial.end` answers: a future and two references of
Ray's), ``dropped`` (by Tune, with nothing to tell), ``unstarted`` (why); of no run, ``over`` (its error)."""


class TrialFeed:
    """Between two threads: the executor's, which has jobs to run, and Tune's, which runs them.

    Args:
        order: the function that sends a run to its actor, or to an actor nothing (None).

    Attributes:
        limit: how many trials may run at once.
        news: what happened, for the executor.
        folder: where Tune stages its files on this machine; None: it has none yet.
        ready: whether Tune has begun to ask.
    """

    def __init__(self, order: Callable[[Any, TuneRun | None], None], limit: int) -> None:
        self._order, self.limit = order, limit
        self._changed = threading.Condition()
        self._waiting: deque[TuneRun] = deque()
        self._given: dict[str, TuneRun] = {}  # by Tune's name of the trial
        self._open: set[str] = set()  # trials that Tune has not ended, wanted or not
        self._closing = False
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.folder: Path | None = None
        self.ready = threading.Event()

    # ---- called by the executor

    def put(self, run: TuneRun, *, first: bool = False) -> None:
        """Lets Tune run it when there is room."""
        run.renew()
        with self._changed:
            if first:
                self._waiting.appendleft(run)
            else:
                self._waiting.append(run)
            self._changed.notify()

    def withdraw(self, run: TuneRun) -> bool:
        """Takes a run back that is at no actor and returns true; tells any other one to end."""
        with self._changed:
            if run in self._waiting:
                self._waiting.remove(run)
                return True
            if run.status == Trial.PAUSED:
                self._given = {name: other for name, other in self._given.items() if other is not run}
                return True
            if run.actor is not None:
                run.actor.halt.remote()
            return False  # one that Tune has not begun is told with its order

    def close(self) -> None:
        """Makes Tune end."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    @property
    def paused(self) -> int:
        """How many runs Tune's scheduler has paused."""
        with self._changed:
            return sum(run.status == Trial.PAUSED for run in self._given.values())

    # ---- called by Tune

    def suggest(self, name: str) -> TuneRun | None:
        """Waits for the next run and returns it; returns None at once where Tune has something else to do."""
        with self._changed:
            self.ready.set()
            while not self._closing:
                running = sum(run.status != Trial.PAUSED for run in self._given.values())
                if self._waiting and running < self.limit:
                    run = self._given[name] = self._waiting.popleft()
                    self._open.add(name)
                    return run
                if self._open:
                    return None
                self._changed.wait()  # Tune itself would sleep for a second between questions
            return None

    @property
    def closing(self) -> bool:
        """Whether Tune is to end."""
        return self._closing

    def look(self) -> None:
        """Between two steps of Tune's: what has paused is at no actor any more."""
        with self._changed:
            for run in self._given.values():
                if run.status == Trial.PAUSED:
                    run.actor = run.began = run.heard = None

    def begin(self, trial: Any) -> None:
        """An actor waits for its first step; it gets the order before."""
        with self._changed:
            actor = trial.temporary_state.ray_actor
            run = self._given.get(trial.trial_id)
            if run is not None:
                run.trial, run.actor = trial, actor
                run.began = run.heard = time.monotonic()
            self._order(actor, run)
            self.folder = Path(trial.storage.experiment_driver_staging_path)

    def report(self, trial: Any, result: dict[str, Any]) -> None:
        """An epoch has ended."""
        report = result.pop(REPORT, None)
        with self._changed:
            run = self._given.get(trial.trial_id)
        if run is None or report is None:
            return
        run.heard = time.monotonic()
        if report.epoch > run.epochs:
            run.epochs = report.epoch
            self.news.put(("reported", run, Reported(run.job.number, report)))

    def save(self, trial: Any) -> None:
        """A trial was saved: it may never go on, then this is its end."""
        with self._changed:
            run = self._given.get(trial.trial_id)
            if run is not None and run.actor is not None:
                run.pause = run.actor.paused.options(num_returns=3).remote()

    def end(self, name: str, error: bool) -> None:
        """Tune has ended a trial, for whatever reason; its actor is not told yet."""
        with self._changed:
            self._open.discard(name)
            run = self._given.get(name)
            if run is None:
                return
            running = run.status == Trial.RUNNING
            if error and not running:
                return  # `fail` knows more
            del self._given[name]
        if running:
            self._ended(run, run.actor.end.options(num_returns=3).remote())
        elif run.pause is not None:
            self._ended(run, run.pause)
        else:
            self.news.put(("dropped", run, None))

    def fail(self, trial: Any) -> None:
        """A trial could not begin, or not go on."""
        with self._changed:
            run = self._given.pop(trial.trial_id, None)
        if run is not None:
            file = trial.error_file
            why = Path(file).read_text(encoding="utf-8") if file and Path(file).exists() else "unknown"
            self.news.put(("unstarted", run, why[-1_000:]))

    def _ended(self, run: TuneRun, parts: list[Any]) -> None:
        news, run.ending = self.news, True
        parts[0].future().add_done_callback(lambda answer: news.put(("ended", run, (answer, *parts[1:]))))


class _Part:
    """Of a feed, as Tune wants it; Tune pickles its configuration, for which there is nothing to keep."""

    def __init__(self, feed: TrialFeed | None) -> None:
        super().__init__()
        self._feed = feed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (None,)

    @property
    def feed(self) -> TrialFeed:
        """It, where this is no copy."""
        if self._feed is None:
            raise ExecutorError("this run of Ray Tune goes on only with the search that began it")
        return self._feed


class FeedSearcher(_Part, Searcher):  # type: ignore[misc]  # Ray has no annotations
    """Asks for trials."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        run = self.feed.suggest(trial_id)
        if run is None:
            return Searcher.FINISHED if self.feed.closing else None
        return {"job": run.job.number, "architecture": run.job.architecture.id, "seed": run.job.seed}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self.feed.end(trial_id, error)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: what was found is in the search's store."""


class FeedCallback(_Part, Callback):  # type: ignore[misc]
    """Tells of trials."""

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.feed.look()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.feed.begin(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self.feed.report(trial, result)

    def on_trial_save(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.feed.save(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.feed.fail(trial)


class FeedStopper(_Part, Stopper):  # type: ignore[misc]
    """Ends all, when the feed is closed."""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.feed.closing
