"""The laws of controllers, held over every controller in the catalog and its main variants."""

import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from controllers import (
    Controller,
    Draft,
    Proposal,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    at_most,
    catalog,
    maximize,
    minimize,
    replay,
)
from search_spaces import Architecture, Space, choice, integer, real, repeat
from search_spaces.errors import ControllerError

Make = Callable[..., Controller]

VARIANTS: dict[str, Make] = {
    **catalog,
    "evolution-crossover-only": partial(RegularizedEvolution, population=8, sample=3, crossover=1.0),
    "reinforce-independent": partial(Reinforce, policy="independent"),
    "reinforce-scaled": partial(Reinforce, advantage="scaled", batch=1),
    "reinforce-ppo": partial(Reinforce, update="ppo", policy="independent"),
}
RESULTS = {catalog["predictor"]: 90, catalog["optuna"]: 120}
"""Of those that think long, fewer results must do; of others 300."""
LEARNERS = {name: make for name, make in VARIANTS.items() if make is not RandomSearch}

FLAT = Space({f"op{i}": choice("a", "b", "c", "d") for i in range(8)})
CONDITIONAL = Space(
    {
        "body": choice(
            conv={"kernel": choice(1, 3, 5), "width": integer(8, 64, step=8)},
            mixer={"heads": choice(1, 2, 4), "inner": choice(wide={"factor": real(1.0, 4.0)}, none=None)},
            skip="skip",
        ),
        "rate": real(1e-4, 1e-1, log=True),
        "units": integer(1, 1000, log=True),
        "bias": choice(True, False, None),
    }
)
REPEATED = Space(
    {"stages": repeat({"op": choice("a", "b"), "k": choice(3, 5)}, integer(1, 4)), "n": choice(1, 2)}
)
SPACES = {"flat": FLAT, "conditional": CONDITIONAL, "repeated": REPEATED}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture(params=SPACES.values(), ids=SPACES.keys())
def space(request: pytest.FixtureRequest) -> Space:
    given: Space = request.param
    return given


def score(architecture: Architecture) -> float:
    """A smooth function of any architecture, with no noise: how many decisions are at their last value."""
    places = [hole.to_unit(architecture.decisions[path]) for path, hole in architecture.holes.items()]
    return sum(places) / len(places)


def values_of(proposal: Proposal, rng: random.Random) -> Mapping[str, float] | None:
    """A result such as a search sees them: sometimes failed, sometimes infeasible by its costs alone."""
    draw = rng.random()
    if draw < 0.1:
        return None
    if draw < 0.15:
        return {"accuracy": math.nan, "size": 1.0}
    size = 10.0 * score(proposal.architecture)
    return {"size": size} if size > 8.0 else {"accuracy": rng.random(), "size": size}


def drive(controller: Controller, steps: int, seed: int = 0) -> list[Any]:
    """Ask and tell in a jumbled order, with many in flight and some strangers told; returns the events."""
    rng = random.Random(seed)
    events: list[Any] = []
    for step in range(steps):
        if rng.random() < 0.55 or not controller.in_flight:
            events.append(("ask", controller.ask()))
        else:
            told = rng.choice(controller.in_flight)
            events.append(("tell", told, values_of(told, rng)))
            controller.tell(told, events[-1][2])
        if step % 17 == 16:
            stranger = Proposal(10_000 + step, controller.space.sample(rng))
            events.append(("tell", stranger, values_of(stranger, rng)))
            controller.tell(stranger, events[-1][2])
    return events


@cache
def driven(make: Make, space: Space) -> tuple[list[Any], tuple[int, ...], list[str]]:
    """What 200 steps with limits gave: the events, what is in flight then, and the ids asked for next."""
    controller = limited(make, space)
    events = drive(controller, 200)
    return events, tuple(proposal.number for proposal in controller.in_flight), ids(controller, 15)


def ids(controller: Controller, count: int) -> list[str]:
    return [controller.ask().architecture.id for _ in range(count)]


def limited(make: Make, space: Space, seed: int = 0) -> Controller:
    return make(space, [maximize("accuracy")], limits=[at_most("size", 8.0)], seed=seed)


def test_works_with_its_defaults_from_space_objectives_and_seed(make: Make, space: Space) -> None:
    controller = make(space, [maximize("accuracy")], seed=0)
    for number in range(30):
        proposal = controller.ask()
        assert proposal.number == number
        assert dict(space.architecture(proposal.architecture.decisions).decisions) == dict(
            proposal.architecture.decisions
        )
        controller.tell(proposal, {"accuracy": score(proposal.architecture)})
    assert controller.num_asked == controller.num_told == 30
    assert not controller.in_flight


def test_takes_what_space_takes_and_a_lone_objective(make: Make) -> None:
    controller = make({"op": choice("a", "b"), "width": integer(8, 64)}, maximize("accuracy"))
    assert set(controller.ask().architecture.value) == {"op", "width"}


def test_the_same_seed_and_calls_give_the_same_proposals(make: Make, space: Space) -> None:
    runs = [
        [event[1].architecture for event in events if event[0] == "ask"]
        for events in (
            driven(make, space)[0],
            drive(limited(make, space), 80),
            drive(limited(make, space, seed=1), 40),
        )
    ]
    first, again, other = [[architecture.id for architecture in run] for run in runs]
    assert again == first[: len(again)]
    assert other != first[: len(other)]
    # at least the values, too: equal ids could hide other decisions
    assert [dict(a.decisions) for a in runs[1]] == [dict(a.decisions) for a in runs[0][: len(again)]]


def test_global_random_state_is_neither_read_nor_written(make: Make) -> None:
    import numpy
    import torch

    def run(seed: int) -> list[str]:
        random.seed(seed)
        numpy.random.seed(seed)
        torch.manual_seed(seed)
        controller = limited(make, CONDITIONAL)
        drive(controller, 60)
        assert random.random() == random.Random(seed).random()
        assert numpy.random.random() == numpy.random.RandomState(seed).random_sample()
        assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(seed))
        return ids(controller, 5)

    assert run(1) == run(2)


@pytest.mark.end_to_end
def test_proposals_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.contracts.test_controllers import CONDITIONAL, VARIANTS, drive, ids, limited
for name, make in VARIANTS.items():
    controller = limited(make, CONDITIONAL)
    drive(controller, 60)
    print(name, ids(controller, 5))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == len(VARIANTS)


def test_replay_restores_it_with_many_asks_in_flight(make: Make, space: Space) -> None:
    events, flying, following = driven(make, space)
    restored = limited(make, space)
    in_flight = replay(restored, events)
    assert tuple(proposal.number for proposal in in_flight) == flying
    assert in_flight
    assert ids(restored, 15) == following


def test_replay_of_a_record_made_otherwise_counts_what_was_recorded(make: Make) -> None:
    events = drive(limited(RandomSearch, FLAT, seed=99), 60)
    controller = limited(make, FLAT)
    in_flight = replay(controller, events)
    recorded = {event[1].architecture.id for event in events}
    assert {p.architecture.id for p in in_flight} <= recorded
    assert not recorded.intersection(ids(controller, 30))


def test_it_learns_from_things_it_never_proposed(make: Make) -> None:
    controller = make(FLAT, [maximize("accuracy")], seed=0)
    rng = random.Random(5)
    told = [FLAT.sample(rng) for _ in range(40)]
    for number, architecture in enumerate(told):
        controller.tell(Proposal(number, architecture), {"accuracy": score(architecture)})
    assert controller.num_told == 40
    assert controller.ask().number == 0
    assert not {architecture.id for architecture in told}.intersection(ids(controller, 40))


def test_it_takes_results_from_another_overlapping_space_and_from_json(make: Make) -> None:
    other = Space({"op0": choice("a", "z"), "op1": choice("a", "b"), "extra": real(0.0, 1.0)})
    controller = make(FLAT, [maximize("accuracy")], seed=0)
    rng = random.Random(5)
    for number in range(60):
        architecture = Architecture.from_json(other.sample(rng).to_json())
        controller.tell(Proposal(number, architecture), {"accuracy": rng.random()})
    assert len(set(ids(controller, 30))) == 30


def test_asks_never_wait_for_results(make: Make, space: Space) -> None:
    controller = make(space, [maximize("accuracy")], seed=0)
    asked = [controller.ask() for _ in range(150)]
    for proposal in reversed(asked[1:]):
        controller.tell(proposal, {"accuracy": score(proposal.architecture)})
    assert controller.in_flight == (asked[0],)
    assert controller.ask().number == 150


@pytest.mark.parametrize("failure", [None, {"accuracy": math.nan}, {"accuracy": math.inf}], ids=str)
def test_a_search_in_which_everything_fails_goes_on(make: Make, failure: Mapping[str, float] | None) -> None:
    controller = make(CONDITIONAL, [maximize("accuracy")], seed=0)
    seen = set()
    for _ in range(60):
        proposal = controller.ask()
        seen.add(proposal.architecture.id)
        controller.tell(proposal, failure)
    assert len(seen) == 60


def test_infeasible_trials_may_be_told_with_their_costs_only(make: Make) -> None:
    controller = limited(make, FLAT)
    for _ in range(60):
        controller.tell(controller.ask(), {"size": 9.0})


@pytest.mark.parametrize(
    "values", [{}, {"loss": 1.0, "size": 1.0}, {"accuracy": "high", "size": 1.0}], ids=str
)
def test_a_missing_objective_is_an_error_that_names_it_and_changes_nothing(
    make: Make, values: Mapping[str, float]
) -> None:
    controller = limited(make, FLAT)
    proposal = controller.ask()
    with pytest.raises(ControllerError, match="accuracy"):
        controller.tell(proposal, values)
    assert controller.in_flight == (proposal,)
    controller.tell(proposal, {"accuracy": 1.0, "size": 1.0})


def test_no_network_is_proposed_twice(make: Make, space: Space) -> None:
    asked = [event[1] for event in driven(make, space)[0] if event[0] == "ask"]
    if math.isfinite(space.size()) and len(asked) > space.size() / 2:
        asked = [proposal for proposal in asked if not proposal.repeat]
    assert len({proposal.architecture.id for proposal in asked}) == len(asked)


@pytest.mark.parametrize("told", [True, False], ids=["told", "in flight"])
@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ({"a": choice(1, 2, 3), "b": choice("x", "y")}, 6),
        ({"a": choice("only")}, 1),
        ({"a": "nothing to decide"}, 1),
        ({"a": choice(x=choice(1, 2), y=choice(2, 3), z=4)}, 4),
        # 3 ** 7 decision sets, 2 networks: all but one option are the same
        ([choice(a=1, b=1, c=1) for _ in range(6)] + [choice(a=1, b=1, c=2)], 2),
        # the unused branch decides nothing
        ({"use": choice(no=(0, 1)[0], yes={"a": integer(1, 9)}), "k": choice(p=5, q=5)}, 10),
        ({"n": repeat(choice(a=1, b=1), integer(0, 6))}, 7),
    ],
    ids=["six", "one", "no hole", "overlapping", "collapsing", "unused branch", "repeats"],
)
def test_a_finite_space_is_run_to_exhaustion_without_a_repeat(
    make: Make, value: Any, networks: int, told: bool
) -> None:
    controller = make(value, [maximize("accuracy")], seed=0)
    seen = set()
    for _ in range(networks):
        assert not controller.exhausted
        proposal = controller.ask()
        assert not proposal.repeat
        seen.add(proposal.architecture.id)
        if told:
            controller.tell(
                proposal, {"accuracy": score(proposal.architecture) if proposal.architecture.holes else 0.0}
            )
    assert len(seen) == networks
    assert controller.exhausted
    for _ in range(5):
        proposal = controller.ask()
        assert proposal.repeat
        assert proposal.architecture.id in seen
        controller.tell(proposal, {"accuracy": 0.0})


def test_a_vast_space_of_few_networks_neither_hangs_nor_fails(make: Make) -> None:
    controller = make(
        [choice(a=1, b=1, c=1) for _ in range(40)] + [choice(a=1, b=2)], [maximize("accuracy")], seed=0
    )
    start = time.perf_counter()
    repeats = [controller.ask().repeat for _ in range(4)]
    assert repeats == [False, False, True, True]
    assert time.perf_counter() - start < 20.0


def test_repeats_can_be_allowed(make: Make) -> None:
    controller = make({"a": choice(1, 2)}, [maximize("accuracy")], seed=0, repeats=True)
    asked = [controller.ask() for _ in range(20)]
    assert not asked[0].repeat
    assert asked[-1].repeat


def test_several_objectives_and_limits_together(make: Make) -> None:
    if getattr(make, "keywords", {}).get("advantage") == "scaled":
        pytest.skip("this variant takes one objective")
    controller = make(
        CONDITIONAL, [maximize("accuracy"), minimize("latency")], limits=[at_most("size", 0.9)], seed=0
    )
    rng = random.Random(0)
    for step in range(80):
        proposal = controller.ask()
        size = score(proposal.architecture)
        told = {"accuracy": size, "latency": size + rng.random(), "size": size}
        controller.tell(proposal, None if step % 7 == 0 else {"size": size} if size > 0.9 else told)


def _mean_scores(controller: Controller, count: int, metric: str, sign: float) -> list[float]:
    scores = []
    for _ in range(count):
        proposal = controller.ask()
        scores.append(score(proposal.architecture))
        controller.tell(proposal, {metric: sign * scores[-1]})
    return scores


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["maximize", "minimize"])
def test_learners_propose_better_networks_over_time(make: Make, sign: float) -> None:
    space = Space({**FLAT.value, "rate": real(0.0, 1.0), "units": integer(1, 100)})
    objective = maximize("metric") if sign > 0 else minimize("metric")
    scores = _mean_scores(make(space, [objective], seed=0), RESULTS.get(make, 300), "metric", sign)
    assert fmean(scores[-40:]) > fmean(scores[:20]) + 0.15


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
def test_learners_leave_the_infeasible_part_of_the_space(make: Make) -> None:
    space = Space([choice(0, 1, 2, 3) for _ in range(10)])
    controller = make(space, [maximize("accuracy")], limits=[at_most("size", 9.0)], seed=0)
    feasible = []
    for _ in range(RESULTS.get(make, 300)):
        proposal = controller.ask()
        size = float(sum(proposal.architecture.value))
        feasible.append(size <= 9.0)
        controller.tell(proposal, {"accuracy": size, "size": size} if size <= 9.0 else {"size": size})
    assert sum(feasible[:10]) < 4
    assert fmean(feasible[len(feasible) // 3 :]) > 0.125  # random search: 0.06


def test_renaming_holes_and_options_changes_nothing_but_names(make: Make) -> None:
    renamed = Space({f"hole {i}": choice("w", "x", "y", "z") for i in range(8)})
    runs = []
    for space in (FLAT, renamed):
        controller = make(space, [maximize("metric")], seed=0)
        runs.append(_mean_scores(controller, 50, "metric", 1.0))
    assert runs[0] == runs[1]


def _searches(make: Make, order: list[int] | None, seeds: int) -> list[tuple[float, float]]:
    """Searches of one space in one writing: for each seed, what was found and what it was made of.

    These are the mean result, and how often the option was chosen that comes first where `order` is None;
    `order` permutes the options, and gives the holes other names.
    """
    holes, options, results = 5, 4, 24
    shuffle = random.Random(7)
    values = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(holes)]
    pairs = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(options)]
    names = [f"op{i}" for i in range(holes)]
    labels = [list(range(options)) for _ in range(holes)]
    if order is not None:
        names = [f"{'zyxwv'[i]} renamed" for i in range(holes)]
        labels = [[order[(i + j) % options] for j in range(options)] for i in range(holes)]
    space = Space({name: choice(*known) for name, known in zip(names, labels, strict=True)})
    found = []
    for seed in range(seeds):
        controller = make(space, [maximize("metric")], seed=seed + (0 if order is None else 1000))
        total, firsts = 0.0, 0
        for _ in range(results):
            proposal = controller.ask()
            chosen = [int(proposal.architecture.decisions[name]) for name in names]  # type: ignore[arg-type]
            result = sum(row[i] for row, i in zip(values, chosen, strict=True))
            result += sum(pairs[i][j] for i, j in pairwise(chosen))
            controller.tell(proposal, {"metric": result})
            total, firsts = total + result, firsts + chosen.count(0)
        found.append((total / results, float(firsts)))
    return found


def _unlikeliness(make: Make, seeds: int) -> float:
    """The lower p-value (Welch's t-test) of both writings finding the same, and of the same making."""
    from scipy.stats import ttest_ind

    first, second = _searches(make, None, seeds), _searches(make, [2, 0, 3, 1], seeds)
    return float(ttest_ind(first, second, equal_var=False).pvalue.min())


SEEDS = {"optuna": 30, "predictor": 16, "reinforce": 30, "reinforce-scaled": 20}
"""Of those that think long; of others 60."""


def test_permuting_options_and_renaming_holes_leaves_the_distribution_of_results(
    make: Make, request: pytest.FixtureRequest
) -> None:
    assert _unlikeliness(make, SEEDS.get(request.node.callspec.id, 60)) > 0.001


def _with_a_taste(make: Make, strength: float) -> Make:
    """The same controller, but some of its proposals are given the first option in one of their holes."""

    def made(space: Space, *args: Any, seed: int, **settings: Any) -> Controller:
        controller = make(space, *args, seed=seed, **settings)
        rng, propose = random.Random(seed), controller._propose

        def biased() -> Draft:
            draft = propose()
            if rng.random() > strength:
                return draft
            path = rng.choice(list(draft.architecture.decisions))
            first = space.holes()[path].value_at(0)
            return Draft(space.architecture({**draft.architecture.decisions, path: first}))

        controller._propose = biased  # type: ignore[method-assign]
        return controller

    return made


@pytest.mark.parametrize("name", ["random", "evolution", "local"])
def test_a_taste_for_the_first_options_would_be_seen(name: str) -> None:
    assert _unlikeliness(_with_a_taste(catalog[name], 0.5), 60) < 0.001
