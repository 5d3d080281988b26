"""Jobs outside a search: run on an executor, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from workers.job import Failed, Finished, Job, Reported

if TYPE_CHECKING:
    from workers.executor import Executor

_WAIT = 0.5  # seconds for which Ctrl-C may have to wait


def run_jobs(executor: Executor, jobs: Iterable[Job]) -> Iterator[Finished | Failed]:
    """How each job ended, as soon as it has; no more are in flight than the executor wants.

    Args:
        executor: open.
        jobs: in the order in which they are begun; each has a number of its own.

    Raises:
        ExecutorError: nothing can be run at all.
    """
    waiting, flying = deque(jobs), 0
    while waiting or flying:
        while waiting and flying < max(1, executor.slots):
            executor.start(waiting.popleft())
            flying += 1
        for event in executor.events(timeout=_WAIT):
            if not isinstance(event, Reported):
                flying -= 1
                yield event
