"""What evolutionary controllers share: individuals, and when there are founders enough."""

from dataclasses import dataclass

from controllers.base import Controller
from controllers.records import Outcome
from search_spaces import Architecture


@dataclass(frozen=True)
class Individual:
    """One of a population: an architecture and how it did."""

    architecture: Architecture
    outcome: Outcome


def is_starting(controller: Controller, alive: int, founders: int) -> bool:
    """Returns whether founders are still to be drawn, because too few are alive or in flight.

    Where most trials fail, those alive must do after a while.
    """
    if not alive:
        return True
    coming = controller.num_in_flight
    return alive + coming < founders and controller.num_told + coming < 3 * founders
