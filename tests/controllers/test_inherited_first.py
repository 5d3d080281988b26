"""Trials that are scored with inherited weights first: who is trained, and what the controller hears."""

from __future__ import annotations

import pytest

from controllers import Proposal, RandomSearch, RegularizedEvolution, SuccessiveHalving, maximize
from controllers.fidelity import Fidelity, FullBudget, Hyperband
from controllers.inherited_first import CHECK_AFTER, CHECKED, FINISHED, InheritedFirst
from controllers.planner import Planner
from search_spaces import Space, integer

SPACE = Space({"a": integer(0, 99)})
EPOCHS = 9


def planner_of(fidelity: InheritedFirst | None = None, kind: type = RandomSearch) -> Planner:
    return Planner(kind(SPACE, maximize("accuracy")), fidelity or InheritedFirst(FullBudget(), EPOCHS))


def scored(planner: Planner, count: int) -> list[Proposal]:
    """The first trial, trained; and so many that are scored, by their numbers."""
    asked = [planner.ask() for _ in range(count + 1)]
    assert planner.begin(asked[0]) is None
    planner.end(asked[0], {"accuracy": 50.0})
    for proposal in asked[1:]:
        assert planner.begin(proposal) == 0
        planner.pause(proposal, 0, {"accuracy": float(proposal.number)})
    return asked


def train(planner: Planner, asked: list[Proposal], sign: int = 1) -> list[int]:
    """Trains what is to be trained; returns the numbers."""
    numbers = []
    while (leg := planner.next_leg()) is not None:
        number, until = leg
        assert until == EPOCHS
        planner.resume(number, until)
        planner.end(asked[number], {"accuracy": sign * 100.0 + number})
        numbers.append(number)
    return numbers


def test_until_one_trial_was_trained_others_are_trained_at_once() -> None:
    planner = planner_of()
    first, second, third = planner.ask(), planner.ask(), planner.ask()
    assert planner.begin(first) is None
    planner.end(first, None)
    assert planner.begin(second) is None
    planner.end(second, {"accuracy": 3.0})
    assert planner.begin(third) == 0


def test_a_score_that_comes_in_without_trust_is_not_heard() -> None:
    planner = planner_of(kind=Listener)
    scored(planner, 2)
    late = planner.ask()
    planner.begin(late)
    planner.distrust()
    planner.pause(late, 0, {"accuracy": 99.0})
    controller = planner.controller
    assert isinstance(controller, Listener)
    assert controller.heard == [50.0]
    assert not controller.in_flight


def test_a_network_that_takes_too_long_keeps_its_number_without_trust() -> None:
    planner = planner_of()
    asked = scored(planner, 2)
    late = planner.ask()
    planner.begin(late)
    planner.set_aside(late)
    planner.distrust()
    assert planner.ask().number == len(asked) + 1


def test_a_space_without_others_trains_what_was_scored_whatever_that_is_worth() -> None:
    few = Space({"a": integer(0, 4)})
    planner = Planner(RandomSearch(few, maximize("accuracy")), InheritedFirst(FullBudget(), EPOCHS))
    asked = scored(planner, 4)
    planner.distrust()
    assert planner.controller.exhausted
    assert planner.next_leg() is None
    assert planner.next_leg(last=True) == (4, EPOCHS)
    planner.resume(4, EPOCHS)
    planner.end(asked[4], {"accuracy": 1.0})
    assert planner.next_leg(last=True) == (3, EPOCHS)


def test_with_more_time_the_best_of_all_are_trained_and_not_others() -> None:
    planner = planner_of()
    asked = scored(planner, CHECK_AFTER)
    train(planner, asked)
    while (leg := planner.next_leg(last=True)) is not None:
        planner.resume(*leg)
        planner.end(asked[leg[0]], {"accuracy": 1.0})
    for _ in range(10):
        proposal = planner.ask()
        asked.append(proposal)
        planner.begin(proposal)
        planner.pause(proposal, 0, {"accuracy": float(proposal.number)})
    later = []
    while (leg := planner.next_leg(last=True)) is not None:
        planner.resume(*leg)
        planner.end(asked[leg[0]], {"accuracy": 1.0})
        later.append(leg[0])
    assert later == list(range(len(asked) - 1, len(asked) - 1 - FINISHED, -1))


def test_the_first_trial_is_trained_and_the_others_are_scored() -> None:
    planner = planner_of()
    scored(planner, 3)
    assert planner.next_leg() is None
    assert planner.inherited is not None
    assert planner.inherited.num_scored == 3


def test_once_enough_are_scored_some_are_trained_from_the_best_to_the_worst() -> None:
    planner = planner_of()
    asked = scored(planner, CHECK_AFTER)
    numbers = train(planner, asked)
    assert numbers[0] == CHECK_AFTER
    assert numbers[-1] == 1
    assert len(numbers) == CHECKED
    assert planner.inherited is not None
    checked = planner.inherited.checked
    assert checked is not None
    assert [(one.number, one.inherited, one.trained) for one in checked] == [
        (number, float(number), 100.0 + number) for number in numbers
    ]


def test_what_fails_in_its_training_is_left_out_of_the_check() -> None:
    planner = planner_of()
    asked = scored(planner, CHECK_AFTER)
    first = True
    while (leg := planner.next_leg()) is not None:
        planner.resume(*leg)
        planner.end(asked[leg[0]], None if first else {"accuracy": 1.0})
        first = False
    assert planner.inherited is not None
    assert len(planner.inherited.checked or ()) == CHECKED - 1


def test_in_the_end_the_best_of_those_that_were_scored_are_trained() -> None:
    planner = planner_of()
    asked = scored(planner, 2 * CHECK_AFTER)
    checked = train(planner, asked)
    numbers = []
    while (leg := planner.next_leg(last=True)) is not None:
        planner.resume(*leg)
        planner.end(asked[leg[0]], {"accuracy": 1.0})
        numbers.append(leg[0])
    best = list(range(2 * CHECK_AFTER, 2 * CHECK_AFTER - FINISHED, -1))
    assert numbers == [number for number in best if number not in checked]


def test_a_search_that_ends_early_trains_some_all_the_same() -> None:
    planner = planner_of()
    asked = scored(planner, 3)
    leg = planner.next_leg(last=True)
    assert leg == (3, EPOCHS)
    planner.resume(*leg)
    planner.end(asked[3], {"accuracy": 1.0})


@pytest.mark.parametrize("finish", [SuccessiveHalving(9, 1), Hyperband(9, 1)])
def test_a_fidelity_says_how_those_are_trained_that_are_but_for_the_check(finish: Fidelity) -> None:
    planner = planner_of(InheritedFirst(finish, 3))
    asked = scored(planner, CHECK_AFTER)
    assert train(planner, asked)[0] == CHECK_AFTER
    assert planner.inherited is not None
    assert len(planner.inherited.checked or ()) == CHECKED
    leg = planner.next_leg(last=True)
    assert leg is not None
    assert planner.next_leg(last=True) == leg
    assert leg[0] == CHECK_AFTER - 1
    if isinstance(finish, SuccessiveHalving):
        assert leg[1] == 1
    planner.resume(*leg)
    planner.pause(asked[leg[0]], leg[1], {"accuracy": 1.0})


def test_the_controller_hears_of_inherited_scores_alone() -> None:
    planner = planner_of(kind=Listener)
    asked = scored(planner, CHECK_AFTER)
    train(planner, asked)
    controller = planner.controller
    assert isinstance(controller, Listener)
    assert controller.heard == [float(number) for number in range(1, CHECK_AFTER + 1)]


def test_without_trust_it_begins_anew_with_what_was_trained_and_proposes_nothing_twice() -> None:
    planner = planner_of(kind=Listener)
    asked = scored(planner, CHECK_AFTER)
    numbers = train(planner, asked)
    planner.distrust()
    controller = planner.controller
    assert isinstance(controller, Listener)
    assert controller.heard == [50.0, *(100.0 + number for number in numbers)]
    proposal = planner.ask()
    assert proposal.number == len(asked)
    assert proposal.architecture.id not in {one.architecture.id for one in asked}
    assert planner.begin(proposal) is None
    planner.end(proposal, {"accuracy": 7.0})
    assert planner.controller.num_told == len(numbers) + 2


def test_a_network_in_flight_stays_so_without_trust() -> None:
    planner = planner_of()
    scored(planner, 2)
    flying = planner.ask()
    planner.begin(flying)
    planner.distrust()
    assert planner.controller.in_flight == (flying,)
    planner.pause(flying, 0, {"accuracy": 3.0})
    assert not planner.controller.in_flight


@pytest.mark.parametrize("kind", [RandomSearch, RegularizedEvolution])
def test_repeating_the_calls_leads_to_the_same_proposals(kind: type) -> None:
    def whole() -> tuple[Planner, list[Proposal]]:
        planner = planner_of(kind=kind)
        asked = scored(planner, CHECK_AFTER)
        train(planner, asked)
        return planner, asked

    planner, asked = whole()
    again = planner_of(kind=kind)
    for proposal in asked:
        again.repeat(proposal)
    again.begin(asked[0])
    again.end(asked[0], {"accuracy": 50.0})
    for proposal in asked[1:]:
        again.begin(proposal)
        again.pause(proposal, 0, {"accuracy": float(proposal.number)})
    train(again, asked)
    for one in (planner, again):
        one.distrust()
    assert [planner.ask().architecture.id for _ in range(5)] == [
        again.ask().architecture.id for _ in range(5)
    ]


class Listener(RandomSearch):
    """Keeps what it is told."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.heard: list[float] = []

    def _learn(self, proposal: Proposal, outcome: object) -> None:
        self.heard += outcome.scores  # type: ignore[attr-defined]
