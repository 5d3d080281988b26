"""How many trials share a card, planned on a simulated one: memory, busy share, and what goes wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from workers.pool.packing import Packing, estimate
from workers.remote.card_memory import CONTEXT

GIB = 2**30
WINDOW = 5.0


@dataclass
class SimulatedCard:
    """A card on which each trial computes for a share of the time and holds so much memory.

    Attributes:
        plan: what says how many trials run on it.
        busy: the busy share that one trial alone brings; None: nobody measures it.
        memory: the bytes of the card.
        takes: the bytes that the tensors of a trial take.
        expected: the bytes that they are expected to take.
        trial_seconds: how long a trial takes.
        others: the bytes that somebody else holds on the card.
    """

    plan: Packing
    busy: float | None
    memory: int = 80 * GIB
    takes: int = GIB
    expected: int = GIB
    trial_seconds: float = 20.0
    others: int = 0
    now: float = 0.0
    ends: list[float] = field(default_factory=list)
    out_of_memory: list[float] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)

    @property
    def used(self) -> int:
        return self.others + len(self.ends) * (CONTEXT + self.takes)

    def run(self, seconds: float) -> list[int]:
        """Lets seconds pass, each with all the trials that may run; returns the room after each."""
        rooms = []
        for _ in range(int(seconds)):
            self.now += 1
            for end in [end for end in self.ends if end <= self.now]:
                self.ends.remove(end)
                self.plan.measured(self.expected, self.takes, self.now)
            while len(self.ends) < self.plan.room:
                self.plan.expect(self.expected, self.now)
                if len(self.ends) >= self.plan.room:
                    break
                if self.used + CONTEXT + self.takes > self.memory:
                    self.out_of_memory.append(self.now)
                    self.plan.ran_out(self.now)
                    break
                self.ends.append(self.now + self.trial_seconds)
            share = None if self.busy is None else min(1.0, self.busy * len(self.ends))
            used = None if self.busy is None else self.used
            self.plan.observe(self.now, share, len(self.ends) >= self.plan.room, used)
            rooms.append(self.plan.room)
        self.rooms += rooms
        return rooms


def card(*, most: int = 16, busy: float | None = 0.1, memory: int = 80 * GIB, **about: int) -> SimulatedCard:
    return SimulatedCard(Packing(most, memory, window=WINDOW), busy, memory, **about)


def changes(rooms: list[int]) -> Iterator[int]:
    """The rooms without repetitions."""
    last = None
    for room in rooms:
        if room != last:
            yield room
        last = room


def test_trials_become_more_step_by_step_until_the_card_is_busy() -> None:
    idle = card(busy=0.12)
    assert list(changes(idle.run(120))) == [1, 2, 4, 8]  # 8 * .12 is more than .9
    assert not idle.out_of_memory


def test_a_card_that_one_trial_keeps_busy_has_one() -> None:
    assert set(card(busy=0.95).run(120)) == {1}


def test_each_step_is_watched_for_as_long_as_the_first() -> None:
    rooms = card(busy=0.01).run(120)
    assert [rooms.count(room) >= WINDOW for room in (1, 2, 4, 8)] == [True] * 4
    assert rooms[-1] == 16


def test_the_memory_bounds_the_trials_from_the_first_on() -> None:
    full = card(memory=16 * GIB, takes=3 * GIB, expected=3 * GIB)
    assert list(changes(full.run(300))) == [1, 2, 4]  # of 3.5 GiB each, CUDA's own included
    assert not full.out_of_memory


def test_the_cores_bound_the_trials() -> None:
    assert list(changes(card(most=3, busy=0.01).run(200))) == [1, 2, 3]


def test_without_a_measure_of_the_busy_share_memory_and_cores_decide_up_to_eight() -> None:
    assert list(changes(card(busy=None).run(200))) == [1, 2, 4, 8]
    assert list(changes(card(busy=None, memory=8 * GIB).run(200))) == [1, 2, 4, 5]
    assert list(changes(card(busy=None, most=6).run(200))) == [1, 2, 4, 6]


def test_a_card_of_unknown_memory_is_bounded_by_the_rest() -> None:
    plan = Packing(4, None, window=WINDOW)
    simulated = SimulatedCard(plan, None)
    assert list(changes(simulated.run(100))) == [1, 2, 4]


def test_estimates_of_half_the_truth_are_corrected_by_the_first_peak() -> None:
    wrong = card(memory=16 * GIB, takes=4 * GIB, expected=2 * GIB, busy=0.05)
    rooms = wrong.run(1_000)
    assert max(rooms) <= 6
    assert rooms[-1] == 3  # of 4.5 GiB each
    assert set(rooms[-600:]) == {3}, "it swings"
    assert len(wrong.out_of_memory) <= 1


def test_estimates_of_twice_the_truth_are_corrected_too() -> None:
    wrong = card(memory=16 * GIB, takes=GIB, expected=4 * GIB, busy=0.05)
    rooms = wrong.run(400)
    assert rooms[-1] == 10  # of 1.5 GiB each, not 3 of 4.5
    assert not wrong.out_of_memory


def test_a_peak_larger_than_expected_lets_fewer_run_at_once() -> None:
    plan = Packing(16, 16 * GIB, window=WINDOW)
    simulated = SimulatedCard(plan, 0.05, 16 * GIB)
    simulated.run(100)
    assert plan.room == 10
    plan.measured(GIB, 7 * GIB, simulated.now)
    assert plan.room == 2
    assert plan.share == 0.5


def test_what_has_shrunk_is_watched_for_longer_before_it_grows_again() -> None:
    plan = Packing(16, 16 * GIB, window=WINDOW)
    simulated = SimulatedCard(plan, 0.05, 16 * GIB)
    simulated.run(100)
    plan.measured(GIB, 7 * GIB, simulated.now)
    for _ in range(16):  # that one was an exception
        plan.measured(GIB, GIB, simulated.now)
    assert plan.bound == 10
    simulated.ends.clear()
    assert set(simulated.run(5 * WINDOW)) == {2}
    assert simulated.run(10 * WINDOW)[-1] == 10


def test_a_large_trial_lets_fewer_run_beside_it_and_is_forgotten_later() -> None:
    plan = Packing(16, 16 * GIB, window=WINDOW)
    simulated = SimulatedCard(plan, 0.05, 16 * GIB)
    simulated.run(100)
    plan.expect(10 * GIB, simulated.now)
    assert plan.room == 1
    assert simulated.run(1_500)[-1] == 10


def test_out_of_memory_halves_the_room_and_it_grows_again_only_after_a_while() -> None:
    plan = Packing(16, 80 * GIB, window=WINDOW)
    simulated = SimulatedCard(plan, 0.05)
    simulated.run(100)
    plan.ran_out(simulated.now)
    assert plan.room == 8
    assert set(simulated.run(50)) == {8}
    assert simulated.run(100)[-1] == 16


def test_a_card_on_which_trials_run_out_again_and_again_is_tried_more_and_more_seldom() -> None:
    # somebody else's memory, which the estimates know nothing of, and nobody measures
    crowded = card(busy=None, memory=16 * GIB, others=10 * GIB)
    crowded.run(4_000)
    assert crowded.out_of_memory
    early = sum(moment < 1_000 for moment in crowded.out_of_memory)
    late = sum(moment >= 3_000 for moment in crowded.out_of_memory)
    assert late < early
    assert late <= 2


def test_what_others_hold_on_the_card_is_left_to_them() -> None:
    shared = card(busy=0.05, memory=16 * GIB, others=10 * GIB)
    assert max(shared.run(300)) <= 3
    assert not shared.out_of_memory


def test_a_card_whose_workers_do_not_all_work_gets_no_more() -> None:
    plan = Packing(16, 80 * GIB, window=WINDOW)
    for second in range(100):  # a death, a start, a search with no more to do: every third second one idles
        plan.observe(second, 0.1, second % 3 > 0)
    assert plan.room == 1


def test_the_death_of_a_worker_begins_the_watch_anew() -> None:
    plan = Packing(16, 80 * GIB, window=WINDOW)
    for second in range(5):
        plan.observe(second, 0.1, True)
    plan.disturbed()
    plan.observe(5, 0.1, True)
    assert plan.room == 1
    for second in range(6, 11):
        plan.observe(second, 0.1, True)
    assert plan.room == 2


def test_no_more_than_there_may_be_of_workers() -> None:
    plan = Packing(16, 80 * GIB, window=WINDOW)
    for second in range(100):
        plan.observe(second, 0.1, True, 0, 3)
    assert plan.room == 3


@pytest.mark.parametrize(("optimizer", "numbers"), [("sgd", 3), ("adam", 4), ("adamw", 4)])
def test_weights_gradients_and_the_optimizers_state_count(optimizer: str, numbers: int) -> None:
    empty = estimate(num_params=0, activation_bytes=0, batch_size=1, optimizer=optimizer)
    some = estimate(num_params=1_000, activation_bytes=50, batch_size=10, optimizer=optimizer, data=7)
    assert some - empty == 4 * 1_000 * numbers + 50 * 10 + 7
