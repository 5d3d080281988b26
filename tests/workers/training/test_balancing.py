"""Balancing tasks: known results on small gradients, and that a task that is absent from a batch stays."""

import math
import warnings
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Classification, CountRegression, QuantileRegression, Regression
from search_spaces.errors import RecipeError
from workers.recipe import LossMethod, Recipe
from workers.training import gradient_balancing
from workers.training.balancing import DynamicAverage, RandomWeights, Uncertainty, loss_balance
from workers.training.gradient_balancing import METHODS, GradientBalance, cagrad_weights, nash_weights
from workers.training.optimization import FusedOptimizer

TASKS = {"a": Classification(3), "b": Regression(2), "c": Classification(4)}


class ThreeTasks(nn.Module):
    """A shared layer and a head for each of three tasks; `losses` leaves out those that are absent."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 3), "b": nn.Linear(8, 2), "c": nn.Linear(8, 4)})

    def losses(self, *present: str) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        features = self.shared(torch.randn(6, 4, generator=generator))
        answers = {name: head(features) for name, head in self.heads.items()}
        classes = torch.arange(6) % 3
        losses = {
            "a": nn.functional.cross_entropy(answers["a"], classes),
            "b": nn.functional.mse_loss(answers["b"], torch.ones(6, 2)),
            "c": nn.functional.cross_entropy(answers["c"], classes),
        }
        return {name: losses[name] for name in present}


def gradients_of(module: nn.Module) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


def balanced(method: gradient_balancing.GradientMethod, *gradients: tuple[float, ...]) -> Tensor:
    """What a method makes of these gradients of one parameter."""
    parameter = nn.Parameter(torch.zeros(len(gradients[0])))
    losses = {str(i): (parameter * torch.tensor(gradient)).sum() for i, gradient in enumerate(gradients)}
    GradientBalance(method, [parameter]).backward(losses)
    assert parameter.grad is not None
    return parameter.grad


# --- of losses ---


def test_the_names_of_all_methods_are_those_of_the_recipe() -> None:
    names = (*get_args(LossMethod), *METHODS)
    assert [Recipe(balancing=name).balancing for name in names] == list(names)


@pytest.mark.parametrize("method", get_args(LossMethod))
def test_a_lone_task_and_tasks_that_are_alike_have_the_sum_of_their_losses_at_first(method: str) -> None:
    tasks = {"a": Classification(3), "b": Classification(3)}
    balance = loss_balance(Recipe(balancing=method), tasks)
    balance.begin_epoch(0)
    balance.begin_step(["b"])
    alone = balance({"b": torch.tensor(2.0)})
    assert float(alone.detach()) == pytest.approx(2.0)
    if method != "random":
        alike = balance({"a": torch.tensor(1.5), "b": torch.tensor(1.5)})
        assert float(alike.detach()) == pytest.approx(3.0)


def test_static_weights_are_those_of_the_recipe_and_1_for_the_others() -> None:
    balance = loss_balance(Recipe(balancing="static", task_weights={"a": 0.5}), TASKS)
    losses = {"a": torch.tensor(4.0), "b": torch.tensor(3.0)}
    assert float(balance(losses)) == 0.5 * 4 + 3
    assert float(loss_balance(Recipe(task_weights={"a": 0.5}), TASKS)(losses)) == 7


def test_static_weights_of_a_task_that_there_is_not_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"task_weights: expected tasks of \['a', 'b', 'c'\], got \['d'\]"):
        loss_balance(Recipe(balancing="static", task_weights={"d": 1.0}), TASKS)


def test_learned_variances_settle_where_each_task_weighs_one_over_its_loss() -> None:
    balance = Uncertainty(TASKS)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.1)
    losses = {"a": torch.tensor(4.0), "b": torch.tensor(0.5)}
    for _ in range(2000):
        optimizer.zero_grad()
        balance(losses).backward()
        optimizer.step()
    # the least of exp(-s) L + s / 2, and of exp(-s) L / 2 + s / 2 for the regression
    learned = [float(log_variance.detach()) for log_variance in balance.log_variances]
    assert learned == pytest.approx([math.log(2 * 4.0), math.log(0.5), 0.0], abs=1e-3)
    assert balance.log_variances[2].grad is None


def test_only_squared_errors_are_halved_by_uncertainty() -> None:
    tasks = {"number": Regression(), "count": CountRegression(), "quantile": QuantileRegression()}
    balance = Uncertainty(tasks)
    for name, expected in (("number", 1.5), ("count", 3.0), ("quantile", 3.0)):
        assert float(balance({name: torch.tensor(3.0)}).detach()) == pytest.approx(expected)


def test_dynamic_averages_follow_their_formula() -> None:
    balance = DynamicAverage(TASKS)
    epochs = [{"a": 4.0, "b": 2.0, "c": 1.0}, {"a": 2.0, "b": 2.0}, {"a": 1.0, "b": 3.0, "c": 0.5}]
    assert balance.weights().tolist() == pytest.approx([1.0, 1.0, 1.0])
    seen = []
    for means in epochs:
        balance.end_epoch(means)
        seen.append(balance.weights().tolist())

    def expected(*ratios: float) -> list[float]:
        parts = [math.exp(ratio / 2) for ratio in ratios]
        return [3 * part / sum(parts) for part in parts]

    assert seen[0] == pytest.approx([1, 1, 1])
    assert seen[1] == pytest.approx(expected(0.5, 1, 1))
    assert seen[2] == pytest.approx(expected(0.5, 1.5, 0.5))
    balance.begin_epoch(0)
    total = balance({"a": torch.tensor(1.0), "c": torch.tensor(2.0)})
    assert float(total) == pytest.approx(seen[2][0] + 2 * seen[2][2])


def test_random_weights_follow_the_seed_and_sum_to_the_number_of_tasks() -> None:
    balance = RandomWeights(TASKS)
    losses = {name: torch.tensor(1.0) for name in TASKS}

    def totals(seed: int) -> list[float]:
        balance.begin_epoch(seed)
        found = []
        for _ in range(4):
            balance.begin_step(TASKS)
            found.append(float(balance({**losses, "a": torch.tensor(2.0)})))
        return found

    assert totals(1) == totals(1) != totals(2)
    balance.begin_epoch(3)
    balance.begin_step(TASKS)
    assert float(balance(losses)) == pytest.approx(3)


# --- of gradients ---


def test_conflicting_gradients_are_projected_as_pcgrad_says() -> None:
    # each onto the plane of the other: (1, 0) - (-1/2)(-1, 1) and (-1, 1) - (-1)(1, 0)
    assert balanced("pcgrad", (1.0, 0.0), (-1.0, 1.0)).tolist() == pytest.approx([0.5, 1.5])
    assert balanced("pcgrad", (1.0, 0.0), (1.0, 1.0)).tolist() == pytest.approx([2.0, 1.0])


def test_mgda_gives_the_point_of_least_norm_between_the_gradients() -> None:
    # min |w (2, 0) + (1 - w)(0, 1)|: w = 1/5; for as many as there are
    assert balanced("mgda", (2.0, 0.0), (0.0, 1.0)).tolist() == pytest.approx([2 * 0.4, 2 * 0.8])


def test_upgrad_projects_each_gradient_onto_what_hurts_none() -> None:
    # what pcgrad comes to, for two; and the example of torchjd's documentation, which gives the mean
    assert balanced("upgrad", (1.0, 0.0), (-1.0, 1.0)).tolist() == pytest.approx([0.5, 1.5], abs=2e-3)
    found = balanced("upgrad", (-4.0, 1.0, 1.0), (6.0, 1.0, 1.0))
    assert (found / 2).tolist() == pytest.approx([0.2929, 1.9004, 1.9004], abs=1e-3)


def test_nash_gives_each_task_an_equal_gain() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (2, 3, 5):
        jacobian = torch.randn(count, 20, generator=generator, dtype=torch.float64)
        jacobian *= torch.tensor([10.0, 1.0, 0.1, 1.0, 1.0][:count]).unsqueeze(1)
        gramian = jacobian @ jacobian.T
        weights = nash_weights(gramian / gramian.trace())
        gains = weights * (gramian @ weights)
        assert gains.tolist() == pytest.approx([float(gains[0])] * count, rel=1e-3)


def test_cagrad_gains_most_for_the_task_that_gains_least() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        jacobian = torch.randn(2, 8, generator=generator, dtype=torch.float64)
        gramian = jacobian @ jacobian.T
        gramian /= gramian.trace()
        mean = torch.tensor([0.5, 0.5], dtype=torch.float64)
        radius = gradient_balancing.CAGRAD_RADIUS
        found = cagrad_weights(gramian) * (1 + radius) / 2
        reach = radius * math.sqrt(mean @ gramian @ mean)
        # no other direction within the ball around the mean gradient does better by the worse off
        angles = torch.linspace(0, 2 * math.pi, 2000, dtype=torch.float64)
        away = torch.stack([angles.cos(), angles.sin()], 1) @ torch.linalg.inv(torch.linalg.cholesky(gramian))
        others = (mean + reach * away) @ gramian
        assert float((gramian @ found).min()) >= float(others.min(1).values.max()) - 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_agree_come_to_their_sum(method: gradient_balancing.GradientMethod) -> None:
    assert balanced(method, *[(1.0, -2.0)] * 3).tolist() == pytest.approx([3.0, -6.0], rel=1e-3)
    assert balanced(method, *[(1e-6, -2e-6)] * 3).tolist() == pytest.approx([3e-6, -6e-6], rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_parameters_of_one_task_keep_its_plain_gradient(method: gradient_balancing.GradientMethod) -> None:
    network, plain = ThreeTasks(), ThreeTasks()
    GradientBalance(method, network.parameters()).backward(network.losses("a", "b", "c"))
    torch.stack([*plain.losses("a", "b", "c").values()]).sum().backward()
    for mine, other in zip(network.heads.parameters(), plain.heads.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    assert not torch.equal(network.shared[0].weight.grad, plain.shared[0].weight.grad)


@pytest.mark.parametrize("method", METHODS)
def test_one_task_by_itself_has_its_plain_gradient(method: gradient_balancing.GradientMethod) -> None:
    network, plain = ThreeTasks(), ThreeTasks()
    GradientBalance(method, network.parameters()).backward(network.losses("b"))
    plain.losses("b")["b"].backward()
    for mine, other in zip(gradients_of(network), gradients_of(plain), strict=True):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            assert torch.equal(mine, other)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("method", [*get_args(LossMethod), *METHODS])
def test_a_task_that_is_absent_stays_bit_for_bit(method: str, optimizer: str) -> None:
    network = ThreeTasks()
    recipe = Recipe(balancing=method, optimizer=optimizer, weight_decay=0.1, learning_rate=0.05)
    balance = loss_balance(recipe, TASKS)
    moved = FusedOptimizer(network.parameters(), recipe, undecayed=balance.parameters())
    gradients = GradientBalance(method, moved.parameters) if method in METHODS else None  # type: ignore[arg-type]

    def step(*present: str) -> None:
        moved.zero_grad()
        balance.begin_step(present)
        losses = network.losses(*present)
        if gradients is None:
            balance(losses).backward()
        else:
            gradients.backward(losses)
        moved.step(0.05)

    balance.begin_epoch(0)
    step("a", "b", "c")  # so that there is momentum that could move it
    absent = [*network.heads["c"].parameters(), *list(balance.parameters())[2:]]
    index = [next(i for i, p in enumerate(moved.parameters) if p is q) for q in absent]
    kept = [p.detach().clone() for p in absent]
    state = {name: t.clone() for name, t in moved.state().items() if int(name.split(".")[0]) in index}
    before = network.shared[0].weight.detach().clone()
    for _ in range(3):
        step("a", "b")
    assert all(torch.equal(p, q) for p, q in zip(absent, kept, strict=True))
    assert all(torch.equal(moved.state()[name], tensor) for name, tensor in state.items())
    assert not torch.equal(before, network.shared[0].weight)
    assert all(bool(p.isfinite().all()) for p in moved.parameters)


def test_tasks_that_share_nothing_are_balanced_apart() -> None:
    one, other = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    losses = {
        "a": (one * torch.tensor([2.0, 0.0])).sum(),
        "b": (one * torch.tensor([0.0, 1.0])).sum(),
        "c": (other * torch.tensor([1.0, 0.0])).sum(),
        "d": (other * torch.tensor([1.0, 0.0])).sum(),
    }
    GradientBalance("mgda", [one, other]).backward(losses)
    assert one.grad is not None
    assert other.grad is not None
    assert one.grad.tolist() == pytest.approx([0.8, 1.6])
    assert other.grad.tolist() == pytest.approx([2.0, 0.0])


def test_what_all_tasks_minimise_besides_is_added_to_what_comes_of_theirs() -> None:
    shared, alone = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(2))
    losses = {"a": (shared * torch.tensor([2.0, 0.0])).sum(), "b": (shared * torch.tensor([0.0, 1.0])).sum()}
    auxiliary = (3 * shared).sum() + alone.square().sum()
    GradientBalance("mgda", [shared, alone]).backward(losses, auxiliary)
    assert shared.grad is not None
    assert alone.grad is not None
    assert shared.grad.tolist() == pytest.approx([3.8, 4.6])
    assert alone.grad.tolist() == [2.0, 2.0]


def test_gradients_are_laid_out_as_their_parameters_are() -> None:
    convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    answers = convolution(torch.randn(2, 3, 6, 6))
    GradientBalance("upgrad", convolution.parameters()).backward(
        {"a": answers.square().mean(), "b": answers.mean()}
    )
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.stride() == convolution.weight.stride() != (27, 9, 3, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "gradients",
    [
        ((0.0, 0.0), (0.0, 0.0)),
        ((0.0, 0.0), (1.0, 2.0)),
        ((1.0, 2.0), (-1.0, -2.0)),
        ((1e-20, 0.0), (1e15, 1e15), (1.0, 1.0)),
    ],
)
def test_no_gradients_make_a_method_give_what_is_no_number(
    method: gradient_balancing.GradientMethod, gradients: tuple[tuple[float, ...], ...]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bool(balanced(method, *gradients).isfinite().all())


def test_a_method_that_fails_on_numbers_gives_the_sum_and_says_so_once() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    balance = GradientBalance("upgrad", [parameter])

    def backward(scale: float) -> None:
        balance.backward({"a": (parameter * scale).sum(), "b": parameter[0]})

    with pytest.warns(UserWarning, match="upgrad: a step had the sum of its gradients: .*inf"):
        backward(1e25)
    assert parameter.grad is not None
    assert parameter.grad.tolist() == pytest.approx([1e25, 1e25])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backward(1e25)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_deterministic_from_its_seed_and_leaves_torchs_chance_alone(
    method: gradient_balancing.GradientMethod,
) -> None:
    def seen(seed: int) -> list[float]:
        network = ThreeTasks()
        balance = GradientBalance(method, network.parameters())
        balance.begin_epoch(seed)
        torch.rand(seed + 7)
        before = torch.get_rng_state()
        balance.backward(network.losses("a", "b", "c"))
        assert torch.equal(torch.get_rng_state(), before)
        return network.shared[0].weight.grad.flatten().tolist()

    assert seen(1) == seen(1)


def test_one_loss_may_stand_for_several_tasks() -> None:
    network = ThreeTasks()
    loss = network.losses("a")["a"]
    GradientBalance("upgrad", network.parameters()).backward({"a": loss, "b": loss}, loss)
    plain = ThreeTasks()
    plain.losses("a")["a"].backward()
    for mine, other in zip(network.shared.parameters(), plain.shared.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, 3 * other.grad, rtol=1e-3, atol=1e-6)


def test_recurrent_layers_and_batch_statistics_are_no_obstacle() -> None:
    layers = nn.ModuleList([nn.LSTM(3, 4, batch_first=True), nn.BatchNorm1d(4)])
    features = layers[1](layers[0](torch.randn(5, 6, 3))[0][:, -1])
    GradientBalance("upgrad", layers.parameters()).backward(
        {"a": features.square().mean(), "b": features.abs().mean(), "c": (features - 1).square().mean()}
    )
    assert all(gradient is not None for gradient in gradients_of(layers))
