"""One rung of successive halving: results after equally many epochs, and which of them go on."""

import heapq

from controllers import ranking
from controllers.records import Outcome

# with several objectives: the best so many paused trials are candidates, ordered anew after so large a share
_CANDIDATES, _SHARE = 300, 0.05


class Rung:
    """The feasible results of a rung, of which one in `factor` may go on: always the best one that is paused.

    With one objective the best is the one with the highest score, or score and last gain in the proportion
    that was learnt from those that went on (`weigh`).

    A rung earns one promotion by every `factor` results, and promotes no more than it has earned: those that
    go on are then among the best `1 / factor`, as the published rule asks (only those gone on can be better).
    That rule (get_job in Algorithm 2 of L. Li et al., MLSys 2020) also promotes each newcomer that outdoes a
    trial promoted early; waiting until the promotion is earned spares those trainings (the delayed promotion
    of Y. Li et al., "Hyper-Tune", VLDB 2022). So that a newcomer better than all before it need not wait, one
    promotion is kept for such a record.

    With several objectives, paused trials are ordered by non-dominated front and crowding (`ranking.order`),
    and that only now and then and the best 300 only: the time of a call must not grow with the number of
    results. No promotion is kept for records then.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._count = 0
        self._worth = 0.0
        self._known: list[tuple[float, float, int]] = []  # with one objective: score, gain and whose they are
        self._gone_on: set[int] = set()
        self._record: tuple[float, int] | None = None  # with one objective: the best score, and whose it is
        # a heap of (minus the score, or the place; number); those gone on are taken out when met
        self._paused: list[tuple[float, int]] = []
        self._several: list[tuple[int, Outcome]] = []  # with several objectives: those that may go on
        self._new = 0  # of them, how many came after they were ordered

    def add(self, number: int, outcome: Outcome, gain: float = 0.0) -> None:
        """Records a result; one that is not feasible never goes on and is not counted.

        Args:
            number: the number of the trial.
            outcome: how it did.
            gain: what it has gained in its last epoch, see `controllers.curves`.
        """
        if not outcome.feasible:
            return
        self._count += 1
        if len(outcome.scores) == 1:
            self._known.append((outcome.scores[0], gain, number))
            score = outcome.scores[0] + self._worth * gain
            heapq.heappush(self._paused, (-score, number))
            if self._record is None or score > self._record[0]:
                self._record = score, number
        else:
            self._several.append((number, outcome))
            self._new += 1

    @property
    def count(self) -> int:
        """The number of its feasible results."""
        return self._count

    def weigh(self, worth: float) -> None:
        """Orders its results anew, by what a gain of 1 in the last epoch is worth beside the score."""
        if worth == self._worth:
            return
        self._worth = worth
        scores = [(score + worth * gain, number) for score, gain, number in self._known]
        self._record = max(scores, key=lambda one: one[0], default=None)
        self._paused = [(-score, number) for score, number in scores if number not in self._gone_on]
        heapq.heapify(self._paused)

    def candidate(self, *, keep: bool = True) -> int | None:
        """Returns the paused trial that should go on, if any; without `keep`, none waits for a record."""
        unused = int(self._count / self.factor) - len(self._gone_on)  # get_job: top_k of |rung| / eta
        if unused < 1:
            return None
        if keep and unused == 1 and self._record is not None:
            return None if self._record[1] in self._gone_on else self._record[1]
        return self.best(anew=False)

    def best(self, *, anew: bool = True) -> int | None:
        """Returns the best paused trial; with `anew`, by an order that has all results in it."""
        self._order(anew=anew)
        best = self._first()
        if best is None and self._new:
            self._order(anew=True)
            best = self._first()
        return best

    def go_on(self, number: int) -> None:
        """Counts a trial as gone on to the next rung."""
        self._gone_on.add(number)

    def _first(self) -> int | None:
        while self._paused and self._paused[0][1] in self._gone_on:
            heapq.heappop(self._paused)
        return self._paused[0][1] if self._paused else None

    def _order(self, *, anew: bool) -> None:
        """Orders the paused trials anew where there are several objectives and it is time for that."""
        if self._new <= (0 if anew else _SHARE * len(self._several)):
            return
        paused = [(number, outcome) for number, outcome in self._several if number not in self._gone_on]
        places = ranking.order([outcome for _, outcome in paused])[:_CANDIDATES]
        self._several = [paused[index] for index in places]
        self._paused = [(float(place), number) for place, (number, _) in enumerate(self._several)]
        self._new = 0
