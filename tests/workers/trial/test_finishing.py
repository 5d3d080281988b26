"""Trials whose end is told while they pause: finished at once, or extended; and what cannot be."""

import dataclasses
from pathlib import Path

import pytest
from torch import nn

from search_spaces import Architecture, Space, layer, sequential
from workers.inline import Inline
from workers.job import Checkpoint, Event, Failed, Finished, Job, Reported
from workers.recipe import Recipe
from workers.testing.jobs import answers, points, run
from workers.trial import trial


def architecture(schedule: str = "wsd", **recipe: object) -> Architecture:
    model = sequential(layer(nn.Linear, out_features=8), layer(nn.BatchNorm1d), layer(nn.Dropout, p=0.3))
    settings = {"batch_size": 36, "schedule": schedule, "ema_decay": 0.9, **recipe}
    return Space({"model": model, "recipe": settings}).architecture({})


def ended(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1]


def paused(job: Job, until: int) -> tuple[list[Event], Checkpoint]:
    *before, end = trial.run(dataclasses.replace(job, until=until), points())
    assert isinstance(end, Finished)
    assert end.checkpoint is not None
    return before, end.checkpoint


def go_on(job: Job, epochs: int, checkpoint: Checkpoint | None) -> list[Event]:
    return list(trial.run(dataclasses.replace(job, epochs=epochs, checkpoint=checkpoint), points()))


@pytest.mark.parametrize(("planned", "until", "epochs"), [(30, 10, 12), (12, 9, 24)])
def test_a_paused_trial_ends_where_it_is_told_to_as_if_told_from_the_beginning(
    planned: int, until: int, epochs: int
) -> None:
    job = Job(0, architecture(), seed=4, epochs=planned)
    if epochs < planned:
        assert Recipe.of(job.architecture).epochs_to_finish(until) == epochs
    with Inline() as executor:
        executor.open(points())
        *before, pause = run(executor, dataclasses.replace(job, until=until))
        assert isinstance(pause, Finished)
        told = dataclasses.replace(job, epochs=epochs)
        rest = run(executor, dataclasses.replace(told, checkpoint=pause.checkpoint))
        at_once = run(executor, told)
    assert [event.report.epoch for event in rest if isinstance(event, Reported)] == [
        *range(until + 1, epochs + 1)
    ]
    assert ended(rest).checkpoint is None
    assert "goes on after epoch" in ended(rest).log
    assert answers([*before, *rest]) == answers(at_once)


def test_a_trial_is_finished_and_extended_from_one_pause_on_a_level_rate() -> None:
    job = Job(0, architecture("constant"), seed=4, epochs=4)
    before, checkpoint = paused(job, 2)
    for epochs in (3, 5):
        rest = go_on(job, epochs, checkpoint)
        assert answers([*before, *rest]) == answers(go_on(job, epochs, None))


@pytest.mark.parametrize(
    ("schedule", "until", "epochs", "same"), [("wsd", 12, 24, 11), ("wsd", 10, 11, 9), ("onecycle", 1, 24, 0)]
)
def test_what_has_begun_to_decay_or_would_have_goes_to_no_other_end(
    schedule: str, until: int, epochs: int, same: int
) -> None:
    job = Job(0, architecture(schedule), seed=4, epochs=14)
    _, checkpoint = paused(job, until)
    (failed,) = go_on(job, epochs, checkpoint)
    assert isinstance(failed, Failed)
    assert f"for {epochs} epochs, got one of network" in failed.message
    assert f"after epoch {until}; by the schedule '{schedule}' both are alike up to {same}" in failed.message


def test_states_in_a_folder_that_lead_elsewhere_are_passed_over(tmp_path: Path) -> None:
    job = Job(0, architecture(), seed=4, epochs=6, folder=str(tmp_path), save_seconds=0.0)
    *_, end = trial.run(dataclasses.replace(job, until=5), points())
    assert isinstance(end, Finished)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-5.safetensors"]
    decayed = dataclasses.replace(job, epochs=5)  # the fifth epoch would have been one of its decay
    told = list(trial.run(decayed, points()))
    assert f"checkpoint of epoch 5 in {tmp_path} passed over" in ended(told).log
    assert answers(told) == answers(list(trial.run(dataclasses.replace(decayed, folder=None), points())))
