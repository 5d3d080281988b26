"""The networks that train a bank, where a controller draws them which learns from how they do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controllers.base import Controller, Proposal
from controllers.planner import UndecidedController
from controllers.reinforce import Reinforce
from nas.description import Description, training_seed
from nas.records import PathScore
from search_spaces.space import Space


class LessonNetworks:
    """Draws the networks of each lesson, and learns from how they do with the bank after it.

    The controller of the search is another one: what it proposes does not depend on this. Here networks may
    come again, for they are another result with each bank (Pham et al., "Efficient Neural Architecture Search
    via Parameter Sharing", ICML 2018, where a policy and the shared weights are trained in turn). A lesson is
    taught by those of earlier lessons, too: there a policy draws another one for each step, and a bank which
    few train knows these alone.

    Args:
        controller: the controller, new.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        controller.repeats = True
        self._drawn: list[Proposal] = []  # for the lesson that is not over
        self._earlier: dict[str, Mapping[str, Any]] = {}  # decisions of those that have trained it, by id

    @staticmethod
    def of(description: Description, controller: Controller) -> LessonNetworks:
        """Returns what draws networks for a search.

        Args:
            description: the description of the search.
            controller: its controller, of whose kind and settings the one here is; that of a search which
                leaves it to its plan is a policy, as in the paper.
        """
        seed = training_seed(description.seed, "paths")
        kind, settings = type(controller), controller.settings
        if isinstance(controller, UndecidedController):
            kind, settings = Reinforce, {}
        made = kind(controller.space, controller.objectives, limits=controller.limits, seed=seed, **settings)
        if controller.prior is not None:
            made.use_prior(controller.prior)
        return LessonNetworks(made)

    @property
    def space(self) -> Space:
        """The space whose networks it draws."""
        return self._controller.space

    def draw(self, count: int) -> tuple[Mapping[str, Any], ...]:
        """Returns the decisions of so many new networks for the next lesson: the same until that is over."""
        if not self._drawn:
            self._drawn = [self._controller.ask() for _ in range(count)]
        return tuple(dict(one.architecture.decisions) for one in self._drawn)

    @property
    def earlier(self) -> tuple[Mapping[str, Any], ...]:
        """The decisions of the networks that have trained the bank before, each once."""
        return tuple(self._earlier.values())

    def learn(self, scored: Sequence[Mapping[str, float] | None]) -> tuple[PathScore, ...]:
        """Learns how the networks of the lesson do that is over.

        Args:
            scored: the metrics of each, in their order; None: it could not be built. Those at the end may be
                missing that were not scored.

        Returns:
            What the store is to keep of it, which `restore` takes.
        """
        metrics = [*scored, *({} for _ in self._drawn[len(scored) :])]
        for proposal, values in zip(self._drawn, metrics, strict=True):
            if values is None or values:
                self._controller.tell(proposal, values)
            else:
                self._controller.set_aside(proposal)
            if values:
                decisions = dict(proposal.architecture.decisions)
                self._earlier.setdefault(proposal.architecture.id, decisions)
        kept = [
            PathScore(dict(one.architecture.decisions), values)
            for one, values in zip(self._drawn, metrics, strict=True)
        ]
        self._drawn = []
        return tuple(kept)

    def restore(self, lessons: Iterable[Sequence[PathScore]]) -> None:
        """Comes to where it was after these lessons, from the beginning."""
        for lesson in lessons:
            for one in lesson:
                asked = self._controller.ask()
                architecture = self.space.architecture(one.decisions)
                if asked.architecture.id != architecture.id:  # what was recorded is what happened
                    asked = Proposal(asked.number, architecture)
                    self._controller.adopt(asked)
                self._drawn.append(asked)
            self.learn([one.metrics for one in lesson])
