"""The laws of controllers about trials that are observed before their end, a test for each."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pytest

from controllers.base import Controller
from controllers.objectives import maximize
from controllers.replay import replay
from controllers.testing.driving import CONDITIONAL, FLAT, ids, limited, score
from search_spaces.errors import ControllerError

_RUNGS = (1, 3, 9)


class ObservationContract(ABC):
    """The laws about `Controller.observe`, a part of `controllers.testing.ControllerContract`."""

    @abstractmethod
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        """Returns a new controller."""

    def test_what_is_observed_counts_as_no_result(self) -> None:
        controller = self.make(FLAT, [maximize("accuracy")], seed=0)
        asked = [controller.ask() for _ in range(30)]
        for epochs in _RUNGS:
            for proposal in asked:
                controller.observe(proposal, epochs, {"accuracy": epochs * score(proposal.architecture)})
        assert (controller.num_asked, controller.num_told, controller.num_set_aside) == (30, 0, 0)
        assert controller.in_flight == tuple(asked)
        for proposal in asked:
            controller.tell(proposal, {"accuracy": score(proposal.architecture)})
        assert (controller.num_told, controller.num_in_flight) == (30, 0)

    def test_replay_restores_it_with_what_it_observed(self) -> None:
        first, restored = limited(self.make, CONDITIONAL), limited(self.make, CONDITIONAL)
        events = _climb(first, 90)
        assert {event[0] for event in events} == {"ask", "tell", "observe"}
        assert replay(restored, events) == list(first.in_flight)
        assert ids(restored, 10) == ids(first, 10)

    @pytest.mark.parametrize(
        ("epochs", "values", "named"),
        [
            (0, {"accuracy": 1.0, "size": 1.0}, "epochs"),
            (2.5, {"accuracy": 1.0, "size": 1.0}, "epochs"),
            (3, {"size": 1.0}, "accuracy"),
            (3, {"accuracy": "high", "size": 1.0}, "accuracy"),
        ],
        ids=str,
    )
    def test_an_observation_that_is_none_is_refused(
        self, epochs: Any, values: Mapping[str, float], named: str
    ) -> None:
        controller = limited(self.make, FLAT)
        proposal = controller.ask()
        with pytest.raises(ControllerError, match=named):
            controller.observe(proposal, epochs, values)
        controller.observe(proposal, 3, {"accuracy": 1.0, "size": 1.0})
        assert controller.in_flight == (proposal,)


def _climb(controller: Controller, steps: int) -> list[Any]:
    """Asks, and observes and tells in a jumbled order, each trial from rung to rung; returns the events."""
    rng = random.Random(0)
    events: list[Any] = []
    places: dict[int, int] = {}
    for _ in range(steps):
        flying = controller.in_flight
        if rng.random() < 0.4 or not flying:
            events.append(("ask", controller.ask()))
            continue
        proposal = rng.choice(flying)
        place = places.get(proposal.number, 0)
        values = {"accuracy": score(proposal.architecture) * (place + rng.random()), "size": 1.0}
        if place == len(_RUNGS):
            events.append(("tell", proposal, values))
            controller.tell(proposal, values)
            continue
        places[proposal.number] = place + 1
        sometimes = None if rng.random() < 0.1 else values
        events.append(("observe", proposal, _RUNGS[place], sometimes))
        controller.observe(proposal, _RUNGS[place], sometimes)
    return events
