"""What evolutionary controllers share: individuals, and when there are founders enough."""

from dataclasses import dataclass

from controllers.base import Controller
from controllers.records import Outcome
from search_spaces import Architecture

CHOSEN = 4
"""The number of trials at their end that are enough to begin with where most of them pause before it."""


@dataclass(frozen=True)
class Individual:
    """One of a population: an architecture and how it did."""

    architecture: Architecture
    outcome: Outcome


def is_starting(controller: Controller, alive: int, founders: int) -> bool:
    """Returns whether founders are still to be drawn.

    They are while too few networks are alive, in flight or set aside. Where most trials fail, those alive
    must do after a while. Where trials pause, those that come to their end are the best of many: a few of
    them do, once founders enough have been tried. Those set aside because they take too much time count as
    tried, too.
    """
    if not alive:
        return True
    coming, aside = controller.num_in_flight, controller.num_set_aside
    if controller.num_told + coming >= 3 * founders:
        return False
    return alive + coming + aside < founders or (aside > 0 and alive < min(CHOSEN, founders))
