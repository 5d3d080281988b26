"""A controller and a fidelity, joined: given networks among those asked for, and what is heard of pauses."""

from typing import Any

import pytest

from controllers import (
    NSGA2,
    Outcome,
    PredictorEvolution,
    Proposal,
    RandomSearch,
    RegularizedEvolution,
    SuccessiveHalving,
    at_most,
    maximize,
    replay,
)
from controllers.curves import OlderCurve
from controllers.fidelity import Stages
from controllers.planner import Planner, UndecidedController
from controllers.population import CHOSEN
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


class Listener(RandomSearch):
    """Keeps what it hears, and what it expects then."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.heard: list[tuple[Any, ...]] = []

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self.heard.append(("end", proposal.number, outcome.scores))

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        self.heard.append((epochs, proposal.number, outcome.scores))


def pause_and_end(planner: Planner) -> None:
    asked = [planner.ask() for _ in range(4)]
    for proposal in asked:
        planner.begin(proposal)
        planner.pause(proposal, 1, {"accuracy": float(proposal.number)})
    planner.resume(3, 3)
    planner.pause(asked[3], 3, {"accuracy": 10.0})
    planner.resume(3, 9)
    planner.end(asked[3], {"accuracy": 20.0})


HEARD = [(1, 0, (0.0,)), (1, 1, (1.0,)), (1, 2, (2.0,)), (1, 3, (3.0,)), (3, 3, (10.0,)), ("end", 3, (20.0,))]


def test_what_a_trial_scores_where_it_pauses_is_observed() -> None:
    controller = Listener(SPACE, maximize("accuracy"))
    pause_and_end(Planner(controller, SuccessiveHalving(9)))
    assert controller.heard == HEARD
    assert (controller.num_told, controller.num_in_flight, controller.num_set_aside) == (1, 0, 3)


def test_a_controller_that_is_chosen_late_hears_what_was_heard_before() -> None:
    planner = Planner(UndecidedController(SPACE, maximize("accuracy")), SuccessiveHalving(9))
    pause_and_end(planner)
    chosen = Listener(SPACE, maximize("accuracy"))
    planner.go_on_with(chosen)
    assert chosen.heard == HEARD
    assert (chosen.num_asked, chosen.num_told, chosen.num_in_flight, chosen.num_set_aside) == (4, 1, 0, 3)


def test_a_trial_that_breaks_a_limit_where_it_pauses_is_not_observed() -> None:
    controller = Listener(SPACE, maximize("accuracy"), limits=at_most("size", 1.0))
    planner = Planner(controller, SuccessiveHalving(9))
    planner.pause(planner.ask(), 1, {"accuracy": 1.0, "size": 2.0})
    assert not controller.heard


@pytest.mark.parametrize("kind", [RegularizedEvolution, NSGA2, PredictorEvolution])
def test_where_trials_pause_a_few_that_came_to_their_end_are_enough_to_begin_with(
    kind: type[RegularizedEvolution] | type[NSGA2] | type[PredictorEvolution],
) -> None:
    controller = kind(SPACE, maximize("accuracy"), seed=0)
    planner = Planner(controller, SuccessiveHalving(9))
    asked = [planner.ask() for _ in range(24)]
    for proposal in asked:
        planner.pause(proposal, 1, {"accuracy": float(proposal.number)})
    for proposal in asked[:CHOSEN]:
        assert planner.ask().origin == "random"
        planner.end(proposal, {"accuracy": float(proposal.number)})
    assert planner.ask().origin in ("mutation", "crossover", "model")


def test_a_controller_observes_the_scores_of_the_epoch_before() -> None:
    class Heard(Listener):
        def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
            self.heard.append((epochs, outcome.scores, outcome.before))

    controller = Heard(SPACE, [maximize("accuracy"), maximize("size")])
    planner = Planner(controller, SuccessiveHalving(9, 3))
    values = {"accuracy": 2.0, "size": 5.0}
    for before in ({"accuracy": 1.0}, None):
        proposal = planner.ask()
        planner.begin(proposal)
        planner.pause(proposal, 3, values, before)
    assert controller.heard == [(3, (2.0, 5.0), (1.0, 5.0)), (3, (2.0, 5.0), ())]


@pytest.mark.parametrize("late", [False, True])
def test_older_curves_are_known_as_soon_as_it_is_decided_where_trials_pause(late: bool) -> None:
    older = [OlderCurve(str(n), {1: (n / 10,), 3: (n / 5,)}, (n / 2,)) for n in range(9)]
    planner = Planner(UndecidedController(SPACE, maximize("accuracy")), Stages())
    planner.recall(older)
    chosen = PredictorEvolution(SPACE, maximize("accuracy"))
    if late:
        planner.decide(9, 3)
        planner.go_on_with(chosen)
    else:
        planner.go_on_with(chosen)
        planner.decide(9, 3)
    proposal = planner.ask()
    planner.pause(proposal, 3, {"accuracy": 0.8})
    forecast = chosen._curves[0].forecast(proposal.architecture.id)
    assert forecast is not None
    assert forecast.mean == pytest.approx(2.0, abs=0.2)
    assert chosen.num_told == 0
