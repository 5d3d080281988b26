"""Priors of searches: kept with them, taken from older ones, gone on with, said, and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted
from stored import trials

from controllers import Prior, RandomSearch, maximize
from controllers.prior import prior_of
from nas import Callback, Search
from nas.commands.options import given_options
from nas.search.progress import Progress
from nas.store.store import Store
from search_spaces import Space, choice, integer
from search_spaces.errors import (
    ControllerError,
    FormatError,
    NasError,
    SearchError,
    StoreError,
    UnknownNameError,
)


class Heard(Callback):
    """Hears what a search says."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def on_turn(self, progress: Progress) -> None:
        self.messages += progress.messages


def proposed(search: Search) -> list[tuple[str, Any]]:
    return [(trial.origin, dict(trial.decisions)) for trial in trials(search)]


def test_a_stored_search_goes_on_with_its_prior_as_one_that_was_never_interrupted(
    make: Any, tmp_path: Path
) -> None:
    whole = make("random", prior={"op": "y", "a": {7: 1}}, trials=8, store=tmp_path / "whole.db")
    whole.run()
    assert "prior" in {origin for origin, _ in proposed(whole)}
    assert sum(decisions["a"] == 7 for _, decisions in proposed(whole)) >= 2

    first = make("random", prior={"op": "y", "a": {7: 1}}, trials=4, name="mine")
    first.run()
    again = make("random", prior={"op": "y", "a": {7: 1}}, trials=8, name="mine")
    again.run(resume=True)
    assert again.description.prior == whole.description.prior
    assert proposed(again) == proposed(whole)


def test_a_search_without_a_prior_is_not_gone_on_with_as_one_that_has_one(make: Any) -> None:
    make("random", trials=2, name="mine").run()
    with pytest.raises(SearchError, match="its prior was None, now it is Prior"):
        make("random", trials=4, name="mine", prior="plain").run(resume=True)


def test_the_best_networks_of_an_older_search_are_taken_over_once_and_named(make: Any) -> None:
    old = make("random", trials=8, name="old")
    old.run()
    with Store(old.store) as store:
        best = [dict(trial.decisions) for trial in store.ranked(store.search("old").id, top=5)]
    heard = Heard()
    similar = Space({"a": integer(0, 999), "op": choice("x", "y", "z"), "more": choice(1, 2)})
    new = make("random", on=similar, prior="old", trials=2, name="new", callbacks=[heard])
    kept = [{path: one[path] for path in ("a", "op")} for one in best]
    assert new.description.prior == Prior(tuple(kept), search="old")
    new.run()
    said = "the first proposals are near the 5 best networks of search 'old' (2 decisions are expected"
    assert sum(said in message for message in heard.messages) == 1
    # the older search may go on: what was taken over stays
    old.extend(trials=30).run(resume=True)
    again = make("random", on=similar, prior="old", trials=4, name="new")
    again.run(resume=True)
    with Store(new.store) as store:
        assert store.search("new").description.prior == new.description.prior
    assert again.controller.prior == new.description.prior


def test_a_pair_names_a_search_of_another_store(make: Any, tmp_path: Path) -> None:
    make("random", trials=3, name="old").run()
    other = tmp_path / "other.db"
    found = make("random", prior=(str(tmp_path / "store.db"), "old"), store=other).description.prior
    assert found.search == "old"
    assert len(found.centers) == 3


def test_a_controller_that_was_made_with_a_prior_keeps_it(make: Any, space: Space) -> None:
    controller = RandomSearch(space, maximize("accuracy"))
    controller.use_prior({"op": "z"})
    search = make(controller, objectives=maximize("accuracy"))
    assert search.description.prior == controller.prior == search.controller.prior
    with pytest.raises(SearchError, match="prior: the controller was given one already"):
        make(controller, objectives=maximize("accuracy"), prior="plain")


def test_a_plan_begins_near_the_plain_network_unless_told_otherwise_or_stored_without(
    make: Any, space: Space
) -> None:
    assert make("auto").description.prior == prior_of("plain", space)
    assert make("random").description.prior is None
    options: dict[str, Any] = {"store": make().store, "executor": Scripted()}
    Search(space, "digits", "auto", prior="none", trials=1, name="without", **options).run()
    assert Search.from_store(make().store, "without").description.prior is None
    planned = make("auto", trials=12)
    planned.run()
    assert planned.controller.prior == planned.description.prior
    assert {"plain", "prior"} <= {origin for origin, _ in proposed(planned)}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"opp": "x"}, ControllerError, "the space has no decision 'opp'; did you mean 'op'"),
        ("plian", UnknownNameError, "no prior named 'plian'; did you mean 'plain'"),
        ("vain", SearchError, "search 'vain' has no trained network that keeps its limits"),
        ("others", SearchError, "the networks of search 'others' have no decision that this space has"),
        (True, ControllerError, "expected 'plain', an architecture"),
    ],
    ids=str,
)
def test_what_is_no_prior_is_refused_when_the_search_is_made(
    make: Any, given: Any, error: type[NasError], message: str
) -> None:
    make("random", on=Space({"c": choice(1, 2)}), trials=2, name="others").run()
    with Store(make().store) as store:
        description = make("random").description.to_dict()
        store.create_search("vain", description, None, [])
    with pytest.raises(error, match=message):
        make("random", prior=given)


def test_without_a_store_there_is_no_older_search_and_plain_is_offered(make: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="prior 'old': expected 'plain' or a search of the store: "):
        make(prior="old", store=tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_the_command_line_takes_a_word_a_search_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prior.json"
    file.write_text(json.dumps({"op": {"x": 2}}))
    read = [given_options({"prior": text})["prior"] for text in ("plain", "none", "old", str(file))]
    assert read == ["plain", "none", "old", {"op": {"x": 2}}]
    file.write_text("{")
    with pytest.raises(FormatError, match=r"^prior .*prior\.json: "):
        given_options({"prior": str(file)})
    with pytest.raises(FormatError, match=r"^prior .*none\.json: .*No such file"):
        given_options({"prior": str(tmp_path / "none.json")})
