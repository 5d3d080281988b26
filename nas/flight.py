"""A trial in training, and how its end is told."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.base import Controller, Proposal
from controllers.planner import Planner
from nas.records import TRAINED, Leg, Trial


@dataclass(frozen=True)
class Flight:
    """A trial that is in training; the leg of it, where trials may pause."""

    trial: Trial
    proposal: Proposal
    leg: Leg | None = None

    @property
    def asked_step(self) -> int:
        """When it, or its leg, was begun."""
        return self.trial.asked_step if self.leg is None else self.leg.asked_step


def tell(planner: Planner, flight: Flight) -> None:
    """Tell how a trial ended, or paused after a leg, as it is recorded."""
    trial, leg = flight.trial, flight.leg
    values = values_for(planner.controller, trial)
    if trial.status == "paused" and leg is not None:
        planner.pause(flight.proposal, leg.until, values)
    else:
        planner.end(flight.proposal, values, trained=trial.status in TRAINED)


def values_for(controller: Controller, trial: Trial) -> dict[str, float] | None:
    """What a controller is told of a trial that is over: its values, or None for a failure.

    A network that was turned down for its costs has no values of the objectives. A controller that does not
    know the limit which it broke can only hear that it failed.
    """
    metrics = dict(trial.metrics)
    if trial.status == "failed" or not metrics:
        return None
    if all(objective.metric in metrics for objective in controller.objectives):
        return metrics
    limits = controller.limits
    broken = any(limit.violation(metrics[limit.metric]) > 0 for limit in limits if limit.metric in metrics)
    return metrics if broken else None
