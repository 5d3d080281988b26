"""The laws of `workers.Executor` as a test class."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from search_spaces import Architecture, Space, layer, sequential
from search_spaces.errors import ExecutorError
from workers.executor import Executor
from workers.inline import Inline
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job, Paced, Reported, Weights
from workers.testing.jobs import Faulty, Picky, answers, architecture, drain, faulty, points, run
from workers.training.criterion import adapt
from workers.training.metrics import evaluate
from workers.trial import trial


class LostWeights(Weights):
    """Weights on a node that is no more."""

    def read(self) -> bytes:
        raise ExecutorError("gone")


def paused_and_resumed(
    executor: Executor, jobs: list[Job], *, until: int
) -> tuple[list[Event], list[Finished]]:
    """The events of jobs that pause and go on, all together, and their pauses."""
    before = run(executor, *[dataclasses.replace(job, until=until) for job in jobs])
    pauses = {event.number: event for event in before if isinstance(event, Finished)}
    # the other way round, so that they go to other workers
    again = [dataclasses.replace(job, checkpoint=pauses[job.number].checkpoint) for job in reversed(jobs)]
    return before + run(executor, *again), list(pauses.values())


def states() -> tuple[object, ...]:
    """This process's random states (torch, Python, NumPy) and its number of threads."""
    numpy_state: Any = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), numpy_state[1].tolist(), torch.get_num_threads()


class ExecutorContract:
    """What every executor must keep; about thirty tests, which train networks of a few milliseconds.

    A subclass whose name begins with ``Test`` defines the fixture ``make_executor``, of scope ``class`` or
    wider: a function that makes an executor, not open yet, that has two workers or one and gives trials
    ``grace`` seconds to end by themselves. Most tests share one executor, which is open.

    Attributes:
        grace: the seconds that the executor gives a trial to end by itself.
        tells_pace: whether the executor has a way for the pace of trials whose epochs are long.
        finish_epochs: the executors whose `Executor.events` finish an epoch that has begun, whatever their
            time limit, because they train in the caller's process.

    Example:
        >>> class TestSlurm(ExecutorContract):
        ...     @pytest.fixture(scope="class")
        ...     @classmethod
        ...     def make_executor(cls):
        ...         return lambda: Slurm(workers=2, grace=cls.grace)
    """

    grace: float = 1.5
    tells_pace: bool = True
    finish_epochs: tuple[type[Executor], ...] = (Inline,)

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls, make_executor: Callable[[], Executor]) -> Iterator[Executor]:
        with make_executor() as made:
            made.open(points())
            yield made
            last = run(made, Job(999, architecture(), 0))[-1]
            assert isinstance(last, Finished), "the executor is not healthy at the end"

    def test_a_job_gives_its_reports_in_order_and_then_exactly_one_final_event(
        self, executor: Executor
    ) -> None:
        events = run(executor, *[Job(number, architecture(epochs=3), seed=number) for number in range(5)])
        for number in range(5):
            own = [event for event in events if event.number == number]
            assert [e.report.epoch for e in own if isinstance(e, Reported)] == [1, 2, 3]
            assert isinstance(own[-1], Finished)
            assert len(own) == 4
            report = own[0].report  # type: ignore[union-attr]
            assert set(report.metrics) == {"loss", "accuracy"}
            assert report.seconds > 0
            assert report.samples_per_second == pytest.approx(72 / report.seconds, rel=1e-6)

    def test_same_job_and_seed_give_the_same_answers_everywhere_in_any_company(
        self, executor: Executor
    ) -> None:
        jobs = [Job(number, architecture(), seed=number % 2) for number in range(4)]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone = answers([event for job in jobs for event in trial.run(job, points())])
        torch.set_num_threads(threads)
        assert answers(run(executor, *jobs)) == alone
        assert answers(run(executor, *reversed(jobs))) == alone
        assert alone[0] == alone[2] != alone[1]

    def test_epochs_of_the_job_override_those_of_the_recipe(self, executor: Executor) -> None:
        events = run(executor, Job(0, architecture(epochs=2), seed=0, epochs=5))
        assert sum(isinstance(event, Reported) for event in events) == 5

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("exception", "exception"),
            ("exit", "exception"),
            ("nan", "not_finite"),
            ("cuda memory", "out_of_memory"),
            ("python memory", "out_of_memory"),
            ("host memory", "out_of_memory"),
        ],
    )
    def test_a_failing_candidate_is_recorded_with_its_reason(
        self, executor: Executor, fault: str, reason: str
    ) -> None:
        bad, good = run(executor, Job(0, faulty(fault), 0)), run(executor, Job(1, architecture(), 0))
        assert len(bad) == 1
        failed = bad[0]
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.infrastructure) == (reason, False)
        assert failed.message
        assert failed.seconds >= 0
        assert ("in forward" in failed.traceback) == (fault != "nan")
        assert isinstance(good[-1], Finished)

    def test_a_candidate_that_is_too_slow_fails_with_timeout(self, executor: Executor) -> None:
        *_, failed = run(executor, Job(0, faulty("slow"), 0, seconds=0.5))
        assert isinstance(failed, Failed)
        assert failed.reason == "timeout"
        assert "0.5 seconds" in failed.message
        assert failed.seconds < 0.5 + self.grace

    @pytest.mark.parametrize(
        "broken",
        [
            architecture(layer(Picky)),
            architecture(layer(nn.Conv2d, out_channels=3, kernel_size=3)),
            Space({"model": layer(nn.ReLU), "recipe": {"optimiser": "adam"}}).architecture({}),
        ],
        ids=["module", "shape", "recipe"],
    )
    def test_a_candidate_that_cannot_be_built_fails_with_build(
        self, executor: Executor, broken: Architecture
    ) -> None:
        (failed,) = run(executor, Job(0, broken, 0))
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.infrastructure) == ("build", False)

    def test_many_failures_among_good_candidates_cost_none_of_them(self, executor: Executor) -> None:
        kinds = ["exception", "nan", "host memory", "none"]
        events = run(executor, *[Job(number, faulty(kinds[number % 4]), 0) for number in range(16)])
        finals = {event.number: event for event in events if not isinstance(event, Reported)}
        assert {number for number, event in finals.items() if isinstance(event, Finished)} == {3, 7, 11, 15}
        assert len([event for event in events if not isinstance(event, Reported)]) == 16

    @pytest.mark.parametrize(
        "recipe",
        [
            {"schedule": "wsd", "ema_decay": 0.9},
            {"optimizer": "sgd", "schedule": "cosine"},
            {"optimizer": "adam"},
        ],
    )
    def test_a_trial_that_pauses_ends_as_one_that_does_not(
        self, executor: Executor, recipe: dict[str, object]
    ) -> None:
        model = sequential(
            layer(nn.Linear, out_features=8), layer(nn.BatchNorm1d), layer(nn.ReLU), layer(nn.Dropout, p=0.3)
        )
        network = Space({"model": model, "recipe": {"epochs": 5, "batch_size": 16, **recipe}}).architecture(
            {}
        )
        jobs = [Job(number, network, seed=number) for number in range(3)]
        whole = answers(run(executor, *jobs))
        events, pauses = paused_and_resumed(executor, jobs, until=2)
        assert [pause.checkpoint.epoch for pause in pauses if pause.checkpoint] == [2, 2, 2]
        for pause in pauses:
            events.remove(pause)
        assert answers(events) == whole
        assert all(event.checkpoint is None for event in events if isinstance(event, Finished))

    def test_a_trial_that_is_told_another_end_while_it_pauses_ends_as_if_told_at_once(
        self, executor: Executor
    ) -> None:
        model = sequential(layer(nn.Linear, out_features=8), layer(nn.BatchNorm1d), layer(nn.Dropout, p=0.3))
        recipe = {"epochs": 6, "batch_size": 16, "schedule": "wsd", "ema_decay": 0.9}
        network = Space({"model": model, "recipe": recipe}).architecture({})
        *before, paused = run(executor, Job(0, network, seed=1, until=2))
        assert isinstance(paused, Finished)
        for end in (3, 9):  # finished at once; extended
            rest = run(executor, Job(0, network, seed=1, epochs=end, checkpoint=paused.checkpoint))
            assert answers([*before, *rest]) == answers(run(executor, Job(0, network, seed=1, epochs=end)))

    def test_a_pause_gives_metrics_weights_and_costs_as_an_end_does(self, executor: Executor) -> None:
        *reports, paused = run(executor, Job(0, architecture(epochs=4), seed=1, until=2))
        assert isinstance(paused, Finished)
        assert [event.report.epoch for event in reports if isinstance(event, Reported)] == [1, 2]
        assert paused.metrics == reports[-1].report.metrics  # type: ignore[union-attr]
        assert paused.test_metrics.keys() == paused.metrics.keys()
        assert paused.costs["num_params"] > 0
        architecture().build(points().signature).load_state_dict(
            safetensors.torch.load(paused.weights.read())
        )

    def test_a_pause_at_the_last_epoch_is_the_end(self, executor: Executor) -> None:
        (*_, plain), (*_, finished) = (
            run(executor, Job(0, architecture(), 0, until=end)) for end in (None, 2)
        )
        assert isinstance(finished, Finished)
        assert isinstance(plain, Finished)
        assert finished.checkpoint is None
        assert finished.metrics == plain.metrics

    def test_a_trial_whose_checkpoint_is_lost_begins_again_and_ends_the_same(
        self, executor: Executor
    ) -> None:
        job = Job(0, architecture(epochs=3), seed=5)
        again = dataclasses.replace(job, checkpoint=Checkpoint(2, LostWeights()))
        assert answers(run(executor, again)) == answers(run(executor, job))

    def test_a_checkpoint_of_another_trial_is_a_failure(self, executor: Executor) -> None:
        *_, paused = run(executor, Job(0, architecture(epochs=4), seed=1, until=2))
        assert isinstance(paused, Finished)
        for other in (
            Job(0, architecture(epochs=4), seed=2, checkpoint=paused.checkpoint),
            Job(0, architecture(epochs=4, dropout=0.5), seed=1, checkpoint=paused.checkpoint),
        ):
            (failed,) = run(executor, other)
            assert isinstance(failed, Failed)
            assert "checkpoint" in failed.message

    def test_a_trial_whose_checkpoint_is_damaged_begins_again_and_ends_the_same(
        self, executor: Executor
    ) -> None:
        job = Job(0, architecture(epochs=3), seed=5)
        again = dataclasses.replace(job, checkpoint=Checkpoint(2, HeldWeights(b"noise")))
        assert answers(run(executor, again)) == answers(run(executor, job))

    def test_a_running_job_is_stopped(self, executor: Executor) -> None:
        executor.start(Job(0, architecture(epochs=100_000), 0))
        events = executor.events(timeout=60)
        assert isinstance(events[0], Reported)
        executor.stop(0)
        executor.stop(0)  # asked twice is asked once
        *_, failed = drain(executor)
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.infrastructure) == ("stopped", False)

    @pytest.mark.slow
    def test_a_job_whose_epochs_are_long_tells_its_pace_early_enough_to_be_stopped(
        self, executor: Executor
    ) -> None:
        slow = layer(Faulty, fault="slow step")
        executor.start(Job(0, architecture(slow, batch_size=2), seed=0))
        if not self.tells_pace:
            events = drain(executor)
            assert not any(isinstance(event, Paced) for event in events)
            return
        (paced,) = executor.events(timeout=60)
        assert isinstance(paced, Paced)
        assert paced.number == 0
        assert paced.pace.seconds >= 36 * 0.07
        executor.stop(0)
        (failed,) = drain(executor)
        assert isinstance(failed, Failed)
        assert failed.reason == "stopped"

    def test_a_queued_job_is_stopped_before_it_begins(self, executor: Executor) -> None:
        jobs = [Job(number, architecture(epochs=100_000), 0) for number in range(8)]
        for job in jobs:
            executor.start(job)
        first = executor.events(timeout=60)
        assert {event.number for event in first} <= executor.begun() <= set(range(8))
        for job in reversed(jobs):
            executor.stop(job.number)
        events = drain(executor)
        assert sorted(event.number for event in events if isinstance(event, Failed)) == list(range(8))
        assert all(event.reason == "stopped" for event in events if isinstance(event, Failed))
        begun = {event.number for event in events if isinstance(event, Reported)}
        assert len(begun) <= 2

    def test_stopping_what_is_not_in_flight_does_nothing(self, executor: Executor) -> None:
        executor.stop(12345)
        events = run(executor, Job(0, architecture(), 0))
        executor.stop(0)
        assert isinstance(events[-1], Finished)
        assert executor.events(timeout=0.1) == []

    def test_weights_read_back_give_the_same_test_metrics(self, executor: Executor) -> None:
        *_, finished = run(executor, Job(0, architecture(), 3))
        assert isinstance(finished, Finished)
        network = architecture().build(points().signature)
        network.load_state_dict(safetensors.torch.load(finished.weights.read()))
        test = points().splits["test"]
        forward = adapt(network, points().signature)
        scores = evaluate(forward, network, test, points().signature.tasks)
        assert scores == finished.test_metrics

    def test_the_callers_random_states_and_threads_are_as_they_were(self, executor: Executor) -> None:
        before = states()
        executor.start(Job(0, architecture(), 0))
        while executor.events(timeout=60):
            assert states() == before

    def test_events_wait_no_longer_than_they_are_told(self, executor: Executor) -> None:
        assert executor.events(timeout=0.2) == []
        assert executor.events() == []
        if not isinstance(executor, self.finish_epochs):
            executor.start(Job(0, faulty("slow"), 0))
            started = time.monotonic()
            assert executor.events(timeout=0.3) == []
            assert time.monotonic() - started < 1
            drain(executor)

    def test_a_number_in_flight_is_not_taken_twice(self, executor: Executor) -> None:
        executor.start(Job(7, architecture(), 0))
        with pytest.raises(ExecutorError, match="7 is in flight"):
            executor.start(Job(7, architecture(), 0))
        drain(executor)
        assert isinstance(run(executor, Job(7, architecture(), 0))[-1], Finished)

    def test_of_jobs_that_are_refused_none_begins(self, executor: Executor) -> None:
        with pytest.raises(ExecutorError, match="2 is in flight"):
            executor.start(Job(1, architecture(), 0), Job(2, architecture(), 0), Job(2, architecture(), 0))
        assert executor.events() == []

    def test_an_executor_that_is_not_open_says_so(self, make_executor: Callable[[], Executor]) -> None:
        made = make_executor()
        with pytest.raises(ExecutorError, match="not open"):
            made.start(Job(0, architecture(), 0))
        with pytest.raises(ExecutorError, match="not open"):
            made.events(timeout=0)
        made.stop(0)
        made.close()

    def test_an_open_executor_cannot_be_opened_again(self, executor: Executor) -> None:
        assert executor.slots >= 1
        with pytest.raises(ExecutorError, match="open already"):
            executor.open(points())
        assert isinstance(run(executor, Job(0, architecture(), 0))[-1], Finished)
