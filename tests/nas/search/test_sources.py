"""A search that starts from older ones: what it learns, what it tries first, and that it can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted, by_decisions

from controllers.fidelity import SuccessiveHalving
from nas import Search
from nas.store.store import Store
from search_spaces import Space, choice, integer
from search_spaces.errors import SearchError, UnknownNameError
from workers.inline import Inline
from workers.job import Failed, Job


def decisions(search: Search) -> list[dict[str, Any]]:
    with Store(search.store) as store:
        return [dict(trial.decisions) for trial in store.trials(store.search(search.name).id)]


def asha() -> SuccessiveHalving:
    return SuccessiveHalving(4, 1, 2)


def test_a_search_learns_from_an_older_one_and_tries_none_of_it_again(make: Any) -> None:
    older = make("random", trials=30, name="older")
    older.run()
    newer = make("evolution", trials=20, name="newer", start_from="older")
    newer.run()
    assert newer.controller.num_told == 50
    known = {str(sorted(one.items())) for one in decisions(older)}
    assert not known & {str(sorted(one.items())) for one in decisions(newer)}
    origins = [trial.origin for trial in _trials(newer)]
    assert "random" not in origins  # evolution has its founders


def _trials(search: Search) -> Any:
    with Store(search.store) as store:
        return store.trials(store.search(search.name).id)


def test_where_values_do_not_compare_networks_like_the_best_are_tried_first(make: Any) -> None:
    older = make("random", trials=30, name="older", epochs=1)
    board = older.run()
    newer = make("evolution", trials=15, name="newer", epochs=2, start_from=["older"])
    newer.run()
    first = _trials(newer)[:10]
    assert {trial.origin for trial in first} == {"warm start"}
    assert {trial.architecture_id for trial in first} == set(board["id"][:10])
    assert newer.controller.num_told == 15


def test_of_a_space_that_only_overlaps_the_decisions_that_fit_are_kept(make: Any) -> None:
    older = make("random", trials=12, name="older")
    older.run()
    wider = Space({"a": integer(0, 999), "op": choice("x", "y", "z", "w"), "more": choice(1, 2)})
    newer = make("random", on=wider, trials=12, name="newer", start_from="older")
    newer.run()
    kept = {(one["a"], one["op"]) for one in decisions(older)}
    assert all((one["a"], one["op"]) in kept for one in decisions(newer)[:10])
    assert not any((one["a"], one["op"]) in kept for one in decisions(newer)[10:])


def test_a_search_from_another_store_starts_the_same(make: Any, tmp_path: Path) -> None:
    make("random", trials=8, name="older", store=tmp_path / "other.db").run()
    newer = make("random", trials=4, name="newer", start_from=(str(tmp_path / "other.db"), "older"))
    newer.run()
    assert newer.controller.num_told == 12


@pytest.mark.parametrize("comparable", [True, False])
def test_killed_and_resumed_it_proposes_what_an_unbroken_one_does(make: Any, comparable: bool) -> None:
    make("random", trials=20, name="older", epochs=1).run()

    def search(name: str, **options: Any) -> Search:
        epochs = 1 if comparable else 2
        return make("evolution", trials=18, name=name, epochs=epochs, start_from="older", **options)

    unbroken = search("unbroken")
    unbroken.run()
    broken, resume = search("broken"), False
    for after in (3, 9, 14, None):

        def die(ended: int, after: int | None = after) -> None:
            if after is not None and ended >= 5:
                raise KeyboardInterrupt

        broken.executor = Scripted(before=die)
        try:
            broken.run(resume=resume)
        except KeyboardInterrupt:
            resume = True
    make("random", trials=25, name="older", epochs=1, executor=Scripted()).run(resume=True)  # has grown since
    assert decisions(broken) == decisions(unbroken)


def test_a_search_learns_from_the_curves_of_an_older_one_what_early_scores_say(
    make: Any, networks: Space, tmp_path: Path
) -> None:
    def search(name: str, **options: Any) -> Search:
        return make("random", on=networks, executor=Inline(), name=name, fidelity=asha(), **options)

    search("older", trials=6).run()
    newer = search("newer", trials=2, start_from="older")
    newer.run()
    with Store(newer.store) as store:
        starts = store.starts(store.search("newer").id)
        older = store.search("older").id
        ends = [t for t in store.trials(older, statuses=["complete"]) if (t.epochs or 0) > 1]
        scores = {t.number: {r.epoch: r.metrics for r in store.reports(older, t.number)} for t in ends}
    curves = newer.controller._curves[0]
    assert ends
    assert curves.num_complete >= len(ends)
    for trial in ends:
        start = next(one for one in starts if one.decisions == trial.decisions)
        assert {*start.curve} == {epoch for epoch in scores[trial.number] if epoch < (trial.epochs or 0)}
        assert all(
            values == {"accuracy": scores[trial.number][e]["accuracy"]} for e, values in start.curve.items()
        )
        assert curves.forecast(trial.architecture_id) is not None


def test_failures_of_the_network_are_told_and_those_of_the_cluster_are_not(make: Any) -> None:
    reasons = ["exception", "worker_lost", "not_finite", "timeout"]

    def outcome(job: Job) -> Any:
        reason = reasons[job.number] if job.number < 4 else None
        return by_decisions(job) if reason is None else Failed(job.number, reason, "no", "", False, 0.0)

    make("random", trials=6, name="older", executor=Scripted(outcome)).run()
    newer = make("random", trials=1, name="newer", start_from="older")
    newer.run()
    assert newer.controller.num_told == 4 + 1


def test_what_to_start_from_is_checked_before_anything_is_made(make: Any) -> None:
    with pytest.raises(SearchError, match="start_from: expected names"):
        make(start_from=[3.5])
    with pytest.raises(UnknownNameError, match="nothing-like-it"):
        make(start_from="nothing-like-it").run()


# -- networks that are tried first -------------------------------------------------------------------------


def test_networks_that_are_given_are_tried_first_and_learned_from(make: Any) -> None:
    space = Space({"a": integer(0, 99), "op": choice("x", "y", "z")})
    given = [{}, {"a": 7}, space.architecture({"a": 3, "op": "z"}), {"op": "x", "a": 7}]
    search = make("evolution", on=space, trials=20, first=given)
    search.run()
    found = _trials(search)
    first = [{"a": 50, "op": "x"}, {"a": 7, "op": "x"}, {"a": 3, "op": "z"}]  # the last is the second again
    assert [trial.decisions for trial in found[:3]] == first
    assert [trial.origin for trial in found[:4]] == ["plain", "given", "given", "random"]
    assert search.controller.num_told == 20
    assert len({trial.architecture_id for trial in found}) == 20


@pytest.mark.parametrize(
    "controller",
    [
        "random",
        "evolution",
        "local",
        pytest.param("reinforce", marks=pytest.mark.slow),
        pytest.param("optuna", marks=pytest.mark.slow),
    ],
)
def test_a_search_with_given_networks_goes_on_as_if_it_had_not_ended(make: Any, controller: str) -> None:
    options: dict[str, Any] = {"first": [{}, {"a": 5}], "name": "given"}
    make(controller, trials=1, **options).run()
    search = make(controller, trials=1, **options).extend(trials=5)
    search.run(resume=True)
    whole = make(controller, trials=6, **options | {"name": "whole"})
    whole.run()
    assert decisions(search) == decisions(whole)


def test_given_networks_come_before_those_like_older_ones(make: Any) -> None:
    make("random", trials=30, name="older", epochs=1).run()
    newer = make("random", trials=15, name="newer", epochs=2, start_from=["older"], first=[{"a": 501}])
    newer.run()
    assert [trial.origin for trial in _trials(newer)] == ["given"] + ["warm start"] * 10 + ["random"] * 4


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"a": 1}, "first: expected a list of architectures"),
        ([{"c": 1}], r"first\[0\]: decision 'c': expected nothing \(the space has no such hole\)"),
        ([{}, {"a": -1}], r"first\[1\]: decision 'a': expected a whole number from 0"),
        ([3], r"first\[0\]: .*expected a mapping"),
    ],
)
def test_what_fits_no_network_is_told_before_anything_runs(make: Any, first: Any, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make("random", first=first)
