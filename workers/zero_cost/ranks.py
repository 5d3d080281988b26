"""Several parts as one score, by their ranks in a sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from scipy.stats import rankdata

Score = TypeVar("Score", bound=Callable[..., Mapping[str, float]])


def of_parts(*names: str) -> Callable[[Score], Score]:
    """Returns a decorator that says of which parts a score is: limits can be on each of them."""

    def decorate(score: Score) -> Score:
        vars(score)["parts"] = names
        return score

    return decorate


def aggregated(parts: Mapping[str, Sequence[float]]) -> list[float]:
    """Returns the non-linear aggregation of ranks of AZ-NAS: the sum over parts of ``log(rank / m)``.

    A network that is last in one part loses more by it than one gains that is first in another. The values
    say something within their sample only. Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network
    Architecture Search, 2024.

    Args:
        parts: the values of each part over the ``m`` networks of a sample, more being better; none is NaN.
    """
    columns = [rankdata(values) / len(values) for values in parts.values()]
    return [sum(math.log(rank) for rank in ranks) for ranks in zip(*columns, strict=True)]
