"""``nas status``: how a search stands, on a cluster and in its store."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.commands.jobs import jobs_at
from nas.commands.options import Dashboard, JobArgument, StoreOption


def status(
    name: JobArgument = None,
    workers: Annotated[bool, typer.Option("--workers", help="Also of each worker and each card.")] = False,
    address: Dashboard = None,
    store: StoreOption = None,
) -> None:
    """Tell how a search stands: its job on the cluster, and its trials in the store."""
    from nas.commands.output.status import print_status

    print_status(name, None if address is None else jobs_at(address), store, workers=workers)
