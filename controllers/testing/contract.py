"""The laws of controllers, a test for each, to be held over any controller."""

import copy
import inspect
import json
import math
import os
import random
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from statistics import fmean
from typing import Any

import pytest

from controllers.base import Controller
from controllers.objectives import at_most, maximize, minimize
from controllers.random_search import RandomSearch
from controllers.records import Proposal
from controllers.replay import replay
from controllers.testing.driving import CONDITIONAL, FLAT, SPACES, drive, ids, limited, score, scores_of
from controllers.testing.observations import ObservationContract
from controllers.testing.priors import PriorContract
from controllers.testing.scores import ScoresContract
from controllers.testing.writings import unlikeliness
from search_spaces import Architecture, Space, choice, integer, real, repeat
from search_spaces.errors import ControllerError

_PROGRAM = """
import importlib.util, json, operator, sys
sys.path[:] = json.loads(sys.argv[1])
specification = importlib.util.spec_from_file_location("held", sys.argv[2])
module = sys.modules["held"] = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
from controllers.testing.driving import CONDITIONAL, drive, ids, limited
controller = limited(operator.attrgetter(sys.argv[3])(module)().make, CONDITIONAL)
drive(controller, 60)
print(*ids(controller, 5), sep="\\n")
"""


class ControllerContract(PriorContract, ObservationContract, ScoresContract):
    """The laws of `Controller` as tests that pytest collects from a subclass whose name begins with ``Test``.

    A subclass stands at the top of its module, for one test looks it up there in other processes.

    Attributes:
        learns: whether the controller proposes better networks the more it was told.
        several_objectives: whether the controller takes more than one objective.
        results: the number of results after which a controller that learns is to have learnt something.
        seeds: the number of searches that are compared between two writings of one space.
    """

    learns = True
    several_objectives = True
    results = 300
    seeds = 60

    @abstractmethod
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        """Returns a new controller.

        Args:
            space: the space, or anything that `Space()` takes.
            objectives: one objective or a list of them.
            options: the options that every controller has: ``limits``, ``seed`` and ``repeats``.
        """

    @pytest.fixture(params=list(SPACES.values()), ids=list(SPACES))
    def space(self, request: pytest.FixtureRequest) -> Space:
        """The spaces over which the laws are held that speak of any space."""
        given: Space = request.param
        return given

    def test_works_with_its_defaults_from_space_objectives_and_seed(self, space: Space) -> None:
        controller = self.make(space, [maximize("accuracy")], seed=0)
        for number in range(30):
            proposal = controller.ask()
            assert proposal.number == number
            assert dict(space.architecture(proposal.architecture.decisions).decisions) == dict(
                proposal.architecture.decisions
            )
            controller.tell(proposal, {"accuracy": score(proposal.architecture)})
        assert controller.num_asked == controller.num_told == 30
        assert not controller.in_flight

    def test_takes_what_space_takes_and_a_lone_objective(self) -> None:
        controller = self.make({"op": choice("a", "b"), "width": integer(8, 64)}, maximize("accuracy"))
        assert set(controller.ask().architecture.value) == {"op", "width"}

    def test_the_same_seed_and_calls_give_the_same_proposals(self, space: Space) -> None:
        runs = [
            [event[1].architecture for event in events if event[0] == "ask"]
            for events in (
                _driven(type(self), space)[0],
                drive(limited(self.make, space), 80),
                drive(limited(self.make, space, seed=1), 40),
            )
        ]
        first, again, other = [[architecture.id for architecture in run] for run in runs]
        assert again == first[: len(again)]
        assert other != first[: len(other)]
        # at least the values, too: equal ids could hide other decisions
        assert [dict(a.decisions) for a in runs[1]] == [dict(a.decisions) for a in runs[0][: len(again)]]

    def test_global_random_state_is_neither_read_nor_written(self) -> None:
        import numpy
        import torch

        def run(seed: int) -> list[str]:
            random.seed(seed)
            numpy.random.seed(seed)
            torch.manual_seed(seed)
            controller = limited(self.make, CONDITIONAL)
            drive(controller, 60)
            assert random.random() == random.Random(seed).random()
            assert numpy.random.random() == numpy.random.RandomState(seed).random_sample()
            assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(seed))
            return ids(controller, 5)

        assert run(1) == run(2)

    def test_proposals_do_not_depend_on_the_hash_seed_of_the_process(self) -> None:
        arguments = json.dumps(sys.path), inspect.getfile(type(self)), type(self).__qualname__
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *arguments],
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in ("1", "2")
        ]
        outputs = [process.communicate()[0].splitlines() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert outputs[0] == outputs[1]
        assert len(outputs[0]) == 5

    def test_replay_restores_it_with_many_asks_in_flight(self, space: Space) -> None:
        events, flying, following = _driven(type(self), space)
        restored = limited(self.make, space)
        in_flight = replay(restored, events)
        assert tuple(proposal.number for proposal in in_flight) == flying
        assert in_flight
        assert ids(restored, 15) == following

    def test_a_copy_goes_on_as_it_does_at_any_time(self, space: Space) -> None:
        # as a library that saves its searchers does
        controller = limited(self.make, space)
        for steps in (0, 40):
            drive(controller, steps)
            _ = controller.exhausted  # begins the enumeration
            following = ids(copy.deepcopy(controller), 15)
            assert ids(controller, 15) == following

    def test_replay_of_a_record_made_otherwise_counts_what_was_recorded(self) -> None:
        events = drive(limited(RandomSearch, FLAT, seed=99), 60)
        controller = limited(self.make, FLAT)
        in_flight = replay(controller, events)
        recorded = {event[1].architecture.id for event in events}
        assert {p.architecture.id for p in in_flight} <= recorded
        assert not recorded.intersection(ids(controller, 30))

    def test_it_learns_from_things_it_never_proposed(self) -> None:
        controller = self.make(FLAT, [maximize("accuracy")], seed=0)
        rng = random.Random(5)
        told = [FLAT.sample(rng) for _ in range(40)]
        for number, architecture in enumerate(told):
            controller.tell(Proposal(number, architecture), {"accuracy": score(architecture)})
        assert controller.num_told == 40
        assert controller.ask().number == 0
        assert not {architecture.id for architecture in told}.intersection(ids(controller, 40))

    def test_it_takes_results_from_another_overlapping_space_and_from_json(self) -> None:
        other = Space({"op0": choice("a", "z"), "op1": choice("a", "b"), "extra": real(0.0, 1.0)})
        controller = self.make(FLAT, [maximize("accuracy")], seed=0)
        rng = random.Random(5)
        for number in range(60):
            architecture = Architecture.from_json(other.sample(rng).to_json())
            controller.tell(Proposal(number, architecture), {"accuracy": rng.random()})
        assert len(set(ids(controller, 30))) == 30

    def test_asks_never_wait_for_results(self, space: Space) -> None:
        controller = self.make(space, [maximize("accuracy")], seed=0)
        asked = [controller.ask() for _ in range(150)]
        for proposal in reversed(asked[1:]):
            controller.tell(proposal, {"accuracy": score(proposal.architecture)})
        assert controller.in_flight == (asked[0],)
        assert controller.ask().number == 150

    @pytest.mark.parametrize("failure", [None, {"accuracy": math.nan}, {"accuracy": math.inf}], ids=str)
    def test_a_search_in_which_everything_fails_goes_on(self, failure: Mapping[str, float] | None) -> None:
        controller = self.make(CONDITIONAL, [maximize("accuracy")], seed=0)
        seen = set()
        for _ in range(60):
            proposal = controller.ask()
            seen.add(proposal.architecture.id)
            controller.tell(proposal, failure)
        assert len(seen) == 60

    def test_infeasible_trials_may_be_told_with_their_costs_only(self) -> None:
        controller = limited(self.make, FLAT)
        for _ in range(60):
            controller.tell(controller.ask(), {"size": 9.0})

    @pytest.mark.parametrize(
        "values", [{}, {"loss": 1.0, "size": 1.0}, {"accuracy": "high", "size": 1.0}], ids=str
    )
    def test_a_missing_objective_is_an_error_that_names_it_and_changes_nothing(
        self, values: Mapping[str, float]
    ) -> None:
        controller = limited(self.make, FLAT)
        proposal = controller.ask()
        with pytest.raises(ControllerError, match="accuracy"):
            controller.tell(proposal, values)
        assert controller.in_flight == (proposal,)
        controller.tell(proposal, {"accuracy": 1.0, "size": 1.0})

    def test_no_network_is_proposed_twice(self, space: Space) -> None:
        asked = [event[1] for event in _driven(type(self), space)[0] if event[0] == "ask"]
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
        self, value: Any, networks: int, told: bool
    ) -> None:
        controller = self.make(value, [maximize("accuracy")], seed=0)
        seen = set()
        for _ in range(networks):
            assert not controller.exhausted
            proposal = controller.ask()
            assert not proposal.repeat
            seen.add(proposal.architecture.id)
            if told:
                controller.tell(
                    proposal,
                    {"accuracy": score(proposal.architecture) if proposal.architecture.holes else 0.0},
                )
        assert len(seen) == networks
        assert controller.exhausted
        for _ in range(5):
            proposal = controller.ask()
            assert proposal.repeat
            assert proposal.architecture.id in seen
            controller.tell(proposal, {"accuracy": 0.0})

    def test_a_vast_space_of_few_networks_neither_hangs_nor_fails(self) -> None:
        controller = self.make(
            [choice(a=1, b=1, c=1) for _ in range(20)] + [choice(a=1, b=2)], [maximize("accuracy")], seed=0
        )
        start = time.perf_counter()
        repeats = [controller.ask().repeat for _ in range(4)]
        assert repeats == [False, False, True, True]
        assert time.perf_counter() - start < 20.0

    def test_repeats_can_be_allowed(self) -> None:
        controller = self.make({"a": choice(1, 2)}, [maximize("accuracy")], seed=0, repeats=True)
        asked = [controller.ask() for _ in range(20)]
        assert not asked[0].repeat
        assert asked[-1].repeat

    def test_several_objectives_and_limits_together(self) -> None:
        if not self.several_objectives:
            pytest.skip("it takes one objective")
        controller = self.make(
            CONDITIONAL, [maximize("accuracy"), minimize("latency")], limits=[at_most("size", 0.9)], seed=0
        )
        rng = random.Random(0)
        for step in range(80):
            proposal = controller.ask()
            size = score(proposal.architecture)
            told = {"accuracy": size, "latency": size + rng.random(), "size": size}
            controller.tell(proposal, None if step % 7 == 0 else {"size": size} if size > 0.9 else told)

    @pytest.mark.parametrize("sign", [1.0, -1.0], ids=["maximize", "minimize"])
    def test_learners_propose_better_networks_over_time(self, sign: float) -> None:
        if not self.learns:
            pytest.skip("it learns from no result")
        space = Space({**FLAT.value, "rate": real(0.0, 1.0), "units": integer(1, 100)})
        objective = maximize("metric") if sign > 0 else minimize("metric")
        scores = scores_of(self.make(space, [objective], seed=0), self.results, "metric", sign)
        assert fmean(scores[-40:]) > fmean(scores[:20]) + 0.15

    def test_learners_leave_the_infeasible_part_of_the_space(self) -> None:
        if not self.learns:
            pytest.skip("it learns from no result")
        space = Space([choice(0, 1, 2, 3) for _ in range(10)])
        controller = self.make(space, [maximize("accuracy")], limits=[at_most("size", 9.0)], seed=0)
        feasible = []
        for _ in range(self.results):
            proposal = controller.ask()
            size = float(sum(proposal.architecture.value))
            feasible.append(size <= 9.0)
            controller.tell(proposal, {"accuracy": size, "size": size} if size <= 9.0 else {"size": size})
        assert sum(feasible[:10]) < 4
        assert fmean(feasible[len(feasible) // 3 :]) > 0.125  # random search: 0.06

    def test_renaming_holes_and_options_changes_nothing_but_names(self) -> None:
        renamed = Space({f"hole {i}": choice("w", "x", "y", "z") for i in range(8)})
        runs = []
        for space in (FLAT, renamed):
            controller = self.make(space, [maximize("metric")], seed=0)
            runs.append(scores_of(controller, 50, "metric"))
        assert runs[0] == runs[1]

    def test_permuting_options_and_renaming_holes_leaves_the_distribution_of_results(self) -> None:
        assert unlikeliness(self.make, self.seeds) > 0.001


@cache
def _driven(contract: type[ControllerContract], space: Space) -> tuple[list[Any], tuple[int, ...], list[str]]:
    """Returns what 200 steps with limits made: the events, what is in flight then, and the next ids."""
    controller = limited(contract().make, space)
    events = drive(controller, 200)
    return events, tuple(proposal.number for proposal in controller.in_flight), ids(controller, 15)
