"""What stands for the plain network where that breaks a limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from stored import trials

from nas import at_least, at_most
from nas.search.search import Search
from search_spaces.catalog import cnn
from workers.problems import load


def made(tmp_path: Path, *limits: object) -> Search:
    options = {"executor": "inline", "store": tmp_path / "store.db", "epochs": 1, "trials": 2}
    return Search(cnn(), "digits", limits=[*limits], **options)  # type: ignore[arg-type, list-item]


def test_a_plain_network_that_keeps_the_limits_stands_for_itself(tmp_path: Path) -> None:
    plain = cnn().plain()
    size = plain.cost(load("digits").signature).num_params
    for limits in ([], [at_most("num_params", size)], [at_most("accuracy", 2.0)]):
        assert made(tmp_path, *limits).description.first == (dict(plain.decisions),)


@pytest.mark.parametrize(
    "limit",
    [at_most("num_params", 3_000), at_least("num_params", 60_000), at_most("num_macs", 60_000)],
    ids=str,
)
def test_one_near_it_that_keeps_them_is_trained_first_and_it_is_the_same_each_time(
    tmp_path: Path, limit: object
) -> None:
    search, plain = made(tmp_path, limit), dict(cnn().plain().decisions)
    (decisions,) = search.description.first
    assert made(tmp_path, limit).description.first == (decisions,)
    changed = {path for path in decisions.keys() | plain.keys() if decisions.get(path) != plain.get(path)}
    assert 0 < len(changed) < len(plain)
    search.run()
    first = trials(search)[0]
    assert (first.status, first.decisions) == ("complete", decisions)


def test_where_no_network_keeps_them_the_plain_one_is_left_to_be_turned_down(tmp_path: Path) -> None:
    assert made(tmp_path, at_most("num_params", 1)).description.first == (dict(cnn().plain().decisions),)
