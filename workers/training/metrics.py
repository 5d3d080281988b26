"""Losses and metrics by kind of task, and how a network is evaluated on a split.

Names: ``loss`` always (of several tasks, the sum of their losses). Of one task its metrics by their plain
names:

- classification, tagging: ``accuracy``, of what is counted; ``f1`` of entities where tags have labels
- several labels: ``f1`` of all together, ``mean_average_precision`` over classes
- classes with an order: ``accuracy``, and ``mae``, the mean absolute error in classes
- regression, and maps of numbers: ``rmse`` and ``r2``
- counts: ``rmse``, ``poisson_deviance``, and ``d2``, the share of the deviance that is explained
- quantiles: ``pinball``, the mean pinball loss; ``coverage``, the share of the targets from the lowest to the
  highest; ``d2``, the share of the pinball loss that is explained
- retrieval: ``recall_at_1``, ``recall_at_5``, ``recall_at_10``, the gallery being the whole split
- generation: ``accuracy`` of tokens up to the text's end, ``exact`` of texts
- maps of classes: ``miou`` and ``accuracy``

Each task has a main metric (``r2`` or ``d2``, or else the first of those above; of tagging with labels
``f1``). Several tasks have ``score``, the mean of their main metrics, ``worst``, the lowest of these, and
``<task>.loss`` and ``<task>.<metric>``. Examples without a label do not count; a task that none of them has a
label for is left out of everything.

A loss here is that of answers: of a field over tags, whose answers are marginals, their cross entropy; of
retrieval, the contrastive loss at a fixed temperature; of generation, the cross entropy of greedy answers.
Of numbers whose targets the network standardises it is in units of these, as its training loss is; the other
metrics are in the units of the data. What a recipe does to the loss of training (label smoothing, weights of
classes, focus on what is hard) it does not do to this one, so that recipes can be compared by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.heads.generation import text_loss, written
from search_spaces.blocks.heads.retrieval import TEMPERATURE, contrastive_loss
from search_spaces.tasks import (
    IGNORED,
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Retrieval,
    Tagging,
    Task,
)
from workers.problems.measures import main_metric
from workers.problems.split import Split
from workers.training.batches import in_order
from workers.training.losses import pinball, poisson_deviance, rank_loss
from workers.training.metric_sums import metric_sums_of
from workers.training.placement import send
from workers.training.sums import check_shape

EVALUATED = {"cpu": 256, "cuda": 2048}
"""Examples in a batch of an evaluation.

Large ones fill a GPU; on a CPU activations that stay in the cache are worth more than fewer calls.
"""


def task_loss(task: Task, output: Tensor, target: Tensor) -> Tensor:
    """The training loss of one task's answers: a scalar, the mean over what the batch counts.

    Cross entropy for classes, tags and tokens, binary for several labels and for classes with an order, the
    mean squared error for numbers, half the Poisson deviance for counts, the pinball loss for quantiles, a
    contrastive loss for embeddings.

    Raises:
        ValueError: the network's answer has another shape than its task asks for.
    """
    if isinstance(task, Classification):
        return F.cross_entropy(output, target)
    if isinstance(task, Retrieval):
        query, gallery = output.unbind(1)
        return contrastive_loss(query, gallery, target, 1 / TEMPERATURE)
    if isinstance(task, Ordinal | QuantileRegression):
        check_shape(output, (len(target), task.outputs))
        if isinstance(task, Ordinal):
            return rank_loss(output, target).mean()
        return pinball(output, target, task.quantiles).mean()
    discrete = isinstance(task, DenseMap) and task.discrete
    positions = (len(output), *output.shape[2:]) if discrete else tuple(output.shape[: target.ndim])
    if positions != target.shape:
        # mse_loss would broadcast these, and learn nonsense
        raise ValueError(f"expected an answer of shape {tuple(target.shape)}, got {tuple(output.shape)}")
    if isinstance(task, MultiLabel):
        return F.binary_cross_entropy_with_logits(output, target)
    if isinstance(task, CountRegression):
        return poisson_deviance(output, target).mean() / 2
    if task.numeric:
        return F.mse_loss(output, target)
    if isinstance(task, Generation):
        return text_loss(output, target)
    logits = output if discrete else output.flatten(0, 1)
    # Not the mean of cross_entropy: that is NaN when a batch counts nothing at all.
    summed = F.cross_entropy(
        logits, target if discrete else target.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return summed / counted(task, target)


def counted(task: Task, target: Tensor) -> Tensor | int:
    """Over how many the loss of a task is the mean: examples, or the tags, tokens or points that count; at
    least 1."""
    if isinstance(task, Generation):
        return written(target).sum().clamp(min=1)
    if isinstance(task, Tagging) or (isinstance(task, DenseMap) and task.discrete):
        return (target != IGNORED).sum().clamp(min=1)
    return max(1, len(target))


class Evaluation:
    """The metrics of a network over the batches that it is given.

    Args:
        tasks: the tasks of the network's signature, by name.
        device: where answers and targets are.
        scales: the scales by which the network's targets are standardised, by task: losses are in units of
            them. None: none are.
    """

    def __init__(
        self, tasks: Mapping[str, Task], device: torch.device, scales: Mapping[str, Tensor] | None = None
    ) -> None:
        self._tasks, scales = tasks, scales or {}
        self._sums = {name: metric_sums_of(task, device, scales.get(name)) for name, task in tasks.items()}

    def add(self, outputs: Mapping[str, Tensor], batch: Split) -> None:
        """Counts the answers to one batch, as far as it has labels; its masks are on the CPU."""
        for name, sums in self._sums.items():
            if name not in batch.targets:
                continue
            output, target = outputs[name], batch.targets[name]
            if name in batch.labelled:
                rows = send(batch.labelled[name].nonzero().squeeze(1), target.device)
                output, target = output.index_select(0, rows), target.index_select(0, rows)
            if len(target):
                sums.add(output.float(), target)

    def result(self) -> dict[str, float]:
        """Returns the metrics so far, by name, of the tasks that were counted."""
        by_task = {name: sums.result() for name, sums in self._sums.items()}
        by_task = {name: values for name, values in by_task.items() if values}
        if len(self._tasks) == 1 or not by_task:
            return next(iter(by_task.values()), {})
        mains = [values[main_metric(self._tasks[name])] for name, values in by_task.items()]
        combined = {
            "loss": sum(values["loss"] for values in by_task.values()),
            "score": sum(mains) / len(mains),
            "worst": min(mains),
        }
        for name, values in by_task.items():
            combined |= {f"{name}.{metric}": value for metric, value in values.items()}
        return combined


def evaluate(
    forward: Callable[[Split], Mapping[str, Tensor]],
    network: nn.Module,
    split: Split | None,
    tasks: Mapping[str, Task],
    *,
    check: Callable[[], None] = lambda: None,
    device: torch.device | None = None,
    scales: Mapping[str, Tensor] | None = None,
) -> dict[str, float]:
    """Measures a network on a split, in evaluation mode, without gradients; leaves it in that mode.

    Args:
        forward: the function that asks the network: from a batch to answers by task.
        network: the network itself.
        split: the examples, on any device; None: there are none, as in a problem without test examples, and
            nothing is measured.
        tasks: the tasks by name.
        check: the function that is called between batches; it raises to stop early.
        device: the network's device; None: that of the examples.
        scales: the scales of its targets, as `workers.training.standardisation.target_scales` returns them;
            see `Evaluation`.
    """
    network.eval()
    if split is None:
        return {}
    device = split.device if device is None else device
    scores = Evaluation(tasks, device, scales)
    size = EVALUATED.get(device.type, EVALUATED["cuda"])
    with torch.inference_mode():
        for batch in in_order(split, size, device):
            check()
            # A copy: a network may change its input in place, and the split may be shared with others.
            inputs = {name: tensor.clone() for name, tensor in batch.inputs.items()}
            scores.add(forward(replace(batch, inputs=inputs)), batch)
    return scores.result()
