"""``nas submit``: a search, sent to a Ray cluster as a job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nas.cluster.files import megabytes, size_of
from nas.commands.jobs import jobs_at
from nas.commands.options import (
    Dashboard,
    Requirements,
    WithPackage,
    WorkingDir,
    with_options_of,
)
from nas.commands.saying import say
from nas.commands.search import check_acceleration, check_told_once, search


@with_options_of(search)
def submit(
    address: Dashboard = None,
    working_dir: WorkingDir = None,
    requirements: Requirements = None,
    with_package: WithPackage = False,
    store: Annotated[
        str | None,
        typer.Option(help="As the head sees it; default: its NAS_STORE, or nas.db in its home folder."),
    ] = None,
    **options: Any,
) -> None:
    """Send a search to a Ray cluster, where it runs as a job.

    The folder of the file goes with it: not hidden files, databases, nor what .gitignore or .rayignore name.
    """
    check_acceleration(options)
    file, name = options.pop("file"), options.pop("name")
    if file is not None:
        check_told_once(file, options)
    send(
        "search", None if file is None else str(file), options, address, name=name, store=store,
        working_dir=working_dir, requirements=requirements, package=with_package,
    )  # fmt: skip


def send(verb: str, subject: str | None, options: dict[str, Any], address: str | None, **more: Any) -> None:
    """Submits a search, and prints what can be done with it then.

    Args:
        verb, subject, options: the command that the job runs, as for `nas.cluster.job.cluster_job`.
        address: the address of the cluster's dashboard.
        more: other arguments of `cluster_job`.

    Raises:
        SearchError: the search cannot be sent so.
        ExecutorError: the cluster does not take it.
    """
    from nas.cluster.job import cluster_job

    made = cluster_job(verb, subject, options, **more)
    jobs = jobs_at(address)
    jobs.submit(made)
    where = f"--address {jobs.address}"
    shipped = (
        f"{len(made.files)} files, {megabytes(size_of(made.files.values()))}" if made.files else "no files"
    )
    results = made.store or "NAS_STORE of the head, or nas.db in its home folder"
    say(f"submitted {made.id} to {jobs.address} ({shipped})")
    say(f"results:    {results}")
    say(f"how it is:  nas status {made.id} {where}")
    say(f"its output: nas logs {made.id} --follow {where}")
    say(f"stop it:    nas stop {made.id} {where}")
    say(f"go on:      nas resume {made.again} {where}")
