"""Trials that are first scored with inherited weights, and only the best of which are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controllers.fidelity import Fidelity, Stages
from controllers.ranking import order
from controllers.records import Outcome

CHECK_AFTER = 20
"""So many networks are scored before some of them are trained to see what the scores are worth."""

CHECKED = 5
"""So many are trained for that, from the best to the worst."""

FINISHED = 5
"""So many of the best are trained where nothing else ends the search."""


@dataclass(frozen=True)
class Checked:
    """What became of a network that was trained to see what inherited scores are worth.

    Attributes:
        number: the number of its trial.
        inherited: its score with inherited weights; of the first objective, more is better.
        trained: its score at the end of its training.
    """

    number: int
    inherited: float
    trained: float


class InheritedFirst(Fidelity):
    """Scores each trial with weights that it inherits, and trains the best ones.

    A trial pauses before its first epoch, with the score of its network with the weights of a bank that all
    networks share (`workers.bank`). Once `CHECK_AFTER` networks have one, `CHECKED` of them, from the best to
    the worst, are trained: whoever asks `checked` can see whether such scores are worth anything here. Where
    they are not (`distrust`) trials train from now on as they would without a bank. In the end the best are
    trained; how long, and whether they pause on the way, another fidelity says.

    The first trial is trained to its end at once: it shows how long a training takes.

    Args:
        finish: the fidelity of those that are trained, new.
        epochs: the epochs of a training where that fidelity does not say.
    """

    def __init__(self, finish: Fidelity, epochs: int) -> None:
        self.finish, self._epochs = finish, epochs
        self.settings = {"finish": dict(finish.settings), "epochs": epochs}
        self.trusted = True
        self._waiting: dict[int, Outcome] = {}  # scored, and not begun to be trained
        self._scores: dict[int, float] = {}
        self._trained: dict[int, float | None] = {}
        self._across: list[int] | None = None  # those that are trained for the check
        self._sent = 0  # of the best
        self._begun: dict[int, int] = {}  # until where those are trained first that are asked for

    @property
    def max_epochs(self) -> int:  # type: ignore[override]
        return self.finish.max_epochs or self._epochs

    @property
    def num_scored(self) -> int:
        """How many networks were scored with inherited weights."""
        return len(self._scores)

    @property
    def checked(self) -> list[Checked] | None:
        """How those did that were trained for the check; None: they are not all over."""
        if self._across is None or not all(number in self._trained for number in self._across):
            return None
        ends = [(number, self._trained[number]) for number in self._across]
        return [Checked(number, self._scores[number], end) for number, end in ends if end is not None]

    def distrust(self) -> None:
        """Lets new trials be trained at once, as they would without a bank."""
        self.trusted = False

    def begin(self, number: int) -> int | None:
        if number and self.trusted:
            return 0
        first = self.finish.begin(number)
        # by itself on a rung, the first trial would never be promoted
        return first if number or isinstance(self.finish, Stages) else None

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        if epochs:
            self.finish.record(number, epochs, outcome)
            if epochs >= self.max_epochs:
                self._trained[number] = outcome.scores[0] if outcome.scores else None
        elif outcome.feasible:
            self._waiting[number] = outcome
            self._scores[number] = outcome.scores[0]
            if len(self._scores) >= CHECK_AFTER:
                self._choose_across()

    def failed(self, number: int) -> None:
        """Takes in that the training of a trial has failed."""
        self._trained.setdefault(number, None)

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        number = self._to_train(last)
        if number is None:
            return self.finish.next_leg(last=last)
        if number not in self._begun:
            self._begun[number] = self.finish.begin(number) or self.max_epochs
        return number, self._begun[number]

    def resume(self, number: int, epochs: int) -> None:
        self._choose_across()  # not where it is asked what is next: that is not repeated in a replay
        if self._waiting.pop(number, None) is None:
            self.finish.resume(number, epochs)
            return
        if number not in self._begun:  # somebody else has chosen it
            self._begun[number] = self.finish.begin(number) or self.max_epochs
        self._sent += number not in (self._across or ())

    def _to_train(self, last: bool) -> int | None:
        """The next trial that was scored and is to be trained."""
        across = self._across
        if across is None and last and self.trusted:
            across = _across(self._in_order())
        for number in across or ():
            if number in self._waiting:
                return number
        if last and self.trusted and self._sent < FINISHED and self._waiting:
            return self._in_order()[0]
        return None

    def _choose_across(self) -> None:
        """Settles who is trained for the check, if that is not settled."""
        if self._across is None and self.trusted and self._waiting:
            self._across = _across(self._in_order())

    def _in_order(self) -> list[int]:
        numbers = list(self._waiting)
        return [numbers[place] for place in order([self._waiting[number] for number in numbers])]


def _across(numbers: Sequence[int]) -> list[int]:
    """Some of these, from the first to the last, evenly."""
    if len(numbers) <= CHECKED:
        return list(numbers)
    return [numbers[round(place * (len(numbers) - 1) / (CHECKED - 1))] for place in range(CHECKED)]
