"""Training a bank: one network is trained as ever, several share what means the same, and it goes on."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator

import pytest
import torch
from generated import generated
from torch import Tensor, nn

from search_spaces import Classification, Image, Signature, Space, choice, layer, sequential
from search_spaces.architecture import Architecture
from search_spaces.catalog import catalog, cnn, load
from search_spaces.errors import BuildError, FormatError
from search_spaces.signature import (
    CountRegression,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    TabularRow,
    Task,
    Tokens,
    Vector,
)
from search_spaces.signature import Sequence as Series
from workers import problems
from workers.bank.bank import Bank
from workers.bank.inheriting import heir, inherit_from
from workers.bank.paths import paths
from workers.bank.training import BankTraining
from workers.bank.view import View
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.balancing import loss_balance
from workers.training.random_state import IsolatedRandomState
from workers.training.training import train

SEED = 5
IMAGE = Signature({"image": Image(1, 16, 16)}, {"kind": Classification(5)})
SERIES = Signature({"wave": Series(12, 3)}, {"kind": Classification(4)})
SIGNATURES = {
    "cnn": IMAGE,
    "cell": IMAGE,
    "vit": IMAGE,
    "mlp": Signature({"point": Vector(6)}, {"kind": Classification(3)}),
    "series": SERIES,
    "text": Signature({"text": Tokens(9, 50)}, {"kind": Classification(4)}),
    "table": Signature({"row": TabularRow(3, (2, 9))}, {"kind": Classification(4)}),
    "multitask": Signature(IMAGE.inputs, {"a": Classification(5), "b": Regression(1)}),
    "multimodal": Signature(
        {**IMAGE.inputs, **SERIES.inputs}, {"a": Classification(5), "b": Classification(4)}
    ),
}


@pytest.fixture(scope="module")
def digits() -> Problem:
    whole = problems.load("digits")
    few = {name: getattr(whole, name).take(slice(160)) for name in ("train", "validation", "test")}
    return Problem("few digits", whole.signature, *few.values())


def built(architecture: Architecture, problem: Problem) -> nn.Module:
    with IsolatedRandomState(SEED):
        return architecture.build(problem.signature)


def weights_in(bank: Bank, architecture: Architecture, problem: Problem) -> list[Tensor]:
    network = built(architecture, problem)
    for parameter in network.parameters():
        parameter.data.zero_()
    taken, whole = inherit_from(bank, network, architecture, problem.signature)
    assert taken == whole
    return [parameter.detach() for parameter in network.parameters()]


def equal(first: list[Tensor], second: Iterator[nn.Parameter]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


RECIPES = [
    Recipe(schedule="wsd", augmentation="shift"),
    Recipe(optimizer="sgd", schedule="cosine"),
    Recipe(optimizer="adam", schedule="onecycle", weight_decay=0.1),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.optimizer)
def test_a_bank_of_one_network_is_that_network_trained_to_the_last_bit(
    digits: Problem, recipe: Recipe
) -> None:
    architecture = cnn().sample(random.Random(3))
    network = built(architecture, digits)
    alone = [report.train_loss for report in train(network, digits, recipe, seed=SEED, epochs=3)]
    bank = Bank()
    training = BankTraining(bank, [[architecture]], digits, recipe, seed=SEED)
    assert [report.train_loss for report in training.run(3)] == alone
    assert equal(weights_in(bank, architecture, digits), network.parameters())


def test_several_tasks_and_their_learned_balance_are_trained_as_ever() -> None:
    problem = problems.load("digit_pairs")
    few = {name: getattr(problem, name).take(slice(96)) for name in ("train", "validation", "test")}
    problem = Problem("few pairs", problem.signature, *few.values())
    architecture = load("multitask", signature=problem.signature).sample(random.Random(1))
    recipe = Recipe(balancing="uncertainty")
    network = built(architecture, problem)
    alone = [report.train_loss for report in train(network, problem, recipe, seed=SEED, epochs=2)]
    training = BankTraining(Bank(), [[architecture]], problem, recipe, seed=SEED)
    assert [report.train_loss for report in training.run(2)] == alone


def test_a_bank_that_was_kept_and_read_goes_on_as_if_nothing_had_happened(digits: Problem) -> None:
    groups, recipe = paths(cnn(), "fair", 10, SEED), Recipe(schedule="wsd")
    whole, begun = Bank(), Bank()
    losses = [report.train_loss for report in BankTraining(whole, groups, digits, recipe, seed=SEED).run(3)]
    first = list(BankTraining(begun, groups, digits, recipe, seed=SEED).run(3, 0, 1))
    read = Bank.from_safetensors(begun.to_safetensors())
    rest = list(BankTraining(read, groups, digits, recipe, seed=SEED).run(3, 1))
    assert [report.train_loss for report in first + rest] == losses
    assert read.version == whole.version
    assert all(torch.equal(one.value, read.tensors[key].value) for key, one in whole.tensors.items())


def test_networks_of_other_widths_share_what_means_the_same(digits: Problem) -> None:
    def network(width: int) -> Architecture:
        hidden = choice(8, 16, name="width")
        model = sequential(layer(nn.Flatten), layer(nn.Linear, out_features=hidden), layer(nn.ReLU))
        return Space({"model": model}).architecture({"width": width})

    bank = Bank()
    list(BankTraining(bank, [[network(8), network(16)]], digits, Recipe(), seed=SEED).run(1))
    narrow, wide = (weights_in(bank, network(width), digits) for width in (8, 16))
    assert torch.equal(narrow[0], wide[0][:8])
    assert torch.equal(narrow[2], wide[2][:, :8])


def test_what_a_frozen_bank_says_of_a_network_does_not_depend_on_whom_it_was_asked_before(
    digits: Problem,
) -> None:
    space, bank = cnn(), Bank()
    list(BankTraining(bank, paths(space, "fair", 5, SEED), digits, Recipe(), seed=SEED).run(1))
    before = bank.to_safetensors()
    one, other = (space.sample(random.Random(seed)) for seed in (11, 12))

    def metrics(architecture: Architecture) -> dict[str, float]:
        return heir(bank, architecture, digits, Recipe(), seed=1).metrics(digits.validation)

    first = metrics(one)
    metrics(other)
    assert metrics(one) == first
    assert bank.to_safetensors() == before


def test_networks_that_cannot_be_built_are_left_out_of_a_training(digits: Problem) -> None:
    model = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=choice(3, 99, name="size")))
    space = Space({"model": model})
    groups = [[space.architecture({"size": size}) for size in (99, 3)]]
    reports = list(BankTraining(Bank(), groups, digits, Recipe(), seed=SEED).run(1))
    assert reports[0].train_loss > 0
    with pytest.raises(BuildError):
        BankTraining(Bank(), [[space.architecture({"size": 99})]], digits, Recipe(), seed=SEED)


def test_a_training_begins_by_whichever_network_can_be_built_first(digits: Problem) -> None:
    model = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=choice(3, 99, name="size")))
    space = Space({"model": model})
    groups = [[space.architecture({"size": size})] for size in (99, 3)]
    reports = list(BankTraining(Bank(), groups, digits, Recipe(), seed=SEED).run(1))
    assert reports[0].train_loss > 0


def test_a_training_goes_on_from_a_bank_with_the_same_tensors_and_from_no_other(digits: Problem) -> None:
    space, recipe = cnn(), Recipe(schedule="wsd")
    groups = [[space.sample(random.Random(seed))] for seed in (1, 2)]
    one, other = (BankTraining(Bank(), groups, digits, recipe, seed=SEED) for _ in range(2))
    for training in (one, other):
        training.sow()
    losses = [list(training.run(2, 0, 1, worker=worker)) for worker, training in enumerate((one, other))]
    assert losses[0] != losses[1]
    data = other.bank.to_safetensors()
    assert one.go_on_from(Bank.from_safetensors(data))
    assert one.bank.to_safetensors() == data
    found, expected = (next(iter(training.run(2, 1))).train_loss for training in (one, other))
    assert found == expected
    less = BankTraining(Bank(), groups[:1], digits, recipe, seed=SEED)
    assert not one.go_on_from(less.bank)


def test_the_first_of_a_group_teaches_the_others_what_it_answers(digits: Problem) -> None:
    space = cnn()
    view = View(
        Bank(),
        space.plain(),
        digits,
        Recipe(),
        seed=SEED,
        device=torch.device("cpu"),
        balance=loss_balance(Recipe(), digits.signature.tasks),
    )
    view.learn(digits.train)
    taught = view.taught(digits.train)
    (answers,), (labels,) = taught.targets.values(), digits.train.targets.values()
    assert answers.shape == (len(labels), 10)
    assert not answers.requires_grad
    torch.testing.assert_close(answers.sum(1), torch.ones(len(labels)))
    assert view.learn(taught).total is not None
    groups = paths(space, "sandwich", 8, SEED)
    losses = [
        report.train_loss
        for report in BankTraining(Bank(), groups, digits, Recipe(), seed=SEED, taught=True).run(3)
    ]
    assert losses[-1] < losses[0]


def test_labels_are_taught_by_their_probabilities_and_counts_by_what_is_expected() -> None:
    tasks: dict[str, Task] = {
        "tags": MultiLabel(3),
        "visits": CountRegression(),
        "grade": Ordinal(3),
        "price": QuantileRegression(),
    }
    data = generated(Signature({"point": Vector(6)}, tasks))
    view = View(
        Bank(),
        load("mlp").plain(),
        data,
        Recipe(class_weights="balanced", focal=1.0),
        seed=SEED,
        device=torch.device("cpu"),
        balance=loss_balance(Recipe(), tasks),
    )
    view.learn(data.train)
    taught = view.taught(data.train).targets
    assert bool(((taught["tags"] > 0) & (taught["tags"] < 1)).all())
    assert bool((taught["visits"] > 0).all())
    assert taught["visits"].shape == data.train.targets["visits"].shape
    for task in ("grade", "price"):
        assert torch.equal(taught[task], data.train.targets[task])
    losses = view.learn(view.taught(data.train)).tasks
    assert losses.keys() == tasks.keys()
    assert all(bool(loss.isfinite()) for loss in losses.values())


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_is_no_bank_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="bank: expected"):
        Bank.from_safetensors(data)


def random_problem(signature: Signature) -> Problem:
    generator = torch.Generator().manual_seed(0)

    def split() -> Split:
        examples = signature.example(6)
        inputs = examples if isinstance(examples, dict) else dict.fromkeys(signature.inputs, examples)
        targets = {
            name: torch.randint(task.classes, (6,), generator=generator)
            if isinstance(task, Classification)
            else torch.randn(6, 1, generator=generator)
            for name, task in signature.tasks.items()
        }
        return Split(dict(inputs), targets)

    return Problem("random", signature, split(), split(), split())


@pytest.mark.parametrize("name", [*catalog])
def test_views_of_each_space_of_the_catalog_get_gradients_in_their_own_parts_alone(name: str) -> None:
    signature = SIGNATURES[name]
    wants = "signature" in inspect.signature(catalog[name]).parameters
    space = load(name, signature=signature) if wants else load(name)
    problem, recipe, bank = random_problem(signature), Recipe(), Bank()
    balance = loss_balance(recipe, signature.tasks)
    rng, device, seen = random.Random(0), torch.device("cpu"), 0
    for _ in range(12):
        try:
            view = View(bank, space.sample(rng), problem, recipe, seed=SEED, device=device, balance=balance)
        except BuildError:
            continue
        seen += 1
        losses = view.learn(problem.train)
        assert losses.total is not None
        touched = {id(shared): grid for shared, grid in view.places()}
        for shared in bank.tensors.values():
            taken = shared.take_gradient()
            if taken is None:
                continue
            gradient, _ = taken
            outside = gradient.clone()
            outside[touched[id(shared)]] = 0.0
            assert gradient.shape == shared.value.shape
            assert not outside.any()
    assert seen >= 6
