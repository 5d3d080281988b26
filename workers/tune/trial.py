"""A trial as Ray Tune runs one: a class whose step is an epoch, and whose checkpoints are pauses."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray.tune import Trainable
from ray.tune.result import RESULT_DUPLICATE

from search_spaces.errors import ExecutorError, FormatError
from workers.acceleration import Acceleration
from workers.job import (
    Checkpoint,
    Failed,
    Finished,
    HeldWeights,
    Job,
    Last,
    Paced,
    Report,
    Reported,
    TrialStopped,
)
from workers.remote.messages import Order
from workers.remote.runners import Packed, Runner, runner

REPORT = "report"
"""Under this key a result carries our own report to the driver, which takes it out."""

ABOUT, STATE, WEIGHTS = "trial.json", "state.safetensors", "weights.safetensors"
"""Files of a checkpoint: epoch and seconds so far, and the state to go on from, or the weights of the end."""


class TuneTrial(Trainable):  # type: ignore[misc]  # Ray has no annotations
    """Runs jobs of ours, one after the other, an epoch for each of Tune's steps.

    A checkpoint is a pause (`workers.trial.checkpoint_format`): safetensors and a line of JSON. A trial goes
    on from it to the same results, here or on another node. It is of one trial only: schedulers that copy one
    trial's checkpoint to another one, such as population based training, end in a `FormatError`.
    """

    _run: Runner | None = None
    _job: Job | None
    _running: Iterator[Reported | Last] | None
    _last: Finished | Failed | None
    pause: Finished | None

    def setup(self, config: dict[str, Any]) -> None:
        self._take(None)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self._take(None)
        return True

    def step(self) -> dict[str, Any]:
        event = next(self._events(), None)
        if isinstance(event, Reported):
            return self.result_of(event.report)
        self._last = event or self._last
        self.check_end(self._last)
        return {RESULT_DUPLICATE: True}  # how Tune is told that there are no more results

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pause = self.finish()
        if not isinstance(pause, Finished):
            raise ExecutorError(f"no checkpoint of a trial that has failed: {pause and pause.message}")
        self.pause, folder = pause, Path(checkpoint_dir)
        state = pause.checkpoint
        about = {"epoch": None if state is None else state.epoch, "seconds": pause.seconds}
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        if state is None:
            (folder / WEIGHTS).write_bytes(pause.weights.read())
            return
        data = state.state.read()
        (folder / STATE).write_bytes(data)
        self._go_on(Checkpoint(state.epoch, HeldWeights(data)), pause.seconds)

    def load_checkpoint(self, checkpoint_dir: str | dict[str, Any] | None) -> None:
        folder = Path(str(checkpoint_dir))
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            epoch, seconds = about["epoch"], float(about["seconds"])
            state = None if epoch is None else HeldWeights((folder / STATE).read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"{folder}: no checkpoint of a trial: {type(error).__name__}: {error}"
            ) from error
        if state is not None:  # what has ended is trained again: its results are the same
            self._go_on(Checkpoint(int(epoch), state), seconds)

    def cleanup(self) -> None:
        self._take(None)

    def get_auto_filled_metrics(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """As Tune's; without metrics it is of a trial that has reported nothing, as one that fails at once.

        Tune ends its whole run when it finds no metric in what it takes for a result, by the settings in it.
        """
        filled: dict[str, Any] = super().get_auto_filled_metrics(*arguments, **named)
        if named.get("debug_metrics_only"):
            filled.pop("config", None)
        return filled

    def result_of(self, report: Report) -> dict[str, Any]:
        """What Tune is told of an epoch."""
        about = dataclasses.asdict(report)
        return {**about.pop("metrics"), **about}

    def check_end(self, event: Finished | Failed | None) -> None:
        """Raises what Tune is to take for an error, if the trial has ended so."""

    def finish(self) -> Finished | Failed | None:
        """The last event; of a trial that goes on, its pause now. None where there is no trial."""
        self._enough = True
        for event in self._events():
            if isinstance(event, Last):
                self._last = event
        if self._last is None:
            return None
        return dataclasses.replace(self._last, seconds=self._last.seconds + self._spent)

    def _take(self, job: Job | None) -> None:
        """Drops what there is, and begins with a job at the next step."""
        self._job, self._running = job, None
        self._last = self.pause = None
        self._enough = self._stopped = False
        self._spent = 0.0  # seconds before the last pause

    def _go_on(self, checkpoint: Checkpoint, spent: float) -> None:
        """Begins from a checkpoint at the next step."""
        assert self._job is not None
        self._job = dataclasses.replace(self._job, checkpoint=checkpoint)
        self._running, self._last, self._enough, self._spent = None, None, False, spent

    def _events(self) -> Iterator[Reported | Last]:
        if self._last is not None or self._job is None:
            return iter(())
        if self._running is None:
            assert self._run is not None  # there is a job
            job = self._job
            if job.seconds is not None:
                job = dataclasses.replace(job, seconds=max(1e-3, job.seconds - self._spent))
            events = self._run(job, self._check, lambda: self._enough)
            # Tune takes every step's result for an epoch: the pace has no way there
            self._running = (event for event in events if not isinstance(event, Paced))
        return self._running

    def _check(self) -> None:
        if self._stopped:
            raise TrialStopped("stopped on request")


class OrderedTrial(TuneTrial):
    """A trial that the executor gives orders to, beside Tune: in the order in which both call."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        # Tune would have each trial work in its own folder; a path means the same in every executor.
        os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
        super().__init__(*arguments, **named)

    def result_of(self, report: Report) -> dict[str, Any]:
        return {**super().result_of(report), REPORT: report}

    def check_end(self, event: Finished | Failed | None) -> None:
        if event is not None and not event.fit:
            raise ExecutorError("this process is not fit for another trial")  # Tune ends it, then

    def order(
        self,
        order: Order | None,
        stopped: bool,
        data: Packed,
        cpus: int,
        device: str,
        acceleration: Acceleration,
        share: float,
    ) -> None:
        """Takes a job, for the steps that follow; None: the trial is not wanted any longer."""
        try:
            self._run = self._run or runner(data, cpus, device, acceleration, share)
            self._take(None if order is None else order.read())
            self._stopped = stopped
        except Exception as error:
            # Tune goes on with a step, which has this to tell
            self._take(None)
            text = f"on the worker: {type(error).__name__}: {error}"[:1_000]
            self._last = Failed(-1, "exception", text, "", False, 0.0)

    def halt(self) -> None:
        """Ends the trial at its next step."""
        self._stopped = True

    def end(self) -> tuple[Finished | Failed | None, bytes, bytes]:
        """Returns how the trial has ended: its last event, weights and state. One that goes on ends now."""
        return _parts(self.finish())

    def paused(self) -> tuple[Finished | Failed | None, bytes, bytes]:
        """Returns what `end` would if the trial had ended where it was saved last."""
        return _parts(self.pause)


def _parts(event: Finished | Failed | None) -> tuple[Finished | Failed | None, bytes, bytes]:
    """An event, its weights, and its state: each of them travels on its own."""
    if not isinstance(event, Finished):
        return event, b"", b""
    weights, state, empty = event.weights.read(), b"", HeldWeights(b"")
    paused = event.checkpoint
    if paused is not None and isinstance(paused.state, HeldWeights):
        state = paused.state.read()
        paused = Checkpoint(paused.epoch, empty)
    return dataclasses.replace(event, weights=empty, checkpoint=paused), weights, state
