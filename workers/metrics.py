"""Losses and metrics by kind of task, summed over batches on the device and read out once.

Names: ``loss`` always (of several tasks, the sum of their losses); of one task its metrics by their plain
names: ``accuracy`` (classification; tagging, per counted token), ``rmse`` and ``r2`` (regression). Of several
tasks ``<task>.loss`` and ``<task>.<metric>``, and a metric that all have also by its plain name: the mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.signature import Classification, Regression, Task
from workers.problems.checks import IGNORED

_DIRECTIONS = {"accuracy": "maximize", "rmse": "minimize", "r2": "maximize", "loss": "minimize"}


def task_loss(task: Task, output: Tensor, target: Tensor) -> Tensor:
    """The training loss of one task: a scalar, the mean over what the batch counts.

    Cross entropy for classification and tagging, the mean squared error for regression.

    Raises:
        ValueError: the network's answer has another shape than its task asks for.
    """
    if isinstance(task, Classification):
        return F.cross_entropy(output, target)
    if output.shape[: target.ndim] != target.shape:
        # mse_loss would broadcast these, and learn nonsense
        raise ValueError(f"expected an answer of shape {tuple(target.shape)}, got {tuple(output.shape)}")
    if isinstance(task, Regression):
        return F.mse_loss(output, target)
    # Not the mean of cross_entropy: that is NaN when a batch counts no token at all.
    summed = F.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum")
    return summed / counted(task, target)


def counted(task: Task, target: Tensor) -> Tensor | int:
    """Over how many `task_loss` is the mean: examples, or the tags that count; at least 1."""
    if isinstance(task, Classification | Regression):
        return len(target)
    return (target != IGNORED).sum().clamp(min=1)


def training_loss(
    tasks: Mapping[str, Task],
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    weights: Mapping[str, Tensor | float] | None = None,
) -> Tensor:
    """What training minimises: the sum of the tasks' losses, each times its weight if there are any."""
    losses = [task_loss(task, outputs[name], targets[name]) for name, task in tasks.items()]
    if weights is not None:
        losses = [loss * weights[name] for loss, name in zip(losses, tasks, strict=True)]
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def metric_names(tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """The names of all that `evaluate` measures for these tasks; see the module's docstring."""
    kinds = {name: _metric_names(task) for name, task in tasks.items()}
    if len(kinds) == 1:
        return ("loss", *next(iter(kinds.values())))
    return (
        "loss",
        *_shared(kinds.values()),
        *(f"{name}.{metric}" for name, metrics in kinds.items() for metric in ("loss", *metrics)),
    )


def default_objective(tasks: Mapping[str, Task]) -> tuple[str, str]:
    """The metric that says best how well these tasks are served, and its direction.

    The first metric that all tasks share; tasks that share none are compared by their loss.
    """
    shared = _shared([_metric_names(task) for task in tasks.values()])
    metric = shared[0] if shared else "loss"
    return metric, _DIRECTIONS[metric]


def _metric_names(task: Task) -> tuple[str, ...]:
    return ("rmse", "r2") if isinstance(task, Regression) else ("accuracy",)


def _shared(metrics: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    kinds = list(metrics)
    return tuple(metric for metric in kinds[0] if all(metric in kind for kind in kinds))


class _Tally(ABC):
    """Sums over batches, kept on the device: nothing is read back until the end."""

    @abstractmethod
    def add(self, output: Tensor, target: Tensor) -> None: ...

    @abstractmethod
    def result(self) -> dict[str, float]: ...


class _Hits(_Tally):
    """Loss and accuracy of classification ``(N, classes)`` and tagging ``(N, L, tags)``."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.hits = torch.zeros((), dtype=torch.int64, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, output: Tensor, target: Tensor) -> None:
        if output.shape[:-1] != target.shape:
            raise ValueError(f"expected answers for {tuple(target.shape)}, got shape {tuple(output.shape)}")
        logits, classes = output.reshape(-1, output.shape[-1]), target.reshape(-1)
        self.loss += F.cross_entropy(logits, classes, ignore_index=IGNORED, reduction="sum")
        self.hits += (logits.argmax(1) == classes).sum()
        self.count += (classes != IGNORED).sum()

    def result(self) -> dict[str, float]:
        count = int(self.count)
        return {"loss": float(self.loss) / count, "accuracy": int(self.hits) / count}


class _Errors(_Tally):
    """Loss, root mean squared error and explained variance (R2, mean over outputs) of a regression."""

    def __init__(self, device: torch.device) -> None:
        # (3, outputs): sums of squared errors, of targets, of squared targets
        self.sums: Tensor | None = None
        self.count = 0

    def add(self, output: Tensor, target: Tensor) -> None:
        if output.shape != target.shape:
            raise ValueError(f"expected an answer of shape {tuple(target.shape)}, got {tuple(output.shape)}")
        # float64: the variance is a difference of large sums
        output, target = output.double(), target.double()
        sums = torch.stack([(output - target).square().sum(0), target.sum(0), target.square().sum(0)])
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += len(target)

    def result(self) -> dict[str, float]:
        assert self.sums is not None, "evaluated over no batch"
        errors, total, squares = self.sums
        variation = squares - total.square() / self.count
        explained = 1 - errors / variation.clamp(min=1e-12)
        mean = float(errors.mean()) / self.count
        return {"loss": mean, "rmse": mean**0.5, "r2": float(explained.mean())}


class Scores:
    """The metrics of a network over the batches that it is given.

    Args:
        tasks: of the network's signature, by name.
        device: where outputs and targets are.
    """

    def __init__(self, tasks: Mapping[str, Task], device: torch.device) -> None:
        self._tallies: dict[str, _Tally] = {
            name: _Errors(device) if isinstance(task, Regression) else _Hits(device)
            for name, task in tasks.items()
        }

    def add(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Count one batch."""
        for name, tally in self._tallies.items():
            tally.add(outputs[name].float(), targets[name])

    def result(self) -> dict[str, float]:
        """All metrics so far, by name, in the order of `metric_names`."""
        by_task = {name: tally.result() for name, tally in self._tallies.items()}
        if len(by_task) == 1:
            return next(iter(by_task.values()))
        combined = {"loss": sum(values["loss"] for values in by_task.values())}
        for metric in _shared([tuple(values) for values in by_task.values()]):
            if metric != "loss":
                combined[metric] = sum(values[metric] for values in by_task.values()) / len(by_task)
        for name, values in by_task.items():
            combined |= {f"{name}.{metric}": value for metric, value in values.items()}
        return combined


def evaluate(
    forward: Callable[[dict[str, Tensor]], Mapping[str, Tensor]],
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    tasks: Mapping[str, Task],
    *,
    check: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """The metrics of a network on a split, in evaluation mode, without gradients; leaves it in that mode.

    Args:
        forward: how the network is asked (see `workers.training.adapt`).
        network: the network itself.
        inputs: by name; on the network's device.
        targets: by task.
        tasks: by name.
        check: called between batches; raises to stop early.
    """
    network.eval()
    length = len(next(iter(inputs.values())))
    device = next(iter(inputs.values())).device
    scores = Scores(tasks, device)
    # Large batches fill a GPU; on a CPU activations that stay in the cache are worth more than fewer calls.
    size = 256 if device.type == "cpu" else 2048
    with torch.inference_mode():
        for start in range(0, length, size):
            check()
            # A copy: a network may change its input in place, and the split may be shared with others.
            batch = {name: tensor[start : start + size].clone() for name, tensor in inputs.items()}
            answers = {name: tensor[start : start + size] for name, tensor in targets.items()}
            scores.add(forward(batch), answers)
    return scores.result()
