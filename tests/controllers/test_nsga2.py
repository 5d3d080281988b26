"""NSGA-II: its population, its parents, and the front that it finds on NAS-Bench-201."""

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from controllers import NSGA2, Proposal, at_most, maximize, minimize
from search_spaces import Space, choice
from search_spaces.errors import ControllerError

TABLES = Path(__file__).parents[2] / "benchmarks" / "tables"
NUMBERS = Space([choice(*range(10)) for _ in range(5)])
BOTH = [maximize("gain"), minimize("cost")]


def tell(controller: NSGA2, number: int, gain: float, cost: float, seed: int = 0) -> str:
    architecture = NUMBERS.sample(random.Random(1000 * seed + number))
    controller.tell(Proposal(number, architecture), {"gain": gain, "cost": cost})
    return architecture.id


def parents(controller: NSGA2, asks: int = 60) -> set[str]:
    return {parent for _ in range(asks) for parent in controller.ask().parents}


def test_the_population_keeps_the_first_fronts_however_old_they_are() -> None:
    controller = NSGA2(NUMBERS, BOTH, population=4, seed=0)
    front = {tell(controller, number, gain=float(number), cost=float(number)) for number in range(4)}
    for number in range(4, 40):
        tell(controller, number, gain=0.0, cost=10.0 + number)
    assert parents(controller) == front


def test_of_a_crowded_front_those_with_room_around_them_stay() -> None:
    controller = NSGA2(NUMBERS, BOTH, population=3, seed=0)
    ids = [
        tell(controller, i, gain=gain, cost=gain) for i, gain in enumerate((0.0, 5.0, 5.1, 5.2, 10.0, 9.9))
    ]
    kept = parents(controller)
    assert {ids[0], ids[4]} <= kept
    assert len(kept) == 3


def test_the_infeasible_leave_first_and_by_their_violation() -> None:
    controller = NSGA2(NUMBERS, BOTH, limits=at_most("cost", 5.0), population=3, sample=1, seed=0)
    good = tell(controller, 0, gain=0.0, cost=5.0)
    near = tell(controller, 1, gain=9.0, cost=6.0)
    next_ = tell(controller, 2, gain=1.0, cost=7.0)
    for number in range(3, 10):
        tell(controller, number, gain=99.0, cost=20.0 + number)
    assert parents(controller) == {good, near, next_}


def test_failed_trials_never_enter() -> None:
    controller = NSGA2(NUMBERS, BOTH, founders=2, seed=0)
    good = {tell(controller, 0, gain=0.0, cost=1.0), tell(controller, 1, gain=1.0, cost=2.0)}
    for number in range(2, 20):
        controller.tell(Proposal(number, NUMBERS.sample(random.Random(number))), None)
    assert parents(controller) == good


def test_a_child_comes_of_two_parents_or_is_one_step_from_one() -> None:
    controller = NSGA2(NUMBERS, BOTH, founders=5, mutation=0.0, seed=0)
    alive = {}
    rng = random.Random(0)
    for number in range(20):
        architecture = NUMBERS.sample(rng)
        alive[architecture.id] = architecture.value
        controller.tell(Proposal(number, architecture), {"gain": rng.random(), "cost": rng.random()})
    origins = set()
    for _ in range(60):
        proposal = controller.ask()
        value = proposal.architecture.value
        origins.add(proposal.origin)
        if proposal.origin == "crossover":
            first, second = (alive[parent] for parent in proposal.parents)
            assert all(v in pair for v, pair in zip(value, zip(first, second, strict=True), strict=True))
        elif proposal.origin == "mutation":
            (parent,) = proposal.parents
            assert sum(a != b for a, b in zip(alive[parent], value, strict=True)) == 1
    assert origins >= {"crossover", "mutation"}


def test_a_lone_objective_is_an_elitist_genetic_algorithm() -> None:
    space = Space([choice(*range(6)) for _ in range(8)])
    controller = NSGA2(space, maximize("x"), seed=0)
    best = 0.0
    for _ in range(400):
        proposal = controller.ask()
        score = float(sum(proposal.architecture.value))
        best = max(best, score)
        controller.tell(proposal, {"x": score})
    assert best >= 39.0  # of 40


def test_the_front_of_nas_bench_201_in_accuracy_and_latency() -> None:
    """At least 0.97 of the hypervolume of the true front, beyond the worst that is on it."""
    accuracy = pd.read_parquet(TABLES / "nb201_cifar10.parquet").set_index("op_code")["cifar10_valid_acc_200"]
    latency = pd.read_parquet(TABLES / "hw_nb201_cifar10.parquet").set_index("op_code")["edgegpu_latency"]
    points = {code: (accuracy[code], latency[code]) for code in accuracy.index}
    true = _front(list(points.values()))
    worst = min(a for a, _ in true), max(b for _, b in true)
    space = Space([choice(*"01234") for _ in range(6)])
    shares = []
    for seed in range(4):
        controller = NSGA2(space, [maximize("accuracy"), minimize("latency")], seed=seed)
        seen = []
        for _ in range(300):
            proposal = controller.ask()
            seen.append(points["".join(proposal.architecture.value)])
            controller.tell(proposal, dict(zip(("accuracy", "latency"), seen[-1], strict=True)))
        shares.append(_volume(_front(seen), worst) / _volume(true, worst))
    assert min(shares) > 0.97
    assert sum(shares) / 4 > 0.99


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    front: list[tuple[float, float]] = []
    for gain, cost in sorted(points, key=lambda point: (point[1], -point[0])):
        if not front or gain > front[-1][0]:
            front.append((gain, cost))
    return front


def _volume(front: list[tuple[float, float]], worst: tuple[float, float]) -> float:
    volume, level = 0.0, worst[0]
    for gain, cost in front:
        if gain > level and cost < worst[1]:
            volume += (gain - level) * (worst[1] - cost)
            level = gain
    return volume


@pytest.mark.parametrize(
    "options",
    [{"population": 1}, {"founders": 0}, {"sample": 0.5}, {"crossover": 1.5}, {"mutation": -0.1}],
    ids=str,
)
def test_parameters_out_of_range_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ControllerError, match=next(iter(options))):
        NSGA2(NUMBERS, BOTH, **options)
