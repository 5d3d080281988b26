"""Whether a controller finds the same, however its space is written: holes renamed, options permuted."""

import random
from itertools import pairwise

from controllers.objectives import maximize
from controllers.testing.driving import Make
from search_spaces import Space, choice


def unlikeliness(make: Make, seeds: int) -> float:
    """Returns the lower p-value (Welch's t-test): both writings find the same, made of the same."""
    from scipy.stats import ttest_ind  # it takes a second to import, and one test needs it

    first, second = _searches(make, None, seeds), _searches(make, [2, 0, 3, 1], seeds)
    return float(ttest_ind(first, second, equal_var=False).pvalue.min())


def _searches(make: Make, order: list[int] | None, seeds: int) -> list[tuple[float, float]]:
    """Searches one space in one writing, and returns for each seed what was found and what it was made of.

    These are the mean result, and how often the option was chosen that comes first where `order` is None;
    `order` permutes the options and renames the holes.
    """
    holes, options, results = 5, 4, 24
    shuffle = random.Random(7)
    values = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(holes)]
    pairs = [[shuffle.gauss(0.0, 1.0) for _ in range(options)] for _ in range(options)]
    names = [f"op{i}" for i in range(holes)]
    labels = [list(range(options)) for _ in range(holes)]
    if order is not None:
        names = [f"{'zyxwv'[i]} renamed" for i in range(holes)]
        labels = [[order[(i + j) % options] for j in range(options)] for i in range(holes)]
    space = Space({name: choice(*known) for name, known in zip(names, labels, strict=True)})
    found = []
    for seed in range(seeds):
        controller = make(space, [maximize("metric")], seed=seed + (0 if order is None else 1000))
        total, firsts = 0.0, 0
        for _ in range(results):
            proposal = controller.ask()
            chosen = [int(proposal.architecture.decisions[name]) for name in names]  # type: ignore[arg-type]
            result = sum(row[i] for row, i in zip(values, chosen, strict=True))
            result += sum(pairs[i][j] for i, j in pairwise(chosen))
            controller.tell(proposal, {"metric": result})
            total, firsts = total + result, firsts + chosen.count(0)
        found.append((total / results, float(firsts)))
    return found
