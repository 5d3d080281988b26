"""The laws of controllers, held over every controller in the catalog and its main variants."""

import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
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
    first, second, other = limited(make, space), limited(make, space), limited(make, space, seed=1)
    events, again, different = (drive(controller, 120) for controller in (first, second, other))
    asked = [[e[1].architecture.id for e in run if e[0] == "ask"] for run in (events, again, different)]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]
    # at least the values, too: equal ids could hide other decisions
    decisions = [[dict(e[1].architecture.decisions) for e in run] for run in (events, again)]
    assert decisions[0] == decisions[1]


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
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == len(VARIANTS)


def test_replay_restores_it_with_many_asks_in_flight(make: Make, space: Space) -> None:
    original = limited(make, space)
    events = drive(original, 150)
    restored = limited(make, space)
    in_flight = replay(restored, events)
    assert [p.number for p in in_flight] == [p.number for p in original.in_flight]
    assert in_flight
    assert ids(restored, 15) == ids(original, 15)


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
    controller = limited(make, space)
    asked = [event[1] for event in drive(controller, 300) if event[0] == "ask"]
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
    for step in range(120):
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
    scores = _mean_scores(make(space, [objective], seed=0), 300, "metric", sign)
    assert sum(scores[-60:]) / 60 > sum(scores[:20]) / 20 + 0.15


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
def test_learners_leave_the_infeasible_part_of_the_space(make: Make) -> None:
    space = Space([choice(0, 1, 2, 3) for _ in range(10)])
    controller = make(space, [maximize("accuracy")], limits=[at_most("size", 9.0)], seed=0)
    feasible = []
    for _ in range(300):
        proposal = controller.ask()
        size = float(sum(proposal.architecture.value))
        feasible.append(size <= 9.0)
        controller.tell(proposal, {"accuracy": size, "size": size} if size <= 9.0 else {"size": size})
    assert sum(feasible[:10]) < 4
    assert sum(feasible[-200:]) > 25  # random search: 12


def test_renaming_holes_and_options_changes_nothing_but_names(make: Make) -> None:
    renamed = Space({f"hole {i}": choice("w", "x", "y", "z") for i in range(8)})
    runs = []
    for space in (FLAT, renamed):
        controller = make(space, [maximize("metric")], seed=0)
        runs.append(_mean_scores(controller, 80, "metric", 1.0))
    assert runs[0] == runs[1]


class _PrefersFirst(RandomSearch):
    """What the next test must tell from a fair controller: it likes the options that come first."""

    def _propose(self) -> Draft:
        pick = lambda path, hole: hole.from_unit(self.rng.random() ** 2)  # noqa: E731
        return Draft(self.space.fill(pick))


RESULTS = 40


def _mean_results(make: Make, order: list[int] | None, seeds: int) -> list[float]:
    """Per seed the mean result of a search among networks of equal looks, in one writing of their space.

    `order` permutes holes, names and options at once; None leaves them as they are.
    """
    holes, options = 5, 4
    shuffle = random.Random(7)
    values = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(holes)]
    pairs = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(options)]
    for row in values:
        row.sort(reverse=True)  # so that a taste for the first options shows
    names = [f"op{i}" for i in range(holes)]
    labels = [list(range(options)) for _ in range(holes)]
    if order is not None:
        names = [f"{'zyxwv'[i]} renamed" for i in range(holes)]
        labels = [[order[(i + j) % options] for j in range(options)] for i in range(holes)]
    means = []
    for seed in range(seeds):
        controller = make(
            Space({name: choice(*known) for name, known in zip(names, labels, strict=True)}),
            [maximize("metric")],
            seed=seed + (0 if order is None else 1000),
        )
        total = 0.0
        for _ in range(RESULTS):
            proposal = controller.ask()
            chosen = [int(proposal.architecture.decisions[name]) for name in names]  # type: ignore[arg-type]
            result = sum(row[i] for row, i in zip(values, chosen, strict=True))
            result += sum(pairs[i][j] for i, j in pairwise(chosen))
            controller.tell(proposal, {"metric": result})
            total += result
        means.append(total / RESULTS)
    return means


def _unlikeliness(make: Make, seeds: int) -> float:
    """The p-value (Welch's t-test) of both writings having the same mean result."""
    from scipy.stats import ttest_ind

    first, second = _mean_results(make, None, seeds), _mean_results(make, [2, 0, 3, 1], seeds)
    return float(ttest_ind(first, second, equal_var=False).pvalue)


def test_permuting_options_and_renaming_holes_leaves_the_distribution_of_results(
    make: Make, request: pytest.FixtureRequest
) -> None:
    slow = {"optuna": 6, "predictor": 3, "reinforce": 12, "reinforce-scaled": 6, "reinforce-ppo": 12}
    assert _unlikeliness(make, slow.get(request.node.callspec.id, 30)) > 0.001


def test_a_taste_for_the_first_options_would_be_seen() -> None:
    assert _unlikeliness(_PrefersFirst, 12) < 1e-6
