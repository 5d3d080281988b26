"""What the command line shows: live progress, leaderboards, architectures, lists."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nas.commands.catalogs import rows_of
from nas.description import Description
from nas.results.leaderboard import Searches, entries, searches_of
from nas.results.scores import SCORES, compared_metrics
from nas.results.text import cell, duration, spark
from nas.store.store import Store
from search_spaces.errors import NasError

if TYPE_CHECKING:
    from nas.records import EpochReport
    from nas.reuse.found import Found


_TASKS = 4
"""Of so many tasks at the most a leaderboard shows each."""


def console() -> Console:
    """Standard output, made anew: tests and pipes replace it."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


# -- leaderboards ------------------------------------------------------------------------------------------


def print_leaderboard(store: Store, format: str, search: Searches = None, **options: Any) -> None:
    """Print a leaderboard; ``format``: table, json, csv or markdown; ``options`` as of `nas.leaderboard`."""
    rows = entries(store, search, **options)
    records = searches_of(store, search, options.get("problem"))
    record, description = records[0], records[0].description
    title = f"{record.name} ({description.problem}, {description.controller}, {record.state})"
    if len(records) > 1:
        title = f"{len(records)} searches of {description.problem}: {', '.join(one.name for one in records)}"
    shown = [
        {name: " ".join(value) if isinstance(value, list) else value for name, value in row.items()}
        for row in rows
    ]
    print_rows(shown if format == "csv" else rows, format, title, *_columns(rows, description))


def print_comparison(rows: Sequence[Mapping[str, Any]], format: str, title: str) -> None:
    """Print the rows of `nas.reuse.compare.comparisons`; ``format`` as of a leaderboard."""
    names = [
        *("id", "task", "metric", "found", "reference", "gain_pct"),
        *("test_found", "test_reference", "test_gain_pct"),
    ]
    names += ["message"] if any(row["message"] for row in rows) else []
    cells = []
    for id, own in groupby(rows, key=lambda row: row["id"]):
        shown = list(own)
        means = {"id": id, "task": "all", "metric": "delta_m_pct"}
        means |= {f"{part}gain_pct": shown[0][f"{part}delta_m_pct"] for part in ("", "test_")}
        cells += [[cell(row.get(name), name) for name in names] for row in (*shown, means)]
    print_rows(rows, format, title, names, cells, prose=names[-1] == "message")


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    format: str,
    title: str,
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    prose: bool = False,
) -> None:
    """Print rows in full as JSON or CSV; as a table (see `print_table`) or as Markdown their cells."""
    if format == "json":
        print(json.dumps([{k: _json(v) for k, v in row.items()} for row in rows], indent=1, allow_nan=False))
    elif format == "csv":
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else heads)
        writer.writeheader()
        writer.writerows(rows)
    elif format == "markdown":
        for line in (heads, ["---"] * len(heads), *cells):
            print("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |")
    else:
        print_table(title, heads, cells, prose=prose)


def _json(value: Any) -> Any:
    """JSON has no word for numbers that are not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(
    rows: Sequence[Mapping[str, Any]], description: Description
) -> tuple[list[str], list[list[str]]]:
    """The columns that a person wants to see, as text."""
    if not rows:
        return ["rank", "id", "status"], []
    over_seeds = "n" in rows[0]
    wanted = [objective.metric for objective in description.objectives]
    names = ["rank", "id", "status", "search", "n", *wanted]
    names += [f"test_{metric}" for metric in wanted]
    limited = [limit.metric for limit in description.limits]
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
    names = [n for n in dict.fromkeys(names) if any(n in row for row in rows)]
    return names, [[_spread(row, name) for name in names] for row in rows]


def _spread(row: Mapping[str, Any], name: str) -> str:
    """A value as text, with its deviation over seeds if there is one."""
    std = row.get(f"{name}_std")
    return cell(row.get(name), name) + ("" if std is None else f" ± {cell(std)}")


def print_table(
    title: str, heads: Sequence[str], cells: Sequence[Sequence[str]], *, prose: bool = False
) -> None:
    """Print a table; ``prose``: the last column is text that may take several lines."""
    table = Table(title=escape(title), title_justify="left")
    for i, head in enumerate(heads):
        numeric = any(row[i].lstrip("+-")[:1].isdigit() for row in cells) and head != "id"
        wraps = prose and i == len(heads) - 1
        # enough of an id to find it by, however narrow the terminal
        least = 9 if head == "id" else None
        justify: Literal["left", "right"] = "right" if numeric and not wraps else "left"
        table.add_column(escape(head), justify=justify, no_wrap=not wraps, min_width=least, overflow="fold")
    for row in cells:
        table.add_row(*map(escape, row))
    out = console()
    if not sys.stdout.isatty():
        out.width = 200  # a pipe has no edge to fit
    out.print(table)


# -- architectures -----------------------------------------------------------------------------------------


def print_trial(store: Store, id: str, search: str | None, *, log: bool = False) -> None:
    """Everything about one architecture in a store; ``log``: what its trial printed, too."""
    record, trial = store.find_trial(id, search)
    description = record.description
    out = console()
    out.print(
        f"{trial.architecture_id} is trial {trial.number} of search {record.name}: {trial.status}",
        markup=False,
    )
    try:
        architecture = description.load_space().architecture(trial.decisions)
        out.print(architecture.draw(description.signature), markup=False)
    except NasError as error:  # modules of the user's own, or a candidate that cannot be built
        out.print(f"(no drawing: {error})", markup=False)
    _print_facts(trial.decisions, trial.metrics, trial.test_metrics)
    came = f"came by {trial.origin}" + (f" from {', '.join(trial.parents)}" if trial.parents else "")
    took = f", took {trial.seconds:.1f} s" if trial.seconds is not None else ""
    out.print(came + took, markup=False)
    if trial.reason is not None:
        out.print(f"{trial.reason}: {trial.message}", markup=False)
        if trial.traceback:
            out.print(trial.traceback, markup=False)
    _print_curve(store.reports(record.id, trial.number), description)
    if log:
        text = store.log(record.id, trial.number)
        out.print("log (its end)" if text else "it printed nothing", markup=False)
        out.print(text, markup=False, highlight=False, end="")


def print_found(found: Found) -> None:
    """An exported architecture."""
    out = console()
    network = found.build()  # that its weights are good is part of what there is to know
    out.print(found.architecture.draw(found.signature), markup=False)
    weights = sum(parameter.numel() for parameter in network.parameters())
    out.print(f"weights: {weights:,} parameters, {len(found.weights or b''):,} bytes", markup=False)
    _print_facts(found.architecture.decisions, found.metrics, found.test_metrics)
    out.print(", ".join(f"{key} {value}" for key, value in found.provenance.items() if value), markup=False)


def _print_facts(
    decisions: Mapping[str, Any], metrics: Mapping[str, float], test: Mapping[str, float]
) -> None:
    print_table(
        "decisions",
        ["path", "value"],
        [[path, _plain(value)] for path, value in decisions.items()],
        prose=True,
    )
    if metrics:
        rows = [[name, cell(value), cell(test.get(name))] for name, value in metrics.items()]
        print_table("metrics and costs", ["name", "validation", "test"], rows)


def _print_curve(reports: Sequence[EpochReport], description: Description) -> None:
    if not reports:
        return
    names = list(reports[0].metrics)
    metric = description.objectives[0].metric
    rows = [
        [str(r.epoch), cell(r.train_loss), *(cell(r.metrics.get(n)) for n in names), cell(r.seconds)]
        for r in reports
    ]
    values = [r.metrics[metric] for r in reports if metric in r.metrics]
    curve = f": {metric} {spark(values)}" if values else ""
    print_table(f"learning curve{curve}", ["epoch", "train loss", *names, "seconds"], rows)


# -- lists -------------------------------------------------------------------------------------------------


def print_catalog(what: str, store: str) -> None:
    """The names of a catalog with a line about each; or the searches in a store."""
    if what == "searches":
        with Store(store) as opened:
            rows = []
            for record in opened.searches():
                description = record.description
                trials = opened.count_trials(record.id)
                objectives = ", ".join(map(str, description.objectives))
                budget = duration(record.elapsed_seconds)
                began = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created_at))
                what_for = [description.problem, description.controller, objectives]
                which = [str(record.id), record.name, record.state]
                rows.append([*which, *what_for, str(trials), budget, began, " ".join(record.tags)])
        heads = [
            "number",
            "name",
            "status",
            "problem",
            "controller",
            "objectives",
            "trained",
            "took",
            "began",
            "tags",
        ]
        if not any(row[-1] for row in rows):
            heads, rows = heads[:-1], [row[:-1] for row in rows]
        print_table("searches", heads, rows)
        return
    print_table(what, ["name", "what it is"], rows_of(what), prose=True)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
