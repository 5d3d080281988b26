"""Metrics: the same as torchmetrics computes, batch by batch."""

import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional import accuracy, mean_squared_error, r2_score

from search_spaces import Classification, Regression, Tagging
from workers.metrics import Scores, default_objective, metric_names, task_loss, training_loss

CPU = torch.device("cpu")


def scored(task: object, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    scores = Scores({"task": task}, CPU)  # type: ignore[dict-item]
    for part_of_output, part_of_target in zip(output.split(7), target.split(7), strict=True):
        scores.add({"task": part_of_output}, {"task": part_of_target})
    return scores.result()


def test_classification() -> None:
    output, target = torch.randn(50, 4), torch.randint(4, (50,))
    values = scored(Classification(4), output, target)
    expected = accuracy(output, target, task="multiclass", num_classes=4, average="micro")
    assert values["accuracy"] == pytest.approx(float(expected))
    assert values["loss"] == pytest.approx(float(F.cross_entropy(output, target)), rel=1e-5)
    assert tuple(values) == metric_names({"task": Classification(4)})


def test_tagging_counts_no_ignored_position() -> None:
    output, target = torch.randn(30, 6, 5), torch.randint(5, (30, 6))
    target[:, 4:] = -100
    values = scored(Tagging(5), output, target)
    flat, tags = output[:, :4].reshape(-1, 5), target[:, :4].reshape(-1)
    expected = accuracy(flat, tags, task="multiclass", num_classes=5, average="micro")
    assert values["accuracy"] == pytest.approx(float(expected))
    assert values["loss"] == pytest.approx(float(F.cross_entropy(flat, tags)), rel=1e-5)
    assert float(task_loss(Tagging(5), output, target)) == pytest.approx(values["loss"], rel=1e-5)


def test_a_batch_without_a_counted_tag_has_loss_zero_and_not_nan() -> None:
    assert float(task_loss(Tagging(3), torch.randn(2, 4, 3), torch.full((2, 4), -100))) == 0


def test_regression() -> None:
    target = torch.randn(60, 3) * 4 + 100
    output = target + torch.randn(60, 3)
    values = scored(Regression(3), output, target)
    assert values["rmse"] == pytest.approx(float(mean_squared_error(output, target, squared=False)), rel=1e-4)
    assert values["r2"] == pytest.approx(float(r2_score(output, target)), rel=1e-4)
    assert tuple(values) == metric_names({"task": Regression(3)})


def test_an_answer_of_another_shape_is_an_error_and_no_broadcast() -> None:
    with pytest.raises(ValueError, match=r"expected an answer of shape \(8, 1\), got \(8, 8\)"):
        task_loss(Regression(1), torch.randn(8, 8), torch.randn(8, 1))
    with pytest.raises(ValueError, match="expected an answer"):
        task_loss(Tagging(3), torch.randn(8, 5, 3), torch.zeros(8, 4, dtype=torch.int64))


def test_several_tasks_are_named_and_their_losses_summed() -> None:
    tasks = {"a": Classification(2), "b": Classification(3)}
    outputs = {"a": torch.randn(9, 2), "b": torch.randn(9, 3)}
    targets = {"a": torch.randint(2, (9,)), "b": torch.randint(3, (9,))}
    scores = Scores(tasks, CPU)
    scores.add(outputs, targets)
    values = scores.result()
    assert tuple(values) == metric_names(tasks)
    assert values["accuracy"] == pytest.approx((values["a.accuracy"] + values["b.accuracy"]) / 2)
    assert values["loss"] == pytest.approx(values["a.loss"] + values["b.loss"])
    assert float(training_loss(tasks, outputs, targets)) == pytest.approx(values["loss"], rel=1e-5)


def test_the_default_objective_is_the_first_shared_metric_else_the_loss() -> None:
    assert default_objective({"a": Classification(2)}) == ("accuracy", "maximize")
    assert default_objective({"a": Regression()}) == ("rmse", "minimize")
    assert default_objective({"a": Classification(2), "b": Tagging(3)}) == ("accuracy", "maximize")
    assert default_objective({"a": Classification(2), "b": Regression()}) == ("loss", "minimize")
