"""What notebooks show, as HTML made of plain values: everything that was not written here is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.escaping import for_html


def heading(kind: str, name: str) -> str:
    """Returns what is shown, in bold."""
    return f"<b>{for_html(kind)} {for_html(name)}</b>"


def pairs(facts: Mapping[str, Any]) -> str:
    """Returns facts by name in one paragraph; those that are None or empty are left out."""
    told = [f"{for_html(name)}: {for_html(fact)}" for name, fact in facts.items() if fact not in (None, "")]
    return f"<p>{', '.join(told)}</p>"


def preformatted(text: str) -> str:
    """Returns text whose lines and columns count."""
    return f"<pre>{for_html(text)}</pre>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of texts; nothing where it has no rows."""
    if not rows:
        return ""
    head = "".join(f"<th>{for_html(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{for_html(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
