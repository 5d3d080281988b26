"""Local search: neighbours, climbs, restarts, many in flight, and what it finds on NAS-Bench-201."""

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from controllers import LocalSearch, Proposal, at_most, maximize, minimize
from search_spaces import Architecture, Space, choice, integer, real
from search_spaces.errors import ControllerError

TABLES = Path(__file__).parents[2] / "benchmarks" / "tables"
NUMBERS = Space([choice(*range(5)) for _ in range(4)])


def total(architecture: Architecture) -> float:
    return float(sum(architecture.value))


def test_after_its_starts_it_tries_the_neighbours_of_the_best() -> None:
    controller = LocalSearch(NUMBERS, maximize("x"), starts=3, seed=0)
    best: Architecture | None = None
    for number in range(60):
        proposal = controller.ask()
        if number < 3:
            assert proposal.origin == "random"
        elif proposal.origin == "neighbour":
            assert best is not None
            assert proposal.parents == (best.id,)
            assert sum(a != b for a, b in zip(best.value, proposal.architecture.value, strict=True)) == 1
        else:  # the top is reached
            assert best is not None
            assert best.value == [4, 4, 4, 4]
            return
        if best is None or total(proposal.architecture) > total(best):
            best = proposal.architecture
        controller.tell(proposal, {"x": total(proposal.architecture)})
    raise AssertionError("it never got to the top")


def test_every_neighbour_of_a_top_is_tried_before_it_starts_again() -> None:
    controller = LocalSearch(NUMBERS, maximize("x"), starts=1, seed=0)
    top = controller.ask()
    controller.tell(top, {"x": 1.0})
    around = []
    while (proposal := controller.ask()).origin == "neighbour":
        around.append(proposal.architecture.id)
        controller.tell(proposal, {"x": 0.0})
    assert len(set(around)) == len(around) == 16


def test_neighbours_of_numbers_are_steps_of_several_lengths() -> None:
    space = Space(
        {"n": integer(0, 100), "r": real(1.0, 1e4, log=True), "few": integer(1, 3), "one": integer(5, 5)}
    )
    center = space.architecture({"n": 50, "r": 100.0, "few": 1, "one": 5})
    controller = LocalSearch(space, maximize("x"), starts=1, seed=0)
    controller.tell(Proposal(99, center), {"x": 1.0})
    seen: dict[str, set[Any]] = {path: set() for path in center.decisions}
    while (proposal := controller.ask()).origin == "neighbour":
        for path, value in proposal.architecture.decisions.items():
            if value != center.decisions[path]:
                seen[path].add(value)
        controller.tell(proposal, {"x": 0.0})
    assert seen["n"] == {25, 44, 48, 49, 51, 52, 56, 75}
    assert sorted(seen["r"]) == pytest.approx(
        [100.0 * 10 ** (4 * s) for s in (-1 / 4, -1 / 16, -1 / 64, 1 / 64, 1 / 16, 1 / 4)]
    )
    assert seen["few"] == {2}
    assert not seen["one"]


def test_decisions_that_a_neighbour_makes_active_are_sampled_and_others_kept() -> None:
    space = Space({"x": choice(p={"k": choice(1, 2, 3)}, q={"m": integer(1, 500)}), "y": choice(1, 2, 3)})
    controller = LocalSearch(space, maximize("x"), starts=1, seed=0)
    controller.tell(Proposal(99, space.architecture({"x": "p", "x.p.k": 2, "y": 3})), {"x": 1.0})
    moved = []
    while (proposal := controller.ask()).origin == "neighbour":
        decisions = proposal.architecture.decisions
        moved.append("x.q.m" in decisions)
        assert decisions["y"] == 3 or decisions["x.p.k"] == 2
        controller.tell(proposal, {"x": 0.0})
    assert sorted(moved) == [False] * 4 + [True]


def test_it_climbs_on_at_once_from_a_better_result_of_someone_else() -> None:
    controller = LocalSearch(NUMBERS, maximize("x"), seed=0)
    for _ in range(10):
        controller.tell(controller.ask(), {"x": 0.0})
    good = NUMBERS.architecture({str(i): 3 for i in range(4)})
    controller.tell(Proposal(500, good), {"x": 12.0})
    assert controller.ask().parents == (good.id,)


def test_a_late_result_of_a_climb_that_was_left_is_climbed_on_from() -> None:
    controller = LocalSearch(NUMBERS, maximize("x"), starts=1, seed=0)
    controller.tell(controller.ask(), {"x": 1.0})
    late = [controller.ask() for _ in range(16)]
    assert {proposal.origin for proposal in late} == {"neighbour"}
    assert controller.ask().origin != "neighbour"  # nothing left around there: the next climb begins
    controller.tell(late[3], {"x": 2.0})
    assert controller.ask().parents == (late[3].architecture.id,)


def test_every_other_restart_is_near_the_best_top() -> None:
    space = Space([choice(*range(4)) for _ in range(20)])
    controller = LocalSearch(space, maximize("x"), starts=1, seed=0)
    rng = random.Random(0)
    origins = []
    for _ in range(600):
        proposal = controller.ask()
        if proposal.origin != "neighbour":
            origins.append(proposal.origin)
        controller.tell(proposal, {"x": rng.random()})
    assert origins[:4] == ["random", "perturbation", "random", "perturbation"]


def test_it_leaves_the_infeasible_by_the_violation() -> None:
    controller = LocalSearch(NUMBERS, maximize("x"), limits=at_most("size", 2.0), starts=1, seed=4)
    controller.tell(Proposal(99, NUMBERS.architecture({str(i): 4 for i in range(4)})), {"size": 16.0})
    for _ in range(40):
        proposal = controller.ask()
        size = total(proposal.architecture)
        if size <= 2.0:
            return
        controller.tell(proposal, {"size": size})
    raise AssertionError("it did not get out")


def test_climbs_spread_along_the_front_of_two_objectives() -> None:
    space = Space([choice(*range(8)) for _ in range(6)])
    controller = LocalSearch(space, [maximize("gain"), minimize("cost")], seed=0)
    found = []
    for _ in range(900):
        proposal = controller.ask()
        value = proposal.architecture.value
        middle = sum(abs(v - 3) for v in value[3:])  # pure loss for both
        first, second = sum(value[:3]) - middle, sum(value[:3]) + middle
        controller.tell(proposal, {"gain": float(first), "cost": float(second)})
        found.append((middle, sum(value[:3])))
    assert len({place for middle, place in found if middle == 0}) > 11  # of 22


@pytest.mark.parametrize("in_flight", [1, 8])
def test_it_finds_the_optimum_of_nas_bench_201(in_flight: int) -> None:
    """62 % of runs of the reference do within 150 evaluations, after 149 on average."""
    table = pd.read_parquet(TABLES / "nb201_cifar10.parquet", columns=["op_code", "cifar10_valid_acc_200"])
    accuracy = dict(table.itertuples(index=False))
    best = max(accuracy.values())
    space = Space([choice(*"01234") for _ in range(6)])
    spent = []
    for seed in range(60):
        controller = LocalSearch(space, maximize("x"), seed=seed)
        while controller.num_told < 600:
            while controller.num_in_flight < in_flight:
                controller.ask()
            proposal = controller.in_flight[0]
            score = accuracy["".join(proposal.architecture.value)]
            controller.tell(proposal, {"x": score})
            if score == best:
                break
        spent.append(controller.num_told)
    assert sum(count <= 150 for count in spent) > 0.8 * 60
    assert sum(spent) / 60 < 100


@pytest.mark.parametrize("starts", [0, 1.5, True])
def test_starts_out_of_range_are_named(starts: Any) -> None:
    with pytest.raises(ControllerError, match="starts"):
        LocalSearch(NUMBERS, maximize("x"), starts=starts)
