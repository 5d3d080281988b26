"""The commands that go on with a search, here or on a cluster: ``resume`` and ``extend``."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nas.commands.options import (
    END,
    Requirements,
    StoreOption,
    Track,
    WithPackage,
    WorkingDir,
    search_options,
    with_options_of,
)
from nas.commands.search import check_acceleration, executor_options, is_dashboard, run, trackers_of
from nas.commands.submit import send
from nas.environment import DEFAULT_STORE
from search_spaces.errors import SearchError

_WHERE = tuple(signature(executor_options).parameters)
"""The options that say where a search runs."""

_ALSO = ("track", "accept_code", "checkpoints")
"""Other options that a job is given."""


@with_options_of(executor_options)
@search_options((*END, "checkpoints"))
def resume(
    search: Annotated[str | None, typer.Argument(help="A search, or the file that describes it.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the search, when a file describes it.")] = None,
    address: Annotated[
        str | None, typer.Option(help="As in nas search; or of a dashboard, as in nas submit.")
    ] = None,
    working_dir: WorkingDir = None,
    requirements: Requirements = None,
    with_package: WithPackage = False,
    track: Track = None,
    store: StoreOption = None,
    accept_code: Annotated[
        bool, typer.Option("--accept-code", help="Though modules of your own are not what they were.")
    ] = False,
    **options: Any,
) -> None:
    """Go on with a search that was stopped or killed, or further with one that ended.

    Nothing that was trained is trained again; what was being trained begins again.
    """
    _go_on("resume", search, {name: options[name] for name in END}, locals() | options)


@with_options_of(resume)
def extend(
    trials: Annotated[int | None, typer.Option(help="So many networks more: +50.")] = None,
    seconds: Annotated[float | None, typer.Option(help="So many seconds more: +600.")] = None,
    **options: Any,
) -> None:
    """Go on with a search for longer: so many trials or seconds beyond its own end.

    Or beyond where it stands, if it came to another end before or had none of that kind; ends that it has
    reached fall away, and a target takes the place of its own.
    """
    end = {"trials": trials, "seconds": seconds, "target": options["target"]}
    if all(value is None for value in end.values()):
        raise SearchError("say how much further the search should go: --trials +50, or --seconds +600")
    _go_on("extend", options["search"], end, options)


def _go_on(
    verb: Literal["resume", "extend"], search: str | None, end: dict[str, Any], options: Mapping[str, Any]
) -> None:
    """Resume a search, or extend it, here or as a job."""
    name, store, address = options["name"], options["store"], options["address"]
    if is_dashboard(address):
        check_acceleration(options)
        _send(
            verb, search,
            end | {one: options[one] for one in (*_WHERE, *_ALSO) if one != "address"},
            address, name=name, store=store, working_dir=options["working_dir"],
            requirements=options["requirements"], package=options["with_package"],
        )  # fmt: skip
        return
    if options["working_dir"] is not None or options["requirements"] is not None or options["with_package"]:
        raise SearchError("nothing is shipped without --address of a cluster's dashboard: http://head:8265")
    where = executor_options(**{one: options[one] for one in _WHERE})
    from nas.commands.assemble import from_file
    from nas.search.search import Search

    trackers = trackers_of(options["track"])
    other = (end if verb == "resume" else dict.fromkeys(end)) | {"checkpoints": options["checkpoints"]}
    file = Path(search) if search is not None and search.endswith(".py") else None
    if file is not None:
        found = from_file(file, store=store, executor=where, name=name, **other)
    else:
        found = Search.from_store(store or DEFAULT_STORE, search, executor=where or "pool", **other)
    if verb == "extend":
        found.extend(**end)
    found.callbacks += trackers
    run(found, resume=True, file=file, accept_code=options["accept_code"])


def _send(verb: str, search: str | None, options: dict[str, Any], address: str, **job: Any) -> None:
    if search is None or (search.endswith(".py") and job["name"] is None):
        raise SearchError("say which search is to go on: its name, or its file and --name")
    send(verb, search, options, address, **job)
