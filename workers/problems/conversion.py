"""Arrays in the form of their kind: what fits it without loss is converted, and said; the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Values
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search_spaces.errors import ProblemError, nearest
from search_spaces.inputs import Image, Input, Sequence, Tokens
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
    Task,
)
from workers.problems.arrays import (
    Array,
    as_array,
    form,
    kind_of_numbers,
    numbered_words,
    scaled,
    shape_of_many,
    words_there,
)
from workers.problems.checks import check_labels
from workers.problems.lengths import extended
from workers.problems.precision import single
from workers.problems.seen import by_part, distinct, values_shown

Parts = Mapping[str, tuple[Array, Tensor | None]]
"""An array in each part of a problem, and the mask of the examples that have it."""


@dataclass(frozen=True)
class Converted:
    """An array in the form of its kind.

    Attributes:
        kind: the kind; with the names of its classes, where the data said them.
        tensors: the tensor of each part.
        notes: what was done to it, in words.
    """

    kind: Any
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def convert_input(where: str, parts: Parts, kind: Input, code: str) -> Converted:
    """Returns an input in the form of its kind, as far as it can be had without loss.

    Args:
        where: the input in words, for the message.
        parts: the input in each part.
        kind: the kind of the input.
        code: how the array is called in the lines that a message offers.

    Raises:
        ProblemError: it holds what its kind cannot, or more than 32 bits can.
    """
    notes: dict[str, None] = {}
    _refuse_words(where, parts, code)
    tensors = {part: _shaped(array, kind, notes) for part, (array, _) in parts.items()}
    if isinstance(kind, Sequence) and kind.padded:
        tensors = {part: extended(where, one, kind, code, notes) for part, one in tensors.items()}
        return Converted(kind, _real_singles(where, tensors, code, parts), tuple(notes))
    if isinstance(kind, Image):
        return Converted(kind, _pixels(where, tensors, code, notes, parts), tuple(notes))
    if isinstance(kind, Tokens):
        found = {part: _whole(where, one, "token numbers") for part, one in tensors.items()}
    else:
        found = _singles(where, tensors, code, parts, by_column=True)
    return Converted(kind, found, tuple(notes))


def _singles(
    where: str, tensors: Mapping[str, Tensor], code: str, parts: Parts, *, by_column: bool
) -> dict[str, Tensor]:
    """The numbers of each part in 32 bits."""
    return {
        part: single(f"{where} of {part}", one, code, by_column=by_column, mask=parts[part][1])
        for part, one in tensors.items()
    }


def _real_singles(where: str, tensors: Mapping[str, Tensor], code: str, parts: Parts) -> dict[str, Tensor]:
    """Padded series of each part in 32 bits; what would be lost is looked at in real steps alone."""
    found = {}
    for part, one in tensors.items():
        there, mask = one.isfinite().flatten(2).all(2), parts[part][1]
        if mask is not None:
            there = there & mask.unsqueeze(1)
        single(f"{where} of {part}", one[there], code, by_column=True)
        # NaN as one pattern of bits: data are told apart by their bytes
        short = one if one.dtype == torch.float32 else one.float().masked_fill(one.isnan(), torch.nan)
        found[part] = short if mask is None else short.masked_fill(~mask.view(-1, 1, 1), 0)
    return found


def convert_target(where: str, parts: Parts, kind: Task, code: str) -> Converted:
    """Returns a target in the form of its kind, as far as it can be had without loss.

    Args:
        where: the task in words, for the message.
        parts: the target in each part.
        kind: the kind of task.
        code: how the array is called in the lines that a message offers.

    Raises:
        ProblemError: it holds what its kind cannot, or more than 32 bits can.
    """
    notes: dict[str, None] = {}
    if isinstance(kind, Classification | Ordinal):
        return _classes(where, parts, kind, code)
    if isinstance(kind, Tagging) and kind.labels and _has_words(parts):
        numbers = {label: number for number, label in enumerate(kind.labels)}
        return Converted(kind, {p: _numbered(where, a, m, numbers) for p, (a, m) in parts.items()})
    if isinstance(kind, Retrieval) and _has_words(parts):
        numbers = {word: number for number, word in enumerate(distinct(parts.values())[0])}
        return Converted(kind, {p: _numbered(where, a, m, numbers) for p, (a, m) in parts.items()})
    _refuse_words(where, parts, code)
    tensors = {part: _shaped(array, kind, notes) for part, (array, _) in parts.items()}
    if isinstance(kind, MultiLabel):
        found = {part: _labels(f"{where} of {part}", one, parts[part][1]) for part, one in tensors.items()}
    elif isinstance(kind, Task) and kind.numeric:
        found = _singles(where, tensors, code, parts, by_column=not isinstance(kind, DenseMap))
    else:
        what = "token numbers" if isinstance(kind, Generation) else "class numbers"
        found = {part: _whole(where, one, what) for part, one in tensors.items()}
    return Converted(kind, found, tuple(notes))


def _has_words(parts: Parts) -> bool:
    return any(not isinstance(array, Tensor) for array, _ in parts.values())


def _refuse_words(where: str, parts: Parts, code: str) -> None:
    if _has_words(parts):
        array = next(array for array, _ in parts.values() if not isinstance(array, Tensor))
        remedy = f"number the words: {numbered_words(code)}"
        raise ProblemError(f"{where}: expected numbers, got {form(array)}; {remedy}")


def _shaped(array: Array, kind: Input | Task, notes: dict[str, None]) -> Tensor:
    """The same numbers in the shape of their kind, where an axis of one is missing or channels come last."""
    assert isinstance(array, Tensor)
    came, wanted = tuple(array.shape[1:]), _shape_of(kind)
    if wanted is None or came == wanted or not array.numel():
        return array
    if len(wanted) == 3 and came == (*wanted[1:], wanted[0]):
        notes["channels last became channels first"] = None
        return array.permute(0, 3, 1, 2)
    if tuple(size for size in came if size != 1) == tuple(size for size in wanted if size != 1):
        notes[f"{shape_of_many(came)} became {shape_of_many(wanted)}"] = None
        return array.reshape(len(array), *wanted)
    return array


def _shape_of(kind: Input | Task) -> tuple[int, ...] | None:
    """The shape of one example; None where the kind does not say it."""
    if isinstance(kind, Input):
        return kind.shape
    if isinstance(kind, Regression | CountRegression | MultiLabel):
        return (kind.outputs,)
    if isinstance(kind, QuantileRegression):
        return (1,)
    if isinstance(kind, Classification | Ordinal | Retrieval):
        return ()
    if isinstance(kind, Generation):
        return (kind.length,)
    if isinstance(kind, DenseMap):
        size = (kind.height, kind.width)
        return size if kind.discrete else (kind.outputs, *size)
    return None


def _pixels(
    where: str, tensors: dict[str, Tensor], code: str, notes: dict[str, None], parts: Parts
) -> dict[str, Tensor]:
    """Images as float32: bytes in [0, 1], real numbers as they are."""
    held = {part: kind_of_numbers(tensor) for part, tensor in tensors.items()}
    if "bytes" in held.values():
        if set(held.values()) != {"bytes"}:
            raise ProblemError(f"{where}: expected pixels of one range in every part, got {by_part(held)}")
        top = max((int(tensor.max()) for tensor in tensors.values() if tensor.numel()), default=255)
        if top == 1:  # bytes that are all 0 are 0 either way
            raise ProblemError(
                f"{where}: expected pixels from 0 to 255, which become [0, 1], got bytes up to {top}; "
                f"if these are pixels already: 1.0 * {code}"
            )
        notes["bytes from 0 to 255 became [0, 1]"] = None
        return {part: tensor.float() / 255 for part, tensor in tensors.items()}
    for tensor in tensors.values():
        if kind_of_numbers(tensor) == "whole" and tensor.numel() and int(tensor.max()) > 1:
            top = int(tensor.max())
            raise ProblemError(
                f"{where}: expected bytes or real numbers, got {form(tensor)} up to {top}; "
                f"scale pixels to [0, 1]: {scaled(code, top)}"
            )
    return _singles(where, tensors, code, parts, by_column=False)


def _whole(where: str, tensor: Tensor, what: str) -> Tensor:
    """Whole numbers as int64."""
    if tensor.is_floating_point():
        if not bool(torch.isfinite(tensor).all()):
            raise ProblemError(
                f"{where}: expected {what}, got NaN or infinity; where a label is missing, "
                f"say so in Split(..., labelled=...)"
            )
        whole = (tensor == tensor.round()) & (tensor.abs() < 2**53)
        if not bool(whole.all()):
            raise ProblemError(
                f"{where}: expected {what}, got {form(tensor)} with {float(tensor[~whole][0]):.6g}; "
                f"real numbers are a regression: Regression()"
            )
    return tensor.long()


# ---- classes


def _labels(where: str, tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Truths, zeros and ones as float32."""
    if mask is not None:
        tensor = tensor.masked_fill(~mask.view(-1, *[1] * (tensor.ndim - 1)), 0)
    check_labels(where, tensor)
    return tensor.float()


def _classes(where: str, parts: Parts, kind: Classification | Ordinal, code: str) -> Converted:
    """Numbers of classes: as they are if they lie in their range, else the places of their labels."""
    notes: dict[str, None] = {}
    if _has_words(parts):
        return _named_classes(where, parts, kind, code)
    tensors = {part: _shaped(array, kind, notes) for part, (array, _) in parts.items()}
    for part, tensor in tensors.items():
        if tensor.ndim != 1:
            columns = (
                f"; of one column for each class: {as_array(code)}.argmax(1)" if tensor.ndim == 2 else ""
            )
            raise ProblemError(f"{where}: expected shape (N,), got {tuple(tensor.shape)} in {part}{columns}")
    blank = {
        part: tensor if (mask := parts[part][1]) is None else tensor.masked_fill(~mask, 0)
        for part, tensor in tensors.items()
    }
    whole = {part: _whole(where, tensor, "class numbers") for part, tensor in blank.items()}
    shaped = {part: (tensor, parts[part][1]) for part, tensor in whole.items()}
    values = distinct(shaped.values())[0]
    named = [label for label in kind.labels if isinstance(label, int)]
    if len(named) == kind.classes and set(values) <= set(named) and values:
        numbers: Mapping[Any, int] = {label: number for number, label in enumerate(named)}
    elif all(0 <= value < kind.classes for value in values):
        return Converted(kind, whole, tuple(notes))
    elif not kind.labels and len(values) == kind.classes and IGNORED not in values:
        kind = replace(kind, labels=tuple(values))
        numbers = {value: number for number, value in enumerate(values)}
    else:
        raise ProblemError(f"{where}: {_misfit(values, kind, code)}")
    if any(label != number for label, number in numbers.items()):
        notes[f"the labels {_shown(tuple(numbers))} became classes from 0 to {kind.classes - 1}"] = None
    found = {part: _places(tensor, numbers, mask) for part, (tensor, mask) in shaped.items()}
    return Converted(kind, found, tuple(notes))


def _misfit(values: Values[int], kind: Classification | Ordinal, code: str) -> str:
    """What is wrong with numbers of classes, and what to write instead."""
    low, high = min(values), max(values)
    why = f"expected a class from 0 to {kind.classes - 1}, got values from {low} to {high}"
    if kind.labels:
        return f"{why}, which are none of the labels {_shown(kind.labels)} either"
    if IGNORED in values or (low == -1 and len(values) == kind.classes + 1):
        missing = IGNORED if IGNORED in values else -1
        return (
            f"{why}; if {missing} says that a label is missing, say so: "
            f"Split(..., labelled={{...: {as_array(code)} != {missing}}})"
        )
    if len(values) > kind.classes:
        return (
            f"{why}, {len(values)} different ones: {type(kind).__name__}({len(values)}) takes them as names"
        )
    return f"{why}; if they are names of classes, list all: {type(kind).__name__}(..., labels=({low}, ...))"


def _places(tensor: Tensor, numbers: Mapping[Any, int], mask: Tensor | None) -> Tensor:
    """The number of the class that each value names; 0 where there is no label."""
    values, order = torch.tensor(sorted(numbers)), sorted(numbers)
    places = torch.tensor([numbers[value] for value in order])
    found = places[torch.searchsorted(values, tensor).clamp(max=len(values) - 1)]
    return found if mask is None else found.masked_fill(~mask, 0)


def _named_classes(where: str, parts: Parts, kind: Classification | Ordinal, code: str) -> Converted:
    held = {part: kind_of_numbers(array) for part, (array, _) in parts.items()}
    if set(held.values()) != {"words"}:
        raise ProblemError(f"{where}: expected words in every part or in none, got {by_part(held)}")
    shaped = {
        part: (array.reshape(-1) if array.shape[1:] == (1,) else array, mask)
        for part, (array, mask) in parts.items()
    }
    for part, (array, _) in shaped.items():
        if array.ndim != 1:
            raise ProblemError(f"{where}: expected a word for each example, got {form(array)} in {part}")
    words, _, whole = distinct(shaped.values())
    if not whole:
        raise ProblemError(
            f"{where}: expected a word for each example, got some that are missing; say which: "
            f"Split(..., labelled={{...: {words_there(code)}}})"
        )
    if not kind.labels:
        if isinstance(kind, Ordinal):
            raise ProblemError(
                f"{where}: the order of {values_shown(words)} is not known; say it, from the lowest on: "
                f"Ordinal({len(words)}, labels=({', '.join(map(repr, words[:3]))}, ...))"
            )
        if len(words) != kind.classes:
            all_of_them = f", labels=({', '.join(map(repr, words[:3]))}, ...)"
            remedy = (
                f"Classification({len(words)})"
                if len(words) > kind.classes
                else (f"if some do not occur, list all: Classification({kind.classes}{all_of_them})")
            )
            raise ProblemError(
                f"{where}: expected {kind.classes} classes, got {values_shown(words)}; {remedy}"
            )
        kind = replace(kind, labels=tuple(words))
    numbers = {label: number for number, label in enumerate(kind.labels)}
    found = {part: _numbered(where, array, mask, numbers) for part, (array, mask) in shaped.items()}
    return Converted(
        kind, found, (f"the labels {_shown(kind.labels)} became classes from 0 to {kind.classes - 1}",)
    )


def _numbered(where: str, array: Array, mask: Tensor | None, numbers: Mapping[Any, int]) -> Tensor:
    """The numbers of words; 0 where there is no label."""
    if isinstance(array, Tensor):
        raise ProblemError(f"{where}: expected words in every part or in none, got {form(array)}")
    there = np.ones(len(array), dtype=bool) if mask is None else mask.numpy()
    found = torch.zeros(array.shape, dtype=torch.int64)
    flat = [numbers.get(word, -1) for word in array[there].flat]
    if -1 in flat:
        word = array[there].reshape(-1)[flat.index(-1)]
        hint = nearest(word, map(str, numbers))
        raise ProblemError(
            f"{where}: expected one of the labels {_shown(tuple(numbers))}, got {word!r:.80}{hint}"
        )
    found[torch.from_numpy(there)] = torch.tensor(flat, dtype=torch.int64).reshape(-1, *array.shape[1:])
    return found


def _shown(labels: Values[Any]) -> str:
    if len(labels) <= 12:
        return ", ".join(map(repr, labels))
    return f"{', '.join(map(repr, labels[:6]))}, ... ({len(labels)} of them)"
