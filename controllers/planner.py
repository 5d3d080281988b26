"""What to train next and for how long: a controller and a fidelity, joined."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from controllers.base import Controller
from controllers.curves import OlderCurve
from controllers.fidelity import Fidelity, FullBudget, Stages
from controllers.inherited_first import InheritedFirst
from controllers.random_search import RandomSearch
from controllers.records import Outcome, Proposal, judge
from controllers.replay import ask_again, insert
from search_spaces import Architecture


@final
class UndecidedController(RandomSearch):
    """Stands for a controller that is still to be chosen; see `Planner.go_on_with`.

    Attributes:
        heard: what it was told and observed, in that order: a proposal, its epochs so far (None: it is over)
            and how it did.
    """

    def __init__(self, space: Any, objectives: Any, **options: Any) -> None:
        super().__init__(space, objectives, **options)
        self.heard: list[tuple[Proposal, int | None, Outcome]] = []

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        self.heard.append((proposal, None, outcome))

    def _observe(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        self.heard.append((proposal, epochs, outcome))


class Planner:
    """Joins a controller, which says what to try, and a fidelity, which says for how long.

    The controller is told of a trial when it has come to its end, has failed or breaks a limit. One that
    pauses is set aside, not proposed again and not waited for, and what it scores then is observed: it is no
    result, but says something of the end to controllers that make use of it. (S. Falkner et al., "BOHB", ICML
    2018, let the model take lower rungs for results until a higher one has enough; decision records 0007 and
    0029 say what is won and lost by either.)

    A planner is deterministic given the sequence of calls. It is restored by `repeat` in place of `ask`, and
    by the other calls with what was recorded, in their order.

    Args:
        controller: the controller, which proposes.
        fidelity: a new fidelity; None: every trial is trained to its end.

    Attributes:
        ends: the epochs of trials in all, by number, where they are not those of the fidelity: ones that were
            told to finish.
    """

    def __init__(self, controller: Controller, fidelity: Fidelity | None = None) -> None:
        self.controller = controller
        self.fidelity = FullBudget() if fidelity is None else fidelity
        self.ends: dict[int, int] = {}
        self._asked: list[Proposal] = []  # as long as the controller is undecided
        self._scored: list[Proposal] = []  # with inherited weights
        self._over: list[tuple[Proposal, Outcome]] = []  # as long as these are trusted
        self._older: tuple[OlderCurve, ...] = ()

    @property
    def inherited(self) -> InheritedFirst | None:
        """The fidelity, where trials are first scored with inherited weights."""
        return self.fidelity if isinstance(self.fidelity, InheritedFirst) else None

    @property
    def stages(self) -> Stages | None:
        """What is to be told how long trials train, where a plan chooses that."""
        found = self.fidelity.finish if isinstance(self.fidelity, InheritedFirst) else self.fidelity
        return found if isinstance(found, Stages) else None

    def recall(self, older: Sequence[OlderCurve]) -> None:
        """Learns from trials of older searches what early scores say of late ones, before anything is asked.

        Where it is not decided yet at which epochs trials pause, that is when it is.
        """
        self._older = tuple(older)
        self._recall()

    def decide(
        self, max_epochs: int, min_epochs: int, candidates: int | None = None, *, ends_first: bool = True
    ) -> None:
        """Sets how long trials train from now on, where a plan chooses that; see `Stages.decide`."""
        if self.stages is not None:
            # with shared weights it is waited for a trial that was trained
            self.stages.decide(
                max_epochs, min_epochs, candidates, ends_first=ends_first or self.inherited is not None
            )
            self._recall()

    def _recall(self) -> None:
        if not self.fidelity.rungs:
            return
        for curve in self._older:
            self.fidelity.recall(curve)
        self._recall_to(self.controller)

    def _recall_to(self, controller: Controller) -> None:
        if self.inherited is None or not self.inherited.trusted:  # else its scores are of another kind
            for curve in self._older:
                controller.recall(curve, self.fidelity.rungs[:-1])

    def set_aside(self, proposal: Proposal) -> None:
        """Records that nothing is to be heard of a proposal, which takes too much time."""
        self.controller.set_aside(proposal)
        if self.inherited is not None and self.inherited.trusted:
            self._scored.append(proposal)

    def distrust(self) -> None:
        """Forgets what inherited weights have said: from now on trials are trained as ever.

        The controller begins anew, and is told of the trials that were trained.
        """
        if self.inherited is None or not self.inherited.trusted:
            return
        self.inherited.distrust()
        before = self.controller
        made = type(before)(
            before.space, before.objectives, limits=before.limits, seed=before.seed, **before.settings
        )
        if before.prior is not None:
            made.use_prior(before.prior)
        if before.hints is not None:
            made.use_scores(before.hints.function)
        self._asked = []
        for proposal in before.in_flight:
            made.adopt(proposal)
            self._note(proposal)
        for proposal in self._scored:
            made.set_aside(self._note(proposal))
        self._recall_to(made)
        for proposal, outcome in self._over:
            made.set_aside(self._note(proposal))  # which keeps count of numbers
            made.take(proposal, outcome)
        self.controller = made
        self._scored, self._over = [], []

    def go_on_with(self, controller: Controller) -> None:
        """Puts a controller in the place of an undecided one, with what is in flight and what was heard."""
        before = self.controller
        assert isinstance(before, UndecidedController)
        in_flight = {proposal.number for proposal in before.in_flight}
        for proposal in self._asked:
            (controller.adopt if proposal.number in in_flight else controller.set_aside)(proposal)
        self._recall_to(controller)
        for proposal, epochs, outcome in before.heard:
            if epochs is None:
                controller.take(proposal, outcome)
            else:
                controller.see(proposal, epochs, outcome)
        self.controller, self._asked = controller, []

    def ask(self) -> Proposal:
        """Returns what to try next."""
        return self._note(self.controller.ask())

    def insert(self, architecture: Architecture, origin: str) -> Proposal:
        """Puts a given network in flight as the next proposal, and returns that proposal.

        Args:
            architecture: the network to try next.
            origin: the word that says how the network came about.
        """
        return self._note(insert(self.controller, architecture, origin))

    def repeat(self, recorded: Proposal) -> None:
        """Asks as was asked before; where the answer is another one now, what was recorded counts."""
        ask_again(self.controller, recorded)
        self._note(recorded)

    def begin(self, proposal: Proposal) -> int | None:
        """Begins a training; returns the epoch after which it pauses, or None if it goes to its end."""
        return self.fidelity.begin(proposal.number)

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        """Returns the number of a paused trial that should go on, and to which epoch: `Fidelity.next_leg`."""
        found, inherited = self.fidelity.next_leg(last=last), self.inherited
        if found is None and last and inherited is not None and not inherited.trusted:
            return inherited.next_scored() if self.controller.exhausted else None
        return found

    def resume(self, number: int, until: int) -> None:
        """Lets a paused trial go on."""
        self.fidelity.resume(number, until)

    def pause(
        self,
        proposal: Proposal,
        epochs: int,
        values: Mapping[str, float] | None,
        before: Mapping[str, float] | None = None,
    ) -> None:
        """Records how a trial did that has paused.

        Args:
            proposal: the proposal that is tried.
            epochs: its epochs so far.
            values: its values as for `Controller.tell`.
            before: those of them that were others one epoch earlier, as they were then; None: not known.
        """
        objectives, limits = self.controller.objectives, self.controller.limits
        outcome = judge(values, objectives, limits)
        if values is not None and before is not None:
            outcome = replace(outcome, before=judge({**values, **before}, objectives, limits).scores)
        self.fidelity.record(proposal.number, epochs, outcome)
        inherited = self.inherited
        if inherited is not None and not epochs and not inherited.trusted:
            self.controller.set_aside(proposal)  # its score is of another kind than all it hears now
            return
        if inherited is not None and inherited.trusted:
            # what networks are worth with inherited weights is all that it learns from
            if epochs:
                self.controller.set_aside(proposal)
            else:
                self._scored.append(proposal)
                self.controller.take(proposal, outcome)
            return
        self.controller.set_aside(proposal)
        self.hear(proposal, epochs, outcome)

    def hear(self, proposal: Proposal, epochs: int, outcome: Outcome) -> None:
        """Lets the controller observe a trial that has paused."""
        self.controller.see(proposal, epochs, outcome)

    def end(self, proposal: Proposal, values: Mapping[str, float] | None, *, trained: bool = True) -> None:
        """Records how a trial did that is over.

        Args:
            proposal: the proposal that was tried.
            values: its values as for `Controller.tell`; None: it failed.
            trained: whether it was trained, to its end or its failure, and not answered in some other way.
        """
        outcome = judge(values, self.controller.objectives, self.controller.limits)
        inherited = self.inherited
        if inherited is not None and trained and not outcome.scores:
            inherited.failed(proposal.number)
        if inherited is None or not inherited.trusted:
            self.controller.take(proposal, outcome)
        elif outcome.feasible:
            self.controller.set_aside(proposal)
            if trained:
                self._over.append((proposal, outcome))
        else:
            self.controller.take(proposal, outcome)
            self._over.append((proposal, outcome))
        if trained and values is not None and self.fidelity.max_epochs is not None:
            self.fidelity.record(proposal.number, self.fidelity.max_epochs, outcome)

    def _note(self, proposal: Proposal) -> Proposal:
        if isinstance(self.controller, UndecidedController):
            self._asked.append(proposal)
        return proposal
