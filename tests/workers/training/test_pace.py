"""The pace of a training: told once, early, where epochs are long."""

from __future__ import annotations

import time

import pytest
import torch

from workers.job import Job, Pace, Paced, Report
from workers.recipe import Recipe
from workers.testing.jobs import answers, architecture, points
from workers.training import training
from workers.training.placement import Stopwatch
from workers.training.steps import TIMED
from workers.training.training import progress, train
from workers.trial import trial

STEPS = 36
RECIPE = Recipe(epochs=2, batch_size=2)


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return architecture().build(points().signature)


def test_the_pace_of_long_epochs_comes_once_before_their_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LONG", 0.0)
    pace, first, second = progress(_network(), points(), RECIPE, seed=0)
    assert isinstance(pace, Pace)
    assert isinstance(first, Report)
    assert isinstance(second, Report)
    # the steps that were timed are a part of the epoch
    assert 0 < pace.seconds * len(TIMED) / STEPS <= first.seconds
    told = train(_network(), points(), RECIPE, seed=0)
    assert [report.metrics for report in told] == [first.metrics, second.metrics]


def test_short_epochs_and_those_of_few_steps_tell_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(list(progress(_network(), points(), RECIPE, seed=0))) == 2
    monkeypatch.setattr(training, "LONG", 0.0)
    few = RECIPE.model_copy(update={"batch_size": 4, "epochs": 4})  # the pace is known after an epoch
    assert len(list(progress(_network(), points(), few, seed=0))) == 4


def test_what_the_caller_does_with_the_pace_is_no_time_of_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LONG", 0.0)
    started = time.perf_counter()
    said = progress(_network(), points(), RECIPE, seed=0)
    assert isinstance(next(said), Pace)
    time.sleep(0.1)
    report = next(said)
    assert isinstance(report, Report)
    assert report.seconds <= time.perf_counter() - started - 0.1


def test_a_trial_tells_its_pace_and_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(3, architecture(batch_size=2), seed=0)
    silent = list(trial.run(job, points()))
    monkeypatch.setattr(training, "LONG", 0.0)
    paced, *others = trial.run(job, points())
    assert isinstance(paced, Paced)
    assert paced.number == 3
    assert len(others) == len(silent)
    assert answers(others) == answers(silent)


def test_a_stopwatch_tells_the_seconds_between_its_marks() -> None:
    watch = Stopwatch(torch.device("cpu"))
    watch.mark()
    time.sleep(0.01)
    watch.mark()
    seconds = watch.seconds()
    assert seconds is not None
    assert 0.01 <= seconds < 10
