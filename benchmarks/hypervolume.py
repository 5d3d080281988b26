"""What share of the best possible a set of points with two objectives reaches, both to be maximised."""

from collections.abc import Sequence

from controllers.ranking import hypervolume

Point = tuple[float, float]


def share_of_front(points: Sequence[Point], everything: Sequence[Point]) -> float:
    """The hypervolume of ``points`` over that of all there is, seen from the worst of the true front.

    The reference point has the lowest value of each objective on the true front: only what lies in the
    range of the front counts.
    """
    front = _front(everything)
    reference = (min(x for x, _ in front), min(y for _, y in front))
    return hypervolume(points, reference) / hypervolume(front, reference)


def _front(points: Sequence[Point]) -> list[Point]:
    front: list[Point] = []
    for x, y in sorted(points, reverse=True):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front
