"""Whether data fit their signature: names, shapes, dtypes, ranges."""

from collections.abc import Mapping

import torch
from torch import Tensor

from search_spaces.errors import ProblemError
from search_spaces.inputs import Input, Sequence, TabularRow, Tokens
from search_spaces.signature import Signature
from search_spaces.tasks import (
    IGNORED,
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Tagging,
)
from workers.problems.arrays import shape_of_many
from workers.problems.lengths import check_series, check_tags, is_padded
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
    _check_tensors(where, split)
    for part, tensors, expected in (("input", split.inputs, to.inputs), ("task", split.targets, to.tasks)):
        if set(tensors) != set(expected):
            raise ProblemError(f"{where}: expected the {part}s {sorted(expected)}, got {sorted(tensors)}")
    check_lengths(where, split)
    if not len(split):
        raise ProblemError(f"{where}: expected at least one example, got none")
    check_masks(where, split)
    for name, kind in to.inputs.items():
        check_input(f"{where}, input {name!r}", split.inputs[name], kind)
    check_missing(where, split, to)
    for name, task in to.tasks.items():
        _check_target(f"{where}, task {name!r}", split.labels(name), name, to)
        if isinstance(task, Tagging):
            check_tags(f"{where}, task {name!r}", split, to, name)


def _check_tensors(where: str, split: object) -> None:
    """Check that a split is one, and holds nothing but tensors.

    Raises:
        ProblemError: it is something else, or holds something else.
    """
    if not isinstance(split, Split):
        raise ProblemError(
            f"{where}: expected a Split of tensors, got {type(split).__name__}; "
            f"Problem.from_tensors and Problem.from_dataset make a problem of your own data"
        )
    parts = {
        "input": split.inputs,
        "task": split.targets,
        "present": split.present,
        "labelled": split.labelled,
    }
    for part, tensors in parts.items():
        if not isinstance(tensors, Mapping):
            raise ProblemError(
                f"{where}, {part}: expected a mapping from name to tensor, got {type(tensors).__name__}"
            )
        for name, tensor in tensors.items():
            _check_is_tensor(f"{where}, {part} {name!r}", tensor)
    if split.domain is not None:
        _check_is_tensor(f"{where}, domain", split.domain)


def _check_is_tensor(where: str, tensor: object) -> None:
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or not tensor.ndim:
        came = (
            f"{tensor.layout} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
        )
        raise ProblemError(
            f"{where}: expected a dense tensor with a value for each example, got {came}; "
            f"Problem.from_tensors makes tensors of arrays and lists"
        )


def check_lengths(where: str, split: Split) -> None:
    """Check that a split has as many targets as inputs.

    Raises:
        ProblemError: it has not.
    """
    lengths = {name: len(t) for name, t in {**split.inputs, **split.targets}.items() if t.ndim}
    if len(set(lengths.values())) > 1:
        raise ProblemError(f"{where}: expected as many targets as inputs, got lengths {lengths}")


def check_input(where: str, tensor: Tensor, kind: Input) -> None:
    """Check that a tensor is an input of a kind: its shape, its dtype, its numbers.

    Args:
        where: the input in words, for the message ("problem 'mine', train, input 'x'").

    Raises:
        ProblemError: says what was expected and what came.
    """
    if isinstance(kind, Tokens):
        _check_form(where, tensor, kind.shape, torch.int64)
        _check_range(where, tensor, kind.vocabulary, "a token number")
    elif isinstance(kind, Sequence) and kind.padded:
        _check_form(where, tensor, kind.shape, torch.float32)
        check_series(where, tensor, kind)
    elif isinstance(kind, Sequence) and is_padded(tensor):
        raise ProblemError(
            f"{where}: expected finite numbers, got NaN in the last steps; if that is padding of series of "
            f"different lengths, say Sequence({kind.length}, {kind.features}, padded=True)"
        )
    else:
        _check_numbers(where, tensor, kind.shape)
        if isinstance(kind, TabularRow):
            _check_categories(where, tensor, kind)


def _check_categories(where: str, tensor: Tensor, kind: TabularRow) -> None:
    """Refuses a row whose last columns hold something else than the numbers of their categories."""
    columns = tensor[:, kind.numbers :]
    top = torch.tensor(kind.categories, dtype=torch.float32, device=tensor.device) - 1
    wrong = (columns != columns.round()) | (columns < 0) | (columns > top)
    places = wrong.any(0).nonzero().squeeze(1).tolist()
    if places:
        place = places[0]
        values = columns[wrong[:, place], place]
        raise ProblemError(
            f"{where}, column {kind.numbers + place} (categorical column {place}): expected whole "
            f"numbers from 0, for missing values, to {kind.categories[place] - 1}, got {values[0].item():g} "
            f"(in {len(values)} of {len(tensor)} rows)"
        )


def _check_target(where: str, tensor: Tensor, name: str, to: Signature) -> None:
    task = to.tasks[name]
    if isinstance(task, Classification | Ordinal):
        _check_form(where, tensor, (), torch.int64)
        _check_range(where, tensor, task.classes, "a class")
    elif isinstance(task, Retrieval):
        _check_form(where, tensor, (), torch.int64)
    elif isinstance(task, Regression):
        _check_numbers(where, tensor, (task.outputs,))
    elif isinstance(task, MultiLabel):
        _check_numbers(where, tensor, (task.classes,))
        check_labels(where, tensor)
    elif isinstance(task, CountRegression):
        _check_numbers(where, tensor, (task.outputs,))
        _check_counts(where, tensor)
    elif isinstance(task, QuantileRegression):
        _check_numbers(where, tensor, (1,))
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


def check_labels(where: str, tensor: Tensor) -> None:
    """Check that the targets of a `MultiLabel` are 0 and 1.

    Raises:
        ProblemError: says what came.
    """
    wrong = (tensor != 0) & (tensor != 1)
    if bool(wrong.any()):
        raise ProblemError(
            f"{where}: expected 1 where an example has a label and 0 where not, got "
            f"{tensor[wrong][0].item():g} ({int(wrong.sum())} of {tensor.numel()})"
        )


def _check_counts(where: str, tensor: Tensor) -> None:
    wrong = (tensor < 0) | (tensor != tensor.round())
    if bool(wrong.any()):
        raise ProblemError(
            f"{where}: expected counts, which are whole numbers of at least 0, got "
            f"{tensor[wrong][0].item():g} ({int(wrong.sum())} of {tensor.numel()}); of other numbers it is a "
            "Regression()"
        )


def _counted(where: str, tensor: Tensor, what: str) -> Tensor:
    """The targets that are not ignored: there must be one."""
    counted = tensor[tensor != IGNORED]
    if not counted.numel():
        raise ProblemError(f"{where}: expected at least one {what} that is not {IGNORED}, got none")
    return counted


def _check_numbers(where: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    _check_form(where, tensor, shape, torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        gaps = int((~torch.isfinite(tensor)).sum())
        raise ProblemError(
            f"{where}: expected finite numbers, got NaN or infinity ({gaps} of {tensor.numel()}); fill "
            f"the gaps of inputs: np.nan_to_num(inputs); leave labels out that are missing: "
            f"Split(..., labelled=...)"
        )


def _check_form(where: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tuple(tensor.shape[1:]) != shape or not tensor.ndim:
        raise ProblemError(f"{where}: expected shape {shape_of_many(shape)}, got {tuple(tensor.shape)}")
    if tensor.dtype != dtype:
        pixels = tensor.dtype == torch.uint8 and len(shape) == 3
        hint = " (scale pixels to [0, 1] first: images.float() / 255)" if pixels else ""
        raise ProblemError(f"{where}: expected {dtype}, got {tensor.dtype}{hint}")


def _check_range(where: str, tensor: Tensor, count: int, what: str) -> None:
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0 or high >= count:
        raise ProblemError(f"{where}: expected {what} from 0 to {count - 1}, got values from {low} to {high}")
