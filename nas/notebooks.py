"""What notebooks show of our objects, as HTML: everything that was not written here is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.display import cell
from search_spaces.errors import NasError

if TYPE_CHECKING:
    from nas.reuse import Found
    from nas.search import Search

_TOP = 5
"""Rows of a search's leaderboard."""


def search_html(search: Search) -> str:
    """What a search is and, if it has begun, its best trials."""
    from nas.leaderboards import entries
    from nas.store import open_store

    described = search.description
    facts: dict[str, Any] = {
        "problem": described.problem,
        "controller": described.controller,
        "objectives": ", ".join(map(str, described.objectives)),
        "limits": ", ".join(map(str, described.limits)),
    }
    try:
        if search.name is None:
            raise NasError("it has no name before it runs")
        with open_store(search.store) as store:
            record = store.search(search.name)
            rows = entries(store, record.id, top=_TOP)
            facts |= {"state": record.state, "trained": store.count_trials(record.id)}
    except NasError:
        rows = []
        facts["state"] = "not begun"
    names = ["rank", "id", "status", *(objective.metric for objective in described.objectives), "num_params"]
    names = [name for name in names if any(name in row for row in rows)]
    cells = [[cell(row.get(name), name) for name in names] for row in rows]
    head = f"<b>Search {_text(search.name or '')}</b>"
    return head + _pairs(facts) + (_table(names, cells) if rows else "")


def found_html(found: Found) -> str:
    """What a network is, how it did and where it comes from."""
    names = list(found.metrics)
    rows = [[name, cell(found.metrics[name]), cell(found.test_metrics.get(name))] for name in names]
    came = {key: found.provenance.get(key) for key in ("search", "problem", "controller")}
    return (
        f"<b>Network {_text(found.architecture.id)}</b>"
        + _pairs(came)
        + f"<pre>{_text(found.architecture.draw(found.signature))}</pre>"
        + (_table(["metric", "validation", "test"], rows) if rows else "")
    )


def _pairs(facts: Mapping[str, Any]) -> str:
    told = [f"{_text(name)}: {_text(fact)}" for name, fact in facts.items() if fact not in (None, "")]
    return f"<p>{', '.join(told)}</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    return html.escape(str(value))
