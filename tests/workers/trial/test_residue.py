"""What trials may leave behind: how much, in one go and in all, and that it is cleaned up first."""

from workers.trial.residue import Residue

MIB = 2**20


class Heap:
    """So many bytes held, some of which can be cleaned away."""

    def __init__(self, held: int) -> None:
        self.held, self.garbage, self.cleanings = held * MIB, 0, 0
        self.residue = Residue(lambda: self.held + self.garbage, (self.clean,))

    def clean(self) -> None:
        self.garbage = 0
        self.cleanings += 1


def test_little_is_neither_cleaned_up_nor_minded() -> None:
    heap = Heap(500)
    heap.held += 60 * MIB
    assert heap.residue.is_fit()
    assert heap.cleanings == 0


def test_garbage_is_cleaned_up_and_not_minded() -> None:
    heap = Heap(500)
    heap.garbage = 2000 * MIB
    assert heap.residue.is_fit()
    assert heap.cleanings == 1


def test_much_in_one_go_is_too_much() -> None:
    heap = Heap(500)
    for more, fit in ((250, True), (250, True), (260, False)):
        heap.held += more * MIB
        assert heap.residue.is_fit() == fit


def test_many_times_a_little_is_too_much() -> None:
    heap = Heap(500)
    fits = []
    for _ in range(21):
        heap.held += 50 * MIB
        fits.append(heap.residue.is_fit())
    assert fits == [True] * 20 + [False]
    assert heap.residue.is_fit()  # who goes on all the same begins anew


def test_half_of_the_limit_must_be_free_for_the_next() -> None:
    heap = Heap(500)
    heap.held += 100 * MIB
    assert heap.residue.is_fit(limit=1300 * MIB)
    assert not heap.residue.is_fit(limit=1100 * MIB)


def test_a_limit_that_the_process_itself_half_fills_is_no_reason_for_another_process() -> None:
    heap = Heap(500)
    heap.held += 60 * MIB
    assert heap.residue.is_fit(limit=600 * MIB)


def test_results_that_are_still_to_be_handed_on_do_not_count() -> None:
    heap = Heap(500)
    heap.held += 1000 * MIB
    assert heap.residue.is_fit(kept=1000 * MIB)
