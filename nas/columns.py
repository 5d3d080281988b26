"""The trials of a search read as columns: a million of them in seconds, with no Python object per trial."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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

_ROWS = 20_000  # fetched at a time

Column = list[Any]


@dataclass
class MetricColumns:
    """Metrics of trials, as columns.

    Attributes:
        numbers: of the trials.
        metrics: by name, float64, NaN where a trial has not the metric.
        others: other columns of the table, by name.
    """

    numbers: NDArray[np.int64]
    metrics: dict[str, NDArray[np.float64]]
    others: dict[str, Column] = field(default_factory=dict)


def metric_columns(
    connection: Connection,
    search_id: int,
    names: Sequence[str],
    *where: sa.ColumnElement[bool],
    others: Sequence[sa.Column[Any]] = (),
) -> MetricColumns:
    """Validation metrics of the trials of a search that fulfil all of `where`, in order of asking."""
    wanted = [trials.c.number, trials.c.metrics, trials.c.metrics_layout, *others]
    with _no_collection():
        number, texts, layouts, *more = _read(connection, search_id, wanted, where)
        found = _unpack_numbers(texts, layouts, read_layouts(connection, search_id), names)
    nothing = np.full(len(number), np.nan)
    return MetricColumns(
        np.array(number, np.int64),
        {name: found.get(name, nothing).astype(np.float64, copy=False) for name in names},
        {column.name: values for column, values in zip(others, more, strict=True)},
    )


def trial_frame(connection: Connection, search_id: int, *where: sa.ColumnElement[bool]) -> pd.DataFrame:
    """The trials of a search that fulfil all of `where`, in order of asking; see `nas.store.Store.frame`."""
    import pandas as pd

    table = trials.c
    plain = [
        *(table.number, table.architecture_id, table.status, table.origin, table.parents),
        *(table.score, table.violation, table.epochs, table.seconds, table.started_at, table.reason),
    ]
    packed = [
        *(table.metrics, table.metrics_layout, table.test_metrics, table.tests_layout),
        *(table.decisions, table.decisions_layout),
    ]
    with _no_collection():
        columns = _read(connection, search_id, [*plain, *packed], where)
        layouts = read_layouts(connection, search_id)
        *known, metrics, metric_layouts, tests, test_layouts, decisions, decision_layouts = columns
        number, id, status, origin, parents, score, violation, epochs, seconds, started_at, reason = known
        frame: dict[str, Any] = {
            "number": np.array(number, np.int64),
            "id": pd.array(id, dtype="str"),
            "status": _words(status),
            "origin": _words(origin),
            "parents": pd.array([ids or "" for ids in parents], dtype="str"),
            "score": np.array(score, np.float64),
            "violation": np.array(violation, np.float64),
            "epochs": _column(epochs),
            "seconds": np.array(seconds, np.float64),
            "started_at": np.array(started_at, np.float64),
            "reason": _words(reason),
        }
        frame |= _unpack_numbers(metrics, metric_layouts, layouts)
        tested = _unpack_numbers(tests, test_layouts, layouts)
        frame |= {f"test_{name}": values for name, values in tested.items()}
        decided = _unpack(decisions, decision_layouts, layouts)
        frame |= {f"decisions.{path}": _column(values) for path, values in decided.items()}
    return pd.DataFrame(frame, copy=False)


def _read(
    connection: Connection,
    search_id: int,
    columns: Sequence[sa.Column[Any]],
    where: Sequence[sa.ColumnElement[bool]],
) -> list[Column]:
    """Columns of the trials table as the database has them."""
    query = sa.select(*columns).where(trials.c.search_id == search_id, *where).order_by(trials.c.number)
    found: list[Column] = [[] for _ in columns]
    result = connection.execute(query)
    try:
        # the driver's own cursor: SQLAlchemy's rows would be twice the work
        while rows := result.cursor.fetchmany(_ROWS):
            for column, part in zip(found, zip(*rows, strict=True), strict=True):
                column.extend(part)
    finally:
        result.close()
    return found


def _unpack_numbers(
    texts: Column,
    of: Column,
    layouts: Mapping[int | None, Names],
    wanted: Sequence[str] | None = None,
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
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
            column = found.setdefault(names[i], np.full(len(texts), np.nan))
            column[slice(None) if here is None else here] = table[i].to_numpy()
            whole[names[i]] = whole.get(names[i], True) and isinstance(first[i], int)
    for name, column in found.items():
        if whole[name] and (np.abs(column) <= 2**53).all() and (column == np.floor(column)).all():
            found[name] = column.astype(np.int64)
    return found


def _exact() -> dict[str, Any]:
    """What makes pandas read numbers to the last bit: later versions always do."""
    import pandas as pd

    version = tuple(map(int, pd.__version__.split(".")[:2]))
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _unpack(texts: Column, of: Column, layouts: Mapping[int | None, Names]) -> dict[str, Column]:
    """The values that `Layouts.encode` wrote, by name; None where there is none."""
    found: dict[str, Column] = {}
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
            for place, value in zip(here, values, strict=True):
                column[place] = value
    return found


def _by_layout(of: Column) -> Iterator[tuple[int, list[int] | None]]:
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


def _words(values: Column) -> Any:
    """A column of few different texts."""
    import pandas as pd

    there = list(dict.fromkeys(values))
    codes = {word: code for code, word in enumerate(word for word in there if word is not None)}
    places = np.fromiter(map((codes | {None: -1}).__getitem__, values), np.int32, len(values))
    return pd.Categorical.from_codes(places, list(codes))  # type: ignore[call-overload]


def _column(values: Column) -> Any:
    """A column of what the values are: numbers, texts, or anything; None: missing."""
    import pandas as pd

    kinds = set(map(type, values))
    some = kinds - {type(None)}
    missing = len(some) < len(kinds)
    if some <= {int, float} and float in some:
        return np.array(values, np.float64)
    if some == {int}:
        try:
            return pd.array(values, dtype="Int64") if missing else np.array(values, np.int64)
        except OverflowError:
            return pd.array(values, dtype=object)
    if some == {bool}:
        return pd.array(values, dtype="boolean") if missing else np.array(values)
    if some == {str}:
        there = set(values)
        if len(there) > len(values) // 10:
            return pd.array(values, dtype="str")
        words = list(there)
        codes = {word: code for code, word in enumerate(words)}
        places = np.fromiter(map(codes.__getitem__, values), np.intp, len(values))
        return pd.array(words, dtype="str").take(places)
    return np.fromiter(values, object, len(values))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the collector of cycles: it would look through millions of new objects, many times."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
