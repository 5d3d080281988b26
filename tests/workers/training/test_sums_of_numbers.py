"""Metrics of counts and of quantiles: those of torchmetrics and scikit-learn, batch by batch."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import d2_tweedie_score, mean_pinball_loss, mean_poisson_deviance
from torch import Tensor
from torchmetrics.functional import mean_squared_error

from search_spaces import CountRegression, QuantileRegression
from search_spaces.tasks import Task
from workers.problems.measures import default_objective, direction, main_metric, metric_names, range_of
from workers.problems.split import Split
from workers.training.metrics import Evaluation, task_loss

QUANTILES = (0.1, 0.5, 0.8)


def scored(task: Task, output: Tensor, target: Tensor, scale: float | None = None) -> dict[str, float]:
    scales = None if scale is None else {"task": torch.tensor([scale])}
    scores = Evaluation({"task": task}, torch.device("cpu"), scales)
    for start in range(0, len(target), 7):
        part = slice(start, start + 7)
        batch = Split({"x": torch.zeros(len(target[part]), 1)}, {"task": target[part]})
        scores.add({"task": output[part]}, batch)
    return scores.result()


def test_counts() -> None:
    torch.manual_seed(0)
    expected = torch.rand(60, 1) * 5 + 0.1
    target, task = torch.poisson(expected), CountRegression()
    values = scored(task, expected, target)
    assert tuple(values) == metric_names({"task": task})
    rows = target[:, 0].numpy(), expected[:, 0].numpy()
    assert values["poisson_deviance"] == pytest.approx(mean_poisson_deviance(*rows), rel=1e-5)
    assert values["d2"] == pytest.approx(d2_tweedie_score(*rows, power=1), rel=1e-5)
    assert values["rmse"] == pytest.approx(
        float(mean_squared_error(expected, target, squared=False)), rel=1e-5
    )
    assert values["loss"] == pytest.approx(values["poisson_deviance"] / 2)
    assert float(task_loss(task, expected, target)) == pytest.approx(values["loss"], rel=1e-5)
    assert scored(task, expected, target, scale=4.0)["loss"] == pytest.approx(values["loss"] / 4)


def test_the_loss_of_counts_has_the_slope_of_their_likelihood_and_none_that_is_no_number() -> None:
    expected = torch.tensor([[0.0], [1.0], [2.0]], requires_grad=True)
    target = torch.tensor([[0.0], [0.0], [5.0]])
    task_loss(CountRegression(), expected, target).backward()
    assert expected.grad is not None
    assert expected.grad[:, 0].tolist() == pytest.approx([1 / 3, 1 / 3, (1 - 5 / 2) / 3])


def test_quantiles() -> None:
    torch.manual_seed(0)
    target, task = torch.randn(60, 1) * 3 + 7, QuantileRegression(QUANTILES)
    output = (7 + torch.tensor([[-4.0, 0.0, 3.0]]) + 0.2 * torch.randn(60, 3)).sort(1).values
    values = scored(task, output, target)
    assert tuple(values) == metric_names({"task": task})
    rows = [(target[:, 0].numpy(), output[:, place].numpy(), share) for place, share in enumerate(QUANTILES)]
    expected = [mean_pinball_loss(true, found, alpha=share) for true, found, share in rows]
    assert values["pinball"] == pytest.approx(np.mean(expected), rel=1e-5)
    constant = [
        min(mean_pinball_loss(true, np.full(60, one), alpha=share) for one in true) for true, _, share in rows
    ]
    assert values["d2"] == pytest.approx(np.mean(1 - np.array(expected) / constant), rel=1e-4)
    inside = (target >= output[:, :1]) & (target <= output[:, 2:])
    assert values["coverage"] == pytest.approx(float(inside.float().mean()))
    assert float(task_loss(task, output, target)) == pytest.approx(values["loss"], rel=1e-5)
    assert scored(task, output, target, scale=3.0)["loss"] == pytest.approx(values["loss"] / 3)


def test_a_lone_quantile_covers_what_is_up_to_it() -> None:
    target = torch.arange(10.0).unsqueeze(1)
    assert scored(QuantileRegression((0.7,)), torch.full((10, 1), 6.5), target)["coverage"] == 0.7


@pytest.mark.parametrize(
    ("task", "right"), [(CountRegression(), 3.0), (CountRegression(), 0.0), (QuantileRegression((0.5,)), 3.0)]
)
def test_what_does_not_vary_is_explained_wholly_or_not_at_all(task: Task, right: float) -> None:
    target = torch.full((9, 1), right)
    assert scored(task, target.clone(), target)["d2"] == 1
    assert scored(task, target + 1, target)["d2"] == 0


def test_counts_and_quantiles_count_by_what_they_explain_among_several_tasks() -> None:
    assert default_objective({"task": CountRegression()}) == ("rmse", "minimize")
    assert default_objective({"task": QuantileRegression()}) == ("pinball", "minimize")
    assert main_metric(CountRegression()) == main_metric(QuantileRegression()) == "d2"
    assert direction("task.poisson_deviance") == "minimize"
    assert range_of("d2") == (-math.inf, 1.0)


@pytest.mark.parametrize("task", [CountRegression(3), QuantileRegression()])
def test_an_answer_of_another_shape_is_an_error(task: Task) -> None:
    target = torch.ones(8, 3 if isinstance(task, CountRegression) else 1)
    with pytest.raises(ValueError, match=r"expected an answer of shape \(8, 3\), got \(8, 2\)"):
        task_loss(task, torch.ones(8, 2), target)
    with pytest.raises(ValueError, match=r"expected an answer of shape \(7, 3\), got \(7, 2\)"):
        scored(task, torch.ones(8, 2), target)
