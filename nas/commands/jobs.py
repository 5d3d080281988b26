"""``nas logs`` and ``nas stop``: the jobs of a cluster, read and stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from nas.commands.options import Dashboard, JobArgument
from nas.commands.saying import say, say_lines
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
        _write(jobs.logs(id))
        return
    try:
        jobs.follow(id, _write)
    except KeyboardInterrupt:
        say("the job runs on", err=True)


def _write(lines: str) -> None:
    """Prints what a job has printed, without its colours."""
    say_lines(re.sub(r"\x1b\[[\d;]*m", "", lines), end="")


def stop(name: JobArgument = None, address: Dashboard = None) -> None:
    """Stop a job; its search can go on later."""
    from nas.cluster.job import AGAIN, SEARCH

    jobs = jobs_at(address)
    job = jobs.find(name)
    if job.status.is_terminal():
        raise ExecutorError(f"job {job.submission_id} has ended already: {job.status.value}")
    ended = jobs.stop(job.submission_id)
    say(f"job {job.submission_id} has ended: {ended}")
    say(f"go on with: nas resume {job.metadata.get(AGAIN, job.metadata[SEARCH])} --address {jobs.address}")


def jobs_at(address: str | None) -> Jobs:
    """Returns the jobs of the cluster whose dashboard has this address.

    Raises:
        ExecutorError: there is no address, or no cluster answers there.
    """
    from nas.cluster.dashboard import Jobs

    if address is None:
        raise ExecutorError("--address is missing: the cluster's dashboard, such as http://head:8265")
    return Jobs(address)
