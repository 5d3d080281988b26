"""The laws of controllers about priors, a test for each."""

from abc import ABC, abstractmethod
from statistics import fmean
from typing import Any

from controllers.base import Controller
from controllers.objectives import maximize
from controllers.replay import replay
from controllers.testing.driving import CONDITIONAL, FLAT, drive, ids, limited
from search_spaces import Space, choice


class PriorContract(ABC):
    """The laws about `Controller.use_prior`, a part of `controllers.testing.ControllerContract`."""

    @abstractmethod
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        """Returns a new controller."""

    def test_its_first_proposals_are_near_what_a_prior_expects(self) -> None:
        expected = dict.fromkeys(FLAT.holes(), "c")
        agreeing = []
        for seed in range(8):
            controller = self.make(FLAT, [maximize("accuracy")], seed=seed)
            controller.use_prior(expected)
            first = [controller.ask().architecture.decisions for _ in range(3)]
            agreeing += [list(decisions.values()).count("c") for decisions in first]
        assert fmean(agreeing) > 3.2  # of 8; anywhere in the space: 2

    def test_replay_restores_it_with_its_prior(self) -> None:
        first, restored = limited(self.make, CONDITIONAL), limited(self.make, CONDITIONAL)
        for controller in (first, restored):
            controller.use_prior("plain")
        events = drive(first, 60)
        asked = [event[1].origin for event in events if event[0] == "ask"]
        assert "prior" in asked
        assert [proposal.number for proposal in replay(restored, events)] == [
            proposal.number for proposal in first.in_flight
        ]
        assert ids(restored, 10) == ids(first, 10)

    def test_what_a_prior_does_not_expect_is_found_all_the_same(self) -> None:
        space = Space({"a": choice(1, 2, 3), "b": choice("x", "y")})
        controller = self.make(space, [maximize("accuracy")], seed=0)
        controller.use_prior({"a": {1: 1.0}, "b": {"x": 2, "y": 0}})
        for _ in range(6):
            proposal = controller.ask()
            assert not proposal.repeat
            controller.tell(proposal, {"accuracy": 0.0})
        assert controller.exhausted
