"""The laws of controllers about scores of untrained networks, a test for each."""

from abc import ABC, abstractmethod
from typing import Any

from controllers.base import Controller
from controllers.objectives import maximize
from controllers.replay import replay
from controllers.scores import SHARE
from controllers.testing.driving import CONDITIONAL, FLAT, drive, ids, limited, score
from search_spaces import Architecture


class SizeScores:
    """Two scores of any architecture: how near its decisions are to their last values, and none.

    Args:
        price: the price of a network.
    """

    names = ("size", "nothing")

    def __init__(self, price: float = 0.002) -> None:
        self.price = price
        self.num_called = 0

    def __call__(self, architecture: Architecture) -> tuple[float, float]:
        """Returns the scores."""
        self.num_called += 1
        return score(architecture), float("nan")


class ScoresContract(ABC):
    """The laws about `Controller.use_scores`, a part of `controllers.testing.ControllerContract`."""

    @abstractmethod
    def make(self, space: Any, objectives: Any, /, **options: Any) -> Controller:
        """Returns a new controller."""

    def test_it_spends_no_more_on_scores_than_its_share_of_the_evaluations(self) -> None:
        for price in (0.002, 0.04, 3.0):
            controller = self.make(FLAT, [maximize("accuracy")], seed=0)
            scores = SizeScores(price)
            controller.use_scores(scores)
            for number in range(1, 41):
                proposal = controller.ask()
                assert scores.num_called * price <= SHARE * number + 1e-9
                controller.tell(proposal, {"accuracy": score(proposal.architecture)})

    def test_replay_restores_it_with_its_scores(self) -> None:
        first, restored = limited(self.make, CONDITIONAL), limited(self.make, CONDITIONAL)
        for controller in (first, restored):
            controller.use_scores(SizeScores())
        events = drive(first, 80)
        assert [proposal.number for proposal in replay(restored, events)] == [
            proposal.number for proposal in first.in_flight
        ]
        assert ids(restored, 10) == ids(first, 10)
