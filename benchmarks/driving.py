"""Driving a controller over a table with simulated workers, as a search does but without its store."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from controllers import Controller
from workers.executor import Executor
from workers.job import Finished, Job
from workers.tabular import Simulated, Table


@dataclass(frozen=True)
class Seen:
    """One trial that has ended.

    Attributes:
        began, at: simulated seconds at its start and at its end.
        metrics: validation metrics and costs.
        test: test metrics.
    """

    began: float
    at: float
    metrics: Mapping[str, float]
    test: Mapping[str, float]


@dataclass
class Drive:
    """What happened: the trials in order of their ends, and what it took.

    Attributes:
        seen: the trials.
        driver_seconds: real time of ask, tell and all between.
    """

    seen: list[Seen] = field(default_factory=list)
    driver_seconds: float = 0.0

    def best(self, metric: str = "accuracy", until: float = float("inf"), trials: int | None = None) -> Seen:
        """The trial with the highest ``metric`` of the first ``trials``, or those begun before ``until``."""
        return max((s for s in self.seen[:trials] if s.began < until), key=lambda s: s.metrics[metric])

    def utilisation_until(self, seconds: float, workers: int) -> float:
        """Share of the workers' simulated time in training, up to some moment."""
        busy = sum(min(seen.at, seconds) - seen.began for seen in self.seen if seen.began < seconds)
        return busy / (seconds * workers)


def drive(
    controller: Controller,
    table: Table,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    workers: int = 1,
    until: tuple[str, float] | None = None,
) -> Drive:
    """Ask, look up, tell.

    Args:
        controller: new.
        table: that knows its space.
        trials: end after so many.
        seconds: or when so much simulated time is over; the trial that passes it is counted, as in the
            published protocol.
        workers: simulated ones.
        until: or when a trial's metric is at least this.
    """
    executor: Executor = Simulated(workers)
    executor.open(table)
    result, proposals, began_at = Drive(), {}, {}
    began = time.perf_counter()
    asked = 0
    while True:
        while len(proposals) < workers and (trials is None or asked < trials):
            if seconds is not None and executor.clock() >= seconds:
                break
            proposal = controller.ask()
            proposals[proposal.number] = proposal
            began_at[proposal.number] = executor.clock()
            executor.start(Job(proposal.number, proposal.architecture, seed=0))
            asked += 1
        if not proposals:
            break
        for event in executor.events():
            if not isinstance(event, Finished):
                continue
            values = event.metrics | event.costs
            began_then = began_at.pop(event.number)
            result.seen.append(Seen(began_then, executor.clock(), values, event.test_metrics))
            controller.tell(proposals.pop(event.number), values)
            if until is not None and values[until[0]] >= until[1]:
                proposals.clear()
                trials = 0
    result.driver_seconds = time.perf_counter() - began
    return result
