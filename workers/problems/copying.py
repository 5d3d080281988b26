"""Whether the tensors of a problem are its own: what others could change is copied, files are not."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from workers.problems.split import Split

_LARGE = 1 << 20
"""The bytes of a tensor from which on it is worth to ask whether it is mapped from a file."""

_MAPS = Path("/proc/self/maps")
"""What Linux says of the memory of this process: a line for each mapping, ``low-high ... path``."""


def own(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Returns splits, by part, in tensors that nobody else holds; those that files hold stay there."""
    copy = _copier(lambda tensor: mapped_file(tensor) is None)
    return {part: split.map(copy) for part, split in splits.items()}


def without_shared(splits: Mapping[str, Split], given: Iterable[Any]) -> dict[str, Split]:
    """Returns splits with those of their tensors copied that share memory with what they were made of.

    What reading, converting or dividing has copied already is not copied again; nor is what cannot be changed
    (arrays that are not writable) or lies in a file (`numpy.memmap`, `torch.from_file`).

    Args:
        splits: the splits, by part.
        given: what they were made of: arrays, tensors, splits, mappings and pairs of these.
    """
    shared = {place for value in given for place in _changeable(value)}
    copy = _copier(lambda tensor: tensor.untyped_storage().data_ptr() in shared)
    return {part: split.map(copy) for part, split in splits.items()}


def mapped_file(tensor: Tensor) -> str | None:
    """The file that a tensor is mapped from (`torch.from_file`, ``torch.load(mmap=True)``); None without one.

    Small tensors are taken to have none where torch does not say it: they are soon copied.
    """
    storage = tensor.untyped_storage()
    named: str | None = getattr(storage, "filename", None)
    if named is not None or tensor.device.type != "cpu" or storage.nbytes() < _LARGE:
        return named
    return _file_at(storage.data_ptr())


def _file_at(place: int) -> str | None:
    """The file that is mapped to a place in memory, as the system says: torch knows shared ones only."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(maxsplit=5)
        low, high = (int(one, 16) for one in fields[0].split("-"))
        if low <= place < high:
            path = fields[5] if len(fields) == 6 else ""
            return path if path.startswith("/") and Path(path).is_file() else None
    return None


def files_of(given: Iterable[Any]) -> Iterator[str]:
    """Yields the files that arrays are mapped from (`numpy.memmap`)."""
    for value in given:
        for leaf in _leaves(value):
            mapped = (one for one in _bases(leaf) if isinstance(one, np.memmap) and one.filename)
            yield from (str(one.filename) for one in mapped)


def _copier(wanted: Callable[[Tensor], bool]) -> Callable[[Tensor], Tensor]:
    """Returns a function that copies the tensors that are wanted; what is given twice is copied once."""
    copies: dict[tuple[Any, ...], Tensor] = {}

    def copy(tensor: Tensor) -> Tensor:
        if not wanted(tensor):
            return tensor
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
        if key not in copies:
            copies[key] = tensor.detach().clone()
        return copies[key]

    return copy


def _changeable(value: Any) -> Iterator[int]:
    """Yields where the memory begins of each array and tensor that somebody could change."""
    for leaf in _leaves(value):
        if isinstance(leaf, Tensor):
            if mapped_file(leaf) is None:
                yield leaf.untyped_storage().data_ptr()
        elif not _is_fixed(leaf):
            yield leaf.__array_interface__["data"][0]


def _leaves(value: Any) -> Iterator[Any]:
    """Yields the tensors and the arrays in what was given for a part of a problem."""
    if isinstance(value, Split):
        for one in dataclasses.fields(Split):
            yield from _leaves(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, Tensor | np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        # the arrays of a pair; a list of numbers shares its memory with nobody
        for member in value if len(value) == 2 else ():
            yield from _leaves(member)
    elif hasattr(value, "__array__"):
        yield np.asarray(value)


def _bases(array: Any) -> Iterator[Any]:
    """Yields an array, and whatever it is a view of; a tensor alone."""
    found: Any = array
    while found is not None:
        yield found
        found = getattr(found, "base", None)


def _is_fixed(array: np.ndarray[Any, Any]) -> bool:
    """Whether nobody can change an array: it cannot be written to, or it is that of a file."""
    bases = list(_bases(array))
    if any(isinstance(one, np.memmap | mmap.mmap) for one in bases):
        return True
    last = bases[-1]
    if isinstance(last, memoryview) and not last.readonly:
        return False
    if not isinstance(last, np.ndarray | bytes | memoryview):
        return False  # memory of a library that does with it what it likes
    return not any(one.flags.writeable for one in bases if isinstance(one, np.ndarray))
