"""Restoring a controller from its record, and inserting a given network among its proposals."""

from collections.abc import Iterable, Mapping
from typing import Literal

from controllers.base import Controller
from controllers.records import Proposal
from search_spaces import Architecture
from search_spaces.arguments import checked
from search_spaces.errors import ControllerError

Event = (
    tuple[Literal["ask"], Proposal]
    | tuple[Literal["tell"], Proposal, Mapping[str, float] | None]
    | tuple[Literal["observe"], Proposal, int, Mapping[str, float] | None]
)


@checked(ControllerError, only=("controller",))
def replay(controller: Controller, events: Iterable[Event]) -> list[Proposal]:
    """Repeats recorded calls on a new controller, in their order, and returns the proposals still in flight.

    Given the class, settings and seed that made the record, the controller ends in the state that it had.

    Args:
        controller: a new controller.
        events: the recorded calls: ``("ask", proposal)``, ``("tell", proposal, values)`` or
            ``("observe", proposal, epochs, values)``.

    Raises:
        ControllerError: an event is of another kind.
    """
    if not isinstance(events, Iterable):
        raise ControllerError(f"replay: events: expected a list of events, got {events!r:.80}")
    for event in events:
        match event:
            case ("ask", Proposal() as proposal):
                ask_again(controller, proposal)
            case ("tell", Proposal() as proposal, values):
                controller.tell(proposal, values)
            case ("observe", Proposal() as proposal, epochs, values):
                controller.observe(proposal, epochs, values)
            case _:
                raise ControllerError(
                    "replay: expected ('ask', proposal), ('tell', proposal, values) or "
                    f"('observe', proposal, epochs, values), got {event!r:.80}"
                )
    return list(controller.in_flight)


def ask_again(controller: Controller, recorded: Proposal) -> None:
    """Repeats an ask that is on record.

    Where the controller now asks for another network than the record says (a newer version, another
    controller), what was recorded counts: the recorded proposal is in flight in place of the new one, and its
    result will be told like one that was never asked for.
    """
    asked = controller.ask()
    if (asked.number, asked.architecture.id) != (recorded.number, recorded.architecture.id):
        controller.adopt(recorded)


def insert(controller: Controller, architecture: Architecture, origin: str) -> Proposal:
    """Puts a given network in flight as the next proposal, and returns that proposal.

    The controller is asked all the same and the given network counts in place of its answer, so that a replay
    of the record, which knows asks only, comes to the same state.

    Args:
        controller: the controller that goes on from the given network.
        architecture: the network to try next.
        origin: the word that says how the network came about.
    """
    proposal = Proposal(controller.num_asked, architecture, origin=origin)
    ask_again(controller, proposal)
    return proposal
