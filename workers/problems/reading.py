"""Reading people's own data into splits: what they are, in the form of their kinds; dividing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from search_spaces.errors import ProblemError, nearest
from search_spaces.inputs import Sequence
from search_spaces.signature import Signature
from search_spaces.tasks import Tagging
from workers.problems.arrays import array_of, code_of, form, kind_of_numbers, shape_of_many, way_out
from workers.problems.checks import check_input, check_lengths
from workers.problems.conversion import Converted, convert_input, convert_target
from workers.problems.kinds import infer
from workers.problems.lengths import ignored_where_padded, of_one_length, together
from workers.problems.missing import blanked, check_answerable, check_masks
from workers.problems.seen import UNNAMED, place, seen
from workers.problems.split import Split
from workers.problems.splitting import stratified_parts

Arrays = Any
"""A tensor, a NumPy array or a nested list; or a mapping from name to one of these."""


def split_of(where: str, given: Any, signature: Signature | None) -> Split:
    """A split on the CPU of a pair ``(inputs, targets)``, or of a split; zeros for what its examples lack.

    Its arrays are what was given: `converted` makes the tensors of a problem of them.

    Raises:
        ProblemError: it is neither, or holds what is no array.
    """
    inputs, tasks = ({}, {}) if signature is None else (signature.inputs, signature.tasks)
    if isinstance(given, Split):
        split = Split(
            _arrays(where, given.inputs, "input", kinds=inputs),
            _arrays(where, given.targets, "task", kinds=tasks),
            _arrays(where, given.present, "present"),
            _arrays(where, given.labelled, "labelled"),
            None if given.domain is None else _numbers(f"{where}, domain", given.domain),
        )
    elif isinstance(given, tuple | list) and len(given) == 2:
        split = Split(
            _arrays(where, _by_name(where, given[0], "input", signature), "input", given[0], inputs),
            _arrays(where, _by_name(where, given[1], "task", signature), "task", given[1], tasks),
        )
    else:
        raise ProblemError(f"{where}: expected a pair (inputs, targets) or a Split, got {_came(given)}")
    if not split.inputs or not split.targets:
        side = "targets" if split.inputs else "inputs"
        raise ProblemError(f"{where}: expected a pair (inputs, targets) or a Split, got no {side}")
    check_lengths(where, split)
    check_masks(where, split)
    return blanked(split)


def _came(given: Any) -> str:
    """What came in the place of a pair, and how a pair is made of it."""
    name = type(given).__name__
    if isinstance(given, tuple | list):
        return f"a {name} of {len(given)}; write (inputs, targets)"
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):  # a frame, of whichever library
        frame = "data" if type(given).__module__.split(".")[0] == "pandas" else "data.to_pandas()"
        label = repr(str(list(given.columns)[-1])) if len(given.columns) else "'label'"
        return f"{name}; write Problem.from_frame({frame}, predict={label})"
    remedy = way_out(given, "data")
    return f"{name}; write {remedy}" if remedy else name


def _by_name(where: str, side: Any, part: str, signature: Signature | None) -> Mapping[Any, Any]:
    """Arrays by name; a lone one by the name of the only input or task, where there is one only."""
    if isinstance(side, Mapping):
        return side
    if signature is None:
        return {UNNAMED: side}
    names = list(signature.inputs if part == "input" else signature.tasks)
    if len(names) > 1:
        mapping = ", ".join(f"{name!r}: ..." for name in names)
        raise ProblemError(
            f"{where}: expected the {part}s {names} by name, got one without a name "
            f"({type(side).__name__}); write {{{mapping}}}"
        )
    return {names[0]: side}


def _arrays(
    where: str, given: Any, part: str, side: Any = None, kinds: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The arrays of a mapping, each read; ``side`` is what a person gave instead of it.

    Series of different lengths, and their tags, become one array each; ``kinds`` says what is what.
    """
    if not isinstance(given, Mapping):
        raise ProblemError(
            f"{where}, {part}: expected a mapping from name to array, got {type(given).__name__}"
        )
    for name in given:
        if not isinstance(name, str) or (not name and len(given) > 1):
            raise ProblemError(f"{where}, {part}: expected words as names, got {name!r:.80}")
    known = kinds or {}
    padded = {name: together(one, known.get(name)) if part in _SIDES else one for name, one in given.items()}
    return {
        name: array_of(place(where, part, name), padded[name], _code(part, "" if value is side else name))
        for name, value in given.items()
    }


def _code(part: str, name: str) -> str:
    """How a person's code calls an array."""
    side = {"input": "inputs", "task": "targets"}.get(part, part)
    return f"{side}[{name!r}]" if name != UNNAMED else side


def _numbers(where: str, value: Any) -> Tensor:
    array = array_of(where, value, "domain")
    if not isinstance(array, Tensor):
        raise ProblemError(f"{where}: expected whole numbers, got {form(array)}")
    return array.long() if kind_of_numbers(array) in ("bytes", "whole") else array


def unlabelled(where: str, given: Any, signature: Signature, tasks: Iterable[str]) -> Split:
    """Returns examples that have inputs alone, in the form of their kinds: what networks are asked with.

    Args:
        where: who asks, in words, for messages.
        given: the inputs by name, but for some that no task needs; the only one; or a split, of which only
            inputs and their masks are read.
        signature: what the inputs are.
        tasks: the tasks that are asked for.

    Raises:
        ProblemError: they do not fit the signature, or a task needs one that is missing.
    """
    inputs, masks = (given.inputs, given.present) if isinstance(given, Split) else (given, {})
    named = _by_name(where, inputs, "input", signature)
    arrays = _arrays(where, named, "input", inputs, signature.inputs)
    for name in arrays:
        if name not in signature.inputs:
            hint = nearest(name, signature.inputs)
            raise ProblemError(f"{where}: expected the inputs {sorted(signature.inputs)}, got {name!r}{hint}")
    split = Split(arrays, {}, _arrays(where, masks, "present"))
    if not arrays or not len(split):
        raise ProblemError(f"{where}: expected at least one example, got none")
    check_lengths(where, split)
    check_masks(where, split)
    split = blanked(split)
    tensors = {}
    for name, array in split.inputs.items():
        here, kind = f"{where}, input {name!r}", signature.inputs[name]
        code = code_of(named[name], _code("input", UNNAMED if named is not inputs else name))
        lone = isinstance(kind, Sequence) and kind.padded and array.shape[1:] == kind.shape[1:]
        if lone or (tuple(array.shape) == kind.shape and len(kind.shape) > 0 and kind.shape[0] != 1):
            raise ProblemError(
                f"{here}: expected shape {shape_of_many(kind.shape)}, got {tuple(array.shape)}; "
                f"one example is written {code}[None]"
            )
        columns = {"these examples": (array, split.present.get(name))}
        (tensors[name],) = convert_input(here, columns, kind, code).tensors.values()
        check_input(here, tensors[name], kind)
    split = dataclasses.replace(split, inputs=tensors)
    check_answerable(where, split, signature, tasks)
    return split


def share_of(where: str, given: Any) -> float | None:
    """Returns the share that is held out, if a share is what was given.

    Raises:
        ProblemError: it is a number, and no share; or nothing.
    """
    if given is None or isinstance(given, bool):
        raise ProblemError(
            f"{where}: expected examples, or the share of train to hold out (0.2), got {given}"
        )
    try:
        return float(given) if isinstance(given, Real) else None
    except OverflowError:
        raise ProblemError(f"{where}: expected a share from 0 to 1, got {given!s:.40}") from None


def check_seed(where: str, seed: Any) -> int:
    """Returns a seed as a whole number.

    Raises:
        ProblemError: it is none from 0 up to 2**63 - 1.
    """
    try:
        number = -1 if isinstance(seed, bool) else int(seed.__index__())
    except (AttributeError, TypeError):
        number = -1
    if not 0 <= number < 1 << 63:
        raise ProblemError(f"{where}, seed: expected a whole number from 0 up, got {seed!r:.80}")
    return number


def converted(
    where: str, parts: Mapping[str, Split], signature: Signature | None, given: Mapping[str, Any]
) -> tuple[Signature, dict[str, Split], tuple[str, ...]]:
    """Returns what the arrays of all parts are, their tensors, and what was inferred and converted, in words.

    Args:
        where: the problem in words, for messages.
        parts: the arrays of each part, as `split_of` read them.
        signature: what they are; None: it is inferred.
        given: the parts as they were given: lists are spoken of in other words than arrays.

    Raises:
        ProblemError: they may be several things, or do not fit the signature.
    """
    codes = {side: _codes(side, parts["train"], given["train"]) for side in _SIDES}
    notes: list[str] = []
    if signature is None:
        _check_names(where, parts, {side: list(_of(parts["train"], side)) for side in _SIDES})
        parts = _levelled(parts)
        found = {
            side: [
                seen(place(where, side, name), name, code, _columns(parts, side, name), target=side == "task")
                for name, code in codes[side].items()
            ]
            for side in _SIDES
        }
        signature = infer(where, found["input"], found["task"])
        for side, kinds in (("input", signature.inputs), ("task", signature.tasks)):
            for name, one in zip(kinds, found[side], strict=True):
                notes.append(f"{side} {name!r}: inferred from {one.what}")
    parts = {part: _named(split, signature) for part, split in parts.items()}
    _check_names(where, parts, {"input": list(signature.inputs), "task": list(signature.tasks)})
    whole: dict[str, dict[str, Converted]] = {"input": {}, "task": {}}
    for name, kind in signature.inputs.items():
        code = codes["input"].get(name) or codes["input"][UNNAMED]
        columns = _columns(parts, "input", name)
        whole["input"][name] = convert_input(f"{where}, input {name!r}", columns, kind, code)
    for name, task in signature.tasks.items():
        code = codes["task"].get(name) or codes["task"][UNNAMED]
        columns = _columns(parts, "task", name)
        target = convert_target(f"{where}, task {name!r}", columns, task, code)
        if isinstance(task, Tagging):
            tagged = signature.tagged_input(name)
            kind = signature.inputs[tagged]
            if isinstance(kind, Sequence) and kind.padded:
                tags = ignored_where_padded(target.tensors, whole["input"][tagged].tensors, kind)
                target = dataclasses.replace(target, tensors=tags)
        whole["task"][name] = target
    for side in _SIDES:
        notes += [f"{side} {name!r}: {note}" for name, one in whole[side].items() for note in one.notes]
    signature = Signature(*({name: one.kind for name, one in whole[side].items()} for side in _SIDES))
    splits = {
        part: dataclasses.replace(
            split,
            inputs={name: one.tensors[part] for name, one in whole["input"].items()},
            targets={name: one.tensors[part] for name, one in whole["task"].items()},
        )
        for part, split in parts.items()
    }
    return signature, splits, tuple(notes)


_SIDES = ("input", "task")


def _levelled(parts: Mapping[str, Split]) -> dict[str, Split]:
    """The same parts; series that are padded have one length in all of them."""
    found = dict(parts)
    for name in parts["train"].inputs:
        whole = of_one_length({part: split.inputs[name] for part, split in found.items()})
        found = {p: dataclasses.replace(s, inputs={**s.inputs, name: whole[p]}) for p, s in found.items()}
    return found


def _of(split: Split, side: str) -> dict[str, Any]:
    return split.inputs if side == "input" else split.targets


def _columns(parts: Mapping[str, Split], side: str, name: str) -> dict[str, tuple[Any, Tensor | None]]:
    """An array in each part, with the mask of the examples that have it."""
    return {
        part: (_of(split, side)[name], (split.present if side == "input" else split.labelled).get(name))
        for part, split in parts.items()
    }


def _codes(side: str, split: Split, given: Any) -> dict[str, str]:
    """How a person's code calls each array of a split, so that arithmetic with it works."""
    pair = (given.inputs, given.targets) if isinstance(given, Split) else given
    arrays = pair[0] if side == "input" else pair[1]
    return {
        name: code_of(arrays[name], _code(side, name))
        if isinstance(arrays, Mapping)
        else code_of(arrays, _code(side, UNNAMED))
        for name in _of(split, side)
    }


def _check_names(where: str, parts: Mapping[str, Split], names: Mapping[str, list[str]]) -> None:
    for part, split in parts.items():
        for side, expected in names.items():
            if set(came := _of(split, side)) != set(expected):
                raise ProblemError(
                    f"{where}, {part}: expected the {side}s {sorted(expected)}, got {sorted(came)}"
                )


def _named(split: Split, signature: Signature) -> Split:
    """The same examples, lone arrays under the names of the signature."""

    def renamed(arrays: Mapping[str, Any], names: Mapping[str, object]) -> dict[str, Any]:
        lone = next(iter(names)) if len(names) == 1 else UNNAMED
        return {name or lone: array for name, array in arrays.items()}

    return Split(
        renamed(split.inputs, signature.inputs),
        renamed(split.targets, signature.tasks),
        renamed(split.present, signature.inputs),
        renamed(split.labelled, signature.tasks),
        split.domain,
    )


def divided(where: str, split: Split, shares: dict[str, float], seed: int) -> dict[str, Split]:
    """Parts of a split: those that have shares, and ``train``, the rest.

    Each class of the first classification is in equal proportion in every part; so are those of it without a
    label, and the domains.

    Raises:
        ProblemError: shares that leave nothing, or too few examples.
    """
    total = sum(shares.values())
    if not all(share > 0 for share in shares.values()) or not total < 1:
        raise ProblemError(f"{where}: expected shares above 0 that leave something to train on, got {shares}")
    parts = stratified_parts(_strata(split), list(shares.values()), seed)
    if not parts or not len(parts[-1]):
        raise ProblemError(f"{where}: expected examples enough to divide by {shares}, got {len(split)}")
    *held, rest = parts
    return {"train": split.select(rest)} | {
        part: split.select(indices) for part, indices in zip(shares, held, strict=True)
    }


def _strata(split: Split) -> Tensor:
    """A number for each example, equal where class and domain are."""
    classes = torch.zeros(len(split), dtype=torch.int64)
    for name, target in split.targets.items():
        if target.dtype == torch.int64 and target.ndim == 1:
            classes = target.masked_fill(~split.labelled[name], -1) if name in split.labelled else target
            break
    if split.domain is None:
        return classes
    strata: Tensor = torch.unique(torch.stack([classes, split.domain]), dim=1, return_inverse=True)[1]
    return strata
