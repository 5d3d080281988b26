"""What tells the data of one problem from that of another."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from workers.table import look_up
from workers.tabular import Table

if TYPE_CHECKING:
    from torch import Tensor

    from workers.problems import Problem

VERSION = 2
"""The version of fingerprints, which they begin with; those of version 1 are 16 hex digits and no more.

Whatever changes them makes another version: then `older_fingerprint` says what the one before was.
"""

_DIGEST_BYTES = 16
_CHUNK_BYTES = 1 << 22
"""About how many bytes are hashed at a time: a part of the version, for each chunk has a hash of its own."""

_ANSWERS = 64
"""The number of answers of a table that are looked at."""

_ROWS = 64
"""The number of rows of each tensor that version 1 looked at."""


def fingerprint(problem: Problem | Table) -> str:
    """Returns what tells the data of a problem from others: ``2:`` and 32 hex digits (BLAKE2b).

    They depend on each byte of each tensor, on shapes and dtypes, masks and domains, and on the signature. Of
    a table, on some of its answers; the code that gives them counts by itself (`nas.search.user_code`).

    A problem is hashed once in a process, and again where its tensors, or the files that they are mapped
    from, have changed since (by the version that torch counts, by size and time of the files). What the
    catalog reads again from files that are as they were is not hashed again. Threads share the work, for
    hashing leaves the interpreter to others; data of files that are mapped into memory are read piece by
    piece.
    """
    if isinstance(problem, Table):
        return _versioned(_hash(*_answers(problem), json.dumps(problem.signature.to_dict(), sort_keys=True)))
    state = _State.of(problem)
    known = _known.get(problem)
    if known is not None and state is not None and known[0].is_that_of(state):
        return known[1]
    key = _of_files(problem) if state is not None and state.untouched else None
    found = _read.get(key) if key is not None else None
    if found is None:
        found = _versioned(_fingerprint(problem))
    if key is not None:
        _read[key] = found
    if state is not None:
        _known[problem] = (state, found)
    return found


def older_fingerprint(problem: Problem | Table) -> str:
    """Returns the fingerprint of version 1, by which stores of older versions know data: 16 hex digits.

    It depends on some rows of each tensor only; but on masks and domains whole.
    """
    digest = hashlib.sha256()
    if isinstance(problem, Table):
        for answer in _answers(problem):
            digest.update(answer.encode())
        return digest.hexdigest()[:16]
    for part in problem.splits.values():
        for name, tensor in (*part.inputs.items(), *part.targets.items()):
            rows = tensor[:: max(1, len(tensor) // _ROWS)][:_ROWS].cpu().contiguous().numpy()
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(rows.tobytes())
        for what, masks in (("present", part.present), ("labelled", part.labelled)):
            for name, mask in masks.items():
                digest.update(f"{what} {name}".encode() + mask.cpu().numpy().tobytes())
        if part.domain is not None:
            digest.update(b"domain" + part.domain.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def tensor_hash(tensor: Tensor) -> str:
    """Returns a hash of a tensor: its dtype, its shape and all its bytes (BLAKE2b, 32 hex digits)."""
    return _tensor_hash(tensor, list(map(_bytes_hash, _chunks(tensor))))


@dataclass(frozen=True, eq=False)
class _State:
    """What is seen of a change of the data without reading them.

    Attributes:
        tensors: each tensor, where it is in memory, and how often torch has changed it in place.
        files: path, size and time (nanoseconds) of each file that they are mapped from.
    """

    tensors: tuple[tuple[ref[Tensor], int, int], ...]
    files: tuple[tuple[str, int, int], ...]

    @property
    def untouched(self) -> bool:
        """Whether no tensor was changed in place since it was made."""
        return all(version == 0 for _, _, version in self.tensors)

    def is_that_of(self, other: _State) -> bool:
        """Whether nothing has changed between the two: the tensors are the same ones, not others alike."""
        return (
            self.files == other.files
            and len(self.tensors) == len(other.tensors)
            and all(
                mine[0]() is its[0]() is not None and mine[1:] == its[1:]
                for mine, its in zip(self.tensors, other.tensors, strict=True)
            )
        )

    @staticmethod
    def of(problem: Problem) -> _State | None:
        """The state of a problem; None where it cannot be told."""
        from workers.problems.copying import mapped_file

        every = [tensor for _, _, tensor in _tensors(problem)]
        files = {*problem.mapped, *filter(None, map(mapped_file, every))}
        try:
            tensors = tuple((ref(tensor), tensor.data_ptr(), tensor._version) for tensor in every)
            return _State(tensors, tuple(map(_stat, sorted(files))))
        except (RuntimeError, OSError):  # inference tensors have no version; a file may be gone
            return None


_known: WeakKeyDictionary[Problem, tuple[_State, str]] = WeakKeyDictionary()
"""The fingerprints of the problems of this process, each with what was seen of its data then."""

_read: dict[tuple[Any, ...], str] = {}
"""The fingerprints of what was read from files, by what decides them; see `_of_files`."""


def _stat(path: str) -> tuple[str, int, int]:
    found = os.stat(path)
    return path, found.st_size, found.st_mtime_ns


def _of_files(problem: Problem) -> tuple[Any, ...] | None:
    """What decides the data of a problem that was read from files; None for any other one."""
    if not problem.read_from:
        return None
    shapes = tuple((part, name, tuple(t.shape), str(t.dtype)) for part, name, t in _tensors(problem))
    options = json.dumps([problem.name, dict(problem.options), problem.signature.to_dict()], default=str)
    return (options, problem.read_from, shapes)


def _fingerprint(problem: Problem) -> str:
    """The hash of a problem: of its signature and of the hashes of its tensors."""
    from torch import get_num_threads

    named = list(_tensors(problem))
    # as many threads as torch takes, which are those that this process may take
    with ThreadPoolExecutor(max(1, min(get_num_threads(), os.cpu_count() or 1))) as threads:
        waiting = [
            (part, name, tensor, [threads.submit(_bytes_hash, chunk) for chunk in _chunks(tensor)])
            for part, name, tensor in named
        ]
        hashes = [
            f"{part} {name} {_tensor_hash(tensor, [one.result() for one in chunks])}"
            for part, name, tensor, chunks in waiting
        ]
    return _hash(json.dumps(problem.signature.to_dict(), sort_keys=True), *hashes)


def _tensors(problem: Problem) -> Iterator[tuple[str, str, Tensor]]:
    """Yields every tensor of a problem, with its part and its name, in an order that says nothing."""
    for part, split in problem.splits.items():
        for what in ("inputs", "targets", "present", "labelled"):
            for name, tensor in sorted(getattr(split, what).items()):
                yield f"{part} {what}", name, tensor
        if split.domain is not None:
            yield part, "domain", split.domain


def _chunks(tensor: Tensor) -> Iterator[Tensor]:
    """Yields a tensor in rows of about `_CHUNK_BYTES`: views of it, in the order of its examples."""
    if not tensor.ndim or not tensor.numel():
        yield tensor
        return
    rows = max(1, _CHUNK_BYTES // (tensor[0].numel() * tensor.element_size()))
    yield from (tensor[start : start + rows] for start in range(0, len(tensor), rows))


def _bytes_hash(chunk: Tensor) -> bytes:
    from torch import uint8

    rows = chunk.detach().cpu().contiguous().reshape(-1).view(uint8).numpy()
    return hashlib.blake2b(rows, digest_size=_DIGEST_BYTES).digest()  # type: ignore[arg-type]


def _tensor_hash(tensor: Tensor, chunks: list[bytes]) -> str:
    return _hash(f"{tensor.dtype} {tuple(tensor.shape)}", b"".join(chunks).hex())


def _hash(*texts: str) -> str:
    return hashlib.blake2b(json.dumps(texts).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _versioned(digest: str) -> str:
    return f"{VERSION}:{digest}"


def _answers(table: Table) -> Iterator[str]:
    """Yields some answers of a table, as text."""
    for number in range(_ANSWERS):
        answer = look_up(table, table.space.sample(random.Random(number)), number)
        yield repr(answer and (dict(answer.metrics), answer.seconds))
