"""A leaderboard, printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.commands.output.tables import print_rows
from nas.description import Description
from nas.results.leaderboard import Searches, entries, searches_of
from nas.results.scores import SCORES, compared_metrics
from nas.results.text import cell
from nas.store.store import Store
from workers.acceleration import RAN, without_reason

_TASKS = 4
"""Up to so many tasks a leaderboard shows the metric of each."""


def print_leaderboard(
    store: Store,
    format: str,
    search: Searches = None,
    *,
    ran: bool = False,
    more: Sequence[Mapping[str, Any]] = (),
    **options: Any,
) -> None:
    """Prints a leaderboard.

    Args:
        store: the store that holds it.
        format: the format, see `print_rows`.
        search: the search, or several.
        ran: whether to show what ran in every row; else only what differs between rows.
        more: rows that stand below the others, with the columns that they have.
        options: those of `nas.leaderboard`.
    """
    found = entries(store, search, **options)
    names = dict.fromkeys(name for row in found for name in row)
    rows = [*found, *({name: row.get(name) for name in names} for row in more)]
    records = searches_of(store, search, options.get("problem"))
    record, description = records[0], records[0].description
    title = f"{record.name} ({description.problem}, {description.controller}, {record.state})"
    if len(records) > 1:
        title = f"{len(records)} searches of {description.problem}: {', '.join(one.name for one in records)}"
    shown = [
        {name: " ".join(value) if isinstance(value, list) else value for name, value in row.items()}
        for row in rows
    ]
    print_rows(shown if format == "csv" else rows, format, title, *_columns(rows, description, ran))


def _columns(
    rows: Sequence[Mapping[str, Any]], description: Description, ran: bool
) -> tuple[list[str], list[list[str]]]:
    """Returns the columns that a person wants to see, as text."""
    if not rows:
        return ["rank", "id", "status"], []
    over_seeds = "n" in rows[0]
    wanted = [objective.metric for objective in description.objectives]
    names = ["rank", "id", "status", "search", "n", *wanted]
    names += ["estimate"] if any(row.get("estimate") is not None for row in rows) else []
    names += [f"test_{metric}" for metric in wanted]
    names += ["gap"] if any((row.get("trainings") or 0) > 1 for row in rows) else []
    names += ["training"] if any(row.get("training") for row in rows) else []
    limited = [limit.metric for limit in description.limits]
    limited += [name for name in rows[0] if name.partition(".")[0] in description.scores]
    tasks = description.signature.tasks
    if len(tasks) == 1:
        names += [metric for metric in description.metrics if metric not in wanted and metric != "loss"]
        names += [*limited, "num_params", "epochs", "seconds", "origin"]
    else:  # all their metrics would not fit on a line
        names += compared_metrics(tasks).values() if len(tasks) <= _TASKS else ()
        names += [score for score in SCORES if any(row.get(score) is not None for row in rows)]
        names += [*limited, "num_params", "origin"]
        names += ["epochs"] if len({row["epochs"] for row in rows}) > 1 else []
        if not over_seeds and {row["status"] for row in rows} == {"complete"}:  # as they should be
            names.remove("status")
    names.append("front")
    if any(row["feasible"] is False for row in rows):
        names.append("feasible")
    if any(row.get("reason") for row in rows):
        names.append("reason")
    names += [name for name in RAN if ran or _differs(rows, name)]
    names = [n for n in dict.fromkeys(names) if any(n in row for row in rows)]
    return names, [[_spread(row, name) for name in names] for row in rows]


def _differs(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether rows have more than one value in a column, reasons apart: JSON and CSV have them."""
    return len({without_reason(row[name]) for row in rows if row.get(name) is not None}) > 1


def _spread(row: Mapping[str, Any], name: str) -> str:
    """Returns a value as text, with its deviation over seeds, or half its interval, if there is one."""
    if name in RAN:
        return cell(without_reason(row[name]))
    if name == "estimate" and row[name] is not None:
        half = max(row["high"] - row[name], row[name] - row["low"])  # an end may be that of all shares
        return f"{cell(row[name])} ± {cell(half)}"
    std = row.get(f"{name}_std")
    return cell(row.get(name), name) + ("" if std is None else f" ± {cell(std, name)}")
