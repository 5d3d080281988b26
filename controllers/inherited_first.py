"""Trials that are first scored with inherited weights, and only the best of which are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers.curves import OlderCurve
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

    Until a trial was trained to its end, trials are trained at once: one shows how long a training takes.

    Args:
        finish: the fidelity of those that are trained, new.
        epochs: the epochs of a training where that fidelity does not say.
    """

    def __init__(self, finish: Fidelity, epochs: int) -> None:
        self.finish, self._epochs = finish, epochs
        self.settings = {"finish": dict(finish.settings), "epochs": epochs}
        self.trusted = True
        self._scored: dict[int, Outcome] = {}
        self._waiting: set[int] = set()  # of these, who was not begun to be trained
        self._trained: dict[int, float | None] = {}
        self._across: list[int] | None = None  # those that are trained for the check
        self._finishing: dict[int, int] = {}  # begun by the other fidelity, and until where at first

    @property
    def max_epochs(self) -> int:  # type: ignore[override]
        return self.finish.max_epochs or self._epochs

    @property
    def rungs(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.finish.rungs

    @property
    def num_scored(self) -> int:
        """How many networks were scored with inherited weights."""
        return len(self._scored)

    @property
    def ready(self) -> bool:
        """Whether a trial was trained, so that it is known how long that takes."""
        return any(score is not None for score in self._trained.values())

    @property
    def checked(self) -> list[Checked] | None:
        """How those did that were trained for the check; None: they are not all over."""
        if self._across is None or not all(number in self._trained for number in self._across):
            return None
        ends = [(number, self._trained[number]) for number in self._across]
        return [
            Checked(number, self._scored[number].scores[0], end) for number, end in ends if end is not None
        ]

    def distrust(self) -> None:
        """Lets new trials be trained at once, as they would without a bank."""
        self.trusted = False

    def begin(self, number: int) -> int | None:
        if self.trusted and self.ready:
            return 0
        if self.trusted and not isinstance(self.finish, Stages):
            return None  # by itself on a rung, the first trial would never be promoted
        return self._begin(number)

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        if not epochs:
            if outcome.feasible:
                self._scored[number] = outcome
                self._waiting.add(number)
                if len(self._scored) >= CHECK_AFTER:
                    self._choose_across()
            return
        if number in self._finishing:
            self.finish.record(number, epochs, outcome)
        if epochs >= self.max_epochs:
            self._trained[number] = outcome.scores[0] if outcome.feasible else None

    def failed(self, number: int) -> None:
        """Takes in that the training of a trial has failed."""
        self._trained.setdefault(number, None)

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        number = self._to_train(last)
        if number is None:
            return self.finish.next_leg(last=last)
        return number, self._until(number)

    def next_of_the_best(self) -> tuple[int, int] | None:
        """Returns one of the best that were scored and are to be trained in the end, and to which epoch."""
        number = self._to_train(True) if self.trusted and self.checked is not None else None
        return None if number is None else (number, self._until(number))

    def next_scored(self) -> tuple[int, int] | None:
        """Returns the best that was scored and not trained, whatever the scores are worth, and to which
        epoch: for a space that has no other networks."""
        waiting = self._in_order(self._waiting)
        return (waiting[0], self._until(waiting[0])) if waiting else None

    def resume(self, number: int, epochs: int) -> None:
        self._choose_across()  # not where it is asked what is next: that is not repeated in a replay
        if number not in self._waiting:
            self.finish.resume(number, epochs)
            return
        self._until(number)
        self._waiting.discard(number)

    def recall(self, curve: OlderCurve) -> None:
        self.finish.recall(curve)

    def _begin(self, number: int) -> int | None:
        until = self.finish.begin(number)
        self._finishing[number] = until or self.max_epochs
        return until

    def _until(self, number: int) -> int:
        """Until where a trial is trained that was scored; those of the check to their end."""
        if number in (self._across or ()):
            return self.max_epochs
        if number not in self._finishing:
            self._begin(number)
        return self._finishing[number]

    def _to_train(self, last: bool) -> int | None:
        """The next trial that was scored and is to be trained."""
        if not self.trusted:
            return None
        across = self._across
        if across is None and last:
            across = _across(self._in_order(self._waiting))
        for number in across or ():
            if number in self._waiting:
                return number
        best = self._in_order(self._scored)[:FINISHED] if last else []
        return next((number for number in best if number in self._waiting), None)

    def _choose_across(self) -> None:
        """Settles who is trained for the check, if that is not settled."""
        if self._across is None and self.trusted and self._waiting:
            self._across = _across(self._in_order(self._waiting))

    def _in_order(self, some: Iterable[int]) -> list[int]:
        numbers = sorted(some)
        return [numbers[place] for place in order([self._scored[number] for number in numbers])]


def _across(numbers: Sequence[int]) -> list[int]:
    """Some of these, from the first to the last, evenly."""
    if len(numbers) <= CHECKED:
        return list(numbers)
    return [numbers[round(place * (len(numbers) - 1) / (CHECKED - 1))] for place in range(CHECKED)]
