"""What the plan of a search would choose, told before the search is run."""

from __future__ import annotations

import math
from collections.abc import Mapping

from controllers.planner import Planner
from nas.description import Description
from nas.records import Leg, PlanChoice
from nas.search.flights import Flight, job_for
from nas.search.plan.budget_end import BudgetEnd, too_short
from nas.search.plan.controller import ControllerPart
from nas.search.plan.lengths import Lengths
from nas.search.plan.plan import SearchPlan, Standing
from nas.search.plan.threads import Threads
from nas.search.plan.time_left import TimeLeft
from search_spaces.errors import SearchError
from workers.executor import Executor
from workers.job import Failed, Finished, Reported
from workers.speed.speed import Speed


def preview(
    description: Description, planner: Planner, executor: Executor, speed: Speed | None = None
) -> list[PlanChoice]:
    """Returns what a plan would choose, after two epochs of the plain network where a time is to be planned.

    Args:
        description: the description of the search.
        planner: its controller and its fidelity, both new.
        executor: where networks would be trained; it is open.
        speed: how fast trials are, nothing measured yet; by it candidates are held against the plain network.
            None: nobody knows.

    Raises:
        SearchError: the plain network cannot be trained.
    """
    budget = description.budget
    budget_end = BudgetEnd(budget)
    time_left = TimeLeft(speed, budget_end, planner.controller.space.plain)
    lengths = Lengths(budget, time_left.dearness)
    threads = Threads()
    plan = SearchPlan([threads, budget_end, lengths, ControllerPart(budget)], planner)
    paused: dict[int, Flight] = {}
    workers, ranking, trains = max(1, executor.parallelism), description.ranking, executor.trains

    def paces(seconds: float) -> Mapping[int, float]:
        return executor.paces(planner.controller.space.plain(), seconds)

    while True:
        left = time_left.left = math.inf if budget_end.seconds is None else budget_end.seconds
        epoch = max((flight.epoch_seconds or 0.0 for flight in paused.values()), default=0.0)
        if epoch > left:
            raise SearchError(too_short(budget, left, epoch))
        standing = Standing(
            0.0, left, workers, (), paused, ranking, planner, trains, executor.holds, paces=paces
        )
        if (drafted := plan.draft(standing)) is not None:
            part, value, reason = drafted
            plan.take(PlanChoice(part, value, reason, 0, 0.0))
            if (number := threads.take()) is not None:
                executor.use_threads(number)
        elif plan.waits and not paused:
            flight, ended = _probe(description, planner, executor)
            time_left.learn(flight, ended)
            paused[flight.number] = flight
        else:
            return plan.choices


def _probe(description: Description, planner: Planner, executor: Executor) -> tuple[Flight, Finished]:
    """Returns the flight of the plain network after its first epochs, and how its job ended."""
    network = planner.controller.space.architecture(description.first[0])
    flight = Flight.of(planner.insert(network, "plain"), 0)
    until = planner.begin(flight.proposal)
    assert until is not None
    flight = Flight(flight.trial, flight.proposal, Leg(0, until, 0))
    executor.start(job_for(description, flight, planner.fidelity.max_epochs, None))
    while events := executor.events():
        for event in events:
            if isinstance(event, Reported):
                flight = flight.after(event.report.epoch, event.report.seconds, event.report.metrics)
            elif isinstance(event, Failed):
                raise SearchError(f"the plain network cannot be trained ({event.reason}): {event.message}")
            elif isinstance(event, Finished):
                return flight, event
    raise SearchError("the plain network cannot be trained: the executor said nothing of it")
