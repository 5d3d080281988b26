"""Whether data fit their signature: names, shapes, dtypes, ranges; and what plain tensors are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.signature import (
    Classification,
    Image,
    Input,
    Regression,
    Sequence,
    Signature,
    Tagging,
    Task,
    Tokens,
    Vector,
)
from workers.problems.missing import check_masks, check_missing
from workers.problems.split import Split

IGNORED = -100
"""The target of a position that a tagging task does not count."""


def check_split(where: str, split: Split, to: Signature) -> None:
    """Check one split against a signature.

    Targets without a label are checked by their form only.

    Args:
        where: the split in words, for the message ("problem 'mine', train").

    Raises:
        ProblemError: names the tensor, what was expected and what came.
    """
    inputs, targets = split.inputs, split.targets
    for part, tensors, expected in (("input", inputs, to.inputs), ("task", targets, to.tasks)):
        if set(tensors) != set(expected):
            raise ProblemError(f"{where}: expected the {part}s {sorted(expected)}, got {sorted(tensors)}")
    check_lengths(where, split)
    if not len(split):
        raise ProblemError(f"{where}: expected at least one example, got none")
    check_masks(where, split)
    for name, kind in to.inputs.items():
        _check_input(f"{where}, input {name!r}", inputs[name], kind)
    check_missing(where, split, to)
    for name, task in to.tasks.items():
        labelled = targets[name][split.labelled[name]] if name in split.labelled else targets[name]
        _check_target(f"{where}, task {name!r}", labelled, task, inputs)


def check_lengths(where: str, split: Split) -> None:
    """Check that a split has as many targets as inputs.

    Raises:
        ProblemError: it has not.
    """
    lengths = {name: len(t) for name, t in {**split.inputs, **split.targets}.items() if t.ndim}
    if len(set(lengths.values())) > 1:
        raise ProblemError(f"{where}: expected as many targets as inputs, got lengths {lengths}")


def _check_input(where: str, tensor: Tensor, kind: Input) -> None:
    expected = torch.int64 if isinstance(kind, Tokens) else torch.float32
    _check_form(where, tensor, kind.shape, expected)
    if isinstance(kind, Tokens):
        _check_range(where, tensor, kind.vocabulary, "a token number")
    elif not bool(torch.isfinite(tensor).all()):
        raise ProblemError(f"{where}: expected finite numbers, got NaN or infinity")


def _check_target(where: str, tensor: Tensor, task: Task, inputs: Mapping[str, Tensor]) -> None:
    if isinstance(task, Classification):
        _check_form(where, tensor, (), torch.int64)
        _check_range(where, tensor, task.classes, "a class")
    elif isinstance(task, Regression):
        _check_form(where, tensor, (task.outputs,), torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            raise ProblemError(f"{where}: expected finite numbers, got NaN or infinity")
    elif isinstance(task, Tagging):
        lengths = {t.shape[1] for t in inputs.values() if t.ndim in (2, 3)}
        if tensor.ndim != 2 or tensor.shape[1] not in lengths:
            raise ProblemError(
                f"{where}: expected tags of shape (N, length), length one of {sorted(lengths)}, "
                f"got shape {tuple(tensor.shape)}"
            )
        _check_form(where, tensor, tuple(tensor.shape[1:]), torch.int64)
        counted = tensor[tensor != IGNORED]
        if not counted.numel():
            raise ProblemError(f"{where}: expected at least one tag that is not {IGNORED}, got none")
        _check_range(where, counted, task.tags, "a tag")


def _check_form(where: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tuple(tensor.shape[1:]) != shape or not tensor.ndim:
        wanted = "(" + ", ".join(["N", *map(str, shape)]) + ("," if not shape else "") + ")"
        raise ProblemError(f"{where}: expected shape {wanted}, got {tuple(tensor.shape)}")
    if tensor.dtype != dtype:
        hint = " (scale pixels to [0, 1] first: images.float() / 255)" if tensor.dtype == torch.uint8 else ""
        raise ProblemError(f"{where}: expected {dtype}, got {tensor.dtype}{hint}")


def _check_range(where: str, tensor: Tensor, count: int, what: str) -> None:
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high >= count:
        raise ProblemError(f"{where}: expected {what} from 0 to {count - 1}, got values from {low} to {high}")


def infer_kinds(
    inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> tuple[dict[str, Input], dict[str, Task]]:
    """The kinds of input and of task that plain tensors suggest.

    Inputs: float ``(N, C, H, W)`` an image, ``(N, L, F)`` a sequence, ``(N, F)`` a vector; int64 ``(N, L)``
    tokens. Targets: int64 ``(N,)`` classes, ``(N, L)`` tags; float ``(N, outputs)`` a regression.

    Raises:
        ProblemError: a tensor is none of these.
    """
    kinds: dict[str, Input] = {}
    for name, tensor in inputs.items():
        shape = tuple(tensor.shape[1:])
        if tensor.is_floating_point() and len(shape) == 3:
            kinds[name] = Image(*shape)
        elif tensor.is_floating_point() and len(shape) == 2:
            kinds[name] = Sequence(*shape)
        elif tensor.is_floating_point() and len(shape) == 1:
            kinds[name] = Vector(*shape)
        elif tensor.dtype == torch.int64 and len(shape) == 1:
            kinds[name] = Tokens(shape[0], int(tensor.max()) + 1)
        else:
            raise ProblemError(
                f"input {name!r}: expected float (N, C, H, W), (N, L, F) or (N, F), or int64 (N, L), "
                f"got {tensor.dtype} {tuple(tensor.shape)}; scale images of bytes: images.float() / 255"
            )
    tasks: dict[str, Task] = {}
    for name, tensor in targets.items():
        if tensor.dtype == torch.int64 and tensor.ndim == 1:
            tasks[name] = Classification(int(tensor.max()) + 1)
        elif tensor.dtype == torch.int64 and tensor.ndim == 2:
            tasks[name] = Tagging(int(tensor.max()) + 1)
        elif tensor.is_floating_point() and tensor.ndim == 2:
            tasks[name] = Regression(tensor.shape[1])
        else:
            raise ProblemError(
                f"task {name!r}: expected int64 (N,) or (N, L), or float (N, outputs), "
                f"got {tensor.dtype} {tuple(tensor.shape)}"
            )
    return kinds, tasks
