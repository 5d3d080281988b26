"""The trials of a search read as columns: a million of them in seconds, in turns of some thousands.

Each turn becomes arrays before the next is read, so that there are never many Python objects at a time.
"""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from pydantic_core import from_json
from sqlalchemy.engine import Connection

from nas.records import Status
from nas.store.cells import Names, check_packed, check_row
from nas.store.column_types import ColumnBuilder, Values, as_column
from nas.store.damages import damages_of
from nas.store.layouts import decode, read_layouts
from nas.store.schema import trials
from search_spaces.errors import StoreError
from workers.acceleration import RAN

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 20_000  # in a turn

_WORDS = ("status", "origin", "reason")
_LAYOUTS = ("metrics_layout", "tests_layout", "decisions_layout")

_STATUSES = frozenset(get_args(Status))

_DAMAGED = 30_000
"""Trials that are left out by name at the most: databases take no more in one query."""

Layout = Mapping[int | None, Names]
Where = Sequence[sa.ColumnElement[bool]]
T = TypeVar("T")


@dataclass(frozen=True)
class MetricColumns:
    """Metrics of trials, as columns.

    Attributes:
        numbers: the numbers of the trials.
        rungs: the rungs of the trials (see `nas.ranking.rung_of`).
        metrics: the values by name, float64, NaN where a trial has not the metric.
    """

    numbers: NDArray[np.int64]
    rungs: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]


def metric_columns(
    connection: Connection, search_id: int, names: Sequence[str], *where: sa.ColumnElement[bool]
) -> MetricColumns:
    """Returns validation metrics of the trials of a search that have results and fulfil all of `where`."""
    return _tolerant(connection, search_id, where, partial(_metric_columns, connection, search_id, names))


def _metric_columns(
    connection: Connection, search_id: int, names: Sequence[str], where: Where
) -> MetricColumns:
    wanted = [trials.c.number, trials.c.rung, trials.c.metrics, trials.c.metrics_layout]
    layouts = read_layouts(connection, search_id)
    numbers, rungs = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    metrics = {name: [np.empty(0)] for name in names}
    with _no_collection():
        for number, rung, texts, layout in _turns(connection, search_id, wanted, where):
            numbers.append(np.array(number, np.int64))
            rungs.append(np.array(rung, np.int64))
            of = np.array([one or 0 for one in layout], np.intp)
            found = _unpack_numbers(texts, of, layouts, names)
            nothing = np.full(len(number), np.nan)
            for name, parts in metrics.items():
                parts.append(found.get(name, nothing))
    return MetricColumns(
        np.concatenate(numbers),
        np.concatenate(rungs),
        {name: np.concatenate(parts).astype(np.float64, copy=False) for name, parts in metrics.items()},
    )


def trial_frame(connection: Connection, search_id: int, *where: sa.ColumnElement[bool]) -> pd.DataFrame:
    """Returns the trials of a search that fulfil all of `where`, in order of asking; see `Store.frame`."""
    return _tolerant(connection, search_id, where, partial(_trial_frame, connection, search_id))


def _tolerant(connection: Connection, search_id: int, where: Where, read: Callable[[Where], T]) -> T:
    """Returns what is read of the trials that fulfil all of `where`, without those that are damaged.

    They are looked for one by one only where reading all at once has failed.
    """
    try:
        return read(where)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        query = sa.select(trials).where(trials.c.search_id == search_id, *where)
        layouts, damaged = read_layouts(connection, search_id), []
        for row in connection.execute(query).mappings():
            try:
                check_row(trials, row)
                check_packed(row, layouts)
            except StoreError as damage:
                damages_of(connection).tell(damage)
                damaged.append(row["number"])
        if not damaged:
            raise StoreError(f"the trials of the search cannot be read: {error}") from error
        return read((*where, trials.c.number.not_in(damaged[:_DAMAGED])))


def _trial_frame(connection: Connection, search_id: int, where: Where) -> pd.DataFrame:
    import pandas as pd

    table = trials.c
    floats = ("score", "violation", "seconds", "started_at")
    # what takes few values is fetched as one text, and looked at once for each that there is
    array = sa.func.json_array if connection.dialect.name == "sqlite" else sa.func.json_build_array
    few = *_WORDS, *_LAYOUTS, "ran", "ran_layout"
    kind = sa.cast(array(*(table[name] for name in few)), sa.Text)
    wanted = [
        *(table.number, table.architecture_id, sa.func.coalesce(table.parents, ""), table.epochs, kind),
        *(table[name] for name in floats),
        *(table.metrics, table.test_metrics, table.decisions),
    ]
    layouts = read_layouts(connection, search_id)
    columns, kinds = ColumnBuilder(), _Kinds(layouts)
    with _no_collection():
        for turn in _turns(connection, search_id, wanted, where):
            number, id, parents, epochs, kind_of, *numbers, metrics, tests, decisions = turn
            by_metrics, by_tests, by_decisions = kinds.add(kind_of)
            _expect(number, int)
            _expect(id, str)
            _expect(parents, str)
            columns.begin(len(number))
            columns.add("number", np.array(number, np.int64))
            columns.add("id", pd.array(id, dtype="str"))
            columns.add("parents", pd.array(parents, dtype="str"))
            _expect(epochs, int, type(None))
            columns.add("epochs", as_column(epochs))
            for name, values in zip(floats, numbers, strict=True):
                _expect(values, float, int, type(None))
                columns.add(name, np.array(values, np.float64))
            for name, column in _unpack_numbers(metrics, by_metrics, layouts).items():
                columns.add(name, column)
            for name, column in _unpack_numbers(tests, by_tests, layouts).items():
                columns.add(f"test_{name}", column)
            for path, values in _unpack(decisions, by_decisions, layouts).items():
                columns.add(f"decisions.{path}", as_column(values))
        whole = columns.whole() | kinds.whole()
    own = "number", "id", "status", "origin", "parents", *floats[:2], "epochs", *floats[2:], "reason", *RAN
    nothing = np.empty(0, np.int64)
    frame = {name: whole.pop(name, nothing) for name in own}
    ordered = sorted(whole.items(), key=lambda column: _place(column[0]))
    return pd.DataFrame(frame | dict(ordered), copy=False)


def _expect(values: Values, *types: type) -> None:
    """Raises TypeError where a column has values of other types: SQLite takes any."""
    if not set(map(type, values)) <= set(types):
        raise TypeError(f"expected {' or '.join(one.__name__ for one in types)}")


def _place(name: str) -> int:
    """Returns where a column stands: metrics, then those of the test split, then decisions."""
    return 2 if name.startswith("decisions.") else 1 if name.startswith("test_") else 0


def _turns(
    connection: Connection,
    search_id: int,
    columns: Sequence[sa.ColumnElement[Any]],
    where: Sequence[sa.ColumnElement[bool]],
) -> Iterator[Sequence[Values]]:
    """Returns columns of the trials table as the database has them, some rows at a time."""
    query = sa.select(*columns).where(trials.c.search_id == search_id, *where).order_by(trials.c.number)
    result = connection.execute(query)
    try:
        # the driver's own cursor: SQLAlchemy's rows would be twice the work
        while rows := result.cursor.fetchmany(_ROWS):
            yield list(zip(*rows, strict=True))
    finally:
        result.close()


class _Kinds:
    """What trials have that takes few values: words, the layouts of their dicts, and what ran.

    Args:
        layouts: the layouts of the search.
    """

    def __init__(self, layouts: Layout) -> None:
        self._layouts = layouts
        self._codes: dict[str, int] = {}
        self._kinds: list[list[Any]] = []
        self._parts = [np.empty(0, np.intp)]

    def add(self, texts: Values) -> list[NDArray[np.intp]]:
        """Takes in the kinds of the next trials; returns their layouts, 0 where there is none."""
        for text in set(texts) - self._codes.keys():
            self._codes[text] = len(self._kinds)
            self._kinds.append(json.loads(text))
            if self._kinds[-1][0] not in _STATUSES:
                raise ValueError(f"unknown status {self._kinds[-1][0]!r}")
        codes = np.fromiter(map(self._codes.__getitem__, texts), np.intp, len(texts))
        self._parts.append(codes)
        return [
            np.array([kind[i] or 0 for kind in self._kinds], np.intp)[codes]
            for i in range(len(_WORDS), len(_WORDS) + len(_LAYOUTS))
        ]

    def whole(self) -> dict[str, Any]:
        """Returns the words as pandas has them."""
        import pandas as pd

        codes, found = np.concatenate(self._parts), {}
        values: dict[str, list[str | None]] = {
            name: [kind[i] for kind in self._kinds] for i, name in enumerate(_WORDS)
        }
        ran = [decode(text, self._layouts[layout]) for *_, text, layout in self._kinds]
        values |= {name: [one.get(name) for one in ran] for name in RAN}
        for name, own in values.items():
            words = list(dict.fromkeys(value for value in own if value is not None))
            of_kind = [-1 if value is None else words.index(value) for value in own]
            places = np.array(of_kind, np.intp)[codes]
            found[name] = pd.Categorical.from_codes(places, pd.Index(words, dtype="str"))
        return found


def _unpack_numbers(
    texts: Values, of: NDArray[np.intp], layouts: Layout, wanted: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Returns the metrics that `Layouts.encode` wrote, by name; int64 where all are whole and written so."""
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
        if lines.count(",") != (len(names) - 1) * len(own) or lines.count("\n") != len(own) - 1:
            raise ValueError("a trial has not as many metrics as it has names of them")
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
    """Returns what makes pandas read numbers to the last bit: later versions always do."""
    import pandas as pd

    version = tuple(map(int, pd.__version__.split(".")[:2]))
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _unpack(texts: Values, of: NDArray[np.intp], layouts: Layout) -> dict[str, Values]:
    """Returns the values that `Layouts.encode` wrote, by name; None where there is none."""
    found: dict[str, Values] = {}
    for layout, here in _by_layout(of):
        names = layouts[layout]
        own = texts if here is None else [texts[i] for i in here]
        flat = list(chain.from_iterable(_parse(f"[{','.join(own)}]")))
        if len(flat) != len(names) * len(own):
            raise ValueError("a trial has not as many values as it has names of them")
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


def _parse(text: str) -> Any:
    try:
        return from_json(text)  # three times as fast
    except ValueError:  # it knows no halves of characters
        return json.loads(text)


def _by_layout(of: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp] | None]]:
    """Returns each layout with the places of the trials that have it; None: all have it."""
    there = np.unique(of).tolist()
    if len(there) == 1 and there[0]:
        yield there[0], None
        return
    for layout in there:
        if layout:
            yield layout, np.flatnonzero(of == layout)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Holds back the collector of cycles: it would look through all the new objects, many times."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
