"""What a recipe changes in the losses of classes: smoothing, focus and weights; and nothing by default."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import Classification, MultiLabel, Ordinal, Regression, Signature, Space, Vector, layer
from search_spaces.nodes import sequential
from search_spaces.tasks import Task
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.class_losses import ClassLoss, class_losses, class_weights
from workers.training.criterion import shares
from workers.training.losses import rank_loss
from workers.training.training import train

TASKS: dict[str, Task] = {
    "kind": Classification(3),
    "tags": MultiLabel(4),
    "grade": Ordinal(3),
    "size": Regression(),
}


def loss_of(
    task: Task, output: Tensor, target: Tensor, weights: Tensor | None = None, **fields: float
) -> float:
    assert isinstance(task, Classification | MultiLabel | Ordinal)
    return float(ClassLoss(task, Recipe(**fields), weights)(output, target))


@pytest.fixture
def classes() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(20, 3), torch.randint(3, (20,))


def test_a_recipe_of_defaults_changes_no_loss() -> None:
    assert class_losses(TASKS, Recipe(), {}) == {}


def test_a_recipe_changes_the_losses_that_it_speaks_of() -> None:
    assert list(class_losses(TASKS, Recipe(label_smoothing=0.1), {})) == ["kind", "tags"]
    assert list(class_losses(TASKS, Recipe(focal=2.0), {})) == ["kind", "tags"]
    weights = {"kind": torch.ones(3), "grade": torch.ones(3)}
    assert list(class_losses(TASKS, Recipe(class_weights="balanced"), weights)) == ["kind", "grade"]


def test_labels_are_smoothed_as_torch_smooths_them(classes: tuple[Tensor, Tensor]) -> None:
    expected = float(F.cross_entropy(*classes, label_smoothing=0.2))
    assert loss_of(TASKS["kind"], *classes, label_smoothing=0.2) == pytest.approx(expected)
    output, target = torch.randn(9, 4), torch.randint(2, (9, 4)).float()
    expected = float(F.binary_cross_entropy_with_logits(output, 0.8 * target + 0.1))
    assert loss_of(TASKS["tags"], output, target, label_smoothing=0.2) == pytest.approx(expected)


@pytest.mark.parametrize("focal", [0.5, 2.0])
def test_what_is_answered_well_counts_less(classes: tuple[Tensor, Tensor], focal: float) -> None:
    output, target = classes
    right = output.softmax(1)[torch.arange(20), target]
    expected = float((-((1 - right) ** focal) * right.log()).mean())
    assert loss_of(TASKS["kind"], output, target, focal=focal) == pytest.approx(expected)
    soft = F.one_hot(target, 3).float()
    assert loss_of(TASKS["kind"], output, soft, focal=focal) == pytest.approx(expected)
    logits, labels = torch.randn(9, 4), torch.randint(2, (9, 4)).float()
    right = torch.where(labels > 0, logits.sigmoid(), 1 - logits.sigmoid())
    expected = float((-((1 - right) ** focal) * right.log()).mean())
    assert loss_of(TASKS["tags"], logits, labels, focal=focal) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("focal", [0.5, 1.0, 3.0])
def test_a_certain_answer_has_a_slope_that_is_a_number(focal: float) -> None:
    output = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    ClassLoss(Classification(3), Recipe(focal=focal), None)(output, torch.tensor([0])).backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())


def test_weights_of_classes_weigh_examples(classes: tuple[Tensor, Tensor]) -> None:
    (output, target), weights = classes, torch.tensor([0.5, 1.0, 4.0])
    expected = float((F.cross_entropy(output, target, reduction="none") * weights[target]).mean())
    assert loss_of(TASKS["kind"], output, target, weights) == pytest.approx(expected)
    soft = F.one_hot(target, 3).float()
    assert loss_of(TASKS["kind"], output, soft, weights) == pytest.approx(expected)
    expected = float((rank_loss(output[:, :2], target) * weights[target]).mean())
    assert loss_of(TASKS["grade"], output[:, :2], target, weights) == pytest.approx(expected)


def problem_of(kind: Tensor, labelled: Tensor | None = None) -> Problem:
    signature = Signature({"x": Vector(2)}, {"kind": Classification(4)})
    masks = {} if labelled is None else {"kind": labelled}
    torch.manual_seed(0)
    split = Split({"x": torch.randn(len(kind), 2)}, {"kind": kind}, labelled=masks)
    return Problem("few", signature, split, split, split)


def test_balanced_weights_are_one_in_the_mean_of_the_labelled_examples_of_training() -> None:
    kind = torch.tensor([0] * 6 + [1] * 3 + [2] * 1 + [2] * 5)
    labelled = torch.arange(15) < 10
    problem = problem_of(kind, labelled)
    weights = class_weights(problem, Recipe(class_weights="balanced"))["kind"]
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3, 1.0])
    assert float(weights[kind[labelled]].mean()) == pytest.approx(1)
    assert class_weights(problem, Recipe()) == {}


def test_each_of_several_labels_is_balanced_by_itself() -> None:
    tags = torch.tensor([[1.0, 0.0, 1.0]] * 2 + [[0.0, 0.0, 1.0]] * 6)
    split = Split({"x": torch.zeros(8, 2)}, {"tags": tags})
    problem = Problem("tags", Signature({"x": Vector(2)}, {"tags": MultiLabel(3)}), split, split, split)
    weights = class_weights(problem, Recipe(class_weights="balanced"))["tags"]
    assert weights.tolist() == [
        pytest.approx([8 / 12, 1, 1]),  # without
        pytest.approx([2, 1, 1]),  # with; what all have or none has cannot be balanced
    ]
    output = torch.randn(8, 3)
    losses = F.binary_cross_entropy_with_logits(output, tags, reduction="none")
    losses[:, 0] *= torch.where(tags[:, 0] > 0, 2.0, 8 / 12)
    assert loss_of(MultiLabel(3), output, tags, weights) == pytest.approx(float(losses.mean()))


def imbalanced(count: int, seed: int) -> Split:
    """One example of 20 is of the rare class, whose points lie among the others' edge."""
    numbers = torch.Generator().manual_seed(seed)
    kind = (torch.arange(count) % 20 == 0).long()
    return Split({"x": torch.randn(count, 2, generator=numbers) + 1.2 * kind.unsqueeze(1)}, {"kind": kind})


def recall_of_the_rare(**fields: str) -> float:
    signature = Signature({"x": Vector(2)}, {"kind": Classification(2)})
    test = imbalanced(400, 2)
    problem = Problem("rare", signature, imbalanced(800, 0), imbalanced(200, 1), test)
    torch.manual_seed(0)
    network = Space({"model": sequential(layer(nn.Linear, out_features=8))}).plain().build(signature)
    list(train(network, problem, Recipe(epochs=4, **fields), seed=0))
    with torch.no_grad():
        answered = network(test.inputs["x"]).argmax(1)
    return float((answered[test.targets["kind"] == 1] == 1).float().mean())


def test_a_rare_class_is_found_far_more_often_with_balanced_weights() -> None:
    plain, balanced = recall_of_the_rare(), recall_of_the_rare(class_weights="balanced")
    assert plain < 0.4
    assert balanced > plain + 0.3


def test_processes_that_divide_a_batch_come_to_its_weighted_loss(classes: tuple[Tensor, Tensor]) -> None:
    (output, target), weights = classes, torch.tensor([0.5, 1.0, 4.0])
    task, batch = Classification(3), Split({"x": torch.zeros(20, 1)}, {"kind": classes[1]})
    whole = loss_of(task, output, target, weights)
    parts = [slice(0, 7), slice(7, 20)]
    own = [
        float(shares({"kind": task}, batch, part, 2)["kind"])
        * loss_of(task, output[part], target[part], weights)
        for part in parts
    ]
    assert sum(own) / 2 == pytest.approx(whole)


def test_validation_losses_are_those_of_any_other_recipe() -> None:
    signature = Signature({"x": Vector(2)}, {"kind": Classification(2)})
    split = imbalanced(60, 0)
    problem = Problem("rare", signature, split, split, split)
    recipe = Recipe(epochs=1, label_smoothing=0.3, focal=1.0, class_weights="balanced")
    torch.manual_seed(0)
    network = Space({"model": sequential(layer(nn.Linear, out_features=8))}).plain().build(signature)
    (report,) = train(network, problem, recipe, seed=0)
    with torch.no_grad():
        expected = F.cross_entropy(network(split.inputs["x"]), split.targets["kind"])
    assert report.metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
