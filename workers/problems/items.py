"""Reading torch data sets item by item: what each item must be, stacked into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from search_spaces.errors import ProblemError
from workers.problems.arrays import array_of, is_path, way_out
from workers.problems.lengths import together
from workers.problems.seen import UNNAMED
from workers.problems.split import Split


def read(where: str, dataset: Dataset[Any], code: str, *, domain: bool = False) -> Split:
    """Every item of a torch data set, stacked; what a mapping leaves out is missing from its example.

    Args:
        where: the data set in words, for the message.
        dataset: the data set.
        code: how it is called in the lines that a message offers.
        domain: whether an item's third member is the number of its domain.

    Returns:
        The examples as arrays: tensors, NumPy arrays, and arrays of objects where the items hold words.

    Raises:
        ProblemError: it is no such data set; an item is not what it should be, or differs in type or shape.
    """
    length = _length(where, dataset, code)
    if not length:
        raise ProblemError(f"{where}: expected at least one example, got an empty data set")
    items = []
    for index in range(length):
        try:
            item = dataset[index]
        except Exception as error:  # a data set is a person's own code
            raise ProblemError(
                f"{where}[{index}]: expected an item, got {type(error).__name__}: {str(error)[:200]}"
            ) from error
        items.append(_item(f"{where}[{index}]", item, code, domain))
    (inputs, present), (targets, labelled) = (
        _stacked(where, what, [item[place] for item in items])
        for place, what in ((0, "inputs"), (1, "targets"))
    )
    if not inputs or not targets:
        raise ProblemError(f"{where}: expected inputs and targets in the items, got empty mappings")
    if not domain:
        return Split(inputs, targets, present, labelled)
    numbers = _column(f"{where}, domain", [(index, item[2]) for index, item in enumerate(items)])
    return Split(inputs, targets, present, labelled, numbers)


def _length(where: str, dataset: Any, code: str) -> int:
    """The number of items of what must be a data set."""
    name = type(dataset).__name__
    if isinstance(dataset, DataLoader):
        raise ProblemError(f"{where}: expected a torch data set, got a DataLoader; write {code}.dataset")
    if isinstance(dataset, IterableDataset):
        raise ProblemError(
            f"{where}: expected a data set with a length, got {name}, a stream; write list({code})"
        )
    if isinstance(dataset, Tensor | np.ndarray | Mapping | str | bytes) or way_out(dataset, code) not in (
        "",
        f"Problem.from_dataset(name, {code})",
    ):
        raise ProblemError(
            f"{where}: expected a torch data set, or a list of pairs (inputs, targets), got {name}; "
            f"arrays go to Problem.from_tensors(name, (inputs, targets))"
        )
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise ProblemError(
            f"{where}: expected a torch data set (with __len__ and __getitem__), or a list of pairs "
            f"(inputs, targets), got {name}"
        )
    try:
        return len(dataset)
    except Exception as error:  # a data set is a person's own code
        raise ProblemError(
            f"{where}: expected a data set with a length, got {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _item(where: str, item: Any, code: str, domain: bool) -> tuple[Any, ...]:
    expected = "a triple (inputs, targets, domain)" if domain else "a pair (inputs, targets)"
    if isinstance(item, tuple | list) and len(item) == 2 + domain:
        return tuple(item)
    if isinstance(item, tuple | list) and len(item) == 3:
        raise ProblemError(
            f"{where}: expected {expected}, got 3 members; if the third is the number of a domain, say "
            f"domain=True, else leave it out: [item[:2] for item in {code}]"
        )
    came, remedy = type(item).__name__, ""
    if isinstance(item, Mapping):
        names = [str(name) for name in item]
        remedy = (
            f"; write [(item[{(names or ['x'])[0]!r}], item[{(names or ['y'])[-1]!r}]) for item in {code}]"
        )
    elif isinstance(item, tuple | list):
        came = f"{len(item)} members"
    elif isinstance(item, Tensor | np.ndarray):
        remedy = f"; write Problem.from_tensors(name, {code}) if this is such a pair as a whole"
    raise ProblemError(f"{where}: expected {expected}, got {came}{remedy}")


def _stacked(where: str, what: str, sides: list[Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Arrays by name, zeros where an item leaves the name out, and masks of the names that some leave out."""
    mappings = [isinstance(side, Mapping) for side in sides]
    if any(mappings) and not all(mappings):
        index = mappings.index(not mappings[0])
        came = f"{type(sides[0]).__name__} in item 0 and {type(sides[index]).__name__} in item {index}"
        raise ProblemError(f"{where}: expected {what} by name in all items or in none, got {came}")
    rows = sides if all(mappings) else [{UNNAMED: side} for side in sides]
    whole, masks = {}, {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if not isinstance(name, str):
            raise ProblemError(f"{where}: expected words as names of {what}, got {name!r:.80}")
        there = torch.tensor([name in row for row in rows])
        place = f"{where}, {what} {name!r}" if name else f"{where}, {what}"
        numbered = [(index, row[name]) for index, row in enumerate(rows) if name in row]
        values = [value for _, value in numbered]
        column = together(values) if what == "inputs" else values
        if column is values:
            column = _column(place, numbered)
        stacked = array_of(place, column, f"{what}[{name!r}]" if name else what)
        if not bool(there.all()):
            masks[name] = there
            size = (len(rows), *stacked.shape[1:])
            if isinstance(stacked, Tensor):
                full: Any = stacked.new_zeros(size)
                full[there] = stacked
            else:
                full = np.full(size, None, dtype=object)
                full[there.numpy()] = stacked
            whole[name] = full
        else:
            whole[name] = stacked
    return whole, masks


def _column(where: str, numbered: list[tuple[int, Any]]) -> Any:
    """The values of one name in all items, each with its item's number, as one array.

    Raises:
        ProblemError: one is no value, or differs from the first in type or shape.
    """
    values = [value for _, value in numbered]
    first = _sort(values[0])
    for index, value in numbered:
        sort = _sort(value)
        if sort is None:
            raise ProblemError(
                f"{where}: expected tensors, arrays or numbers, got {_odd(value)} in item {index}"
            )
        if sort != first:
            raise ProblemError(
                f"{where}: expected the same type and the same shape in every item, "
                f"got {_said(first)} in item {numbered[0][0]} and {_said(sort)} in item {index}"
            )
    try:
        if isinstance(values[0], Tensor):
            return torch.stack([value.detach() for value in values])
        if isinstance(values[0], str):
            found = np.empty(len(values), dtype=object)
            found[:] = values
            return found
        return np.stack([np.asarray(value) for value in values])
    except (TypeError, ValueError, RuntimeError, NotImplementedError, OverflowError) as error:
        raise ProblemError(
            f"{where}: expected tensors, arrays or numbers of the same shape in every item: "
            f"{str(error)[:200]}"
        ) from error


def _sort(value: Any) -> tuple[object, ...] | None:
    """What must be equal in all items: the type, of arrays dtype and shape; None for what is no value."""
    if isinstance(value, Tensor):
        return ("tensor", str(value.dtype).removeprefix("torch."), tuple(value.shape))
    if isinstance(value, str):
        return None if is_path(value) else ("word",)
    if isinstance(value, bool | np.bool_):
        return ("truth",)
    if isinstance(value, int | float | np.integer | np.floating):
        return ("number",)
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape)
    if isinstance(value, list | tuple):
        try:
            array = np.asarray(value)
        except Exception:  # whatever is in the list says what it likes
            return None
        return ("list", array.shape) if array.dtype.kind in "bif" and array.size else None
    if hasattr(value, "__array__") and not type(value).__module__.startswith(("pandas", "polars")):
        return ("array", type(value).__name__)
    return None


def _said(sort: tuple[object, ...] | None) -> str:
    return "no value" if sort is None else f"a {' '.join(map(str, sort))}"


def _odd(value: Any) -> str:
    """What came in the place of a value, and how it is read."""
    if isinstance(value, Path) or (isinstance(value, str) and is_path(value)):
        return f"the path {str(value)[:80]!r}, which __getitem__ must read: np.asarray(PIL.Image.open(path))"
    if value is None:
        return "None (a mapping may leave a name out: that says that it is missing)"
    if type(value).__module__.startswith("PIL"):
        return (
            f"a picture ({type(value).__name__}); __getitem__ must make an array of it: np.asarray(picture)"
        )
    if remedy := way_out(value, "value"):
        return f"{type(value).__name__}; write {remedy}"
    return (
        f"{type(value).__name__} {str(value)[:40]}"
        if isinstance(value, list | tuple)
        else type(value).__name__
    )
