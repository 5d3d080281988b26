"""Jobs on a bank: lessons of it, wherever the next one is given, and networks that inherit from it."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch
from safetensors.torch import load
from torch import nn

from search_spaces import Space, choice, layer, sequential
from search_spaces.architecture import Architecture
from search_spaces.errors import ExecutorError
from workers.bank.average import average
from workers.bank.bank import Bank
from workers.inline import Inline
from workers.job import Event, Failed, Finished, HeldWeights, Job, Lesson, Reported, SharedWeights
from workers.testing.jobs import points
from workers.trial import banking, trial

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=choice(4, 8, 16)), choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh))
        ),
        "recipe": {"schedule": "wsd", "learning_rate": choice(0.01, 0.1)},
    }
)


def lesson(begun: int, until: int, bank: SharedWeights | None = None) -> Job:
    part = Lesson(SPACE, "fair", 6, 4, begun, until)
    return Job(-7, SPACE.plain(), seed=3, lesson=part, bank=bank)


def run(job: Job) -> list[Event]:
    return list(trial.run(job, DATA))


DATA = points()


def taught(job: Job) -> SharedWeights:
    end = run(job)[-1]
    assert isinstance(end, Finished), end
    return SharedWeights.of(end.weights.read())


@pytest.fixture(scope="module")
def bank() -> SharedWeights:
    return taught(lesson(0, 4))


def networks(count: int) -> list[Architecture]:
    rng = random.Random(0)
    return [SPACE.sample(rng) for _ in range(count)]


def test_a_lesson_reports_each_epoch_and_ends_with_the_bank() -> None:
    events = run(lesson(0, 3))
    assert [one.report.epoch for one in events if isinstance(one, Reported)] == [1, 2, 3]
    end = events[-1]
    assert isinstance(end, Finished)
    assert set(end.metrics) == {"loss"}
    assert Bank.from_safetensors(end.weights.read()).version > 0
    assert end.costs["num_params"] > 0


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the same process", "in another one"])
def test_lessons_in_parts_leave_the_same_bank(elsewhere: bool) -> None:
    first = taught(lesson(0, 1))
    if elsewhere:
        banking._held.trained = None
    second = taught(lesson(1, 4, first))
    banking._held.trained = None
    assert second.weights.read() == taught(lesson(0, 4)).weights.read()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_the_learning_rate_of_a_bank_comes_down_whatever_networks_are_trained_by(schedule: str) -> None:
    space = Space({**SPACE.value, "recipe": {**SPACE.value["recipe"], "schedule": schedule}})
    job = lesson(0, 3)
    assert job.lesson is not None
    other = dataclasses.replace(
        job, architecture=space.plain(), lesson=dataclasses.replace(job.lesson, space=space)
    )
    found, expected = (Bank.from_safetensors(taught(one).weights.read()) for one in (other, job))
    assert found.tensors.keys() == expected.tensors.keys()
    for key, tensor in found.tensors.items():
        assert torch.equal(tensor.value, expected.tensors[key].value), key


def test_a_lesson_that_has_lost_what_it_goes_on_from_fails() -> None:
    banking._held.trained = None
    end = run(lesson(1, 2))[-1]
    assert isinstance(end, Failed)
    assert "expected the bank that epoch 1 has left" in end.message


def test_a_network_is_scored_with_the_weights_of_the_bank_and_not_trained(bank: SharedWeights) -> None:
    events = run(Job(1, networks(1)[0], seed=0, until=0, bank=bank))
    assert len(events) == 1
    end = events[0]
    assert isinstance(end, Finished)
    assert end.checkpoint is not None
    assert end.checkpoint.epoch == 0
    assert end.metrics["accuracy"] > 0.6
    assert not end.test_metrics
    assert end.costs["num_params"] > 0


def test_the_same_job_has_the_same_metrics_whatever_was_scored_before(bank: SharedWeights) -> None:
    def metrics(architecture: Architecture) -> dict[str, float]:
        end = run(Job(1, architecture, seed=0, until=0, bank=bank))[-1]
        assert isinstance(end, Finished)
        return end.metrics

    several = networks(4)
    first = [metrics(one) for one in several]
    banking._held.read = None
    assert [metrics(one) for one in reversed(several)] == first[::-1]


def test_a_training_that_begins_with_inherited_weights_is_ahead_of_one_from_nothing(
    bank: SharedWeights,
) -> None:
    job = Job(1, SPACE.plain({"recipe.learning_rate": 0.01}), seed=0, epochs=1)
    losses = []
    for given in (None, bank):
        events = run(dataclasses.replace(job, bank=given))
        report = next(one.report for one in events if isinstance(one, Reported))
        losses.append(report.train_loss)
        end = events[-1]
        assert isinstance(end, Finished)
        assert end.costs.get("inherited_share") == (None if given is None else 1.0)
        assert load(end.weights.read())
    assert losses[1] < losses[0]


def test_a_pause_before_the_first_epoch_needs_a_bank(bank: SharedWeights) -> None:
    with pytest.raises(ExecutorError, match="expected until above 0, got 0"):
        Job(1, SPACE.plain(), seed=0, until=0)
    with pytest.raises(ExecutorError, match="expected until above 0, got 0"):
        Job(1, SPACE.plain(), seed=0, until=0, bank=bank, checkpoint=_checkpoint())


def _checkpoint() -> object:
    from workers.job import Checkpoint

    return Checkpoint(0, HeldWeights(b""))


def test_weights_that_are_no_bank_are_a_failure_of_the_job() -> None:
    broken = SharedWeights("broken", HeldWeights(b"nothing"))
    end = run(Job(1, SPACE.plain(), seed=0, until=0, bank=broken))[-1]
    assert isinstance(end, Failed)
    assert "bank: expected" in end.message


def test_an_executor_runs_lessons_and_scores(bank: SharedWeights) -> None:
    with Inline() as executor:
        executor.open(DATA)
        executor.start(lesson(0, 1), Job(1, SPACE.plain(), seed=0, until=0, bank=bank))
        ends = []
        while events := executor.events():
            ends += [type(one).__name__ for one in events]
    assert ends == ["Reported", "Finished", "Finished"]


def test_random_states_of_the_caller_stay_as_they_are(bank: SharedWeights) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run(lesson(0, 1))
    run(Job(1, SPACE.plain(), seed=0, until=0, bank=bank))
    assert torch.equal(torch.get_rng_state(), before)


def given(begun: int, until: int, bank: SharedWeights | None = None, *, count: int = 4, new: int = 4) -> Job:
    drawn = tuple(dict(one.decisions) for one in networks(count))
    part = Lesson(SPACE, "controller", 6, 4, begun, until, drawn, new)
    return Job(-7, SPACE.plain(), seed=3, lesson=part, bank=bank)


def ended(job: Job) -> Finished:
    end = run(job)[-1]
    assert isinstance(end, Finished), end
    return end


def test_networks_that_a_lesson_is_given_train_the_bank_and_are_scored_with_it() -> None:
    job = given(0, 2)
    end = ended(job)
    assert Bank.from_safetensors(end.weights.read()).version > 0
    assert len(end.scored) == 2
    for one, architecture in zip(end.scored, networks(2), strict=True):
        assert one is not None
        assert one["accuracy"] > 0.3
        assert one["num_params"] == architecture.cost(DATA.signature).num_params
    assert ended(job).scored == end.scored


def test_the_last_lesson_scores_nobody_and_a_lesson_without_networks_does_not_either() -> None:
    bank = taught(given(0, 2))
    assert ended(given(2, 4, bank)).scored == ()
    assert ended(lesson(0, 1)).scored == ()


def test_a_network_that_cannot_be_built_is_scored_as_none_and_the_others_train_the_bank() -> None:
    size = choice(five=(1, 5), three=(1, 3), name="size")
    model = sequential(layer(nn.Unflatten, dim=1, unflattened_size=size), layer(nn.Flatten))
    space = Space({"model": model})
    decisions = tuple({"size": value} for value in ("three", "five"))
    part = Lesson(space, "controller", 2, 2, 0, 1, decisions, new=2)
    end = ended(Job(-7, space.plain(), seed=3, lesson=part))
    assert [one is None for one in end.scored] == [True, False]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the same process", "in another one"])
def test_networks_of_earlier_lessons_train_a_bank_on_and_new_ones_alone_are_scored(elsewhere: bool) -> None:
    first = taught(given(0, 2, count=2, new=2))
    if elsewhere:
        banking._held.trained = None
    end = ended(given(2, 3, first, new=2))
    banking._held.trained = None
    again = ended(given(2, 3, taught(given(0, 2, count=2, new=2)), new=2))
    assert len(end.scored) == 2
    assert end.weights.read() == again.weights.read()
    assert end.scored == again.scored


def of_worker(worker: int, begun: int, until: int, bank: SharedWeights | None = None) -> Job:
    part = Lesson(SPACE, "uniform", 6, 4, begun, until, worker=worker, workers=2)
    return Job(-7 - worker, SPACE.plain(), seed=3, lesson=part, bank=bank)


def averaged(
    begun: int, until: int, before: SharedWeights | None, *, elsewhere: bool = False
) -> SharedWeights:
    banks = []
    for worker in (0, 1):
        if elsewhere:
            banking._held.trained = None
        banks.append(Bank.from_safetensors(taught(of_worker(worker, begun, until, before)).weights.read()))
    old = None if before is None else Bank.from_safetensors(before.weights.read())
    return SharedWeights.of(average(banks, old).to_safetensors())


def test_workers_begin_with_the_same_numbers_and_train_them_in_ways_of_their_own() -> None:
    first, second = (
        Bank.from_safetensors(taught(of_worker(worker, 0, 1)).weights.read()) for worker in (0, 1)
    )
    assert first.tensors.keys() == second.tensors.keys()
    assert all(one.places == second.tensors[key].places for key, one in first.tensors.items())
    pairs = [(one, second.tensors[key]) for key, one in first.tensors.items()]
    assert any(not torch.equal(one.value, other.value) for one, other in pairs)
    unmoved = [(one.steps == 0) & (other.steps == 0) for one, other in pairs]
    for (one, other), still in zip(pairs, unmoved, strict=True):
        assert not still.dim() or torch.equal(one.value[still], other.value[still])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the same process", "in another one"])
def test_workers_go_on_from_the_average_wherever_they_are(elsewhere: bool) -> None:
    first = averaged(0, 1, None)
    found = averaged(1, 2, first, elsewhere=elsewhere)
    banking._held.trained = None
    again = averaged(1, 2, averaged(0, 1, None, elsewhere=True), elsewhere=True)
    assert found.weights.read() == again.weights.read()
