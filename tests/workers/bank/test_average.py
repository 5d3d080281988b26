"""The average of banks: by number, weighed by the steps that each of them has moved it."""

from __future__ import annotations

import torch
from torch import Tensor

from workers.bank.average import average
from workers.bank.bank import Bank
from workers.bank.optimizer import move
from workers.bank.shared_tensor import SharedTensor
from workers.recipe import Recipe

RECIPE = Recipe(optimizer="adamw", weight_decay=0.0)


def bank(value: Tensor, rows: tuple[int, ...], steps: int = 0, gradient: float = 1.0) -> Bank:
    """A bank of one tensor with these rows, after so many steps."""
    made = Bank()
    made.tensors["weight"] = SharedTensor(value, [rows])
    moved(made, rows, steps, gradient)
    return made


def moved(made: Bank, rows: tuple[int, ...], steps: int, gradient: float = 1.0) -> Bank:
    """The same bank after so many more steps of some rows."""
    shared = made.tensors["weight"]
    for _ in range(steps):
        shared.add_gradient(shared.grid([rows]), torch.full((len(rows),), gradient))
        move([shared], RECIPE, 0.1)
        made.version += 1
    return made


def copied(made: Bank) -> Bank:
    return Bank.from_safetensors(made.to_safetensors())


def test_the_average_of_one_bank_is_that_bank() -> None:
    one = bank(torch.ones(2), (0, 1), steps=3)
    assert average([one], copied(one)) is one


def test_the_average_of_equal_banks_is_each_of_them_with_all_that_its_training_keeps() -> None:
    before = bank(torch.ones(3), (0, 1, 2), steps=2)
    ends = [moved(copied(before), (0, 1, 2), 3) for _ in range(2)]
    found = average([copied(end) for end in ends], before).tensors["weight"]
    expected = ends[0].tensors["weight"]
    assert torch.equal(found.value, expected.value)
    assert found.steps.dim() == 0
    assert found.steps == 5
    torch.testing.assert_close(found.state, expected.state)


def test_who_has_moved_a_number_more_often_has_more_say() -> None:
    before = bank(torch.zeros(1), (0,), steps=1)
    ends = [moved(copied(before), (0,), 1, -1.0), moved(copied(before), (0,), 3, 1.0)]
    few, many = (float(end.tensors["weight"].value) for end in ends)
    assert few != many
    found = average(ends, before).tensors["weight"]
    torch.testing.assert_close(float(found.value), (1 * few + 3 * many) / 4)
    assert found.steps == round(((1 + 1) + (1 + 3)) / 2)


def test_who_has_not_trained_a_number_has_no_say_and_what_nobody_trained_stays() -> None:
    before = bank(torch.tensor([1.0, 2.0, 3.0]), (0, 1, 2), steps=1)
    ends = [moved(copied(before), (0,), 2), moved(copied(before), (1,), 1)]
    own = [end.tensors["weight"].value.tolist() for end in ends]
    found = average(ends, before).tensors["weight"]
    assert found.value.tolist() == [own[0][0], own[1][1], before.tensors["weight"].value[2].item()]
    assert found.steps.tolist() == [3, 2, 1]


def test_indices_that_one_bank_has_alone_are_taken_from_it() -> None:
    narrow, wide = (
        bank(torch.tensor([1.0, 2.0]), (0, 1), 1),
        bank(torch.tensor([5.0, 6.0, 7.0]), (1, 2, 3), 1),
    )
    own = [one.tensors["weight"].value.tolist() for one in (narrow, wide)]
    found = average([narrow, wide]).tensors["weight"]
    assert found.axes == [[0, 1, 2, 3]]
    torch.testing.assert_close(
        found.value.tolist(), [own[0][0], (own[0][1] + own[1][0]) / 2, own[1][1], own[1][2]]
    )
    assert bool(found.known.all())


def test_tensors_that_one_bank_has_alone_are_taken_from_it_too() -> None:
    one, other = bank(torch.ones(2), (0, 1), 1), Bank()
    found = average([other, one])
    assert torch.equal(found.tensors["weight"].value, one.tensors["weight"].value)
    assert copied(found).tensors["weight"].axes == [[0, 1]]
