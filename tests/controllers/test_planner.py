"""A controller and a fidelity, joined: given networks among those asked for."""

import pytest

from controllers import RandomSearch, RegularizedEvolution, maximize, replay
from controllers.planner import Planner
from search_spaces import Space, integer

SPACE = Space({"a": integer(0, 9), "b": integer(0, 9)})


def test_a_given_network_is_the_next_proposal_under_the_next_number() -> None:
    planner = Planner(RandomSearch(SPACE, maximize("accuracy")))
    first = planner.ask()
    given = next(other for other in SPACE.enumerate() if other.id != first.architecture.id)
    proposal = planner.insert(given, "given")
    assert (proposal.number, proposal.architecture, proposal.origin) == (1, given, "given")
    assert planner.controller.in_flight == (first, proposal)
    assert planner.ask().number == 2


def test_a_given_network_is_not_proposed_again() -> None:
    planner = Planner(RandomSearch({"a": integer(0, 3)}, maximize("accuracy")))
    given = planner.controller.space.plain()
    planner.insert(given, "plain")
    asked = [planner.ask().architecture.id for _ in range(3)]
    assert given.id not in asked
    assert planner.controller.exhausted


@pytest.mark.parametrize("kind", [RandomSearch, RegularizedEvolution])
def test_a_record_with_a_given_network_restores_the_controller(
    kind: type[RandomSearch] | type[RegularizedEvolution],
) -> None:
    planner = Planner(kind(SPACE, maximize("accuracy"), seed=3))
    inserted = planner.insert(SPACE.plain(), "plain")
    asked = planner.ask()
    restored = kind(SPACE, maximize("accuracy"), seed=3)
    assert replay(restored, [("ask", inserted), ("ask", asked)]) == [inserted, asked]
    assert restored.ask().architecture.id == planner.ask().architecture.id
