"""The kinds of plain arrays: inferred where one only is possible, else refused with what settles it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from search_spaces import inputs as kinds_of_input
from search_spaces.errors import ProblemError
from search_spaces.inputs import Image, Input, TabularRow, Tokens, Vector
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
    Tagging,
    Task,
)
from workers.problems.arrays import as_array, is_path, numbered_words, scaled, words_there
from workers.problems.seen import SHOWN, Seen, place, values_shown

_NAMES: dict[type, str] = {
    Image: "image",
    kinds_of_input.Sequence: "sequence",
    Vector: "vector",
    Tokens: "tokens",
    TabularRow: "row",
    Classification: "label",
    Regression: "value",
    MultiLabel: "labels",
    Ordinal: "rank",
    CountRegression: "count",
    QuantileRegression: "value",
    Tagging: "tags",
    Generation: "text",
    DenseMap: "map",
}
"""What a lone input or task is called, by its kind."""

FEW_CLASSES = 20
"""The number of classes up to which a few examples of each will do, and of examples of each beyond that."""


@dataclass(frozen=True)
class Reading:
    """What an array may be.

    Attributes:
        kinds: the kinds that it may have, each with what it would mean, the likeliest first.
        certain: whether the first is the only one that makes sense.
        why: what came, in words.
        code: a line that makes it unambiguous without a signature, in words and code.
    """

    kinds: tuple[tuple[Any, str], ...]
    certain: bool = False
    why: str = ""
    code: str = ""


def infer(where: str, inputs: Sequence[Seen], targets: Sequence[Seen]) -> Signature:
    """Returns the only signature that arrays can have.

    Inputs: real ``(N, C, H, W)`` an image, ``(N, L, F)`` with more steps than features a sequence, or with
    steps of NaN at the end (series of different lengths), ``(N, F)`` a vector. Targets: whole numbers
    ``(N,)`` from 0 without a gap, or truths, classes; real ``(N,)`` or ``(N, outputs)`` a regression,
    ``(N, outputs, H, W)`` a map; whole ``(N, H, W)``, from 0 without a gap and beside an image of that size,
    a map of classes.

    Args:
        where: the problem in words, for the message.
        inputs: what is known of each input.
        targets: what is known of each target.

    Raises:
        ProblemError: an array may be several things, or nothing; the message has the lines that settle it.
    """
    read_inputs = {one.name: _input_reading(one) for one in inputs}
    sizes = {name: reading.kinds[0][0] for name, reading in read_inputs.items() if reading.kinds}
    read_targets = {one.name: _target_reading(one, sizes) for one in targets}
    found = [("input", one, read_inputs[one.name]) for one in inputs]
    found += [("task", one, read_targets[one.name]) for one in targets]
    firsts = {(side, one.name): reading.kinds[0][0] for side, one, reading in found if reading.kinds}
    for side, one, reading in found:
        if not reading.kinds:
            raise ProblemError(
                f"{place(where, side, one.name)}: {reading.why or f'got {one.what}'}{_or(reading)}"
            )
    for side, one, reading in found:
        if not reading.certain:
            lines = [
                f"signature={_written(_signature({**firsts, (side, one.name): kind}))} for {meaning}"
                for kind, meaning in reading.kinds
            ]
            raise ProblemError(
                f"{place(where, side, one.name)}: {reading.why}; say which it is: {', or '.join(lines)}"
                f"{_or(reading)}"
            )
    return _signature(firsts)


def _or(reading: Reading) -> str:
    return f"; {reading.code}" if reading.code else ""


def _signature(kinds: Mapping[tuple[str, str], Any]) -> Signature:
    sides: dict[str, dict[str, Any]] = {"input": {}, "task": {}}
    for (side, name), kind in kinds.items():
        sides[side][name or _NAMES[type(kind)]] = kind
    return Signature(sides["input"], sides["task"])


def _written(signature: Signature) -> str:
    """The code of a signature, as a person writes it."""
    sides = (signature.inputs, signature.tasks)
    parts = [", ".join(f"{name!r}: {_call(kind)}" for name, kind in side.items()) for side in sides]
    return f"Signature({{{parts[0]}}}, {{{parts[1]}}})"


def _call(kind: Input | Task) -> str:
    given = {one.name: (getattr(kind, one.name), one.default) for one in fields(kind)}
    parts = [repr(value) for value, default in given.values() if default is MISSING]
    parts += [
        f"{name}={value!r}"
        for name, (value, default) in given.items()
        if default is not MISSING and value != default
    ]
    return f"{type(kind).__name__}({', '.join(parts)})"


# ---- inputs


def _input_reading(one: Seen) -> Reading:
    """Returns what an input may be."""
    shape = one.shape
    if 0 in shape:
        return Reading((), why=f"expected values in every example, got {one.what}")
    if one.numbers == "words":
        if _are_numbers(one.values):
            return Reading((), why=f"{one.what} are numbers as texts", code=f"np.asarray({one.code}, float)")
        if one.values and all(map(is_path, one.values)):
            why = f"expected what the files hold, got their paths, such as {one.values[0]!r:.80}"
            return Reading(
                (), why=why, code="read them first: np.stack([np.asarray(PIL.Image.open(path)), ...])"
            )
        remedy = f"number the words: {numbered_words(one.code)}"
        return Reading((), why=f"expected numbers, got {one.what}", code=remedy)
    if len(shape) > 3:
        flat = f"{one.code}.reshape(len({one.code}), -1)"
        more = f"{one.code}.reshape(len({one.code}), -1, {shape[-2]}, {shape[-1]})"
        return Reading(
            (),
            why=f"expected up to four axes (N, channels, height, width), got {one.what}",
            code=f"as vectors: {flat}; as images of more channels: {more}",
        )
    if one.numbers == "real" and len(shape) == 1:
        return Reading(((Vector(*shape), "features"),), certain=True)
    if not shape:
        what = f"{one.what}: one number for each example"
        return Reading(((Vector(1), "a single feature"),), why=what)
    if len(shape) == 1:
        return _whole_rows(one)
    return _series(one) if len(shape) == 2 else _images(one)


def _whole_rows(one: Seen) -> Reading:
    table: tuple[Input, str] = (Vector(one.shape[0]), "a table of numbers")
    if one.numbers == "truths":
        return Reading((table,), why=f"{one.what} may be meant as numbers")
    if min(one.values, default=0) < 0:
        return Reading((table,), why=f"{one.what} has numbers below 0, so it is no text")
    return Reading(
        (table, (Tokens(one.shape[0], one.top), "the words of a text")),
        why=f"{one.what} may be a table or a text",
    )


def _series(one: Seen) -> Reading:
    length, features = one.shape
    if one.padded:
        padded = kinds_of_input.Sequence(length, features, padded=True)
        return Reading(((padded, "series of different lengths"),), certain=True)
    series = (kinds_of_input.Sequence(length, features), "series of feature vectors")
    image = (Image(1, length, features), "images of one channel")
    if one.numbers == "bytes":
        return Reading((image, series), why=f"{one.what} may be images or series")
    if one.numbers != "real":
        return Reading((series,), why=f"{one.what} may be meant as numbers")
    if length == features:
        return Reading((image, series), why=f"{one.what} may be images or series")
    if length < features:
        swapped = f"series of {features} steps: np.swapaxes({one.code}, 1, 2)"
        return Reading((series, image), why=f"{one.what} has fewer steps than features", code=swapped)
    return Reading((series,), certain=True)


def _images(one: Seen) -> Reading:
    first, second, last = one.shape
    image = (Image(first, second, last), "images with their channels first")
    swapped = (Image(last, first, second), "images with their channels last")
    ends_in_channels = (last < first and last < second) or (first == second != last and first > 4)
    if one.numbers == "whole":
        remedy = f"scale them to [0, 1]: {scaled(one.code, max(one.values, default=1))}"
        return Reading((), why=f"{one.what} may be pixels of another range", code=remedy)
    if ends_in_channels:
        return Reading((swapped, image), why=f"{one.what} looks like images with their channels last")
    if one.numbers == "real":
        return Reading((image,), certain=True)
    if one.numbers == "bytes":
        return Reading((image,), why=f"{one.what} is taken for pixels from 0 to 255 if you say so")
    return Reading((image,), why=f"{one.what} may be meant as numbers")


# ---- targets


def _target_reading(one: Seen, inputs: Mapping[str, Input]) -> Reading:
    """Returns what a target may be beside these inputs."""
    if 0 in one.shape:
        return Reading((), why=f"expected values in every example, got {one.what}")
    if not one.values and one.finite:
        return Reading((), why="expected examples, got none")
    if one.numbers == "words":
        return _words(one)
    if not one.finite and one.numbers == "real":
        return _with_gaps(one)
    axes = len(one.shape)
    if one.numbers == "real":
        if axes < 2:
            return _reals(one)
        if axes == 3:
            return _real_maps(one)
        if axes == 2:
            height, width = one.shape
            a_map = (DenseMap(1, height, width, discrete=False), "a map of numbers")
            return Reading((a_map,), why=f"{one.what} may be a map")
    elif axes == 0:
        return _whole_numbers(one)
    elif axes == 1:
        return _whole_target_rows(one, inputs)
    elif axes in (2, 3):
        return _whole_maps(one, inputs)
    return Reading(
        (),
        why=f"expected up to three axes after the first, got {one.what}",
        code=f"as a regression: {one.code}.reshape(len({one.code}), -1)",
    )


def _from_zero(values: Sequence[Any]) -> bool:
    """Whether values are whole numbers from 0 without a gap, two or more."""
    return len(values) > 1 and list(values) == list(range(len(values)))


def surely_classes(values: Sequence[Any], counts: Sequence[int]) -> bool:
    """Whether values are surely numbers of classes: from 0 without a gap, each seen often enough.

    Counted things are from 0 without a gap, too, but their tails are thin.

    Args:
        values: the different values, in ascending order.
        counts: how often each was seen.
    """
    total, count = sum(counts), len(values)
    if not _from_zero(values) or total < 2 * count:
        return False
    even = max(counts) <= 10 * min(counts)
    return count == 2 or (even and (count <= FEW_CLASSES or total >= FEW_CLASSES * count))


def _class_kinds(one: Seen) -> list[tuple[Task, str]]:
    """The classifications that whole numbers may be: called by their values, or numbered from 0."""
    values, found = one.values, list[tuple[Task, str]]()
    if len(values) > 1 and not _from_zero(values) and IGNORED not in values:
        found.append((Classification(len(values)), f"{len(values)} classes that are called so"))
    if min(values, default=0) >= 0 and one.top <= max(1000, 2 * len(values)):
        count = max(one.top, 2)
        found.append((Classification(count), f"classes numbered from 0 to {count - 1}"))
    return found


def _whole_numbers(one: Seen) -> Reading:
    if one.numbers == "truths" and len(one.values) == 2:
        return Reading(((Classification(2), "yes or no"),), certain=True)
    classes = _class_kinds(one)
    if one.numbers != "truths" and surely_classes(one.values, one.counts):
        return Reading((classes[-1],), certain=True)
    number = (Regression(1), "numbers")
    order = (*classes, number) if len(one.values) <= FEW_CLASSES else (number, *classes)
    why = f"{one.what} with {values_shown(one.values)} may be classes or numbers"
    low, *rest = one.values
    if low in (-1, IGNORED) and _from_zero(rest):
        there = f"{as_array(one.code)} != {low}"
        return Reading(
            order, why=why, code=f"if {low} says that a label is missing: {_split(one, 'label', there)}"
        )
    return Reading(order, why=why)


def _whole_target_rows(one: Seen, inputs: Mapping[str, Input]) -> Reading:
    (length,) = one.shape
    if length == 1:
        classes = _class_kinds(one)
        return Reading(
            (*classes, (Regression(1), "numbers")),
            why=f"{one.what} with {values_shown(one.values)} may be classes or numbers",
        )
    found: list[tuple[Task, str]] = [(Regression(length), f"{length} numbers")]
    low = min((value for value in one.values if value != IGNORED), default=0)
    if low >= 0 and one.numbers != "truths":
        long = {n: i for n, i in inputs.items() if isinstance(i, kinds_of_input.Sequence | Tokens)}
        tagged = [name for name, kind in long.items() if kind.shape[0] == length]
        if len(tagged) == 1:
            name = None if len(long) == 1 else tagged[0]
            found.append((Tagging(max(one.top, 2), input=name), "a tag for each step"))
        if IGNORED not in one.values:
            found.append((Generation(length, max(one.top, 2)), "a text to write"))
    code = ""
    if set(one.values) <= {0, 1}:
        apart = f"{{f'label_{{i}}': {as_array(one.code)}[:, i] for i in range({length})}}"
        found.insert(1, (MultiLabel(length), f"{length} labels of yes and no"))
        code = f"or as a task each: {apart}"
        if sum(one.counts) == length * dict(zip(one.values, one.counts, strict=True)).get(1, 0):
            code += f"; one class of {length}: {as_array(one.code)}.argmax(1)"
    return Reading(
        tuple(found), why=f"{one.what} with {values_shown(one.values)} may be many things", code=code
    )


def _whole_maps(one: Seen, inputs: Mapping[str, Input]) -> Reading:
    height, width = one.shape[-2:]
    values = [value for value in one.values if value != IGNORED]
    count = int(max(values, default=1)) + 1
    found: list[tuple[Task, str]] = []
    lone = len(one.shape) == 2 or one.shape[0] == 1
    if lone and min(values, default=0) >= 0:
        found.append((DenseMap(max(count, 2), height, width), "a class for each point"))
        images = [kind for kind in inputs.values() if isinstance(kind, Image)]
        if len(one.shape) == 2 and _from_zero(values) and any(i.shape[1:] == (height, width) for i in images):
            return Reading(tuple(found), certain=True)
    outputs = 1 if len(one.shape) == 2 else one.shape[0]
    found.append((DenseMap(outputs, height, width, discrete=False), "numbers for each point"))
    code = ""
    if lone and not _from_zero(values):
        code = f"to number the classes: np.searchsorted(np.unique({one.code}), {one.code})"
    why = f"{one.what} with {values_shown(one.values)} may be classes or numbers"
    return Reading(tuple(found), why=why, code=code)


def _reals(one: Seen) -> Reading:
    outputs = one.shape[0] if one.shape else 1
    number: tuple[Task, str] = (Regression(outputs), "numbers" if outputs == 1 else f"{outputs} numbers")
    few = one.whole and len(one.values) <= FEW_CLASSES and sum(one.counts) >= 2 * len(one.values)
    if outputs == 1 and few:
        return Reading(
            (*_class_kinds(one), number),
            why=f"{one.what} with {values_shown(one.values)} may be classes or numbers",
        )
    if outputs > 1 and one.whole and set(one.values) <= {0, 1}:
        whole = _whole_target_rows(one, {})
        labels = (MultiLabel(outputs), f"{outputs} labels of yes and no")
        return Reading((number, labels), why=whole.why, code=whole.code)
    return Reading((number,), certain=True)


def _real_maps(one: Seen) -> Reading:
    first, second, last = one.shape
    a_map = (DenseMap(first, second, last, discrete=False), "maps with their channels first")
    if last < first and last < second:
        swapped = (DenseMap(last, first, second, discrete=False), "maps with their channels last")
        return Reading((swapped, a_map), why=f"{one.what} looks like maps with their channels last")
    return Reading((a_map,), certain=True)


def _with_gaps(one: Seen) -> Reading:
    target = as_array(one.code)
    there = f"np.isfinite({target})" + (f".reshape(len({one.code}), -1).all(1)" if one.shape else "")
    return Reading(
        (),
        why=f"expected finite numbers, got NaN or infinity in {one.what}",
        code=f"where a label is missing, say so: {_split(one, 'value', there)}",
    )


def _split(one: Seen, lone: str, there: str) -> str:
    """The line that says which examples have a label."""
    if one.name:
        return f"Split(inputs, targets, labelled={{{one.name!r}: {there}}})"
    return f"Split({{'input': inputs}}, {{{lone!r}: targets}}, labelled={{{lone!r}: {there}}})"


def _are_numbers(words: Sequence[str]) -> bool:
    """Whether words are numbers that somebody wrote down, or read from a file as text."""
    try:
        return bool([float(word) for word in words])
    except ValueError:
        return False


def _words(one: Seen) -> Reading:
    if not one.finite:
        return Reading(
            (),
            why=f"expected a word for each example, got {one.what}, some of them missing",
            code=f"say which: {_split(one, 'label', words_there(one.code))}",
        )
    if one.shape:
        return Reading((), why=f"expected a word for each example, got {one.what}", code=f"{one.code}[:, 0]")
    labels = tuple(one.values)
    if len(labels) == 1:
        return Reading((), why=f"expected two classes or more, got {values_shown(labels)}")
    why = f"words are no numbers yet: {values_shown(labels)}"
    code = f"numbers as texts: np.asarray({one.code}, float)" if _are_numbers(labels) else ""
    classes = Classification(len(labels), labels if len(labels) <= SHOWN else ())
    return Reading(((classes, "classes of these names"),), why=why, code=code)
