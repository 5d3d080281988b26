"""A shared tensor: it grows by what is new, keeps what it has, and moves each number as its own steps say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workers.bank.optimizer import move
from workers.bank.shared_tensor import SharedTensor
from workers.recipe import Recipe

ROWS = tuple((row,) for row in range(3))
COLUMNS = tuple((column,) for column in range(2))


def ones(rows: int, columns: int, value: float = 1.0) -> Tensor:
    return torch.full((rows, columns), value)


def test_a_wider_network_finds_the_numbers_that_are_there_and_brings_the_others() -> None:
    shared = SharedTensor(ones(2, 2), [ROWS[:2], COLUMNS])
    grid = shared.part([ROWS, COLUMNS], ones(3, 2, 7.0))
    assert shared.value[grid].tolist() == [[1, 1], [1, 1], [7, 7]]
    assert shared.version == 1


def test_what_no_network_has_is_unknown_and_that_of_the_first_that_has_it() -> None:
    shared = SharedTensor(ones(1, 2), [ROWS[:1], COLUMNS])
    shared.part([ROWS[1:2], COLUMNS[:1]], ones(1, 1, 2.0))
    assert shared.known.tolist() == [[True, True], [True, False]]
    shared.part([ROWS[1:2], COLUMNS], ones(1, 2, 3.0))
    assert shared.value.tolist() == [[1, 1], [2, 3]]
    assert bool(shared.known.all())


def test_a_part_at_regular_distances_is_a_view_and_another_one_is_not() -> None:
    shared = SharedTensor(torch.arange(5.0), [tuple(range(5))])
    view = shared.value[shared.grid([(0, 2, 4)])]
    view += 10
    assert shared.value.tolist() == [10, 1, 12, 3, 14]
    copied = shared.value[shared.grid([(0, 3, 1)])]
    assert copied.tolist() == [10, 3, 1]
    copied += 10
    assert shared.value.tolist() == [10, 1, 12, 3, 14]


def test_indices_of_one_kind_are_in_order_whichever_came_first() -> None:
    shared = SharedTensor(torch.tensor([5.0, 6.0]), [(("tap", 0), ("tap", 2))])
    shared.part([(("tap", -2), ("tap", 0), ("tap", 2))], torch.zeros(3))
    assert shared.value.tolist() == [0, 5, 6]
    assert all(isinstance(one, slice) for one in shared.grid([(("tap", 0), ("tap", 2))]))


def test_indices_of_several_kinds_stay_as_they_came() -> None:
    shared = SharedTensor(torch.tensor([5.0]), [("own",)])
    shared.part([((3,), "own")], torch.tensor([1.0, 2.0]))
    assert shared.axes == [["own", (3,)]]
    assert shared.value.tolist() == [5, 1]


def test_channels_last_stays_when_it_grows() -> None:
    axes = [[(i,) for i in range(size)] for size in (2, 3, 3, 3)]
    image = torch.randn(2, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    shared = SharedTensor(image, axes)
    shared.part([[(i,) for i in range(4)], *axes[1:]], torch.randn(4, 3, 3, 3))
    assert shared.channels_last
    assert torch.equal(shared.value[:2], image)


def test_gradients_add_up_where_parts_overlap() -> None:
    shared = SharedTensor(torch.zeros(4), [tuple(range(4))])
    shared.add_gradient(shared.grid([(0, 1, 2)]), torch.ones(3))
    shared.add_gradient(shared.grid([(3, 1)]), torch.tensor([5.0, 2.0]))
    taken = shared.take_gradient()
    assert taken is not None
    gradient, moved = taken
    assert gradient.tolist() == [1, 3, 1, 5]
    assert isinstance(moved, Tensor)
    assert moved.tolist() == [True] * 4
    assert shared.take_gradient() is None


OPTIMIZERS = ["adamw", "adam", "sgd"]


def reference(recipe: Recipe, start: Tensor, gradients: list[Tensor], rate: float) -> Tensor:
    """What torch makes of it."""
    parameter = nn.Parameter(start.clone())
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            [parameter], rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
        )
    else:
        optimizer = kinds[recipe.optimizer]([parameter], rate, weight_decay=recipe.weight_decay)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_part_moves_as_if_it_were_trained_alone_by_torch(optimizer: str) -> None:
    recipe = Recipe.make({"optimizer": optimizer, "weight_decay": 0.1})
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(6, generator=generator)
    shared = SharedTensor(start, [tuple(range(6))])
    often, rarely = (0, 1, 2, 3), (5, 4)
    gradients: dict[tuple[int, ...], list[Tensor]] = {often: [], rarely: []}
    for step in range(7):
        for part in (often, rarely) if step % 3 == 2 else (often,):
            gradient = torch.randn(len(part), generator=generator)
            gradients[part].append(gradient)
            shared.add_gradient(shared.grid([part]), gradient)
        move([shared], recipe, 0.01)
    for part, given in gradients.items():
        alone = reference(recipe, start[list(part)], given, 0.01)
        torch.testing.assert_close(shared.value[list(part)], alone, rtol=1e-5, atol=1e-6)


def test_what_has_no_gradient_stays_as_it_is() -> None:
    shared = SharedTensor(torch.ones(3), [(0, 1, 2)])
    for _ in range(3):
        shared.add_gradient(shared.grid([(0, 1)]), torch.ones(2))
        move([shared], Recipe(), 0.1)
    assert shared.value[2] == 1.0
    assert bool((shared.value[:2] < 1).all())


def test_numbers_that_came_later_are_moved_by_their_own_count_of_steps() -> None:
    recipe = Recipe()
    shared = SharedTensor(torch.zeros(1), [(0,)])
    for _ in range(50):
        shared.add_gradient(shared.grid([(0,)]), torch.ones(1))
        move([shared], recipe, 0.01)
    grid = shared.part([(0, 1)], torch.zeros(2))
    shared.add_gradient(grid, torch.ones(2))
    move([shared], recipe, 0.01)
    # Adam's first step is as long as the learning rate
    assert shared.value[1].item() == pytest.approx(-0.01, rel=1e-3)
