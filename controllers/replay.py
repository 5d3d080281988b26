"""Restoring a controller from the record of what it was asked and told."""

from collections.abc import Iterable, Mapping
from typing import Literal

from controllers.base import Controller
from controllers.records import Proposal
from search_spaces.errors import ControllerError

Event = tuple[Literal["ask"], Proposal] | tuple[Literal["tell"], Proposal, Mapping[str, float] | None]


def replay(controller: Controller, events: Iterable[Event]) -> list[Proposal]:
    """Repeat recorded calls on a new controller, in their order, and return the proposals still in flight.

    Given the class, settings and seed that made the record, the controller ends in the state that it had.
    Where it now asks for another network than the record says (a newer version, another controller), what
    was recorded
    counts: the recorded proposal is in flight, and its result is told like one that was never asked for.
    Raises ControllerError for an event of another kind.
    """
    for event in events:
        if event[0] == "ask":
            recorded = event[1]
            asked = controller.ask()
            if (asked.number, asked.architecture.id) != (recorded.number, recorded.architecture.id):
                controller.adopt(recorded)
        elif event[0] == "tell":
            controller.tell(event[1], event[2])
        else:
            raise ControllerError(f"replay: expected an 'ask' or a 'tell' event, got {event[0]!r}")
    return list(controller.in_flight)
