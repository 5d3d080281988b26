"""Tables of known answers in place of a problem: no network is trained, but the search is the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError
from search_spaces.space import Space
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Report, Reported, TrialStopped

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.signature import Signature

_LOOK = 0.1  # seconds between looks at whether a trial that is played was stopped


@dataclass(frozen=True)
class Answer:
    """What a table knows of one architecture.

    Attributes:
        metrics: the metrics on the validation split, by name, at the end of the training.
        seconds: the seconds that the training is billed.
        test_metrics: the metrics on the test split, for reporting only.
        costs: the costs of the network, by name.
        epochs: ``(metrics, seconds since the start)`` after each epoch, where the table has learning curves.
    """

    metrics: Mapping[str, float]
    seconds: float
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    epochs: tuple[tuple[Mapping[str, float], float], ...] = ()


@checked(ProblemError)
@dataclass(frozen=True, eq=False)
class Table:
    """A problem whose answers are known: in place of a `Problem`, with `Simulated` workers or a `Pool`.

    Attributes:
        name: the name of the problem.
        space: the architectures that it knows.
        signature: what they serve.
        answer: the function that looks an architecture up; it returns None where training fails. Data that it
            has from around it or from its module are known to a search by all their bytes.
        seeded: whether the function takes a second argument, the seed of the training: the table has answers
            for several.
        metrics: the names of the validation metrics.
        objective: what a search optimises unless told otherwise.
        options: how it was loaded.

    Raises:
        ProblemError: one of these is something else.
    """

    name: str
    space: Space
    signature: Signature
    answer: Callable[..., Answer | None]
    metrics: tuple[str, ...] = ("accuracy",)
    objective: tuple[str, Literal["maximize", "minimize"]] = ("accuracy", "maximize")
    options: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = False


def look_up(table: Table, architecture: Architecture, seed: int) -> Answer | None:
    """Returns what a table knows of a training; None: it fails."""
    return table.answer(architecture, seed) if table.seeded else table.answer(architecture)


def foresee(table: Table, job: Job) -> list[tuple[float, Event]]:
    """Returns the events of a job, each with the seconds from its start."""
    answer = look_up(table, job.architecture, job.seed)
    if answer is None:
        return [(0.0, Failed(job.number, "exception", "the table says that it fails", "", False, 0.0))]
    whole = answer.epochs if job.epochs is None else answer.epochs[: job.epochs]
    curve = whole[: job.until]
    paused = len(curve) < len(whole)
    begun = 0 if job.checkpoint is None else job.checkpoint.epoch
    spent = curve[begun - 1][1] if curve and begun else 0.0  # billed before the pause
    metrics, after = curve[-1] if curve else (answer.metrics, answer.seconds)
    seconds = after - spent
    if job.seconds is not None and seconds > job.seconds:
        text = f"takes {seconds:g} seconds, more than {job.seconds:g}"
        return [(job.seconds, Failed(job.number, "timeout", text, "", False, job.seconds))]
    events: list[tuple[float, Event]] = []
    before = spent
    for epoch, (values, after) in enumerate(curve[begun:], start=begun + 1):
        report = Report(epoch, dict(values), float("nan"), after - before, 0.0)
        events.append((after - spent, Reported(job.number, report)))
        before = after
    finished = Finished(
        job.number,
        dict(metrics),
        {} if paused else dict(answer.test_metrics),  # the table knows those of the end
        seconds,
        HeldWeights(b""),
        dict(answer.costs),
        checkpoint=Checkpoint(len(curve), HeldWeights(b"")) if paused else None,
    )
    return [*events, (seconds, finished)]


def perform(
    table: Table, job: Job, check: Callable[[], None], enough: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Plays a job in real time: yields its events, each when its seconds are over.

    Args:
        table: the table that answers the job.
        job: what to do.
        check: the function that is called now and then; it raises `TrialStopped` to end the trial.
        enough: the function that is asked after each epoch; where it says so the trial pauses there, as with
            `Job.until`.
    """
    started = time.perf_counter()
    try:
        for after, event in foresee(table, job):
            while (left := started + after - time.perf_counter()) > 0:
                check()
                time.sleep(min(left, _LOOK))
            yield event
            if isinstance(event, Reported) and enough():
                yield foresee(table, replace(job, until=event.report.epoch))[-1][1]
                return
    except TrialStopped as stop:
        yield Failed(job.number, "stopped", str(stop), "", False, time.perf_counter() - started)
