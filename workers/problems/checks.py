"""Whether data fit their signature: names, shapes, dtypes, ranges; and what plain tensors are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.inputs import Image, Input, Sequence, Tokens, Vector
from search_spaces.signature import Signature
from search_spaces.tasks import (
    IGNORED,
    Classification,
    DenseMap,
    Generation,
    Regression,
    Retrieval,
    Tagging,
    Task,
)
from workers.problems.missing import check_masks, check_missing
from workers.problems.split import Split


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
    for name in to.tasks:
        labelled = targets[name][split.labelled[name]] if name in split.labelled else targets[name]
        _check_target(f"{where}, task {name!r}", labelled, name, to)


def check_lengths(where: str, split: Split) -> None:
    """Check that a split has as many targets as inputs.

    Raises:
        ProblemError: it has not.
    """
    lengths = {name: len(t) for name, t in {**split.inputs, **split.targets}.items() if t.ndim}
    if len(set(lengths.values())) > 1:
        raise ProblemError(f"{where}: expected as many targets as inputs, got lengths {lengths}")


def _check_input(where: str, tensor: Tensor, kind: Input) -> None:
    if isinstance(kind, Tokens):
        _check_form(where, tensor, kind.shape, torch.int64)
        _check_range(where, tensor, kind.vocabulary, "a token number")
    else:
        _check_numbers(where, tensor, kind.shape)


def _check_target(where: str, tensor: Tensor, name: str, to: Signature) -> None:
    task = to.tasks[name]
    if isinstance(task, Classification):
        _check_form(where, tensor, (), torch.int64)
        _check_range(where, tensor, task.classes, "a class")
    elif isinstance(task, Retrieval):
        _check_form(where, tensor, (), torch.int64)
    elif isinstance(task, Regression):
        _check_numbers(where, tensor, (task.outputs,))
    elif isinstance(task, Tagging):
        _check_form(where, tensor, to.inputs[to.tagged_input(name)].shape[:1], torch.int64)
        _check_range(where, _counted(where, tensor, "tag"), task.tags, "a tag")
    elif isinstance(task, Generation):
        _check_form(where, tensor, (task.length,), torch.int64)
        _check_range(where, tensor, task.vocabulary, "a token number")
    elif isinstance(task, DenseMap) and task.discrete:
        _check_form(where, tensor, (task.height, task.width), torch.int64)
        _check_range(where, _counted(where, tensor, "point"), task.outputs, "a class")
    elif isinstance(task, DenseMap):
        _check_numbers(where, tensor, (task.outputs, task.height, task.width))


def _counted(where: str, tensor: Tensor, what: str) -> Tensor:
    """The targets that are not ignored: there must be one."""
    counted = tensor[tensor != IGNORED]
    if not counted.numel():
        raise ProblemError(f"{where}: expected at least one {what} that is not {IGNORED}, got none")
    return counted


def _check_numbers(where: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    _check_form(where, tensor, shape, torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise ProblemError(f"{where}: expected finite numbers, got NaN or infinity")


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
    tokens. Targets: int64 ``(N,)`` classes; ``(N, L)`` tags where an input is as long, else a text;
    ``(N, H, W)`` a map of classes; float ``(N, outputs)`` a regression, ``(N, outputs, H, W)`` a map.

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
    lengths = {name: kind.length for name, kind in kinds.items() if isinstance(kind, Sequence | Tokens)}
    return kinds, {name: _task_kind(name, tensor, lengths) for name, tensor in targets.items()}


def _task_kind(name: str, tensor: Tensor, lengths: Mapping[str, int]) -> Task:
    """The kind of task that a target suggests, beside inputs of these lengths."""
    form = (tensor.dtype == torch.int64, tensor.is_floating_point(), tensor.ndim)
    if form == (True, False, 1):
        return Classification(int(tensor.max()) + 1)
    if form == (True, False, 2):
        tagged = [source for source, length in lengths.items() if length == tensor.shape[1]]
        if not tagged:
            return Generation(tensor.shape[1], int(tensor.max()) + 1)
        return Tagging(int(tensor.max()) + 1, input=tagged[0] if len(lengths) > 1 == len(tagged) else None)
    if form == (True, False, 3):
        return DenseMap(int(tensor.max()) + 1, tensor.shape[1], tensor.shape[2])
    if form == (False, True, 2):
        return Regression(tensor.shape[1])
    if form == (False, True, 4):
        return DenseMap(tensor.shape[1], tensor.shape[2], tensor.shape[3], discrete=False)
    raise ProblemError(
        f"task {name!r}: expected int64 (N,), (N, L) or (N, H, W), or float (N, outputs) or "
        f"(N, outputs, H, W), got {tensor.dtype} {tuple(tensor.shape)}"
    )
