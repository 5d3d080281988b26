"""Warm starts: what is told of an older search, what is proposed, and what is left out."""

import random
from typing import Any

import pytest

from controllers import (
    Proposal,
    RandomSearch,
    RegularizedEvolution,
    at_most,
    catalog,
    maximize,
    minimize,
    replay,
    warm_start,
)
from search_spaces import Space, choice, integer
from search_spaces.errors import ControllerError

SPACE = Space(
    {"body": choice(conv={"k": choice(1, 3, 5)}, none=None), "width": integer(1, 64), "act": choice("a", "b")}
)


def old(count: int, seed: int = 0) -> list[Any]:
    rng = random.Random(seed)
    found = [SPACE.sample(rng) for _ in range(count)]
    return [(architecture, {"x": float(architecture.decisions["width"])}) for architecture in found]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", catalog)
def test_every_controller_begins_from_old_results(name: str) -> None:
    controller = catalog[name](SPACE, maximize("x"), seed=0)
    results = old(40)
    started = warm_start(controller, [(dict(a.decisions), values) for a, values in results])
    assert controller.num_told == len(started.told) == 40
    assert started.proposals == ()
    assert started.left_out == 0
    # trained once is enough
    tried = {architecture.id for architecture, _ in results}
    asked = [controller.ask() for _ in range(10)]
    assert [proposal.number for proposal in asked] == list(range(10))
    assert tried.isdisjoint(proposal.architecture.id for proposal in asked)


def test_a_search_goes_on_from_the_best_of_the_old_one() -> None:
    controller = RegularizedEvolution(SPACE, maximize("x"), population=10, sample=40, crossover=0.0, seed=0)
    results = old(60)
    warm_start(controller, sorted(results, key=lambda result: -result[1]["x"]))
    best = max(values["x"] for _, values in results)
    parents = {architecture.id for architecture, values in results if values["x"] == best}
    assert set(controller.ask().parents) <= parents


def test_the_best_are_told_last_and_all_others_in_the_given_order() -> None:
    controller = RandomSearch(SPACE, maximize("x"), seed=0)
    results = old(20)
    told = [proposal.architecture.id for proposal, _ in warm_start(controller, results).told]
    ids = [architecture.id for architecture, _ in results]
    best = sorted(range(20), key=lambda index: -results[index][1]["x"])[:5]
    assert told == [ids[i] for i in range(20) if i not in best] + [ids[i] for i in reversed(best)]


def test_only_networks_of_this_space_are_told() -> None:
    other = Space({"body": "elsewhere", "width": integer(1, 64), "act": choice("a", "b")})
    controller = RandomSearch(SPACE, maximize("x"), seed=0)
    one = {"x": 1.0}
    results = [
        ({"body": "none", "width": 3, "act": "a"}, one),
        ({"body": "conv", "width": 3, "act": "a"}, one),  # lacks a decision
        ({"body": "none", "width": 3, "act": "a", "depth": 7}, one),  # has one more
        ({"body": "none", "width": 99, "act": "a"}, one),  # no value of this space
        (other.architecture({"width": 3, "act": "b"}), one),  # another network around it
        ({"body": "none", "width": 4, "act": "a"}, {"other": 1.0}),  # measured something else
        ({"body": "none", "width": 5, "act": "a"}, None),  # failed
    ]
    started = warm_start(controller, results)
    assert [proposal.architecture.decisions["width"] for proposal, _ in started.told] == [3, 5]
    assert started.left_out == 5


def test_an_architecture_of_the_same_decisions_but_another_network_is_not_told() -> None:
    now = Space({"op": choice("a", "b"), "epochs": 50})
    then = Space({"op": choice("a", "b"), "epochs": 5})
    controller = RandomSearch(now, maximize("x"), seed=0)
    started = warm_start(controller, [(then.architecture({"op": "a"}), {"x": 1.0})], propose=5)
    assert not started.told
    (proposal,) = started.proposals
    assert proposal.architecture.value == {"op": "a", "epochs": 50}


def test_the_best_that_fit_in_part_are_proposed_first() -> None:
    controller = RandomSearch(SPACE, maximize("x"), limits=at_most("size", 5.0), seed=0)
    results = [({"width": width, "z": 1}, {"x": float(width), "size": 1.0}) for width in range(1, 11)]
    results += [
        ({"width": 60}, {"x": 99.0, "size": 9.0}),  # infeasible: after all that were not
        ({"width": 61}, None),
        ({"unknown": 1}, {"x": 100.0, "size": 1.0}),
    ]
    started = warm_start(controller, results, propose=3)
    assert [proposal.architecture.decisions["width"] for proposal in started.proposals] == [10, 9, 8]
    assert started.proposals == controller.in_flight
    assert [proposal.number for proposal in started.proposals] == [0, 1, 2]
    assert started.left_out == 10
    following = controller.ask()
    assert following.number == 3
    for proposal in started.proposals:
        controller.tell(proposal, {"x": 1.0, "size": 1.0})
    assert controller.in_flight == (following,)


@pytest.mark.parametrize("name", catalog)
def test_a_replay_of_the_record_restores_a_warm_start(name: str) -> None:
    def make() -> Any:
        return catalog[name](SPACE, [maximize("x"), minimize("y")], seed=0)

    first, second = make(), make()
    for controller in (first, second):
        controller.ask()
    values = {"x": 1.0, "y": 2.0}
    results: list[Any] = [(dict(a.decisions), {**v, "y": 1.0}) for a, v in old(15)] + [({"width": 7}, values)]
    started = warm_start(first, results, propose=1)
    events: list[Any] = [("tell", *pair) for pair in started.told] + [("ask", p) for p in started.proposals]
    assert replay(second, events) == list(first.in_flight)
    assert [first.ask().architecture.id for _ in range(5)] == [second.ask().architecture.id for _ in range(5)]


def test_it_may_be_done_twice() -> None:
    controller = RandomSearch(SPACE, maximize("x"), seed=0)
    numbers = [p.number for seed in (0, 1) for p, _ in warm_start(controller, old(5, seed)).told]
    assert numbers == [-1, -2, -3, -4, -5, -6, -7, -8, -9, -10]
    assert isinstance(controller.ask(), Proposal)


@pytest.mark.parametrize("result", [{"width": 1}, ("width", {"x": 1.0}), ({"width": 1},)], ids=str)
def test_what_is_no_pair_is_an_error_that_changes_nothing(result: Any) -> None:
    controller = RandomSearch(SPACE, maximize("x"), seed=0)
    with pytest.raises(ControllerError, match="warm_start: expected pairs"):
        warm_start(controller, [*old(3), result])
    assert controller.num_told == 0
