"""The hypervolume of a set of points: how much of the space of objectives they dominate.

E. Zitzler and L. Thiele, "Multiobjective Optimization Using Evolutionary Algorithms - A Comparative Case
Study", PPSN 1998. Computed by slicing along the last objective, which is quick for two and three of them.
"""

from collections.abc import Sequence

from controllers.ranking import Scores


def hypervolume(points: Sequence[Scores], reference: Scores) -> float:
    """The volume that the points dominate above ``reference``; higher is better in every objective.

    Args:
        points: any; those that do not lie above the reference in every objective count for nothing.
        reference: of as many objectives.
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
