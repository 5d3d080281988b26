"""The losses by which tasks of classes are trained where a recipe asks for more than cross entropy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.tasks import Classification, ClassTask, MultiLabel, Ordinal, Task
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.losses import rank_loss
from workers.training.sums import check_shape

_LEAST = 1e-6
"""The least that is taken to be missing from a probability: the slope of a root has no end at 0."""


class ClassLoss(nn.Module):
    """The loss of a task of classes with label smoothing, a focus on what is hard, and weights of classes.

    It is the mean over examples, so that the processes of a group come to the loss of the whole batch; the
    weights are 1 in the mean of the training split.

    Args:
        task: the task.
        recipe: the recipe, which says what is wanted.
        weights: how much an example of each class counts, float ``(classes,)``; of several labels ``(2,
            classes)``, how much it counts in each where it does not have it, and where it has. None: all
            count alike.
    """

    weights: Tensor | None

    def __init__(self, task: ClassTask, recipe: Recipe, weights: Tensor | None) -> None:
        super().__init__()
        self._task, self._smoothing, self._focal = task, recipe.label_smoothing, recipe.focal
        # it follows from the data, so that checkpoints need not have it
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Returns the loss of answers: a scalar.

        Args:
            output: the answers, as the task has them.
            target: the targets; of a classification probabilities ``(N, classes)``, too.

        Raises:
            ValueError: the answers have another shape than their task asks for.
        """
        check_shape(output, (len(target), self._task.outputs))
        if isinstance(self._task, MultiLabel):
            losses = self._of_labels(output, target)
        elif isinstance(self._task, Ordinal):
            losses = rank_loss(output, target)
        else:
            losses = self._of_classes(output, target)
        if self.weights is None:
            return losses.mean()
        if isinstance(self._task, MultiLabel):
            counts = torch.lerp(self.weights[0], self.weights[1], target)
        elif target.is_floating_point():
            counts = target @ self.weights
        else:
            counts = self.weights[target]
        return (losses * counts).mean()

    def _of_classes(self, output: Tensor, target: Tensor) -> Tensor:
        losses = F.cross_entropy(output, target, reduction="none", label_smoothing=self._smoothing)
        if not self._focal:
            return losses
        shares = output.softmax(1)
        if target.is_floating_point():
            right = (shares * target).sum(1)
        else:
            right = shares.gather(1, target.unsqueeze(1)).squeeze(1)
        return losses * self._left(right)

    def _of_labels(self, output: Tensor, target: Tensor) -> Tensor:
        smoothed = target.lerp(torch.full_like(target, 0.5), self._smoothing)
        losses = F.binary_cross_entropy_with_logits(output, smoothed, reduction="none")
        if not self._focal:
            return losses
        there = output.sigmoid()
        return losses * self._left(there * target + (1 - there) * (1 - target))

    def _left(self, right: Tensor) -> Tensor:
        """How much examples count whose right answers have these probabilities."""
        return (1 - right).clamp(min=_LEAST) ** self._focal


def class_losses(
    tasks: Mapping[str, Task], recipe: Recipe, weights: Mapping[str, Tensor]
) -> dict[str, ClassLoss]:
    """Returns by task the losses that a recipe changes.

    Args:
        tasks: the tasks by name.
        recipe: the recipe.
        weights: the weights of their classes; see `class_weights`.
    """
    changed = recipe.label_smoothing > 0 or recipe.focal > 0
    found = {}
    for name, task in tasks.items():
        of_labels = changed and isinstance(task, Classification | MultiLabel)
        if isinstance(task, ClassTask) and (of_labels or name in weights):
            found[name] = ClassLoss(task, recipe, weights.get(name))
    return found


def class_weights(problem: Problem, recipe: Recipe) -> dict[str, Tensor]:
    """Returns by task how much an example of each class counts in training, where a recipe weighs them.

    ``N / (K n)`` for a class of ``n`` of ``N`` labelled examples in the training split, of ``K`` classes
    there; 1 for a class that none has. Of several labels each has two classes, without and with it; see
    `ClassLoss`.
    """
    found: dict[str, Tensor] = {}
    if recipe.class_weights == "balanced":
        for name, task in problem.signature.tasks.items():
            if isinstance(task, Classification | Ordinal):
                found[name] = _balanced(problem.train.labels(name).bincount(minlength=task.classes))
            elif isinstance(task, MultiLabel):
                there = problem.train.labels(name).bool()
                found[name] = _balanced(torch.stack([(~there).sum(0), there.sum(0)]))
    return found


def _balanced(counts: Tensor) -> Tensor:
    """The weights of classes of so many examples, along the first axis."""
    even = counts.sum(0).double() / (counts > 0).sum(0)
    return torch.where(counts > 0, even / counts.clamp(min=1), 1.0).float()
