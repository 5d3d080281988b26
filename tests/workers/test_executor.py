"""What the base class of executors holds for all of them, with simulated workers and the inline executor."""

from collections.abc import Callable
from typing import Any

import pytest

from search_spaces import Architecture, Classification, Signature, Space, Vector, integer
from search_spaces.errors import ExecutorError, UnknownNameError
from workers import Failed, Finished, Inline, Job
from workers.executors import catalog
from workers.tabular import Answer, Simulated, Table
from workers.testing.jobs import architecture, drain, points

SPACE = Space({"a": integer(0, 9)})


def table(
    answer: Callable[[Architecture], Answer | None] = lambda _: Answer({"accuracy": 0.5}, 9.0),
) -> Table:
    return Table("table", SPACE, Signature({"row": Vector(1)}, {"kind": Classification(2)}), answer)


def job(number: int) -> Job:
    return Job(number, SPACE.plain(), seed=0)


def test_of_jobs_that_are_refused_none_begins() -> None:
    with Simulated() as executor:
        executor.open(table())
        executor.start(job(1))
        with pytest.raises(ExecutorError, match="a job of number 1 is in flight already"):
            executor.start(job(2), job(1))
        assert [event.number for event in drain(executor)] == [1]


def test_a_number_is_in_flight_until_its_last_event_was_returned() -> None:
    with Simulated() as executor:
        executor.open(table())
        executor.start(job(1))
        executor.stop(1)  # its last event is there, but nobody has seen it
        with pytest.raises(ExecutorError, match="in flight"):
            executor.start(job(1))
        (stopped,) = executor.events()
        assert isinstance(stopped, Failed)
        executor.start(job(1))
        assert isinstance(drain(executor)[-1], Finished)


def test_a_closed_executor_may_be_opened_again_and_has_forgotten_its_jobs() -> None:
    executor = Simulated()
    for _ in range(2):
        with executor:
            executor.open(table())
            assert executor.events() == []
            executor.start(job(1), job(2))


def test_an_executor_that_could_not_be_opened_is_closed() -> None:
    executor: Any = Simulated()
    with pytest.raises(ExecutorError, match="answer from a Table, got Problem"):
        executor.open(points())
    with pytest.raises(ExecutorError, match="not open"):
        executor.events()
    executor.open(table())


def test_ctrl_c_in_the_inline_executor_ends_the_job_that_runs() -> None:
    def interrupt(_: Architecture) -> Answer:
        raise KeyboardInterrupt

    with Inline() as executor:
        executor.open(table(interrupt))
        executor.start(job(1))
        with pytest.raises(KeyboardInterrupt):
            executor.events()
        (ended,) = drain(executor)
        assert isinstance(ended, Failed)
        assert (ended.reason, ended.message) == ("stopped", "interrupted")
    with executor:
        executor.open(points())
        executor.start(Job(1, architecture(), seed=0))
        assert isinstance(drain(executor)[-1], Finished)


def test_the_catalog_has_every_executor_by_its_name() -> None:
    assert catalog.find("inline") is Inline
    assert [kind.__name__ for kind in catalog.values()] == ["Pool", "Inline", "Tune"]
    with pytest.raises(UnknownNameError, match="no executor named 'tun'; did you mean 'tune'"):
        catalog.find("tun")
