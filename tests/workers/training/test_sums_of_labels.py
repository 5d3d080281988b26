"""Metrics of several labels at once and of classes with an order: those of torchmetrics, batch by batch."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multilabel_average_precision, multilabel_f1_score

from search_spaces import MultiLabel, Ordinal
from search_spaces.tasks import Task
from workers.problems.measures import default_objective, direction, main_metric, metric_names, range_of
from workers.problems.split import Split
from workers.training.metrics import Evaluation, task_loss


def scored(task: Task, output: Tensor, target: Tensor) -> dict[str, float]:
    scores = Evaluation({"task": task}, torch.device("cpu"))
    for start in range(0, len(target), 7):
        part = slice(start, start + 7)
        batch = Split({"x": torch.zeros(len(target[part]), 1)}, {"task": target[part]})
        scores.add({"task": output[part]}, batch)
    return scores.result()


@pytest.mark.parametrize("digits", [1, 6])
def test_several_labels_have_the_f1_and_the_average_precision_of_torchmetrics(digits: int) -> None:
    torch.manual_seed(0)
    target = (torch.rand(60, 4) < torch.tensor([0.5, 0.2, 0.9, 0.05])).float()
    target[0] = 1
    output = (torch.randn(60, 4) + 2 * target).round(decimals=digits)  # of one digit many are equal
    task, values = MultiLabel(4), scored(MultiLabel(4), output, target)
    assert tuple(values) == metric_names({"task": task})
    f1 = multilabel_f1_score(output.sigmoid() + 1e-7, target.int(), 4, average="micro")
    assert values["f1"] == pytest.approx(float(f1))
    precision = multilabel_average_precision(output, target.int(), 4, average="macro")
    assert values["mean_average_precision"] == pytest.approx(float(precision), rel=1e-5)
    assert values["loss"] == pytest.approx(
        float(F.binary_cross_entropy_with_logits(output, target)), rel=1e-5
    )
    assert float(task_loss(task, output, target)) == pytest.approx(values["loss"], rel=1e-5)


def test_a_label_that_no_example_has_is_left_out_of_the_mean_precision() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    right = torch.tensor([[3.0, -1.0], [-3.0, -1.0]])
    assert scored(MultiLabel(2), right, target)["mean_average_precision"] == 1
    nothing = scored(MultiLabel(2), -right.abs(), torch.zeros(2, 2))
    assert (nothing["f1"], nothing["mean_average_precision"]) == (0, 0)


def test_classes_with_an_order_are_near_or_far() -> None:
    task = Ordinal(4)
    target = torch.tensor([0, 1, 2, 3, 3])
    answered = torch.tensor([0, 1, 3, 3, 0])
    output = 2.0 * (answered.unsqueeze(1) > torch.arange(3)).float() - 1
    values = scored(task, output, target)
    assert tuple(values) == metric_names({"task": task})
    assert values["accuracy"] == pytest.approx(3 / 5)
    assert values["mae"] == pytest.approx((1 + 3) / 5)
    above = (target.unsqueeze(1) > torch.arange(3)).float()
    assert values["loss"] == pytest.approx(float(F.binary_cross_entropy_with_logits(output, above)), rel=1e-6)
    assert float(task_loss(task, output, target)) == pytest.approx(values["loss"], rel=1e-6)


def test_the_first_metric_is_the_objective_and_the_main_one() -> None:
    assert default_objective({"task": MultiLabel(3)}) == ("f1", "maximize")
    assert default_objective({"task": Ordinal(3)}) == ("accuracy", "maximize")
    assert (main_metric(MultiLabel(3)), main_metric(Ordinal(3))) == ("f1", "accuracy")
    assert (direction("task.mae"), range_of("mae")) == ("minimize", (0.0, float("inf")))


@pytest.mark.parametrize(
    ("task", "target"), [(MultiLabel(3), torch.zeros(8, 3)), (Ordinal(4), torch.zeros(8).long())]
)
def test_an_answer_of_another_shape_is_an_error(task: Task, target: Tensor) -> None:
    for wrong in (torch.zeros(8, 1), torch.zeros(8, 4)):
        with pytest.raises(ValueError, match=r"expected an answer of shape \(7, 3\)"):
            scored(task, wrong, target)
        with pytest.raises(ValueError, match=r"expected an answer of shape \(8, 3\)"):
            task_loss(task, wrong, target)
