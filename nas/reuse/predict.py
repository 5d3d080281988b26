"""What networks answer, in the words of who asks: the names of classes and tags, numbers as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_spaces.blocks.heads.generation import written
from search_spaces.errors import ProblemError, UnknownNameError
from search_spaces.signature import Signature
from search_spaces.tasks import (
    IGNORED,
    Classification,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    Retrieval,
    Tagging,
    Task,
)
from workers.problems.devices import check_device
from workers.problems.problem import Problem
from workers.problems.reading import unlabelled
from workers.problems.split import Split
from workers.training.batches import in_order

if TYPE_CHECKING:
    from workers.problems.frames.preprocessing import Preprocessing

_QUERIES = 1024
"""Compared with the whole gallery at once."""


def predictions(
    network: nn.Module,
    signature: Signature,
    inputs: Any,
    *,
    tasks: Sequence[str] | None = None,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    preprocessing: Preprocessing | None = None,
) -> Any:
    """Returns what a network answers to inputs; see `nas.reuse.found.Found.predict`.

    Args:
        network: the network; it is brought into evaluation mode.
        signature: what it serves.
        inputs, tasks, batch_size, device: what is asked, and how.
        preprocessing: what makes inputs of rows; None: nothing does.
    """
    if isinstance(inputs, Problem):
        raise ProblemError("predict: expected inputs, or a part of a problem; write problem.test")
    wanted = list(signature.tasks) if tasks is None else list(tasks)
    if not wanted:
        raise ProblemError(f"predict, tasks: expected one at least of {', '.join(signature.tasks)}, got none")
    for task in wanted:
        if task not in signature.tasks:
            raise UnknownNameError("task", task, signature.tasks)
    if is_frame(inputs):
        inputs = _of_rows(inputs, signature, preprocessing)
    split = unlabelled("predict", inputs, signature, wanted)
    if device is not None:
        check_device(device, ProblemError)
        network.to(device)
    answers = answers_to(split, network.eval(), wanted, batch_size)
    found = {task: _in_words(task, answers[task], split, signature) for task in wanted}
    return found[wanted[0]] if len(signature.tasks) == 1 else found


def is_frame(inputs: Any) -> bool:
    """Whether inputs are a frame of pandas, which need not be loaded to tell."""
    kinds = type(inputs).__mro__
    return any(one.__name__ == "DataFrame" and one.__module__.split(".")[0] == "pandas" for one in kinds)


def _of_rows(rows: Any, signature: Signature, preprocessing: Preprocessing | None) -> Split:
    """Returns the inputs of rows."""
    if preprocessing is None:
        raise ProblemError(
            "predict: expected tensors or arrays, got a frame, of which nobody knows what its columns are: "
            "the network was not trained on one (Problem.from_frame); if they are its numbers in order, "
            "write inputs.to_numpy()"
        )
    try:
        inputs, present = preprocessing.tensors(rows, signature.inputs)
    except ProblemError as error:
        raise ProblemError(f"predict, {error}") from None
    return Split(inputs, {}, present)


def answers_to(split: Split, network: nn.Module, tasks: Iterable[str], batch_size: int) -> dict[str, Tensor]:
    """Returns what a network answers to the examples of a split, in float32 on the CPU, by task.

    Args:
        split: the examples.
        network: the network, in evaluation mode.
        tasks: the tasks that are wanted.
        batch_size: the number of examples that are answered at once.
    """
    device = next((one.device for one in network.parameters()), torch.device("cpu"))
    pieces: dict[str, list[Tensor]] = {task: [] for task in tasks}
    with torch.inference_mode():
        for batch in in_order(split, batch_size, device):
            answered = network(batch.inputs, batch.present)
            for task, found in pieces.items():
                found.append(answered[task].float().cpu())
    return {task: torch.cat(parts) for task, parts in pieces.items()}


def _in_words(task: str, answers: Tensor, split: Split, signature: Signature) -> NDArray[Any]:
    """Returns the answers to one task as `Found.predict` gives them back."""
    kind = signature.tasks[task]
    lost = ~answers.isfinite().flatten(1).all(1)
    if bool(lost.any()):
        raise ProblemError(
            f"predict, task {task!r}: the network answers NaN or infinity to {int(lost.sum())} of "
            f"{len(lost)} examples (the first is number {int(lost.nonzero()[0])}): are its inputs as they "
            "were in training?"
        )
    if isinstance(kind, Classification | Ordinal):
        return _named(kind.predicted(answers))
    if isinstance(kind, MultiLabel):
        rows = np.empty(len(answers), dtype=object)  # not a table, though all may have as many labels
        rows[:] = kind.predicted(answers)
        return rows
    if isinstance(kind, Tagging):
        tagged = signature.tagged_input(task)
        found = _named(kind.predicted(answers))
        real = signature.inputs[tagged].mask(split.inputs[tagged])
        if real is not None:
            found[(~real).numpy()] = "" if kind.labels else IGNORED
        return found
    return _numbers(kind, answers).numpy()


def _named(labels: list[Any]) -> NDArray[Any]:
    """Names or numbers as an array; both together stay what they are."""
    flat = [one for row in labels for one in row] if isinstance(labels[0], list) else labels
    if len({isinstance(one, str) for one in flat}) > 1:
        return np.array(labels, dtype=object)
    return np.array(labels)


def _numbers(kind: Task, answers: Tensor) -> Tensor:
    if isinstance(kind, Generation):
        texts = answers.argmax(2)
        return texts.masked_fill(~written(texts), 0)
    if isinstance(kind, Retrieval):
        query, gallery = answers.unbind(1)
        return torch.cat([(part @ gallery.T).argmax(1) for part in torch.split(query, _QUERIES)])
    if isinstance(kind, DenseMap):
        return answers.argmax(1) if kind.discrete else answers
    return answers[:, 0] if kind.outputs == 1 else answers
