"""The command that goes on with a search, here or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.commands.jobs import send
from nas.commands.options import (
    Cpus,
    ExecutorOption,
    Gpus,
    Requirements,
    Seconds,
    StoreOption,
    Target,
    Trials,
    WithPackage,
    Workers,
    WorkingDir,
)
from nas.commands.searching import executor_of, is_dashboard, run
from nas.environment import DEFAULT_STORE
from search_spaces.errors import SearchError


def resume(
    search: Annotated[str | None, typer.Argument(help="A search, or the file that describes it.")] = None,
    trials: Trials = None,
    seconds: Seconds = None,
    target: Target = None,
    name: Annotated[str | None, typer.Option(help="Of the search, when a file describes it.")] = None,
    workers: Workers = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    executor: ExecutorOption = None,
    address: Annotated[
        str | None, typer.Option(help="As in nas search; or of a dashboard, as in nas submit.")
    ] = None,
    working_dir: WorkingDir = None,
    requirements: Requirements = None,
    with_package: WithPackage = False,
    store: StoreOption = None,
) -> None:
    """Go on with a search that was stopped or killed, or further with one that ended.

    Nothing that was trained is trained again; what was being trained begins again.
    """
    end: dict[str, Any] = {"trials": trials, "seconds": seconds, "target": target}
    if is_dashboard(address):
        _resume_there(
            search,
            end | {
                "workers": workers, "cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus_per_trial,
                "executor": executor,
            },
            address, name=name, store=store, working_dir=working_dir, requirements=requirements,
            package=with_package,
        )  # fmt: skip
        return
    if working_dir is not None or requirements is not None or with_package:
        raise SearchError("nothing is shipped without --address of a cluster's dashboard: http://head:8265")
    where = executor_of(executor, workers, cpus_per_trial, gpus_per_trial, address)
    from nas.assemble import from_file
    from nas.search import Search

    if search is not None and search.endswith(".py"):
        file = Path(search)
        run(from_file(file, store=store, executor=where, name=name, **end), resume=True, file=file)
        return
    found = Search.from_store(store or DEFAULT_STORE, search, executor=where or "pool", **end)
    run(found, resume=True)


def _resume_there(search: str | None, options: dict[str, Any], address: str, **job: Any) -> None:
    if search is None or (search.endswith(".py") and job["name"] is None):
        raise SearchError("say which search is to go on: its name, or its file and --name")
    send("resume", search, options, address, **job)
