"""How much better than expected a trial was: what a policy gradient is weighted with."""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import Literal

from controllers import ranking
from controllers.records import Outcome

AdvantageKind = Literal["rank", "scaled", "raw"]


class MovingAverage:
    """Exponential moving average, with the bias correction of D. P. Kingma and J. Ba, "Adam", ICLR 2015."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._sum = 0.0
        self._weight = 0.0

    def add(self, value: float) -> None:
        """Adds a value to the average."""
        self._sum = self._decay * self._sum + (1.0 - self._decay) * value  # Kingma & Ba: m_t
        self._weight = self._decay * self._weight + (1.0 - self._decay)  # 1 - decay^t

    @property
    def value(self) -> float:
        """The average; 0.0 before anything was added."""
        return self._sum / self._weight if self._weight else 0.0  # m_t / (1 - decay^t)


class Raw:
    """Score minus its moving average, in the units of the metric (R. J. Williams 1992, with a baseline).

    The baseline has taken the score in before it is compared, as in the reference code of NAS-Bench-201. A
    trial without a score gets the worst one seen.
    """

    def __init__(self, decay: float) -> None:
        self._baseline = MovingAverage(decay)
        self._worst = math.inf

    def __call__(self, outcome: Outcome) -> float:
        if outcome.feasible:
            score = outcome.scores[0]
            self._worst = min(self._worst, score)
        else:
            score = self._worst if math.isfinite(self._worst) else 0.0
        self._baseline.add(score)
        return score - self._baseline.value  # Williams 1992: the reinforcement minus its baseline, r - b


class Scaled:
    """Score minus its moving average, in moving standard deviations: the unit of the metric does not count.

    Infeasible trials count as 3 standard deviations below the feasible, and up to 1 more as they break the
    limits more; failed ones as the worst of these.
    """

    def __init__(self, decay: float) -> None:
        self._mean = MovingAverage(decay)
        self._square = MovingAverage(decay)
        self._baseline = MovingAverage(decay)
        self._variance = MovingAverage(decay)

    def __call__(self, outcome: Outcome) -> float:
        reward = self._reward(outcome)
        self._baseline.add(reward)
        distance = reward - self._baseline.value
        self._variance.add(distance * distance)
        deviation = math.sqrt(self._variance.value)
        return distance / deviation if deviation > 0.0 else 0.0

    def _reward(self, outcome: Outcome) -> float:
        if outcome.failed:
            return -4.0
        if not outcome.feasible:
            return -3.0 - min(outcome.violation, 1.0)
        score = outcome.scores[0]
        self._mean.add(score)
        distance = score - self._mean.value
        self._square.add(distance * distance)
        deviation = math.sqrt(self._square.value)
        return min(max(distance / deviation, -3.0), 3.0) if deviation > 0.0 else 0.0


class Rank:
    """Place among the latest results, uniform with mean 0 and standard deviation 1 when nothing changes.

    It works for any number of objectives (the place is by non-dominated front and crowding), with limits and
    failures, and a single awful result does not drown the differences between good ones.
    """

    def __init__(self, window: int, objectives: int) -> None:
        self._window = window
        self._single = objectives == 1
        self._recent: deque[Outcome] = deque()
        self._keys: list[tuple[int, float]] = []  # of the recent, sorted (one objective only)

    def __call__(self, outcome: Outcome) -> float:
        self._recent.append(outcome)
        if len(self._recent) > self._window:
            gone = self._recent.popleft()
            if self._single:
                del self._keys[bisect_left(self._keys, ranking.key(gone))]
        size = len(self._recent)
        if self._single:
            key = ranking.key(outcome)
            insort(self._keys, key)
            below = bisect_left(self._keys, key)
            share = (below + bisect_right(self._keys, key)) / 2 / size
        else:
            place = ranking.order(self._recent).index(size - 1)
            share = (size - place - 0.5) / size
        return (share - 0.5) * math.sqrt(12.0)  # a uniform share has the variance 1 / 12


def advantage_for(kind: AdvantageKind, *, decay: float, window: int, objectives: int) -> Raw | Scaled | Rank:
    """Returns the way to weigh results that `kind` names."""
    if kind == "rank":
        return Rank(window, objectives)
    return Scaled(decay) if kind == "scaled" else Raw(decay)
