"""A report as one HTML file: its style, its scripts and its data are in it, and it loads nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import os
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from search_spaces.errors import StoreError

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
    data = json.dumps({**content, "reload_seconds": reload_seconds}, allow_nan=False, separators=(",", ":"))
    return Template((assets / "page.html").read_text("utf-8")).substitute(
        title=html.escape(f"{content['search']['name']} - nasforge"),
        policy=f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}",
        style=style,
        script=script,
        data=escaped(data),
    )


def escaped(text: str) -> str:
    """Returns JSON without the characters that could end a script, a line of it, or begin a comment."""
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def write(path: Path, text: str) -> None:
    """Writes a file as a whole: who opens it meanwhile sees the old one or the new one.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)  # mkstemp's is for its owner alone
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise StoreError(f"the report cannot be written to {path}: {error.strerror or error}") from error


def _source(text: str) -> str:
    """Returns what allows exactly this text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
