"""The store ranks as `nas.ranking` does, and reads trials as columns as it reads them one by one."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.objectives import Limit, Objective, at_most, maximize, minimize
from controllers.ranking import fronts
from nas.ranking import Ranking, first_fronts
from nas.records import MEASURED, Trial
from nas.store import columns
from nas.store.store import Store

FEW = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -0.5])
ODD = st.sampled_from([math.nan, math.inf, -math.inf])
METRICS = st.fixed_dictionaries(
    {"accuracy": FEW | ODD, "size": st.integers(0, 5)}, optional={"loss": FEW | ODD, "rmse": FEW}
)
RANKINGS = [
    Ranking(),
    Ranking((maximize("accuracy"),)),
    Ranking((minimize("accuracy"),), (at_most("size", 2),)),
    Ranking((maximize("accuracy"),), (at_most("size", 3), Limit("rmse", 0.25)), paused=True),
    Ranking((maximize("accuracy"), minimize("size"))),
    Ranking((maximize("accuracy"), minimize("size"), maximize("rmse")), (at_most("size", 3),), paused=True),
]


@pytest.fixture
def store(url: str) -> Any:
    with Store(url, create=True) as opened:
        yield opened


def _description(ranking: Ranking) -> dict[str, Any]:
    return {
        "objectives": [asdict(one) for one in ranking.objectives],
        "limits": [asdict(one) for one in ranking.limits],
        "fidelity": {"name": "any"} if ranking.paused else None,
    }


def _score(metrics: dict[str, float], objectives: tuple[Objective, ...]) -> float | None:
    if not objectives:
        return metrics["accuracy"] if math.isfinite(metrics["accuracy"]) else None
    value = objectives[0].score(metrics[objectives[0].metric])
    return value if math.isfinite(value) else None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranking=st.sampled_from(RANKINGS),
    given=st.lists(st.tuples(st.sampled_from([*MEASURED, "running", "failed"]), METRICS, st.integers(1, 3))),
    top=st.integers(1, 12),
)
def test_the_best_trials_of_the_store_are_those_that_come_first_when_all_are_ranked(
    store: Store, ranking: Ranking, given: list[Any], top: int
) -> None:
    search = store.create_search(store.free_name("search"), _description(ranking))
    trials = [
        Trial(
            number,
            f"{number:016x}",
            {},
            status,
            metrics=metrics,
            score=_score(metrics, ranking.objectives),
            epochs=epochs,
        )
        for number, (status, metrics, epochs) in enumerate(given)
    ]
    with store.writing(search.id) as writing:
        for trial in trials:
            writing.add(Trial(trial.number, trial.architecture_id, {}, "running"))
    with store.writing(search.id) as writing:
        for trial in trials:
            writing.update(trial)
    measured = [trial for trial in trials if trial.status in MEASURED]
    if not ranking.objectives:  # by score
        key = lambda t: (t.score is None, -(t.score or 0), _loss(t))  # noqa: E731
        expected = sorted(measured, key=key)
    else:
        expected = [one.trial for one in ranking.rank(measured)]
    assert [trial.number for trial in store.ranked(search.id, top)] == [t.number for t in expected][:top]
    if ranking.objectives:
        assert [trial.number for trial in store.ranked(search.id)] == [t.number for t in expected]


def _loss(trial: Trial) -> float:
    loss = trial.metrics.get("loss", math.inf)
    return math.inf if math.isnan(loss) else loss


@given(
    scores=st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(st.integers(0, 4), min_size=width, max_size=width), min_size=1)
    ),
    least=st.integers(1, 20),
)
def test_the_first_fronts_are_those_of_the_controllers(scores: list[list[int]], least: int) -> None:
    expected: set[int] = set()
    for front in fronts([tuple(map(float, row)) for row in scores]):
        if len(expected) < least:
            expected |= set(front)
    found = first_fronts(np.array(scores, np.float64), least)
    assert set(np.flatnonzero(found)) == expected


def test_the_best_are_found_by_an_index_and_not_by_reading_all(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db", create=True) as store:
        search = store.create_search("one", _description(RANKINGS[1]))
        with store._database.reading() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT * FROM nas_trials WHERE search_id = ? AND violation = 0 "
                "ORDER BY rung DESC, score DESC, tie, number LIMIT 10",
                (search.id,),
            ).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH nas_trials USING INDEX nas_trials_by_rank (search_id=? AND violation=?)"
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 20_000])
def test_a_frame_has_what_the_trials_have_however_many_rows_are_read_at_a_time(
    store: Store, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_ROWS", rows)
    record = store.create_search("one", _description(RANKINGS[2]))
    trials = [
        Trial(0, "a" * 16, {"x": 1, "op": "relu", "lr": 0.5}, "complete", "mutation", ("b" * 16, "c" * 16),
              score=-0.5, metrics={"loss": math.inf, "accuracy": 0.5, "size": 3}, epochs=2,
              test_metrics={"accuracy": 1e-300}, seconds=1.5, started_at=1e9 + 0.1),
        Trial(1, "b" * 16, {"x": 2, "op": "a],[b\", \0", "lr": 1, "on": True}, "running"),
        Trial(2, "c" * 16, {}, "failed", reason="exception"),
        Trial(3, "d" * 16, {"lr": 0.1 + 0.2, "x": 3, "op": "\ud800"}, "complete", score=-0.1,
              metrics={"accuracy": 0.1, "size": 2, "flops": 2**53}),
    ]  # fmt: skip
    with store.writing(record.id) as writing:
        for trial in trials:
            writing.add(trial)
    frame = store.frame(record.id)
    assert list(frame["number"]) == [0, 1, 2, 3]
    assert list(frame["id"]) == [trial.architecture_id for trial in trials]
    assert list(frame["status"]) == ["complete", "running", "failed", "complete"]
    assert frame["parents"][0].split() == ["b" * 16, "c" * 16]
    assert frame["parents"][1] == ""
    assert frame["violation"].tolist()[0] == 0.5
    assert frame["violation"].isna().tolist() == [False, True, True, False]
    assert frame["loss"][0] == math.inf
    assert frame["accuracy"].tolist()[3] == 0.1
    assert frame["flops"].tolist()[3] == 2**53
    assert frame["test_accuracy"][0] == 1e-300
    assert frame["decisions.x"].tolist() == [1, 2, pd.NA, 3]
    assert frame["decisions.lr"].tolist()[3] == 0.1 + 0.2
    assert list(frame["decisions.op"])[:2] == ["relu", 'a],[b", \0']
    assert frame["decisions.on"].isna().tolist() == [True, False, True, True]
    kinds = {"x": "Int64", "lr": "float64", "on": "boolean"}
    assert {name: str(frame[f"decisions.{name}"].dtype) for name in kinds} == kinds
    assert list(frame.columns)[:11] == [
        *("number", "id", "status", "origin", "parents", "score", "violation", "epochs", "seconds"),
        *("started_at", "reason"),
    ]
    assert frame["epochs"].isna().tolist() == [False, True, True, True]
    assert frame["reason"][2] == "exception"
    assert len(store.frame(record.id, statuses=["complete"])) == 2
    assert store.frame(record.id, statuses=["complete"])["size"].tolist() == [3, 2]
    assert store.frame(record.id, statuses=["complete"])["size"].dtype == np.int64


def test_a_frame_of_no_trials_is_empty(store: Store) -> None:
    frame = store.frame(store.create_search("one", {}).id)
    assert len(frame) == 0
    assert {"number", "id", "status", "epochs"} <= set(frame.columns)


def test_metrics_are_read_as_columns(store: Store) -> None:
    record = store.create_search("one", _description(RANKINGS[1]))
    with store.writing(record.id) as writing:
        writing.add(Trial(5, "a" * 16, {}, "complete", metrics={"accuracy": 0.5, "size": 2}))
        writing.add(Trial(7, "b" * 16, {}, "failed", metrics={"accuracy": 0.5}))
        writing.add(Trial(8, "c" * 16, {}, "complete", metrics={"accuracy": math.nan}))
    found = store.metrics(record.id, ["size", "accuracy", "none"])
    assert found.numbers.tolist() == [5, 8]
    assert found.metrics["accuracy"][0] == 0.5
    assert np.isnan(found.metrics["accuracy"][1])
    assert found.metrics["size"][0] == 2
    assert np.isnan(found.metrics["none"]).all()


def test_trials_are_counted_by_status(store: Store) -> None:
    record = store.create_search("one", {})
    assert store.counts(record.id) == {}
    with store.writing(record.id) as writing:
        for number, status in enumerate(["complete", "complete", "failed"]):
            writing.add(Trial(number, "a" * 16, {}, status))  # type: ignore[arg-type]
    assert store.counts(record.id) == {"complete": 2, "failed": 1}


def test_trials_of_an_architecture_are_found_by_an_index(tmp_path: Path) -> None:
    plans: list[str] = []
    with Store(tmp_path / "store.db", create=True) as store:
        search = store.create_search("one", {})
        with store.writing(search.id) as writing:
            for number, id in enumerate(("ab" * 8, "abcd" * 4, "bb" * 8)):
                writing.add(Trial(number, id, {"a": number}, "complete"))

        @sa.event.listens_for(store._database._engine, "before_cursor_execute")
        def _explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if "FROM nas_trials" in statement:
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[3] for row in cursor.fetchall())

        assert [t.number for t in store.trials(search.id, architecture_id="ab")] == [0, 1]
        assert [t.number for t in store.trials(search.id, architecture_id="abcd" * 4)] == [1]
        assert store.trials(search.id, architecture_id="%") == []
    assert [plan for plan in plans[:-1] if plan.startswith("SEARCH")] == 2 * [
        "SEARCH nas_trials USING INDEX nas_trials_by_architecture (architecture_id>? AND architecture_id<?)"
    ]
