"""How long a trial trains: in full at once, or from rung to rung, where only the best trials go on."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

from controllers.curves import END, Curves, OlderCurve, last_gain
from controllers.records import Outcome
from controllers.rungs import Rung
from search_spaces.arguments import checked
from search_spaces.bounds import MOST, beyond
from search_spaces.errors import ControllerError

WEIGHED = 1.1
"""By so much the results of a rung grow until it is learnt anew what gains at the rung below are worth."""

__all__ = ["Fidelity", "FullBudget", "Hyperband", "Stages", "SuccessiveHalving", "catalog"]


class Fidelity(ABC):
    """Decides after how many epochs a trial pauses, and which paused trial goes on.

    Laws: no clock and no randomness, only the calls so far; a call takes as long at 10,000 results as at 100;
    nothing blocks, whatever is still in training. A trial is named by its number.

    A trial's learning rate schedule spans `max_epochs` from its first epoch on: a pause changes nothing of
    what a trial learns. By most schedules a network that pauses is far from what it will be; by ``wsd``, and
    with averaged weights, it is near (``schedule`` and ``ema_decay`` of a `workers.recipe.Recipe`).

    Attributes:
        max_epochs: the epochs of a trial that is never stopped; None: those of its recipe.
        settings: the arguments that it was made with. Stored searches hold them by these names.
        rungs: the epochs at which trials pause, in ascending order, and those at the end as the last; empty:
            none pauses, or it is not decided yet.
    """

    max_epochs: int | None
    settings: dict[str, Any]
    rungs: tuple[int, ...] = ()

    @abstractmethod
    def begin(self, number: int) -> int | None:
        """Returns the epochs after which a new trial pauses; None: it trains to its end at once."""

    @abstractmethod
    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        """Records how a trial did that was trained for so many epochs in all."""

    @abstractmethod
    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        """Returns a paused trial that should go on, and to which epoch; None if none should for now.

        It stays the answer until `resume` is called.

        Args:
            last: whether nothing new will begin and nothing is in training. Promotions that were kept for
                better trials are used up then. Where no trial has been trained to its end, the best one is,
                so that a search never ends without a trained network.
        """

    @abstractmethod
    def resume(self, number: int, epochs: int) -> None:
        """Counts a paused trial as on its way to this epoch."""

    def recall(self, curve: OlderCurve) -> None:  # noqa: B027
        """Learns from how a trial of an older search came to its end, once there are `rungs`."""


class FullBudget(Fidelity):
    """Every trial is trained to its end.

    Args:
        max_epochs: the epochs of every trial; None: those of its recipe.
    """

    @checked(ControllerError)
    def __init__(self, max_epochs: int | None = None) -> None:
        if max_epochs is not None:
            _check_epochs("max_epochs", max_epochs)
        self.max_epochs = max_epochs
        self.settings = {"max_epochs": max_epochs}

    def begin(self, number: int) -> int | None:
        return None

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        pass

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        return None

    def resume(self, number: int, epochs: int) -> None:
        pass


class SuccessiveHalving(Fidelity):
    """Asynchronous successive halving (ASHA), promotion type.

    L. Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2: whenever
    a worker is free, the best paused trial of a rung goes on to the next if it is among the best
    `1 / factor`, the highest rung first; else a new trial begins. What differs: promotions wait until the
    rung has earned them, and one is kept for a trial better than all before it (see `Rung`). Rungs are cut
    from the top down (`max_epochs`, `max_epochs / factor`, ...), so that the last step is as long as the
    others. And the best is not the one with the highest score only: what it gained in its last epoch counts
    as far as the trials that went on have shown beyond doubt (`controllers.curves`).

    Several objectives: trials of a rung are ordered by non-dominated front, then by crowding (R. Schmucker et
    al., "Multi-objective Asynchronous Successive Halving", 2021, compare such orders). Trials that failed or
    break a limit do not go on.

    Args:
        max_epochs: the epochs of a trial that is never stopped.
        min_epochs: the least number of epochs before a first pause; None: `max_epochs / 27`, which is four
            rungs with the default factor.
        factor: the number of trials of which one goes on, above 1.
    """

    max_epochs: int

    @checked(ControllerError)
    def __init__(self, max_epochs: int = 27, min_epochs: int | None = None, factor: float = 3) -> None:
        self.rungs = rungs_of(max_epochs, min_epochs, factor)
        self.max_epochs = max_epochs
        self.settings = {"max_epochs": max_epochs, "min_epochs": min_epochs, "factor": factor}
        self._bracket = _Bracket(self.rungs, factor)

    def begin(self, number: int) -> int | None:
        return self._bracket.rungs[0]

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        self._bracket.record(number, epochs, outcome)

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        leg = self._bracket.next_leg(last=last)
        return self._bracket.last_leg() if leg is None and last else leg

    def resume(self, number: int, epochs: int) -> None:
        self._bracket.resume(number, epochs)

    def recall(self, curve: OlderCurve) -> None:
        self._bracket.recall(curve)


class Hyperband(Fidelity):
    """Asynchronous Hyperband: several brackets of successive halving, from the boldest to full training.

    L. Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 2018. New
    trials are given to the brackets in the proportions of its Algorithm 1 (`(s_max + 1) / (s + 1) *
    factor ** s` to the bracket with s pauses), as evenly as whole numbers allow; in each, trials go on as in
    `SuccessiveHalving`. It is safer than that where a network's first epochs say little of its last.

    Args:
        max_epochs: the epochs of a trial that is never stopped.
        min_epochs: the least number of epochs before a first pause; None: `max_epochs / 27`.
        factor: the number of trials of which one goes on, above 1.
    """

    max_epochs: int

    @checked(ControllerError)
    def __init__(self, max_epochs: int = 27, min_epochs: int | None = None, factor: float = 3) -> None:
        self.rungs = rungs_of(max_epochs, min_epochs, factor)
        self.max_epochs = max_epochs
        self.settings = {"max_epochs": max_epochs, "min_epochs": min_epochs, "factor": factor}
        count = len(self.rungs)
        self._brackets = [_Bracket(self.rungs[first:], factor) for first in range(count)]
        # Alg. 1: n, the number of configurations of the bracket with s = count - first - 1
        self._shares = [count / (count - first) * factor ** (count - first - 1) for first in range(count)]
        self._sizes = [0] * count
        self._bracket_of: dict[int, int] = {}

    def begin(self, number: int) -> int | None:
        # the bracket that has got the least of its share
        chosen = min(range(len(self._shares)), key=lambda i: ((self._sizes[i] + 1) / self._shares[i], i))
        self._sizes[chosen] += 1
        self._bracket_of[number] = chosen
        return self._brackets[chosen].rungs[0]

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        self._brackets[self._bracket_of[number]].record(number, epochs, outcome)

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        legs = (bracket.next_leg(last=last) for bracket in self._brackets)
        leg = next((leg for leg in legs if leg is not None), None)
        if leg is not None or not last or any(bracket.reached_the_end for bracket in self._brackets):
            return leg
        ends = [leg for bracket in self._brackets if (leg := bracket.last_leg()) is not None]
        return ends[-1] if ends else None

    def resume(self, number: int, epochs: int) -> None:
        self._brackets[self._bracket_of[number]].resume(number, epochs)

    def recall(self, curve: OlderCurve) -> None:
        for bracket in self._brackets:
            bracket.recall(curve)


class Stages(Fidelity):
    """The fidelity of a plan (`nas.search.plan`): what it says is chosen after two epochs of the first trial.

    That trial pauses then, and `decide` says how long trials train and where they pause. The first one goes
    on first: to its end at once, if that is decided, else like the others, as in `SuccessiveHalving`.

    Args:
        max_epochs: the epochs of a trial that is never stopped; None: they are chosen, too.

    Attributes:
        candidates: how many trials are expected to begin; None: that is not known.
    """

    factor = 3
    """Of so many trials one goes on from a rung."""

    probe = 2
    """The epochs of the first trial before that: the first one of a process takes longer than all others."""

    @checked(ControllerError)
    def __init__(self, max_epochs: int | None = None) -> None:
        if max_epochs is not None:
            _check_epochs("max_epochs", max_epochs)
        self.max_epochs = max_epochs
        self.candidates: int | None = None
        self.settings = {"max_epochs": max_epochs}
        self._decided: SuccessiveHalving | None = None
        self._first: int | None = None  # the trial that waits for the decision, and goes on first
        self._ends_first = True

    @property
    def decided(self) -> bool:
        """Whether it was chosen how long trials train."""
        return self._decided is not None

    def decide(
        self, max_epochs: int, min_epochs: int, candidates: int | None = None, *, ends_first: bool = True
    ) -> None:
        """Sets how long trials train from now on.

        Args:
            max_epochs: the epochs of a trial that is never stopped.
            min_epochs: the epochs before a first pause; `max_epochs`: no trial pauses.
            candidates: how many trials are expected to begin; None: that is not known.
            ends_first: whether the first trial goes to its end at once.
        """
        self._ends_first = ends_first
        self._decided = SuccessiveHalving(max_epochs, min_epochs, self.factor)
        self.max_epochs, self.candidates = max_epochs, candidates
        self.rungs = self._decided.rungs

    def begin(self, number: int) -> int | None:
        return self.probe if self._decided is None else self._decided.begin(number)

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        if self._decided is not None:
            self._decided.record(number, epochs, outcome)
        elif outcome.feasible and self._first is None:
            self._first = number

    def next_leg(self, *, last: bool = False) -> tuple[int, int] | None:
        if self._decided is None:
            return None
        if self._first is not None and self._decided.max_epochs > self.probe:
            if self._ends_first:
                return self._first, self._decided.max_epochs
            return self._first, min(epochs for epochs in self._decided.rungs if epochs > self.probe)
        return self._decided.next_leg(last=last)

    def resume(self, number: int, epochs: int) -> None:
        if number == self._first:
            self._first = None
        elif self._decided is not None:
            self._decided.resume(number, epochs)

    def recall(self, curve: OlderCurve) -> None:
        if self._decided is not None:
            self._decided.recall(curve)


catalog: dict[str, type[Fidelity]] = {
    "auto": Stages, "full": FullBudget, "asha": SuccessiveHalving, "hyperband": Hyperband
}  # fmt: skip
"""Every fidelity by the name that the command line and the store know it by."""


class _Bracket:
    """Successive halving over some rungs: epochs in ascending order, the last of which is a trial's end."""

    def __init__(self, rungs: tuple[int, ...], factor: float) -> None:
        self.rungs = rungs
        self._next = dict(pairwise(rungs))
        self._results = {epochs: Rung(factor) for epochs in rungs}
        self._at: dict[int, int] = {}  # the rung at which each trial was recorded last
        self._curves = Curves()  # with one objective
        self._weighed = dict.fromkeys(rungs, 0)  # how many results a rung had when the one below was weighed
        self.reached_the_end = False

    def record(self, number: int, epochs: int, outcome: Outcome) -> None:
        if epochs in self._results:  # another number of epochs is from a record under other rungs
            gain = self._learn(number, epochs, outcome) if len(outcome.scores) == 1 else 0.0
            self._results[epochs].add(number, outcome, gain)
            self._at[number] = epochs
        self.reached_the_end |= epochs == self.rungs[-1] and outcome.feasible

    def _learn(self, number: int, epochs: int, outcome: Outcome) -> float:
        """Learns what gains are worth from a trial that went on; returns what it has gained now."""
        if not outcome.feasible:
            return 0.0
        score, before = outcome.scores[0], outcome.before[0] if outcome.before else None
        self._curves.add(str(number), END if epochs == self.rungs[-1] else epochs, score, before)
        below, count = self._at.get(number), self._results[epochs].count + 1
        if below is not None and count > WEIGHED * self._weighed[epochs]:
            self._results[below].weigh(self._curves.worth_of_gain(below))
            self._weighed[epochs] = count
        return last_gain(epochs, score, before)

    def next_leg(self, *, last: bool) -> tuple[int, int] | None:
        for epochs in reversed(self.rungs[:-1]):  # L. Li et al. 2020, Alg. 2, get_job: the highest rung first
            number = self._results[epochs].candidate(keep=not last)
            if number is not None:
                return number, self._next[epochs]
        return None

    def last_leg(self) -> tuple[int, int] | None:
        """Returns the best of the highest rung, to go to the end; None where a trial is there already."""
        for epochs in reversed(self.rungs[:-1]) if not self.reached_the_end else ():
            number = self._results[epochs].best()
            if number is not None:
                return number, self.rungs[-1]
        return None

    def resume(self, number: int, epochs: int) -> None:
        if number in self._at:
            self._results[self._at[number]].go_on(number)

    def recall(self, curve: OlderCurve) -> None:
        """Learns what gains are worth from a trial of an older search."""
        pauses = self.rungs[:-1]
        if len(curve.end) == 1 and any(epochs in curve.scores for epochs in pauses):
            self._curves.recall(curve, pauses)
            for epochs in pauses:
                if epochs in curve.scores:
                    self._results[epochs].weigh(self._curves.worth_of_gain(epochs))


def rungs_of(max_epochs: int, min_epochs: int | None, factor: float) -> tuple[int, ...]:
    """Returns the epochs at which trials pause, in ascending order, and `max_epochs` as the last.

    Raises:
        ControllerError: an argument that is not what it should be.
    """
    _check_epochs("max_epochs", max_epochs)
    if not 1 < factor < math.inf:
        raise ControllerError(f"factor: expected a number above 1, got {factor!r}")
    if min_epochs is not None:
        _check_epochs("min_epochs", min_epochs)
        if min_epochs > max_epochs:
            raise ControllerError(f"min_epochs: expected at most max_epochs, {max_epochs}, got {min_epochs}")
    least = max(1.0, max_epochs / 27 if min_epochs is None else min_epochs)
    rungs, epochs = [max_epochs], max_epochs / factor
    while round(epochs) >= round(least):
        if round(epochs) < rungs[-1]:
            rungs.append(round(epochs))
        epochs /= factor
    return tuple(reversed(rungs))


def _check_epochs(name: str, value: int) -> None:
    if value < 1:
        raise ControllerError(f"{name}: expected a whole number of at least 1, got {value!r:.80}")
    if value > MOST.epochs:
        raise ControllerError(beyond("epochs", f"{name}: {value!r:.40}"))
