"""The commands for searches on a cluster: ``submit``, ``status``, ``logs`` and ``stop``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.options import (
    Dashboard,
    JobArgument,
    Requirements,
    StoreOption,
    WithPackage,
    WorkingDir,
    with_options_of,
)
from nas.commands.search import check_told_once, search
from search_spaces.errors import ExecutorError

if TYPE_CHECKING:
    from nas.cluster.dashboard import Jobs


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
    file, name = options.pop("file"), options.pop("name")
    if file is not None:
        check_told_once(file, options)
    send(
        "search", None if file is None else str(file), options, address, name=name, store=store,
        working_dir=working_dir, requirements=requirements, package=with_package,
    )  # fmt: skip


def status(
    name: JobArgument = None,
    workers: Annotated[bool, typer.Option("--workers", help="Also how each worker spent its time.")] = False,
    address: Dashboard = None,
    store: StoreOption = None,
) -> None:
    """Tell how a search stands: its job on the cluster, and its trials in the store."""
    from nas.commands.status import print_status

    print_status(name, None if address is None else _jobs(address), store, workers=workers)


def logs(
    name: JobArgument = None,
    follow: Annotated[bool, typer.Option(help="Go on until the job ends; Ctrl-C leaves it running.")] = False,
    address: Dashboard = None,
) -> None:
    """Print what a job has printed."""
    jobs = _jobs(address)
    id = jobs.find(name).submission_id
    if not follow:
        sys.stdout.write(jobs.logs(id))
        return
    try:
        jobs.follow(id, lambda lines: (sys.stdout.write(lines), sys.stdout.flush()))
    except KeyboardInterrupt:
        typer.echo("the job runs on", err=True)


def stop(name: JobArgument = None, address: Dashboard = None) -> None:
    """Stop a job; its search can go on later."""
    from nas.cluster.job import AGAIN, SEARCH

    jobs = _jobs(address)
    job = jobs.find(name)
    if job.status.is_terminal():
        raise ExecutorError(f"job {job.submission_id} has ended already: {job.status.value}")
    ended = jobs.stop(job.submission_id)
    typer.echo(f"job {job.submission_id} has ended: {ended}")
    typer.echo(
        f"go on with: nas resume {job.metadata.get(AGAIN, job.metadata[SEARCH])} --address {jobs.address}"
    )


def send(verb: str, subject: str | None, options: dict[str, Any], address: str | None, **more: Any) -> None:
    """Submit a search, and say what can be done with it then; ``more``: of `nas.cluster.job.cluster_job`."""
    from nas.cluster.files import megabytes, size_of
    from nas.cluster.job import cluster_job

    made = cluster_job(verb, subject, options, **more)
    jobs = _jobs(address)
    jobs.submit(made)
    where = f"--address {jobs.address}"
    shipped = (
        f"{len(made.files)} files, {megabytes(size_of(made.files.values()))}" if made.files else "no files"
    )
    results = made.store or "NAS_STORE of the head, or nas.db in its home folder"
    typer.echo(f"submitted {made.id} to {jobs.address} ({shipped})")
    typer.echo(f"results:    {results}")
    typer.echo(f"how it is:  nas status {made.id} {where}")
    typer.echo(f"its output: nas logs {made.id} --follow {where}")
    typer.echo(f"stop it:    nas stop {made.id} {where}")
    typer.echo(f"go on:      nas resume {made.again} {where}")


def _jobs(address: str | None) -> Jobs:
    from nas.cluster.dashboard import Jobs

    if address is None:
        raise ExecutorError("--address is missing: the cluster's dashboard, such as http://head:8265")
    return Jobs(address)
