"""What each cell of a table holds, checked row by row: files and databases can be edited by anybody."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, get_args

import sqlalchemy as sa

from nas.records import Status
from nas.store.encoding import numbers
from nas.store.schema import (
    TolerantJSON,
    banks,
    layouts,
    legs,
    references,
    reports,
    reruns,
    searches,
    starts,
    trials,
)
from search_spaces.errors import StoreError

_decoder = json.JSONDecoder()

Names = tuple[str, ...]
"""The names of the values in a list, see `nas.store.layouts`."""

_PACKED = {
    "decisions": "decisions_layout",
    "metrics": "metrics_layout",
    "test_metrics": "tests_layout",
    "ran": "ran_layout",
}
"""The columns of trials that are lists of values, each with the column that says their names."""


_PLAIN_NUMBERS = {int, float}


def check_row(table: sa.Table, row: Mapping[Any, Any]) -> None:
    """Checks that each cell of a row is of its column's type, and what the column holds.

    Raises:
        StoreError: one is not; it names the table, the row and the column.
    """
    fast = _fast_checks(table)
    values = fast.cells(row)
    kinds = tuple(map(type, values))
    if kinds in fast.kinds:
        for holds, value in zip(fast.checks, fast.checked(row), strict=True):
            if value is not None and not holds(value):
                break
        else:
            return
    for (name, types, check, expected), value in zip(_checks(table), values, strict=True):
        if type(value) not in types or (check is not None and value is not None and not check(value)):
            raise cell_error(table, row, name, expected, value)
    fast.kinds.add(kinds)


def check_packed(row: Mapping[Any, Any], names: Mapping[int | None, Names]) -> dict[str, Any]:
    """Returns the lists of values of a trial with their names, by column; numbers that `plain` wrote as such.

    Args:
        row: the row of the trial.
        names: the layouts of its search.

    Raises:
        StoreError: they do not fit each other.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, layout in _PACKED.items():
        text, id = row[name], row[layout]
        if text is None and id is None:
            found[name] = {}
            continue
        if id not in names:
            raise cell_error(trials, row, layout, f"a layout of the search (in {layouts.name})", id)
        if name == "ran" and isinstance(text, str) and (known := _ran(text, names[id])) is not None:
            found[name] = dict(known)
            continue
        values = () if text is None else parsed(text)
        if not isinstance(values, list | tuple) or len(values) != len(names[id]):
            raise cell_error(trials, row, name, f"a JSON list of {len(names[id])} values", text)
        found[name] = dict(zip(names[id], values, strict=True))
        if name == "decisions" or (_PLAIN_NUMBERS.issuperset(map(type, values)) and name != "ran"):
            continue
        if not (_texts if name == "ran" else _numbers)(found[name]):
            raise cell_error(trials, row, name, "texts" if name == "ran" else "numbers", text)
        if name != "ran":
            found[name] = numbers(found[name])
    return found


@lru_cache(maxsize=256)
def _ran(text: str, names: Names) -> dict[str, str] | None:
    """What ran in a training, which few trainings of a search differ in; None where it is damaged."""
    values = parsed(text)
    if not isinstance(values, list) or len(values) != len(names):
        return None
    found = dict(zip(names, values, strict=True))
    return found if _texts(found) else None


def cell_error(
    table: sa.Table, row: Mapping[Any, Any], column: str, expected: str, came: object
) -> StoreError:
    """Returns the error of a cell that is not what it should be."""
    key = ", ".join(f"{one.name} {row.get(one.name)!r:.40}" for one in table.primary_key)
    return StoreError(
        f"table {table.name}, row {key}, column {column}: expected {expected}, got {came!r:.80}"
    )


def parsed(text: object) -> Any:
    """Returns what a JSON text says; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        if text[:1] in "[{":  # without a look for blanks around it
            value, end = _decoder.raw_decode(text)
            if end == len(text):
                return value
        return _decoder.decode(text)
    except (ValueError, RecursionError):
        return None


def _numbers(values: object) -> bool:
    """Whether these are numbers by name, as `nas.store.encoding.plain` writes them."""
    return isinstance(values, dict) and all(map(_is_number, values.values()))


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return value in ("nan", "inf", "-inf")
    return isinstance(value, int | float) and not isinstance(value, bool)


def _curve(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int and _numbers(pair[1])
        for pair in values
    )


def _scored(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], dict)
        and (pair[1] is None or _numbers(pair[1]))
        for pair in values
    )


def _texts(values: object) -> bool:
    return isinstance(values, dict) and all(isinstance(value, str) for value in values.values())


def _words(text: object) -> bool:
    values = parsed(text)
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _dict(value: object) -> bool:
    return isinstance(value, dict)


def _one_of(*values: str) -> tuple[Callable[[Any], bool], str]:
    return frozenset(values).__contains__, f"one of {', '.join(values)}"


_METRICS = (_numbers, "numbers by name")

_HELD: Mapping[tuple[sa.Table, str], tuple[Callable[[Any], bool], str]] = {
    (searches, "status"): _one_of("running", "finished", "stopped"),
    (searches, "tags"): (_words, "a JSON list of words"),
    (layouts, "names"): (_words, "a JSON list of names"),
    (trials, "status"): _one_of(*get_args(Status)),
    (legs, "metrics"): _METRICS,
    (reports, "metrics"): _METRICS,
    (starts, "decisions"): (_dict, "decisions by name"),
    (starts, "metrics"): _METRICS,
    (starts, "curve"): (_curve, "pairs of epochs and numbers by name"),
    (banks, "scored"): (_scored, "pairs of decisions by name and numbers by name"),
    (reruns, "metrics"): _METRICS,
    (reruns, "test_metrics"): _METRICS,
    (reruns, "ran"): (_texts, "texts by name"),
    (references, "status"): _one_of("complete", "failed"),
    (references, "metrics"): _METRICS,
    (references, "test_metrics"): _METRICS,
    (references, "ran"): (_texts, "texts by name"),
}
"""What a column holds, beyond its type."""

_TYPES: tuple[tuple[type, tuple[type, ...], str], ...] = (
    (sa.Boolean, (bool,), "yes or no"),
    (sa.Integer, (int,), "a whole number"),
    (sa.Float, (float, int), "a number"),
    (sa.LargeBinary, (bytes,), "bytes"),
    (sa.String, (str,), "a text"),
    (sa.JSON, (dict, list, str, int, float, bool, type(None)), "JSON"),
    (TolerantJSON, (dict, list, str, int, float, bool, type(None)), "JSON"),
)


@cache
def _checks(table: sa.Table) -> list[tuple[str, frozenset[type], Callable[[Any], bool] | None, str]]:
    """Returns for each column its name, its types, what is checked of a value, and what is expected."""
    found = []
    for column in table.columns:
        types, words = next((t, w) for kind, t, w in _TYPES if isinstance(column.type, kind))
        check, words = _HELD.get((table, column.name), (None, words))
        if check is None and isinstance(column.type, sa.Float):
            check = _not_nan if column.name == "tie" else math.isfinite
        if (
            check is None
            and isinstance(column.type, sa.Integer)
            and not isinstance(column.type, sa.BigInteger)
        ):
            check = _fits
        some = {*types, type(None)} if column.nullable else set(types)
        found.append((column.name, frozenset(some), check, words))
    return found


@dataclass(frozen=True)
class _FastChecks:
    """What most rows are checked by, in few calls.

    Attributes:
        cells: takes all cells of a row, in the order of the columns.
        kinds: the types of the cells of rows that were whole.
        checks: what is checked of values, beyond their types.
        checked: takes the cells of which that is.
    """

    cells: Callable[[Mapping[Any, Any]], tuple[Any, ...]]
    kinds: set[tuple[type, ...]]
    checks: tuple[Callable[[Any], bool], ...]
    checked: Callable[[Mapping[Any, Any]], tuple[Any, ...]]


@cache
def _fast_checks(table: sa.Table) -> _FastChecks:
    some = [(name, check) for name, _, check, _ in _checks(table) if check is not None]
    return _FastChecks(
        _cells([name for name, _, _, _ in _checks(table)]),
        set(),
        tuple(check for _, check in some),
        _cells([name for name, _ in some]),
    )


def _cells(names: Sequence[str]) -> Callable[[Mapping[Any, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


_fits = range(-(2**31), 2**31).__contains__


def _not_nan(value: float) -> bool:
    return not math.isnan(value)
