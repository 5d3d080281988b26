"""The optimizer and the schedule of a recipe."""

import math

import pytest
import torch
from torch import nn

from workers.recipe import Recipe
from workers.training.optimization import FusedOptimizer, learning_rate


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_fused_optimizer_computes_what_torch_optim_computes(name: str, weight_decay: float) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    theirs = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    theirs.load_state_dict(ours.state_dict())
    recipe = Recipe(optimizer=name, weight_decay=weight_decay, learning_rate=0.03)
    options = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    reference = kind(theirs.parameters(), lr=0.03, weight_decay=weight_decay, **options)
    optimizer = FusedOptimizer(ours.parameters(), recipe)
    inputs = torch.randn(16, 4)
    for step in range(6):
        for network, zero in ((ours, optimizer.zero_grad), (theirs, reference.zero_grad)):
            zero()
            # the last layer only, at first: parameters without a gradient stay, and count no step
            features = network[:2](inputs).detach() if step < 2 else network[:2](inputs)
            network[2](features).square().mean().backward()
        optimizer.step(0.03)
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_parameters_of_any_type_move_as_those_of_torch_optim(name: str, momentum: float) -> None:
    torch.manual_seed(0)
    kinds = [torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bfloat16, torch.float16]
    start = [torch.randn(5, 3).to(kind) for kind in (*kinds, *kinds)]
    ours, theirs = ([nn.Parameter(one.clone()) for one in start] for _ in range(2))
    recipe = Recipe(optimizer=name, weight_decay=0.1, momentum=momentum)
    options = {"momentum": momentum, "nesterov": momentum > 0} if name == "sgd" else {}
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    reference = kind(theirs, lr=0.03, weight_decay=0.1, foreach=False, **options)
    optimizer = FusedOptimizer(ours, recipe)
    for step in range(5):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(5, 3).to(mine.dtype)
            mine.grad, other.grad = (None, None) if number == step else (gradient, gradient.clone())
        optimizer.step(0.03)
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        rough = mine.dtype in (torch.float16, torch.bfloat16)
        torch.testing.assert_close(mine, other, rtol=0.05 if rough else 1e-5, atol=0.02 if rough else 1e-6)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_weight_decay_leaves_alone_what_it_is_told_to(name: str) -> None:
    decayed, undecayed, absent = (nn.Parameter(torch.ones(3)) for _ in range(3))
    optimizer = FusedOptimizer([decayed], Recipe(optimizer=name, weight_decay=0.1), [undecayed, absent])
    for _ in range(3):
        optimizer.zero_grad()
        (decayed.sum() * 0 + undecayed.sum() * 0).backward()
        optimizer.step(0.1)
    assert bool((decayed < 1).all())
    assert torch.equal(undecayed, torch.ones(3))
    assert torch.equal(absent, torch.ones(3))
    assert len(optimizer.state()) == 3 * (2 if name == "sgd" else 3)


def test_schedules_begin_and_end_where_they_should() -> None:
    steps = 10
    rates = {name: rates_of(name, 10, steps) for name in ("constant", "cosine", "onecycle", "wsd")}
    assert set(rates["constant"]) == {1.0}
    assert rates["cosine"][0] == 1.0
    assert rates["cosine"] == sorted(rates["cosine"], reverse=True)
    assert rates["cosine"][-1] < 0.01
    assert rates["onecycle"][0] == pytest.approx(1 / 25)
    assert max(rates["onecycle"]) == rates["onecycle"][30] == pytest.approx(1.0)
    assert rates["onecycle"][-1] < 0.01
    assert rates["wsd"][:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(rates["wsd"][4:81]) == {1.0}  # its decay is a fifth as long as what comes before, in epochs
    assert rates["wsd"][80:] == pytest.approx([1 - math.sqrt(step / 20) for step in range(20)])


@pytest.mark.parametrize("epochs", [1, 2, 7, 12, 30])
def test_stable_epochs_are_those_in_which_the_length_of_a_training_makes_no_difference(epochs: int) -> None:
    for schedule in ("constant", "cosine", "onecycle", "wsd"):
        recipe = Recipe(learning_rate=1.0, schedule=schedule)
        known, longer = rates_of(schedule, epochs, 4), rates_of(schedule, 100, 4)
        stable = recipe.stable_epochs(epochs)
        assert known[: 4 * stable] == longer[: 4 * stable]
        if schedule != "constant":
            assert known[4 * stable + 1] != longer[4 * stable + 1]


def rates_of(schedule: str, epochs: int, steps: int) -> list[float]:
    """The learning rates of a training of so many epochs, of a recipe that has ten."""
    rate = learning_rate(Recipe(learning_rate=1.0, schedule=schedule, epochs=10), epochs, steps)
    return [rate(step) for step in range(epochs * steps)]
