"""The one order in which controllers compare trials: feasible, then by violation, then failed.

Feasible trials are compared by their score or, with several objectives, by non-dominated front and then by
crowding distance (K. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE TEC
2002; infeasible ones by its constrained domination, definition 1). Plain Python: populations are small, and
`import controllers` stays light.
"""

import math
from collections.abc import Sequence

from controllers.records import Outcome

Scores = tuple[float, ...]


def key(outcome: Outcome) -> tuple[int, float]:
    """Returns a sort key for one objective: the larger, the better."""
    if outcome.failed:
        return (0, 0.0)
    if not outcome.feasible:
        return (1, -outcome.violation)
    return (2, outcome.scores[0])


def dominates(first: Scores, second: Scores) -> bool:
    """Returns whether `first` is at least as good everywhere and better somewhere (higher is better)."""
    return first != second and all(a >= b for a, b in zip(first, second, strict=True))


def fronts(scores: Sequence[Scores]) -> list[list[int]]:
    """Returns indices into `scores` by non-dominated front, the best front first; equal scores share a front.

    Efficient non-dominated sort, sequential search (X. Zhang et al., IEEE TEC 2015): visited from the
    lexicographically largest down, nobody can be dominated by one who comes later, so one pass is enough.
    """
    found: list[list[int]] = []
    for index in sorted(range(len(scores)), key=lambda index: scores[index], reverse=True):
        for front in found:
            # ENS-SS: the latest of a front is the nearest, hence the likeliest to dominate
            if not any(dominates(scores[other], scores[index]) for other in reversed(front)):
                front.append(index)
                break
        else:
            found.append([index])
    return found


def first_front(scores: Sequence[Scores]) -> list[int]:
    """Returns indices of the non-dominated scores, the largest first: the first of `fronts`, found sooner."""
    front: list[int] = []
    for index in sorted(range(len(scores)), key=lambda index: scores[index], reverse=True):
        if not any(dominates(scores[other], scores[index]) for other in reversed(front)):
            front.append(index)
    return front


def crowding(scores: Sequence[Scores]) -> list[float]:
    """Returns the crowding distance of each member of one front: the size of the gap that it stands in.

    It is infinite at the ends of an objective.
    """
    distances = [0.0] * len(scores)
    if not scores:
        return distances
    for axis in range(len(scores[0])):
        ranked = sorted(range(len(scores)), key=lambda index: scores[index][axis])
        low, high = scores[ranked[0]][axis], scores[ranked[-1]][axis]
        distances[ranked[0]] = distances[ranked[-1]] = math.inf
        if high > low:
            for before, index, after in zip(ranked, ranked[1:], ranked[2:], strict=False):
                # crowding-distance-assignment of Deb et al. 2002
                distances[index] += (scores[after][axis] - scores[before][axis]) / (high - low)
    return distances


def order(outcomes: Sequence[Outcome]) -> list[int]:
    """Returns indices into `outcomes`, the best first; ties keep their order."""
    feasible = [index for index, outcome in enumerate(outcomes) if outcome.feasible]
    others = [index for index, outcome in enumerate(outcomes) if not outcome.feasible]
    ranked: list[int] = []
    if feasible and len(outcomes[feasible[0]].scores) == 1:
        ranked += sorted(feasible, key=lambda index: -outcomes[index].scores[0])
    else:
        for front in fronts([outcomes[index].scores for index in feasible]):
            members = sorted(feasible[position] for position in front)
            distances = crowding([outcomes[index].scores for index in members])
            ranked += [members[i] for i in sorted(range(len(members)), key=lambda i: -distances[i])]
    return ranked + sorted(others, key=lambda index: key(outcomes[index]), reverse=True)


def hypervolume(points: Sequence[Scores], reference: Scores) -> float:
    """Returns the volume that the points dominate above `reference`; higher is better in every objective.

    Args:
        points: scores; those that do not lie above the reference in every objective count for nothing.
        reference: the scores above which volume counts, one per objective.
    """
    above = [point for point in points if all(a > b for a, b in zip(point, reference, strict=True))]
    if not above:
        return 0.0
    if len(reference) == 1:
        return max(point[0] for point in above) - reference[0]
    if len(reference) == 2:
        return _area(above, reference)
    volume, heights = 0.0, sorted({point[-1] for point in above}, reverse=True)
    for top, bottom in zip(heights, [*heights[1:], reference[-1]], strict=True):
        slice_ = [point[:-1] for point in above if point[-1] >= top]
        volume += (top - bottom) * hypervolume(slice_, reference[:-1])
    return volume


def _area(points: Sequence[Scores], reference: Scores) -> float:
    area, height = 0.0, reference[1]
    for x, y in sorted(points, reverse=True):
        if y > height:
            area += (x - reference[0]) * (y - height)
            height = y
    return area
