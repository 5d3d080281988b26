"""Training standardises inputs and targets: data of any units train alike, and answers are in their units."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from search_spaces import (
    CountRegression,
    DenseMap,
    Image,
    QuantileRegression,
    Regression,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Vector,
    layer,
    sequential,
)
from search_spaces.blocks import Head, RowEmbedding
from search_spaces.building.network import Network
from workers.job import Finished, Job
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training import standardisation
from workers.training.standardisation import grounds, statistics
from workers.training.training import train
from workers.trial import trial

SIGNATURE = Signature({"table": Vector(3)}, {"price": Regression(2)})


def examples(count: int = 60, factor: float = 1.0, target_factor: float = 1.0) -> Split:
    numbers = torch.Generator().manual_seed(0)
    table = torch.randn(count, 3, generator=numbers) * torch.tensor([1.0, 5.0, 0.25]) + 2
    price = torch.stack([table[:, 0] + table[:, 1], table[:, 2] ** 2], 1)
    return Split({"table": table * factor}, {"price": price * target_factor})


def problem(**factors: float) -> Problem:
    split = examples(**factors)
    return Problem("prices", SIGNATURE, split, split.take(slice(20)), split.take(slice(20, 40)))


def network(signature: Signature = SIGNATURE, head: Any = Head) -> Network:
    torch.manual_seed(1)
    model = {"body": [layer(nn.Linear, out_features=8), layer(nn.ReLU)], "heads": {"price": layer(head)}}
    return Space({"model": model}).architecture({}).build(signature)


def test_padding_of_series_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standardisation, "_VALUES", 64)  # many pieces, some of them padding alone
    kind, lengths = Sequence(8, 2, padded=True), torch.arange(40) % 9
    lengths[9:18] = 0
    series = kind.cut(5 + torch.randn(40, 8, 2, generator=torch.Generator().manual_seed(0)), lengths)
    split = Split({"pen": series}, {"price": torch.ones(40, 1)})
    found = statistics(
        Problem("p", Signature({"pen": kind}, {"price": Regression()}), *[split] * 3), "inputs", "pen"
    )
    steps = series[~series.isnan().all(2)].double()
    assert torch.allclose(found.mean, steps.mean(0).float())
    assert torch.allclose(found.scale, steps.std(0, correction=0).float())
    assert found.ground is not None
    assert torch.equal(found.ground, found.mean)


def test_statistics_are_those_of_the_examples_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standardisation, "_VALUES", 64)  # many pieces, some without an example
    kinds = {"image": Image(2, 3, 4), "steps": Sequence(5, 3), "table": Vector(4)}
    tasks = {"map": DenseMap(2, 3, 4, discrete=False), "price": Regression(2)}
    signature = Signature(kinds, tasks)
    numbers = torch.Generator().manual_seed(0)
    sizes = dict.fromkeys(("image", "map"), (2, 3, 4))
    sizes |= {"steps": (5, 3), "table": (4,), "price": (2,)}
    made = {n: 1e4 + torch.randn(50, *size, generator=numbers) for n, size in sizes.items()}
    made["table"][:, 1] = 0.1  # constant
    there = torch.rand(50, generator=numbers) < 0.5
    there[20:24] = False
    lacking = {
        name: made[name].masked_fill(~there.view(-1, *[1] * (made[name].ndim - 1)), 0) for name in made
    }
    split = Split(
        {name: (lacking if name != "image" else made)[name] for name in kinds},
        {name: made[name] for name in tasks},
        present={"steps": there, "table": there},
        labelled={"price": there},
    )
    data = Problem("mixed", signature, split, split, split)
    for part, name in [("inputs", name) for name in kinds] + [("targets", name) for name in tasks]:
        values = made[name].double().numpy()
        values = values if name in ("image", "map") else values[there.numpy()]
        channels = np.moveaxis(values, 1 if values.ndim == 4 else -1, 0)
        channels = channels.reshape(len(channels), -1)
        found = statistics(data, part, name)
        assert found.mean.shape == found.scale.shape == (kinds | tasks)[name].scale_shape
        scale = np.where(channels.min(1) == channels.max(1), 1, channels.std(1))
        np.testing.assert_allclose(found.mean.flatten(), channels.mean(1), rtol=1e-6)
        np.testing.assert_allclose(found.scale.flatten(), scale, rtol=1e-5)
        assert statistics(data, part, name) is found  # computed once


def test_of_a_row_only_the_numbers_are_standardised() -> None:
    generator = torch.Generator().manual_seed(0)
    kind = TabularRow(2, (3, 9))
    rows = kind.random(40, generator) + torch.tensor([1e3, 5.0, 0.0, 0.0])
    signature = Signature({"row": kind}, {"price": Regression()})
    split = Split({"row": rows}, {"price": rows[:, :1]})
    data = Problem("rows", signature, split, split, split)
    made = Space(sequential(layer(RowEmbedding))).plain().build(signature)
    standardisation.standardise(made, data, Recipe())
    inside = made.input_standardisation("row")(rows)
    torch.testing.assert_close(inside[:, :2].mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(inside[:, :2].std(0, correction=0), torch.ones(2))
    assert torch.equal(inside[:, 2:], rows[:, 2:])
    ground = statistics(data, "inputs", "row").ground
    assert ground is not None
    assert ground[2:].tolist() == [0.0, 0.0]


def test_data_in_other_units_train_to_the_same_bits_and_answer_in_theirs() -> None:
    as_it_is, scaled = problem(), problem(factor=2.0**20, target_factor=2.0**-10)
    one, other = network(), network()
    recipe = Recipe(epochs=4, batch_size=4)
    for first, second in zip(
        train(one, as_it_is, recipe, seed=0), train(other, scaled, recipe, seed=0), strict=True
    ):
        assert first.train_loss == second.train_loss
        assert first.metrics["r2"] == pytest.approx(second.metrics["r2"], rel=1e-12)
        assert first.metrics["loss"] == pytest.approx(second.metrics["loss"], rel=1e-12)
        assert first.metrics["rmse"] == pytest.approx(second.metrics["rmse"] * 2**10, rel=1e-12)
    for (name, weight), again in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, again), name
    assert first.metrics["r2"] > 0


def test_the_losses_are_in_units_of_the_standardised_targets() -> None:
    made, data = network(), problem(target_factor=1000.0)
    *_, last = train(made, data, Recipe(epochs=1), seed=0)
    scale = made.target_standardisation("price").scale
    answers = made(data.validation.inputs["table"])
    wanted = ((answers - data.validation.targets["price"]) / scale).square().mean()
    assert last.metrics["loss"] == pytest.approx(wanted.item(), rel=1e-5)
    assert 0.1 < last.train_loss < 10


def test_a_recipe_that_does_not_standardise_leaves_numbers_as_they_are() -> None:
    made = network()
    list(train(made, problem(), Recipe(epochs=1, standardise=False), seed=0))
    assert not any("standardisation" in name for name in made.state_dict())


def test_a_body_that_is_trained_already_goes_on_to_see_what_it_has_learnt_from() -> None:
    made = network()
    list(train(made, problem(), Recipe(epochs=1), seed=0))
    kept = made.input_standardisation("table").mean
    list(train(made, problem(factor=7.0), Recipe(epochs=1), seed=0))
    assert made.input_standardisation("table").mean is kept


def test_counts_keep_above_0_and_come_back_in_their_own_unit() -> None:
    split = examples(200)
    price = (split.inputs["table"] * torch.tensor([0.7, 0.2, 1.0])).exp()[:, :2] * torch.tensor([3.0, 5000.0])
    counts = dataclasses.replace(split, targets={"price": torch.poisson(price)})
    data = Problem(
        "counts", Signature(SIGNATURE.inputs, {"price": CountRegression(2)}), counts, counts, counts
    )
    found = statistics(data, "targets", "price")
    assert found.mean.tolist() == [0, 0]
    assert torch.allclose(found.scale, counts.targets["price"].mean(0))
    made = network(data.signature)
    *_, last = train(made, data, Recipe(epochs=6, batch_size=8), seed=0)
    answers = made(counts.inputs["table"])
    assert bool((answers > 0).all())
    torch.testing.assert_close(answers.mean(0), counts.targets["price"].mean(0), rtol=0.3, atol=0)
    assert last.metrics["d2"] > 0.5
    assert last.train_loss < 10  # in units of the means


def test_quantiles_come_back_in_the_unit_of_their_targets_and_in_their_order() -> None:
    torch.manual_seed(0)
    split = examples(400)
    price = 5000 + 1000 * (split.inputs["table"][:, :1] + torch.randn(400, 1))
    numbers = dataclasses.replace(split, targets={"price": price})
    task = QuantileRegression((0.1, 0.5, 0.9))
    data = Problem("spread", Signature(SIGNATURE.inputs, {"price": task}), numbers, numbers, numbers)
    made = network(data.signature)
    *_, last = train(made, data, Recipe(epochs=12), seed=0)
    answers = made(numbers.inputs["table"])
    assert bool((answers.diff(dim=1) >= 0).all())
    assert (price < answers).float().mean(0).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.1)
    assert last.metrics["coverage"] == pytest.approx(0.8, abs=0.1)
    assert last.metrics["pinball"] < 400
    assert last.metrics["loss"] < 1


def test_counts_that_are_all_0_have_the_unit_1() -> None:
    nothing = dataclasses.replace(examples(), targets={"price": torch.zeros(60, 1)})
    data = Problem(
        "none", Signature(SIGNATURE.inputs, {"price": CountRegression()}), nothing, nothing, nothing
    )
    assert statistics(data, "targets", "price").scale.tolist() == [1]


class Positive(nn.Module):
    """A head of a user's own, which answers numbers above 0."""

    def __init__(self, task: Regression, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(shape[0], task.outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).exp()


def test_what_a_head_of_the_users_own_answers_is_left_to_it() -> None:
    made = network(head=Positive)
    list(train(made, problem(), Recipe(epochs=1), seed=0))
    assert made.target_standardisation("price").is_open
    assert not made.input_standardisation("table").is_open
    assert bool((made(examples().inputs["table"]) > 0).all())


def test_a_trial_keeps_what_standardises_with_the_weights_and_an_older_search_has_none() -> None:
    architecture = Space({"model": [layer(nn.Linear, out_features=4)]}).architecture({})
    data, names = problem(), {}
    for standardise in (True, False):
        *_, end = trial.run(
            Job(0, architecture, seed=0, epochs=1, standardise=standardise, round_trip=True), data
        )
        assert isinstance(end, Finished), end
        built = architecture.build(SIGNATURE)
        built.load_state_dict(load(end.weights.read()))
        names[standardise] = [name for name in built.state_dict() if "standardisation" in name]
        error = built.eval()(data.test.inputs["table"]) - data.test.targets["price"]
        assert error.square().mean().sqrt().item() == pytest.approx(end.test_metrics["rmse"], rel=1e-4)
        assert end.costs["num_params"] == sum(p.numel() for p in built.parameters())
    assert len(names[True]) == 4
    assert names[False] == []


@pytest.mark.parametrize("augmentation", ["shift", "cutout"])
def test_augmentation_leaves_series_far_from_zero_where_they_are(augmentation: str) -> None:
    signature = Signature({"steps": Sequence(8, 2)}, {"price": Regression(2)})
    steps = torch.randn(60, 8, 2, generator=torch.Generator().manual_seed(0))
    steps[..., 0] += 1e5
    split = dataclasses.replace(examples(), inputs={"steps": steps})
    data = Problem("steps", signature, split, split, split)
    recipe = Recipe(epochs=1, augmentation=augmentation)
    ground = grounds(data, recipe)["steps"]
    assert float(ground[1]) == 0
    assert float(ground[0]) == pytest.approx(1e5, rel=1e-3)
    (report,) = train(network(signature), data, recipe, seed=0)
    assert report.train_loss < 10
    assert grounds(data, Recipe(augmentation=augmentation, standardise=False)) == {}
