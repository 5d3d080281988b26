"""How long trials train: who goes on, when, and that a controller hears the right results."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from controllers import NSGA2, Outcome, Proposal, RandomSearch, RegularizedEvolution, maximize, minimize
from controllers.curves import OlderCurve
from controllers.fidelity import Fidelity, FullBudget, Hyperband, Stages, SuccessiveHalving, rungs_of
from controllers.planner import Planner
from controllers.ranking import dominates
from search_spaces import Space, integer
from search_spaces.errors import ControllerError

FAILED = Outcome(feasible=False, failed=True)


def scored(*scores: float) -> Outcome:
    return Outcome(feasible=True, failed=False, scores=scores)


def drive(
    fidelity: Fidelity, trials: int, outcome: Callable[[int, int], Outcome], workers: int = 1
) -> list[tuple[int, int]]:
    """The segments of training (number, epoch of its end) in the order that a search asks for them in.

    Workers end in turn.
    """
    legs: list[tuple[int, int]] = []
    running: list[tuple[int, int]] = []
    begun = 0
    while True:
        while len(running) < workers:
            found = fidelity.next_leg()
            if found is None and begun < trials:
                found = begun, fidelity.begin(begun) or fidelity.max_epochs or 0
                begun += 1
            elif found is None and not running:
                found = fidelity.next_leg(last=True)
                if found is not None:
                    fidelity.resume(*found)
            elif found is not None:
                fidelity.resume(*found)
            if found is None:
                break
            running.append(found)
        if not running:
            return legs
        number, epochs = running.pop(0)
        legs.append((number, epochs))
        fidelity.record(number, epochs, outcome(number, epochs))


@pytest.mark.parametrize(
    ("given", "rungs"),
    [
        ((27, 1, 3), (1, 3, 9, 27)),
        ((52, None, 3), (2, 6, 17, 52)),
        ((100, 10, 3), (11, 33, 100)),
        ((8, 1, 2), (1, 2, 4, 8)),
        ((200, 12, 200 / 12), (12, 200)),
        ((5, 5, 3), (5,)),
        ((1, None, 3), (1,)),
        ((3, 1, 1.2), (1, 2, 3)),
    ],
)
def test_rungs_are_cut_from_the_top_down(
    given: tuple[int, int | None, float], rungs: tuple[int, ...]
) -> None:
    assert rungs_of(*given) == rungs


@pytest.mark.parametrize("make", [SuccessiveHalving, Hyperband])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epochs": 0}, "max_epochs: expected a whole number of at least 1, got 0"),
        ({"max_epochs": 2.5}, "max_epochs: expected a whole number"),
        ({"max_epochs": 9, "min_epochs": 10}, "min_epochs: expected at most max_epochs, 9, got 10"),
        ({"min_epochs": True}, "min_epochs: expected a whole number"),
        ({"factor": 1}, "factor: expected a number above 1, got 1"),
    ],
)
def test_arguments_that_make_no_rungs_are_refused(
    make: type, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ControllerError, match=message):
        make(**options)


def test_with_the_full_budget_every_trial_trains_to_its_end() -> None:
    assert FullBudget().begin(0) is None
    assert drive(FullBudget(9), 3, lambda number, epochs: scored(number)) == [(0, 9), (1, 9), (2, 9)]


def test_one_in_factor_goes_on_and_always_the_best() -> None:
    legs = drive(SuccessiveHalving(27, 1), 27, lambda number, epochs: scored(number))
    assert [sum(end == epochs for _, end in legs) for epochs in (1, 3, 9, 27)] == [27, 9, 3, 1]
    values = list(range(27))
    random.Random(0).shuffle(values)
    legs = drive(SuccessiveHalving(27, 1), 27, lambda number, epochs: scored(values[number]))
    assert values[next(number for number, end in legs if end == 27)] >= 20
    seen: list[int] = []  # at every promotion from the lowest rung, the best paused goes
    gone: set[int] = set()
    for number, end in legs:
        if end == 1:
            seen.append(number)
        elif end == 3:
            assert values[number] == max(values[other] for other in seen if other not in gone)
            gone.add(number)
            assert 3 * len(gone) <= len(seen)


def test_a_rung_promotes_no_more_than_it_has_earned_and_keeps_one_promotion_for_a_record() -> None:
    halving = SuccessiveHalving(3, 1)
    gone = []
    # 3 results earn a promotion; only better than all before takes the last one, so 3 more results are needed
    for number, score in enumerate([1, 9, 5, 7, 6, 8, 2, 4, 3, 10, 11, 0]):
        assert halving.begin(number) == 1
        halving.record(number, 1, scored(score))
        while (leg := halving.next_leg()) is not None:
            halving.resume(*leg)
            gone.append((number, leg[0]))
    # best of three; at the 9th result the best paused; at once the 10th, a record; the 11th when earned
    assert gone == [(2, 1), (8, 5), (9, 9), (11, 10)]


def test_who_still_gains_goes_on_before_who_has_more_once_others_have_shown_it() -> None:
    def score(number: int, epochs: int) -> float:
        rng = random.Random(number)
        return rng.random() + rng.random() * math.log(epochs)

    def rises(number: int, epochs: int) -> Outcome:
        outcome = scored(score(number, epochs))
        return replace(outcome, before=(score(number, epochs - 1),)) if number >= shown else outcome

    def come_to(outcome: Callable[[int, int], Outcome]) -> float:
        legs = drive(SuccessiveHalving(27, 3), 120, outcome)
        return sum([score(number, 27) for number, end in legs if end == 9][-25:])

    shown = 0
    with_gains = come_to(rises)
    shown = 120
    assert with_gains > come_to(rises) + 1.0


@pytest.mark.parametrize("make", [SuccessiveHalving, Hyperband])
def test_what_older_trials_gained_says_at_once_who_goes_on(make: type) -> None:
    def first(older: int) -> int:
        rng, halving = random.Random(0), make(9, 3)
        for number in range(older):
            score, gain = rng.random(), rng.random()
            way = {2: (score - gain * math.log(3 / 2),), 3: (score,)}
            halving.recall(OlderCurve(f"old {number}", way, (score + gain,)))
        paused = [number for number in range(12) if halving.begin(number) == 3]
        for place, number in enumerate(paused):
            score, gain = [(0.6, 0.0), (0.5, 1.0), (0.1, 0.0)][place % 3]
            before = (score - gain * math.log(3 / 2),)
            halving.record(number, 3, replace(scored(score), before=before))
        leg = halving.next_leg(last=True)
        assert leg is not None
        return paused.index(leg[0]) % 3

    assert first(older=0) == 0
    assert first(older=60) == 1


@pytest.mark.parametrize(("ends_first", "until"), [(True, 9), (False, 3)])
def test_the_first_trial_of_a_plan_goes_on_first(ends_first: bool, until: int) -> None:
    stages = Stages()
    for number in range(3):
        assert stages.begin(number) == Stages.probe
        stages.record(number, Stages.probe, scored(float(number)))
    stages.decide(9, 1, ends_first=ends_first)
    assert stages.next_leg() == (0, until)
    stages.resume(0, until)
    assert stages.next_leg() is None
    stages.record(0, until, scored(1.0))
    for number in range(3, 6):
        assert stages.begin(number) == 1
        stages.record(number, 1, scored(0.0))
    assert stages.next_leg(last=True) == (3, 3)


def test_promotions_kept_for_records_are_used_up_at_the_end() -> None:
    halving = SuccessiveHalving(3, 1)
    for number in range(6):
        halving.record(number, 1, scored(-number))
    halving.resume(0, 3)
    halving.record(0, 3, scored(0))
    assert halving.next_leg() is None
    assert halving.next_leg(last=True) == (1, 3)


def test_trials_that_failed_or_break_a_limit_do_not_go_on_and_do_not_count() -> None:
    bad = [FAILED, Outcome(False, False, (99.0,), 0.5)]
    legs = drive(SuccessiveHalving(3, 1), 30, lambda number, _: scored(1) if number < 2 else bad[number % 2])
    assert [leg for leg in legs if leg[1] == 3] == [
        (0, 3)
    ]  # only the last promotion, for want of anything better
    assert drive(SuccessiveHalving(3, 1), 4, lambda *_: FAILED) == [(n, 1) for n in range(4)]


@pytest.mark.parametrize("make", [SuccessiveHalving, Hyperband])
@pytest.mark.parametrize("trials", [1, 2, 5, 40])
def test_a_search_never_ends_without_a_trial_trained_to_its_end(make: type, trials: int) -> None:
    assert any(end == 27 for _, end in drive(make(27), trials, lambda number, _: scored(-number)))


def test_hyperband_gives_trials_to_its_brackets_in_the_published_proportions() -> None:
    hyperband = Hyperband(81, 1)
    begun = [hyperband.begin(number) for number in range(143)]
    # Algorithm 1 with R = 81: 81, 34, 15, 8 and 5 trials in the five brackets
    sizes = [begun.count(epochs) for epochs in (1, 3, 9, 27, 81)]
    assert all(abs(size - published) <= 1 for size, published in zip(sizes, (81, 34, 15, 8, 5), strict=True))
    assert set(begun[:12]) >= {1, 3, 9}


@pytest.mark.parametrize("make", [SuccessiveHalving, Hyperband])
def test_with_many_workers_nothing_blocks_and_no_leg_is_given_twice(make: type) -> None:
    values = [random.Random(n).random() for n in range(200)]
    legs = drive(make(27), 200, lambda number, epochs: scored(values[number]), workers=30)
    assert len(set(legs)) == len(legs)
    for number in range(200):
        ends = [end for other, end in legs if other == number]
        assert ends == sorted(ends)


def test_several_objectives_go_on_by_front() -> None:
    scores = {0: (1.0, 9.0), 1: (9.0, 1.0), 2: (5.0, 5.0), 3: (4.0, 4.0), 4: (0.0, 8.0), 5: (3.0, 3.0)}
    legs = drive(SuccessiveHalving(2, 1, factor=2), 6, lambda number, _: scored(*scores[number]), workers=6)
    assert {number for number, end in legs if end == 2} == {0, 1, 2}


def test_with_several_objectives_nobody_goes_on_who_is_dominated_by_a_paused_one() -> None:
    space = Space({"a": integer(0, 99), "b": integer(0, 99)})
    controller = NSGA2(space, [maximize("accuracy"), minimize("seconds")], population=6)
    planner = Planner(controller, SuccessiveHalving(4, 1, factor=2))
    proposals: list[Proposal] = []
    scores: list[tuple[float, float]] = []
    paused: dict[int, int] = {}  # trial, its epochs
    came: dict[int, list[int]] = {}  # those that paused after so many epochs, in order
    promoted, told = 0, 0
    while len(proposals) < 80:
        leg = planner.next_leg()
        if leg is None:
            proposals.append(planner.ask())
            value = proposals[-1].architecture.value
            scores.append((value["a"] + value["b"], value["b"] - value["a"]))
            leg = len(proposals) - 1, planner.begin(proposals[-1]) or 4
        else:
            planner.resume(*leg)
            epochs = paused.pop(leg[0])
            # the order takes up new ones when they are more than a twentieth
            ordered = came[epochs][: len(came[epochs]) - len(came[epochs]) // 20]
            rivals = [scores[number] for number in ordered if paused.get(number) == epochs]
            assert not any(dominates(rival, scores[leg[0]]) for rival in rivals)
            promoted += 1
        number, epochs = leg
        values = {"accuracy": scores[number][0], "seconds": -scores[number][1]}
        if epochs == 4:
            planner.end(proposals[number], values)
            told += 1
        else:
            planner.pause(proposals[number], epochs, values)
            paused[number] = epochs
            came.setdefault(epochs, []).append(number)
    assert promoted > 40
    assert controller.num_told == told > 10


@pytest.mark.parametrize(("objectives", "counts"), [(1, (1_000, 10_000)), (2, (300, 1_200))])
def test_the_time_of_a_call_does_not_grow_with_the_number_of_results(
    objectives: int, counts: tuple[int, int]
) -> None:
    def seconds_per_trial(count: int) -> float:
        rng = random.Random(0)
        started = time.process_time()
        drive(SuccessiveHalving(27), count, lambda *_: scored(*(rng.random() for _ in range(objectives))))
        return (time.process_time() - started) / count

    few, many = min(seconds_per_trial(counts[0]) for _ in range(3)), seconds_per_trial(counts[1])
    assert many < max(3 * few, 2e-3)


def test_the_controller_hears_ends_only_and_proposes_nothing_twice() -> None:
    space = Space({"a": integer(0, 39)})
    controller = RegularizedEvolution(space, maximize("accuracy"), population=4)
    planner = Planner(controller, SuccessiveHalving(4, 1, factor=2))
    proposals = []
    for _ in range(30):
        while (leg := planner.next_leg()) is not None:
            planner.resume(*leg)
            proposal, values = proposals[leg[0]], {"accuracy": float(leg[0])}
            if leg[1] == 4:
                planner.end(proposal, values)
            else:
                planner.pause(proposal, leg[1], values)
        proposals.append(planner.ask())
        assert planner.begin(proposals[-1]) == 1
        planner.pause(proposals[-1], 1, {"accuracy": float(len(proposals))})
    assert len({proposal.architecture.id for proposal in proposals}) == 30
    assert 0 < controller.num_told < 10
    assert controller.in_flight == ()


def test_what_was_set_aside_may_be_told_later() -> None:
    controller = RandomSearch(Space({"a": integer(0, 3)}), maximize("accuracy"))
    proposal = controller.ask()
    controller.set_aside(proposal)
    assert controller.in_flight == ()
    others = {controller.ask().architecture.id for _ in range(3)}
    assert proposal.architecture.id not in others
    assert controller.exhausted
    controller.tell(proposal, {"accuracy": 1.0})
    assert controller.num_told == 1
