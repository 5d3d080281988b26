"""What the records of a search say of its workers' time."""

from nas.results.usage import Spent, by_worker, latest, over_time, total
from workers.executor import Usage

RECORDS = [
    (5.0, Usage("worker 0", "one", 4.0, 1.0, 0.0)),
    (5.0, Usage("worker 1", "two", 2.0, 0.0, 1.0)),
    (10.0, Usage("worker 0", "one", 9.0, 1.0, 0.0)),
    (10.0, Usage("worker 1", "three", 1.0, 0.5, 0.5)),  # replaced meanwhile
]


def test_the_time_of_a_worker_that_was_replaced_is_added_to_that_of_the_one_before() -> None:
    assert by_worker(RECORDS) == {"worker 0": Spent(9.0, 1.0, 0.0), "worker 1": Spent(3.0, 0.5, 1.5)}


def test_over_time_each_record_counts_what_came_since_the_one_before() -> None:
    assert over_time(RECORDS) == [(5.0, Spent(6.0, 1.0, 1.0)), (10.0, Spent(6.0, 0.5, 0.5))]


def test_shares_are_of_the_whole() -> None:
    assert total(RECORDS) == Spent(12.0, 1.5, 1.5)
    assert total(RECORDS).share("busy") == 0.8
    assert total([]).share("busy") == 0.0


def test_the_latest_record_names_the_workers_that_are_there() -> None:
    assert [usage.node for usage in latest(RECORDS)] == ["one", "three"]
