"""Searches on Ray in which every trial fails for one reason end early, as in this process."""

from __future__ import annotations

import pytest
from torch import nn

from nas import Search, Store
from search_spaces import Space, integer, layer, sequential
from workers.executor import Executor
from workers.pool import Pool
from workers.testing.jobs import Faulty, points
from workers.tune import Tune


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Pool, "exception"),
        pytest.param(Pool, "killed", marks=pytest.mark.soak),
        pytest.param(Tune, "killed", marks=pytest.mark.soak),
    ],
)
def test_a_search_on_ray_in_which_all_fail_for_one_reason_stops_early_and_says_so(
    ray_cluster: None, caplog: pytest.LogCaptureFixture, kind: type[Executor], fault: str
) -> None:
    model = sequential(layer(nn.Linear, out_features=integer(4, 900)), layer(Faulty, fault=fault))
    space = Space({"model": model, "recipe": {"epochs": 1}})
    executor = kind(workers=2, retries=0)  # type: ignore[call-arg]
    store = Store("sqlite://", create=True)
    search = Search(space, points(), "random", failures=3, trials=50, executor=executor, store=store)
    board = search.run()
    reason = "worker_lost" if fault == "killed" else "exception"
    assert list(board["reason"].dropna()) == [reason] * 3
    in_flight = set(board["status"]) - {"failed"}
    assert in_flight <= {"interrupted", "queued"}, "left to a search that goes on"
    record = store.search()
    assert record.status == "stopped"
    assert record.reason is not None
    assert record.reason.startswith(
        f"3 trials in a row failed for one reason and none was trained: {reason}: "
    )
    said = [one.getMessage() for one in caplog.records if one.name == "nas.search.notices"][-1]
    assert said.startswith(f"no network came out of search {record.name}: 3 failed ({reason}: ")
