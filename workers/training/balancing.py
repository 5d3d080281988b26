"""Loss balancing: how much each task's loss weighs, by weights that are set, learned, drawn or computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from search_spaces.errors import RecipeError
from search_spaces.signature import CountRegression, QuantileRegression, Task
from workers.recipe import Recipe
from workers.training.placement import send

DWA_TEMPERATURE = 2.0
"""The larger, the more alike are the weights of `DynamicAverage` (Liu et al. 2019 use 2)."""

Losses = Mapping[str, Float[Tensor, ""]]
"""A scalar for each task that the batch has labels for."""


class LossBalance(nn.Module, ABC):
    """Combines the losses of the tasks in a batch to the one that training minimises.

    Where all tasks are alike, every balance comes to the sum of their losses, so that a learning rate means
    the same with each. Its parameters are trained with the network's, its buffers are a part of checkpoints.
    """

    @abstractmethod
    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        """Returns the combined loss; ``losses`` has one task at least."""

    def begin_epoch(self, seed: int) -> None:
        """Begins an epoch; ``seed`` is that of the random generator, if there is one."""

    def begin_step(self, tasks: Collection[str]) -> None:
        """Begins a step, whose batch has these tasks: what changes from step to step is set here.

        Not in `forward`, which may be captured once and replayed: what it reads then lies where it lay.
        """

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Records the mean losses over an epoch, by task, of the tasks that had any."""


class StaticWeights(LossBalance):
    """The sum of the losses, each times a weight that stays.

    Args:
        weights: the weights by task; 1 for those left out.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._weights = dict(weights)

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        return _weighted_sum(losses, self._weights)


class Uncertainty(LossBalance):
    """A learned variance for each task (Kendall, Gal & Cipolla, CVPR 2018, eq. 7 and 10).

    Each task adds ``exp(-s) L + s / 2``, where ``s`` is its log variance, 0 at first; a task whose loss is
    a squared error has ``exp(-s) L / 2``. An absent task adds nothing, so its log variance stays.

    Args:
        tasks: the tasks by name.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        # One parameter for each: of an absent task it has no gradient, and no momentum moves it.
        self.log_variances = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in tasks])
        self._index = {name: index for index, name in enumerate(tasks)}
        self._squared = {name for name, task in tasks.items() if _is_squared(task)}

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        log_variances = torch.stack([self.log_variances[self._index[name]] for name in losses])
        # eq. 10 with s = log sigma^2: eq. 7 halves squared errors, losses of classes stay whole
        halved = [loss / 2 if name in self._squared else loss for name, loss in losses.items()]
        return (torch.exp(-log_variances) * torch.stack(halved) + log_variances / 2).sum()


def _is_squared(task: Task) -> bool:
    """Whether the loss of a task is a squared error: of numbers, but neither of counts nor of quantiles."""
    return task.numeric and not isinstance(task, CountRegression | QuantileRegression)


class DynamicAverage(LossBalance):
    """The slower a task's loss falls, the more it weighs (DWA; Liu, Johns & Davison, CVPR 2019, eq. 7).

    The weights of an epoch are ``K softmax(r / 2)`` over the ``K`` tasks, where ``r`` is the ratio of a
    task's mean losses in the last two epochs. It is 1 until both are known; an epoch without the task does
    not count.

    Args:
        tasks: the tasks by name.

    Attributes:
        last: the mean losses of the last epoch; NaN where there was none.
        before: the mean losses of the epoch before.
    """

    last: Float[Tensor, " tasks"]
    before: Float[Tensor, " tasks"]
    _current: Float[Tensor, " tasks"]

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self._names = list(tasks)
        for name in ("last", "before"):
            self.register_buffer(name, torch.full((len(tasks),), torch.nan, dtype=torch.float64))
        self.register_buffer("_current", torch.ones(len(tasks)), persistent=False)

    def weights(self) -> Float[Tensor, " tasks"]:
        """Returns the weights of this epoch, in the order of the tasks."""
        ratios = (self.last / self.before.clamp(min=1e-12)).nan_to_num(1.0)  # eq. 7: w_k(t - 1)
        return len(ratios) * torch.softmax(ratios / DWA_TEMPERATURE, 0)  # eq. 7: lambda_k(t)

    def begin_epoch(self, seed: int) -> None:
        self._current.copy_(self.weights())

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        weights = dict(zip(self._names, self._current.unbind(), strict=True))
        return _weighted_sum(losses, weights)

    def end_epoch(self, means: Mapping[str, float]) -> None:
        for index, name in enumerate(self._names):
            if name in means:
                self.before[index] = self.last[index]
                self.last[index] = means[name]


class RandomWeights(LossBalance):
    """Weights drawn anew in each step, the softmax of normal numbers (RLW; Lin et al., TMLR 2022).

    They sum to the number of the tasks in the batch.

    Args:
        tasks: the names of the tasks.
    """

    _drawn: Float[Tensor, " tasks"]

    def __init__(self, tasks: Iterable[str]) -> None:
        super().__init__()
        self._generator = torch.Generator()
        self._index = {name: index for index, name in enumerate(tasks)}
        self.register_buffer("_drawn", torch.ones(len(self._index)), persistent=False)

    def begin_epoch(self, seed: int) -> None:
        self._generator.manual_seed(seed)

    def begin_step(self, tasks: Collection[str]) -> None:
        # Lin et al. 2022, Alg. 2, from normal numbers; times the number of tasks
        drawn = torch.softmax(torch.randn(len(tasks), generator=self._generator), 0) * len(tasks)
        weights = torch.zeros(len(self._index))
        weights[[self._index[name] for name in tasks]] = drawn
        self._drawn.copy_(send(weights, self._drawn.device))

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        return _weighted_sum(losses, {name: self._drawn[self._index[name]] for name in losses})


def loss_balance(recipe: Recipe, tasks: Mapping[str, Task]) -> LossBalance:
    """Returns the balance of losses that a recipe asks for: their sum where it balances gradients.

    Raises:
        RecipeError: the recipe has a static weight for a task that there is not.
    """
    match recipe.balancing:
        case "static":
            unknown = sorted(recipe.task_weights.keys() - tasks.keys())
            if unknown:
                raise RecipeError(f"recipe.task_weights: expected tasks of {sorted(tasks)}, got {unknown}")
            return StaticWeights(recipe.task_weights)
        case "uncertainty":
            return Uncertainty(tasks)
        case "dwa":
            return DynamicAverage(tasks)
        case "random":
            return RandomWeights(tasks)
    return StaticWeights({})


def _weighted_sum(losses: Losses, weights: Mapping[str, float | Tensor]) -> Float[Tensor, ""]:
    terms = [loss * weights[name] if name in weights else loss for name, loss in losses.items()]
    return terms[0] if len(terms) == 1 else torch.stack(terms).sum()
