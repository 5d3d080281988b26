"""How far a trial has come: what it goes on from, and what it saves of itself on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from search_spaces.errors import ExecutorError, FormatError
from search_spaces.tasks import Task
from workers.job import Checkpoint, HeldWeights, Job, Pace, Report
from workers.trial import checkpoint_format
from workers.trial.checkpoint_folder import CheckpointFolder, SavedWeights
from workers.trial.checkpoint_format import DamagedCheckpointError, Epoch

if TYPE_CHECKING:
    from torch import nn

    from workers.training.deadline import Deadline
    from workers.training.learning import Learning
    from workers.trial.trial_log import TrialLog


class TrialProgress:
    """The epochs that a trial has behind it, and its checkpoints.

    What a storage does not do costs the trial nothing but a line in its log.

    Args:
        job: the job of the trial.
        network: the network that is trained.
        until: the last epoch to train.
        deadline: the job's time; it is told what earlier attempts at the job have spent.
        log: the log of the trial.
        tasks: the tasks whose metrics are measured.
    """

    def __init__(
        self,
        job: Job,
        network: nn.Module,
        until: int,
        deadline: Deadline,
        log: TrialLog,
        tasks: Mapping[str, Task],
    ) -> None:
        self._job, self._network, self._until = job, network, until
        self._tasks = tasks
        self._deadline, self._log = deadline, log
        self._folder = None if job.folder is None else CheckpointFolder(job.folder)
        self._learning: Learning | None = None
        self._history: list[Epoch] = []
        self._restored: list[Report] = []  # of this job's epochs, by an earlier attempt
        self._before = 0.0  # seconds of earlier jobs of the trial
        self._saved_at = time.perf_counter()

    @property
    def epoch(self) -> int:
        """The last one trained."""
        return len(self._history)

    @property
    def metrics(self) -> dict[str, float]:
        """Those of the last epoch."""
        return self._history[-1].report.metrics

    def begin(self, learning: Learning) -> int:
        """Brings network and training to the newest state there is; returns the epochs behind it.

        Raises:
            FormatError: the job's own checkpoint is one of another trial.
        """
        self._learning = learning
        for state in self._states():
            try:
                self._history = checkpoint_format.restore(
                    self._read(state),
                    self._job,
                    self._network,
                    learning,
                    epoch=state.epoch,
                    tasks=self._tasks,
                )
                self._note(f"goes on after epoch {state.epoch}")
                break
            except ExecutorError as error:
                self._note(f"checkpoint of epoch {state.epoch} is lost: {error}")
            except DamagedCheckpointError as error:  # no fault of the network
                self._note(f"checkpoint of epoch {state.epoch} is damaged, passed over: {error}")
            except FormatError as error:
                if state is self._job.checkpoint:
                    raise
                self._note(f"checkpoint of epoch {state.epoch} in {self._job.folder} passed over: {error}")
        begun = 0 if self._job.checkpoint is None else self._job.checkpoint.epoch
        spent = [0.0, *(epoch.spent for epoch in self._history)]
        self._before = spent[min(begun, len(self._history))]
        self._deadline.add(spent[-1] - self._before)
        self._restored = [epoch.report for epoch in self._history[begun:]]
        return len(self._history)

    def _read(self, state: Checkpoint) -> bytes:
        """Returns a checkpoint's bytes, no more than it can have."""
        if not isinstance(state.state, SavedWeights):
            return state.state.read()
        assert self._learning is not None  # set by `begin`
        most = checkpoint_format.most_bytes(self._job, self._network, self._learning, self._tasks)
        try:
            return state.state.read(most)
        except FormatError as error:
            raise DamagedCheckpointError(str(error)) from error

    def reports(
        self, trained: Iterator[Pace | Report], enough: Callable[[], bool]
    ) -> Iterator[Pace | Report]:
        """Yields all reports of the job: those of an earlier attempt, and what comes of what is trained now.

        They end when ``enough``, asked after each epoch trained now, says so.
        """
        for report in trained:  # its first step is `begin`
            yield from self._again()
            if isinstance(report, Pace):
                yield report
                continue
            self._history.append(Epoch(report, self._before + self._deadline.spent))
            yield report
            if enough():
                return
            due = time.perf_counter() - self._saved_at >= self._job.save_seconds
            if due and report.epoch < self._until:
                self._save()
        yield from self._again()

    def pause(self) -> Checkpoint:
        """The state now; it travels in memory where it cannot be saved."""
        return self._save() or Checkpoint(len(self._history), HeldWeights(self._state()))

    def _states(self) -> list[Checkpoint]:
        """What there is to go on from, the newest first."""
        states = [] if self._job.checkpoint is None else [self._job.checkpoint]
        if self._folder is not None:
            try:
                states += [state for state in self._folder.saved() if state.epoch <= self._until]
            except ExecutorError as error:
                self._note(str(error))
        return sorted(states, key=lambda state: -state.epoch)

    def _again(self) -> Iterator[Report]:
        reports, self._restored = self._restored, []
        yield from reports

    def _save(self) -> Checkpoint | None:
        if self._folder is None:
            return None
        try:
            return self._folder.save(len(self._history), self._state())
        except ExecutorError as error:
            self._note(str(error))
            return None
        finally:
            self._saved_at = time.perf_counter()

    def _state(self) -> bytes:
        assert self._learning is not None  # set by `begin`, before the first epoch
        return checkpoint_format.save(self._job, self._network, self._learning, self._history)

    def _note(self, text: str) -> None:
        self._log.write(f"{text}\n")
