"""Ask and tell: numbers, records, the novelty guard, adoption and replay."""

import random
import subprocess
import sys

import pytest

from controllers import (
    Controller,
    Draft,
    Outcome,
    Proposal,
    RandomSearch,
    RegularizedEvolution,
    maximize,
    replay,
)
from search_spaces import Space, choice, integer, real
from search_spaces.errors import ControllerError

SPACE = Space({"a": choice(*range(10)), "b": choice(*range(10))})


class Stubborn(Controller):
    """Always wants the same network."""

    def _propose(self) -> Draft:
        return Draft(self.space.architecture({"a": 5, "b": 5}), origin="stubborn")

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self.last = outcome


def test_a_repeat_is_answered_by_a_walk_to_its_neighbourhood() -> None:
    controller = Stubborn(SPACE, maximize("x"))
    first, second = controller.ask(), controller.ask()
    assert (first.origin, first.parents) == ("stubborn", ())
    assert (second.origin, second.parents) == ("walk", (first.architecture.id,))
    changed = [path for path, value in second.architecture.decisions.items() if value != 5]
    assert len(changed) == 1


def test_the_guard_finds_every_last_network_of_a_space() -> None:
    controller = Stubborn(SPACE, maximize("x"))
    asked = [controller.ask() for _ in range(100)]
    assert len({proposal.architecture.id for proposal in asked}) == 100
    assert not any(proposal.repeat for proposal in asked)
    assert controller.exhausted
    assert controller.ask().repeat


def test_a_space_with_a_real_hole_is_never_exhausted() -> None:
    controller = Stubborn(Space({**SPACE.value, "r": choice(no=0, yes=real(0, 1))}), maximize("x"))
    controller._propose = lambda: Draft(controller.space.architecture({"a": 5, "b": 5, "r": "no"}))  # type: ignore[method-assign]
    assert len({controller.ask().architecture.id for _ in range(300)}) == 300
    assert not controller.exhausted


def test_telling_something_else_under_a_number_in_flight_leaves_that_in_flight() -> None:
    controller = RandomSearch(SPACE, maximize("x"))
    proposal = controller.ask()
    other = next(a for a in SPACE.enumerate() if a.id != proposal.architecture.id)
    controller.tell(Proposal(proposal.number, other), {"x": 1.0})
    assert controller.in_flight == (proposal,)


def test_telling_no_proposal_is_an_error() -> None:
    with pytest.raises(ControllerError, match="proposal: expected Proposal"):
        RandomSearch(SPACE, maximize("x")).tell("architecture", {"x": 1.0})  # type: ignore[arg-type]


def test_an_adopted_proposal_replaces_the_controllers_own() -> None:
    controller = RandomSearch({"a": choice(1, 2)}, maximize("x"))
    own = controller.ask()
    other = next(a for a in controller.space.enumerate() if a.id != own.architecture.id)
    controller.adopt(Proposal(own.number, other))
    assert [p.architecture.id for p in controller.in_flight] == [other.id]
    # what was replaced is untried again
    assert not controller.exhausted
    assert controller.ask().architecture.id == own.architecture.id
    assert controller.exhausted


def test_replay_refuses_other_events() -> None:
    with pytest.raises(ControllerError, match=r"replay: expected .*got .*stop"):
        replay(RandomSearch(SPACE, maximize("x")), [("stop", None)])  # type: ignore[list-item]


def test_replay_of_another_controllers_record_keeps_numbers_apart() -> None:
    events = [("ask", Proposal(7, SPACE.architecture({"a": 1, "b": 1})))]
    controller = RegularizedEvolution(SPACE, maximize("x"))
    assert replay(controller, events)  # type: ignore[arg-type]
    assert controller.ask().number == 8


@pytest.mark.parametrize("seed", [None, 1.5, "one", True])
def test_a_seed_is_an_integer(seed: object) -> None:
    with pytest.raises(ControllerError, match="seed"):
        RandomSearch(SPACE, maximize("x"), seed=seed)  # type: ignore[arg-type]


def test_importing_controllers_imports_neither_torch_nor_numpy_nor_pytest() -> None:
    program = (
        "import sys, controllers; assert not {'torch', 'numpy', 'ray', 'pytest'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=__file__.rsplit("/tests/", 1)[0])


def test_mutation_changes_one_decision_and_samples_only_what_becomes_active() -> None:
    space = Space(
        {"x": choice(p={"k": choice(1, 2, 3)}, q={"m": integer(1, 5)}), "y": choice(1, 2, 3), "z": choice(0)}
    )
    controller = RandomSearch(space, maximize("x"))
    rng = random.Random(0)
    for _ in range(300):
        parent = space.sample(rng)
        child = controller.moves.mutate(parent, rng)
        before, after = dict(parent.decisions), dict(child.decisions)
        if before["x"] == after["x"]:
            assert sum(before[path] != after[path] for path in before) == 1
        else:
            assert before["y"] == after["y"]


def test_crossover_takes_every_decision_from_a_parent() -> None:
    space = Space([choice(*range(100)) for _ in range(8)])
    controller = RandomSearch(space, maximize("x"))
    rng = random.Random(0)
    sides = []
    for _ in range(200):
        first, second = space.sample(rng), space.sample(rng)
        child = controller.moves.cross(first, second, rng)
        for path, value in child.decisions.items():
            assert value in (first.decisions[path], second.decisions[path])
            sides.append(value == first.decisions[path])
    assert 0.4 < sum(sides) / len(sides) < 0.6
