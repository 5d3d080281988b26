"""The loop of a search: ask, train, store, tell; and its restoration from the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from controllers.base import Controller, Proposal
from controllers.records import judge
from controllers.replay import replay
from nas.description import Description
from nas.progress import Progress
from nas.ranking import rank
from nas.records import EpochReport, SearchRecord, Trial
from nas.store import Store, Writing
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError, SearchError
from search_spaces.signature import Signature
from workers.executor import Executor
from workers.job import Event, Failed, Finished, Job, Reported

Listener = Callable[[Progress], None]

MAX_REJECTED = 2000
"""Proposals in a row that break a limit before the search gives up."""

_WAIT = 0.5  # seconds between looks at the clock while nothing happens
_BATCH = 64  # asks in one transaction at the most


class Loop:
    """One driver of one search.

    Each turn takes what happened at the workers, records it, tells the controller, asks for as many proposals
    as there is room for, and commits; only then are the new jobs started. So whatever was started is in the
    store, and what is in the store is all there is to know: `restore` brings a new driver to the same place.
    """

    def __init__(
        self,
        store: Store,
        record: SearchRecord,
        description: Description,
        controller: Controller,
        executor: Executor,
        listener: Listener | None = None,
    ) -> None:
        self.store, self.record, self.description = store, record, description
        self.controller, self.executor, self.listener = controller, executor, listener
        self.signature: Signature = description.signature
        self.progress = Progress(
            record.name, description.budget, description.objectives[0].metric, elapsed=record.elapsed_seconds
        )
        self._began = executor.clock()
        self._elapsed_before = record.elapsed_seconds
        self._step = 0  # calls of the controller so far
        self._rejected = 0  # proposals in a row that broke a limit
        self._running: dict[int, tuple[Trial, Proposal]] = {}
        self._known: dict[str, Trial] = {}  # by architecture id: trials that are over
        self._waiting: dict[str, list[tuple[Trial, Proposal]]] = {}  # repeats of what is being trained
        self._jobs: list[Job] = []  # to be started after the commit
        self._kept: dict[int, Trial] = {}  # trials with weights, by trial id

    # -- the turn ------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Turn until the search ends; gives the reason in words."""
        while True:
            with self.store.writing() as writing:
                reason = self._over()
                if reason is None:
                    self._ask_all(writing)
                elif not reason.waits:
                    self._interrupt(writing)
                writing.update_search(self.record.id, elapsed_seconds=self._clock())
            for job in self._jobs:
                self.executor.start(job)
            self._jobs.clear()
            self._show()
            if not self._running:
                reason = reason or self._over()
                if reason is not None:
                    return reason.words
                continue  # the last turn rejected all that it asked for
            events = self.executor.events(timeout=self._patience())
            if events:
                with self.store.writing() as writing:
                    for event in events:
                        self._take(event, writing)

    def interrupt(self) -> None:
        """Give up what is running: it is trained again when the search goes on."""
        with self.store.writing() as writing:
            self._interrupt(writing)
            writing.update_search(self.record.id, elapsed_seconds=self._clock())

    def _interrupt(self, writing: Writing) -> None:
        for number, (trial, _) in self._running.items():
            self.executor.stop(number)
            assert trial.id is not None
            writing.update(trial.id, status="interrupted")
        self._running.clear()
        self._waiting.clear()

    def _over(self) -> _End | None:
        """Whether no more proposals are wanted, and why."""
        budget, progress = self.description.budget, self.progress
        objective = self.description.objectives[0]
        if budget.seconds is not None and self._clock() >= budget.seconds:
            return _End(f"{budget.seconds:g} seconds are over", waits=False)
        if budget.target is not None and progress.best is not None:
            value = progress.best[0]
            if objective.score(value) >= objective.score(budget.target):
                return _End(f"{objective.metric} {value:.4g} reached the target", waits=False)
        waiting = sum(map(len, self._waiting.values()))
        if budget.trials is not None and progress.trials + len(self._running) + waiting >= budget.trials:
            return _End(f"{budget.trials} trials are done", waits=True)
        if self.controller.exhausted and not self.controller.repeats:
            return _End("every network of the space has been tried", waits=True)
        return None

    def _patience(self) -> float:
        budget = self.description.budget.seconds
        return _WAIT if budget is None else min(_WAIT, max(0.01, budget - self._clock()))

    def _clock(self) -> float:
        self.progress.seconds_here = self.executor.clock() - self._began
        self.progress.elapsed = self._elapsed_before + self.progress.seconds_here
        return self.progress.elapsed

    def _show(self) -> None:
        self._clock()
        self.progress.running = len(self._running)
        if self.listener is not None:
            self.listener(self.progress)
        self.progress.messages.clear()

    # -- asking --------------------------------------------------------------------------------------------

    def _ask_all(self, writing: Writing) -> None:
        for _ in range(_BATCH):
            if len(self._running) >= self.executor.slots or self._over() is not None:
                return
            self._ask(writing)

    def _ask(self, writing: Writing) -> None:
        """One proposal: to a worker, or answered at once from a limit or from the record."""
        proposal = self.controller.ask()
        architecture = proposal.architecture
        trial = Trial(
            number=proposal.number,
            architecture_id=architecture.id,
            decisions=dict(architecture.decisions),
            status="running",
            origin=proposal.origin,
            parents=proposal.parents,
            asked_step=self._next_step(),
            started_at=time.time(),
        )
        trial = replace(trial, id=writing.add(self.record.id, trial))
        twin = self._known.get(architecture.id)
        if twin is not None:
            self._repeat(trial, proposal, twin, writing)
        elif any(t.architecture_id == architecture.id for t, _ in self._running.values()):
            self._waiting.setdefault(architecture.id, []).append((trial, proposal))
        elif self._allowed(trial, proposal, writing):
            self._launch(trial, proposal)

    def _launch(self, trial: Trial, proposal: Proposal) -> None:
        budget = self.description.budget
        self._running[trial.number] = (trial, proposal)
        self._jobs.append(
            Job(
                number=trial.number,
                architecture=proposal.architecture,
                seed=training_seed(self.description.seed, trial.architecture_id),
                epochs=budget.epochs,
                seconds=budget.trial_seconds,
            )
        )

    def _allowed(self, trial: Trial, proposal: Proposal, writing: Writing) -> bool:
        """Whether a proposal respects the limits on what can be known before any training."""
        if not any(limit.metric in COSTS for limit in self.description.limits):
            return True
        try:
            costs = _costs(proposal.architecture, self.signature)
        except BuildError as error:
            self._end(trial, proposal, writing, "failed", reason="build", message=str(error))
            return False
        broken = [
            limit
            for limit in self.description.limits
            if limit.metric in costs and limit.violation(costs[limit.metric]) > 0
        ]
        if not broken:
            self._rejected = 0
            return True
        self._rejected += 1
        if self._rejected > MAX_REJECTED:
            limits = ", ".join(map(str, self.description.limits))
            raise SearchError(
                f"the last {MAX_REJECTED} proposals all broke a limit ({limits}): "
                "the space may hold no network within it"
            )
        self._end(
            trial, proposal, writing, "infeasible", reason="limit", message=str(broken[0]), metrics=costs
        )
        return False

    # -- taking --------------------------------------------------------------------------------------------

    def _take(self, event: Event, writing: Writing) -> None:
        if event.number not in self._running:
            return  # of a job that was given up
        trial, proposal = self._running[event.number]
        assert trial.id is not None
        if isinstance(event, Reported):
            report = event.report
            writing.report(
                trial.id,
                EpochReport(
                    report.epoch, report.metrics, report.train_loss, report.seconds, report.samples_per_second
                ),
            )
            self._running[event.number] = (replace(trial, epochs=report.epoch), proposal)
            return
        del self._running[event.number]
        if isinstance(event, Finished):
            self._finish(event, trial, proposal, writing)
        else:
            self._fail(event, trial, proposal, writing)
        for repeat in self._waiting.pop(trial.architecture_id, []):
            self._repeat(*repeat, self._known[trial.architecture_id], writing)

    def _finish(self, event: Finished, trial: Trial, proposal: Proposal, writing: Writing) -> None:
        ended = self._end(
            trial,
            proposal,
            writing,
            "complete",
            metrics=event.metrics | event.costs,
            test_metrics=event.test_metrics,
            seconds=event.seconds,
        )
        self._keep(ended, event, writing)

    def _fail(self, event: Failed, trial: Trial, proposal: Proposal, writing: Writing) -> None:
        self._end(
            trial,
            proposal,
            writing,
            "failed",
            reason=event.reason,
            message=event.message,
            traceback=event.traceback or None,
            seconds=event.seconds,
        )
        self.progress.messages.append(f"{trial.architecture_id} failed ({event.reason}): {event.message}")

    def _repeat(self, trial: Trial, proposal: Proposal, twin: Trial, writing: Writing) -> None:
        """Answer a network that was tried before from the record."""
        self._end(
            trial,
            proposal,
            writing,
            "repeated",
            reason=twin.reason,
            message=f"the same network as trial {twin.number}",
            metrics=twin.metrics,
            test_metrics=twin.test_metrics,
        )

    def _end(self, trial: Trial, proposal: Proposal, writing: Writing, status: Any, **values: Any) -> Trial:
        """Record how a trial ended, then tell the controller."""
        ended = replace(trial, status=status, told_step=self._next_step(), **values)
        ended = replace(ended, score=self._score(ended))
        assert ended.id is not None
        changed = {"status": status, "told_step": ended.told_step, "score": ended.score, **values}
        writing.update(ended.id, epochs=ended.epochs, **changed)
        self._count(ended, here=status in ("complete", "failed"))
        self.controller.tell(proposal, self._values(ended))
        return ended

    def _values(self, trial: Trial) -> dict[str, float] | None:
        """What the controller is told of a trial."""
        if trial.status == "failed" or not trial.metrics:
            return None
        if trial.status == "infeasible" and not self.controller.limits:
            return None  # a controller that knows no limits can only hear that it failed
        return dict(trial.metrics)

    def _score(self, trial: Trial) -> float | None:
        objective = self.description.objectives[0]
        value = trial.metrics.get(objective.metric)
        return None if value is None or trial.status != "complete" else objective.score(value)

    def _count(self, trial: Trial, here: bool) -> None:
        """Take a trial that is over into account."""
        progress = self.progress
        setattr(progress, trial.status, getattr(progress, trial.status) + 1)
        progress.trials_here += here
        if trial.status in ("repeated", "interrupted"):
            return
        self._known.setdefault(trial.architecture_id, trial)
        objective = self.description.objectives[0]
        if trial.score is None or not judge(trial.metrics, [objective], self.description.limits).feasible:
            return
        if progress.best is None or trial.score > objective.score(progress.best[0]):
            progress.best = (trial.metrics[objective.metric], trial.architecture_id)

    def _keep(self, trial: Trial, event: Finished, writing: Writing) -> None:
        """Keep the weights of a trial if it is among the best, at the cost of the worst kept."""
        assert trial.id is not None
        candidates = [*self._kept.values(), trial]
        best = rank(candidates, self.description.objectives, self.description.limits)
        best = best[: self.description.keep_weights]
        if trial not in best:
            return
        for worse in [t for t in self._kept.values() if t not in best]:
            assert worse.id is not None
            writing.drop_weights(worse.id)
            del self._kept[worse.id]
        writing.keep_weights(trial.id, event.weights.read())
        self._kept[trial.id] = trial

    # -- restoring -----------------------------------------------------------------------------------------

    def restore(self, rebuild: Callable[[Trial], Architecture]) -> None:
        """Come to where the last driver of this search was, from the store alone.

        The controller's calls are replayed; trials that were in flight are begun again.

        Args:
            rebuild: the architecture of a trial from its decisions.
        """
        past = self.store.trials(self.record.id)
        proposals = {
            trial.number: Proposal(trial.number, rebuild(trial), trial.parents, trial.origin)
            for trial in past
        }
        calls: list[tuple[int, Any]] = []
        for trial in past:
            proposal = proposals[trial.number]
            calls.append((trial.asked_step, ("ask", proposal)))
            if trial.told_step is not None:
                calls.append((trial.told_step, ("tell", proposal, self._values(trial))))
                self._count(trial, here=False)
        calls.sort(key=lambda call: call[0])
        replay(self.controller, [event for _, event in calls])
        self._step = calls[-1][0] if calls else 0
        by_id = {trial.id: trial for trial in past}
        self._kept = {key: by_id[key] for key, _ in self.store.kept_weights(self.record.id)}
        again = [trial for trial in past if trial.told_step is None]
        with self.store.writing() as writing:
            writing.clear_reports(trial.id for trial in again if trial.id is not None)
            for trial in again:
                self._again(replace(trial, status="running", epochs=None), proposals[trial.number], writing)
        # jobs are started by the first turn, after its commit

    def _again(self, trial: Trial, proposal: Proposal, writing: Writing) -> None:
        assert trial.id is not None
        writing.update(trial.id, status="running", started_at=time.time(), epochs=None)
        twin = self._known.get(trial.architecture_id)
        if twin is not None:
            self._repeat(trial, proposal, twin, writing)
        elif any(t.architecture_id == trial.architecture_id for t, _ in self._running.values()):
            self._waiting.setdefault(trial.architecture_id, []).append((trial, proposal))
        else:
            self._launch(trial, proposal)

    def _next_step(self) -> int:
        self._step += 1
        return self._step


class _End:
    """Why a search ends, and whether what is running is waited for."""

    def __init__(self, words: str, waits: bool) -> None:
        self.words, self.waits = words, waits


COSTS = frozenset({"num_params", "num_macs", "activation_bytes"})
"""What can be known of a network before any training."""


def training_seed(seed: int, architecture_id: str) -> int:
    """The seed of a training: the same whenever and wherever this network is trained in this search."""
    return int.from_bytes(hashlib.sha256(f"{seed} {architecture_id}".encode()).digest()[:4])


def _costs(architecture: Architecture, signature: Signature) -> dict[str, float]:
    return architecture.cost(signature).to_dict()
