"""The trials of a search read as columns: a million of them in seconds, in turns of some thousands.

Each turn becomes arrays before the next is read, so that there are never many Python objects at a time.
"""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from nas.layouts import Names, read_layouts
from nas.schema import trials

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 20_000  # in a turn

Values = Sequence[Any]
Layout = Mapping[int | None, Names]


@dataclass(frozen=True)
class MetricColumns:
    """Metrics of trials, as columns.

    Attributes:
        numbers: of the trials.
        rungs: the epochs by which they rank.
        metrics: by name, float64, NaN where a trial has not the metric.
    """

    numbers: NDArray[np.int64]
    rungs: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]


def metric_columns(
    connection: Connection, search_id: int, names: Sequence[str], *where: sa.ColumnElement[bool]
) -> MetricColumns:
    """Validation metrics of trials of a search that have results, and fulfil all of `where`, as asked for."""
    wanted = [trials.c.number, trials.c.rung, trials.c.metrics, trials.c.metrics_layout]
    layouts = read_layouts(connection, search_id)
    numbers, rungs = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    metrics = {name: [np.empty(0)] for name in names}
    with _no_collection():
        for number, rung, texts, layout in _turns(connection, search_id, wanted, where):
            numbers.append(np.array(number, np.int64))
            rungs.append(np.array(rung, np.int64))
            found = _unpack_numbers(texts, layout, layouts, names)
            nothing = np.full(len(number), np.nan)
            for name, parts in metrics.items():
                parts.append(found.get(name, nothing))
    return MetricColumns(
        np.concatenate(numbers),
        np.concatenate(rungs),
        {name: np.concatenate(parts).astype(np.float64, copy=False) for name, parts in metrics.items()},
    )


def trial_frame(connection: Connection, search_id: int, *where: sa.ColumnElement[bool]) -> pd.DataFrame:
    """The trials of a search that fulfil all of `where`, in order of asking; see `nas.store.Store.frame`."""
    import pandas as pd

    table = trials.c
    words = {name: _Words() for name in ("status", "origin", "reason")}
    floats = ("score", "violation", "seconds", "started_at")
    wanted = [
        *(table.number, table.architecture_id, table.parents, table.epochs),
        *(table[name] for name in (*words, *floats)),
        *(table.metrics, table.metrics_layout, table.test_metrics, table.tests_layout),
        *(table.decisions, table.decisions_layout),
    ]
    layouts = read_layouts(connection, search_id)
    columns = _Columns()
    with _no_collection():
        for turn in _turns(connection, search_id, wanted, where):
            number, id, parents, epochs, *rest = turn
            texts, numbers, packed = rest[: len(words)], rest[len(words) : -6], rest[-6:]
            metrics, metric_layouts, tests, test_layouts, decisions, decision_layouts = packed
            columns.begin(len(number))
            columns.add("number", np.array(number, np.int64))
            columns.add("id", pd.array(id, dtype="str"))
            columns.add("parents", pd.array([ids or "" for ids in parents], dtype="str"))
            columns.add("epochs", _column(epochs))
            for known, values in zip(words.values(), texts, strict=True):
                known.add(values)
            for name, values in zip(floats, numbers, strict=True):
                columns.add(name, np.array(values, np.float64))
            for name, column in _unpack_numbers(metrics, metric_layouts, layouts).items():
                columns.add(name, column)
            for name, column in _unpack_numbers(tests, test_layouts, layouts).items():
                columns.add(f"test_{name}", column)
            for path, values in _unpack(decisions, decision_layouts, layouts).items():
                columns.add(f"decisions.{path}", _column(values))
        whole = columns.whole()
    own = ("number", "id", "status", "origin", "parents", *floats[:2], "epochs", *floats[2:], "reason")
    said = {name: known.whole() for name, known in words.items()}
    nothing = np.empty(0, np.int64)
    frame = {name: said[name] if name in said else whole.pop(name, nothing) for name in own}
    ordered = sorted(whole.items(), key=lambda column: _kind(column[0]))
    return pd.DataFrame(frame | dict(ordered), copy=False)


def _kind(name: str) -> int:
    """Where a column stands: metrics, then those of the test split, then decisions."""
    return 2 if name.startswith("decisions.") else 1 if name.startswith("test_") else 0


def _turns(
    connection: Connection,
    search_id: int,
    columns: Sequence[sa.Column[Any]],
    where: Sequence[sa.ColumnElement[bool]],
) -> Iterator[Sequence[Values]]:
    """Columns of the trials table as the database has them, some rows at a time."""
    query = sa.select(*columns).where(trials.c.search_id == search_id, *where).order_by(trials.c.number)
    result = connection.execute(query)
    try:
        # the driver's own cursor: SQLAlchemy's rows would be twice the work
        while rows := result.cursor.fetchmany(_ROWS):
            yield list(zip(*rows, strict=True))
    finally:
        result.close()


class _Words:
    """A column of few different texts."""

    def __init__(self) -> None:
        self._codes: dict[str | None, int] = {None: -1}
        self._parts = [np.empty(0, np.int32)]

    def add(self, values: Values) -> None:
        """What comes next in it."""
        for word in dict.fromkeys(values):
            self._codes.setdefault(word, len(self._codes) - 1)
        self._parts.append(np.fromiter(map(self._codes.__getitem__, values), np.int32, len(values)))

    def whole(self) -> Any:
        """As pandas has it."""
        import pandas as pd

        words = [word for word in self._codes if word is not None]
        return pd.Categorical.from_codes(np.concatenate(self._parts), words)  # type: ignore[call-overload]


class _Columns:
    """Columns that grow in turns; not each has values in each turn."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._parts: dict[str, dict[int, Any]] = {}

    def begin(self, size: int) -> None:
        """The next turn, of so many rows."""
        self._sizes.append(size)

    def add(self, name: str, values: Any) -> None:
        """What a column has in this turn; None: nothing."""
        parts = self._parts.setdefault(name, {})
        if values is not None:
            parts[len(self._sizes) - 1] = values

    def whole(self) -> dict[str, Any]:
        """All of them, each of one type; what is missing is so as pandas says it."""
        return {name: self._join(parts) for name, parts in self._parts.items()}

    def _join(self, parts: Mapping[int, Any]) -> Any:
        import pandas as pd

        kinds = {str(part.dtype) for part in parts.values()}
        gaps = len(parts) < len(self._sizes)
        kind: Any
        if kinds == {"int64"} or kinds == {"bool"}:
            if not gaps:
                return np.concatenate(list(parts.values()))
            kind = "Int64" if kinds == {"int64"} else "boolean"
        elif kinds and kinds <= {"int64", "Int64"}:
            kind = "Int64"
        elif kinds <= {"int64", "Int64", "float64"}:
            kind = "float64"
        elif kinds <= {"bool", "boolean"}:
            kind = "boolean"
        else:
            kind = "str" if kinds == {"str"} else "object"
        whole = []
        for turn, size in enumerate(self._sizes):
            part = parts.get(turn)
            if part is None:
                part = pd.array([None] * size, dtype=kind)
            whole.append(pd.Series(part, copy=False).astype(kind))
        return pd.concat(whole, ignore_index=True).array


def _column(values: Values) -> Any:
    """A part of a column, of what the values are: numbers, texts, or anything; None if all are."""
    import pandas as pd

    kinds = set(map(type, values))
    some = kinds - {type(None)}
    missing = len(some) < len(kinds)
    if not some:
        return None
    if float in some and some <= {int, float}:
        return np.array(values, np.float64)
    if some == {int}:
        try:
            return pd.array(values, dtype="Int64") if missing else np.array(values, np.int64)
        except OverflowError:
            return np.fromiter(values, object, len(values))
    if some == {bool}:
        return pd.array(values, dtype="boolean") if missing else np.array(values)
    if some != {str}:
        return np.fromiter(values, object, len(values))
    words = list(dict.fromkeys(values))
    if len(words) > len(values) // 10:
        return pd.array(values, dtype="str")
    codes = {word: code for code, word in enumerate(words)}
    return pd.array(words, dtype="str").take(
        np.fromiter(map(codes.__getitem__, values), np.intp, len(values))
    )


def _unpack_numbers(
    texts: Values, of: Values, layouts: Layout, wanted: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The metrics that `Layouts.encode` wrote, by name; int64 where all are whole and written so."""
    import pandas as pd

    found: dict[str, NDArray[Any]] = {}
    whole: dict[str, bool] = {}
    for layout, here in _by_layout(of):
        names = layouts[layout]
        places = [i for i, name in enumerate(names) if wanted is None or name in wanted]
        if not places:
            continue
        own = texts if here is None else [texts[i] for i in here]
        # a line of numbers for each trial; those that are not finite by their names, which pandas knows too
        lines = ",".join(own)[1:-1].replace("],[", "\n").replace('"', "")
        table = pd.read_csv(io.StringIO(lines), header=None, usecols=places, dtype=np.float64, **_exact())
        first = json.loads(own[0])
        for i in places:
            name, values = names[i], table[i].to_numpy()
            if here is None:
                found[name] = values
            else:
                found.setdefault(name, np.full(len(texts), np.nan))[here] = values
            whole[name] = whole.get(name, True) and isinstance(first[i], int)
    for name, column in found.items():
        if whole[name] and (np.abs(column) <= 2**53).all() and (column == np.floor(column)).all():
            found[name] = column.astype(np.int64)
    return found


def _exact() -> dict[str, Any]:
    """What makes pandas read numbers to the last bit: later versions always do."""
    import pandas as pd

    version = tuple(map(int, pd.__version__.split(".")[:2]))
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _unpack(texts: Values, of: Values, layouts: Layout) -> dict[str, Values]:
    """The values that `Layouts.encode` wrote, by name; None where there is none."""
    found: dict[str, Values] = {}
    for layout, here in _by_layout(of):
        names = layouts[layout]
        own = texts if here is None else [texts[i] for i in here]
        flat = list(chain.from_iterable(json.loads(f"[{','.join(own)}]")))
        for i, name in enumerate(names):
            values = flat[i :: len(names)]
            if here is None:
                found[name] = values
                continue
            column = found.setdefault(name, [None] * len(texts))
            assert isinstance(column, list)
            for place, value in zip(here, values, strict=True):
                column[place] = value
    return found


def _by_layout(of: Values) -> Iterator[tuple[int, list[int] | None]]:
    """Each layout with the places of the trials that have it; None: all have it."""
    there = list(dict.fromkeys(of))
    if len(there) == 1 and there[0] is not None:
        yield there[0], None
        return
    places: dict[int, list[int]] = {layout: [] for layout in there if layout is not None}
    for place, layout in enumerate(of):
        if layout is not None:
            places[layout].append(place)
    yield from places.items()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the collector of cycles: it would look through all the new objects, many times."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
