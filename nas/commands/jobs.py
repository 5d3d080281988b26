"""``nas logs`` and ``nas stop``: the jobs of a cluster, read and stopped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nas.commands.options import Dashboard, JobArgument
from search_spaces.errors import ExecutorError

if TYPE_CHECKING:
    from nas.cluster.dashboard import Jobs


def logs(
    name: JobArgument = None,
    follow: Annotated[bool, typer.Option(help="Go on until the job ends; Ctrl-C leaves it running.")] = False,
    address: Dashboard = None,
) -> None:
    """Print what a job has printed."""
    jobs = jobs_at(address)
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

    jobs = jobs_at(address)
    job = jobs.find(name)
    if job.status.is_terminal():
        raise ExecutorError(f"job {job.submission_id} has ended already: {job.status.value}")
    ended = jobs.stop(job.submission_id)
    typer.echo(f"job {job.submission_id} has ended: {ended}")
    typer.echo(
        f"go on with: nas resume {job.metadata.get(AGAIN, job.metadata[SEARCH])} --address {jobs.address}"
    )


def jobs_at(address: str | None) -> Jobs:
    """Returns the jobs of the cluster whose dashboard has this address.

    Raises:
        ExecutorError: there is no address, or no cluster answers there.
    """
    from nas.cluster.dashboard import Jobs

    if address is None:
        raise ExecutorError("--address is missing: the cluster's dashboard, such as http://head:8265")
    return Jobs(address)
