"""``nas report``: a page about a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.commands.options import StoreOption
from nas.commands.saying import say
from nas.environment import DEFAULT_STORE


def report(
    search: Annotated[str | None, typer.Argument(help="Name or number; default: the latest.")] = None,
    html: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html"),
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it again as long as the search runs; the page follows.")
    ] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between writings, with --watch.")] = 10.0,
    beside: Annotated[
        str | None, typer.Option(help="Search to compare progress with; default: a random one on these data.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a page about a search: one file to look at in a browser, or to send."""
    from nas.reports.watching import report as write
    from nas.reports.watching import watch as follow
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        if not watch:
            say(f"wrote {write(opened, search, html, beside=beside)}: open it in a browser")
            return
        told = False

        def tell(state: str) -> None:
            nonlocal told
            if not told and state == "running":
                say(f"writing {html} every {every:g} s: open it in a browser; Ctrl-C ends this")
            told = True

        state = follow(opened, search, html, seconds=every, beside=beside, written=tell)
        say(f"wrote {html}: the search is {state}")
