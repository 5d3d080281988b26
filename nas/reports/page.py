"""A report as one HTML file: its style, its scripts and its data are in it, and it loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

from nas.escaping import for_html, for_json
from nas.passwords import masked

SCRIPTS = ("base.js", "trials.js", "chart.js", "table.js", "plots.js", "page.js")
"""In the order in which they need each other."""


def page(content: Mapping[str, Any], *, reload_seconds: float | None = None) -> str:
    """Returns the page that shows this content.

    Whatever the content says is shown as text: it is in the page as JSON in which no character means anything
    to HTML, the scripts set text and never markup, and a content security policy lets nothing run but these
    scripts.

    Args:
        content: what the page shows, see `nas.reports.content.content`.
        reload_seconds: the seconds after which the page loads itself again; None: never.
    """
    assets = files("nas.reports") / "assets"
    style = (assets / "page.css").read_text("utf-8")
    script = "\n".join((assets / name).read_text("utf-8") for name in SCRIPTS)
    data = json.dumps(
        {**masked(content), "reload_seconds": reload_seconds}, allow_nan=False, separators=(",", ":")
    )
    return Template((assets / "page.html").read_text("utf-8")).substitute(
        title=for_html(f"{content['search']['name']} - nasforge"),
        policy=f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}",
        style=style,
        script=script,
        data=for_json(data),
    )


def _source(text: str) -> str:
    """Returns what allows exactly this text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
