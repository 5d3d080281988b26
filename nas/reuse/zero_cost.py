"""Zero-cost scores of networks that nobody has trained: of some, or of a sample of a space, as a frame."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from search_spaces.architecture import Architecture
from search_spaces.arguments import AtLeast, Count, Seed, checked
from search_spaces.errors import BuildError, NasError, SearchError, TrainingFailure, ZeroCostError
from search_spaces.space import Space
from workers import problems
from workers.zero_cost import BATCH_SIZE, DEFAULT_SCORES, LEAST, catalog

if TYPE_CHECKING:
    import pandas as pd

    from workers.problems import Problem


@checked(SearchError, elsewhere=("networks",))
def zero_cost_scores(
    networks: Space | Iterable[Architecture],
    problem: Problem | str,
    scores: Sequence[str] = DEFAULT_SCORES,
    *,
    sample: Count = 200,
    batch_size: Annotated[int, AtLeast(LEAST)] = BATCH_SIZE,
    seed: Seed = 0,
) -> pd.DataFrame:
    """Scores networks without training them; see `workers.zero_cost`.

    Compare what a score says with the number of parameters before you believe it: on many problems it ranks
    networks no better.

    Args:
        networks: the networks; or a space, of which a sample is drawn.
        problem: the problem that they are to serve, or its name in the catalog.
        scores: the names of the scores in `workers.zero_cost.catalog`.
        sample: the number of different networks to draw from a space.
        batch_size: the number of training examples that a score looks at.
        seed: the seed of the sample, the weights and the batches.

    Returns:
        A frame with a row for each network, in the order given or drawn: ``id``, then each score by its name
        (more is better), missing where it is not defined for this network. A score of several parts has a
        column ``name.part`` for each, and ``name``, which joins them by their ranks among these rows
        (`workers.zero_cost.ranks.aggregated`). Last ``message`` (why something is missing) and ``decisions``.

    Raises:
        UnknownNameError: there is no such score or problem.
        SearchError: an argument is not what it should be.
        ZeroCostError: no score is defined for any of the networks.
        ProblemError: the problem has too few examples.

    Example:
        >>> nas.zero_cost_scores(cnn(), "digits", ["num_params", "naswot"], sample=50)
    """
    import pandas as pd

    frame = pd.DataFrame(
        zero_cost_rows(networks, problem, scores, sample=sample, batch_size=batch_size, seed=seed)
    )
    values = [name for name in frame if str(name).partition(".")[0] in scores]
    return frame.astype(dict.fromkeys(values, "float64"))


def zero_cost_rows(
    networks: Space | Iterable[Architecture],
    problem: Problem | str,
    scores: Sequence[str],
    *,
    sample: int,
    batch_size: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Returns the rows of `zero_cost_scores` as plain dicts, None where something is missing."""
    if not scores:
        raise SearchError(f"scores: expected some of {', '.join(catalog)}")
    for name in scores:
        catalog.find(name)
    if isinstance(problem, str):
        problem = problems.load(problem)
    if not isinstance(problem, problems.Problem):
        raise SearchError(f"problem: expected a Problem or a name of the catalog, got {problem!r:.80}")
    if isinstance(networks, Space):
        chosen = networks.sample_different(sample, random.Random(seed))
    else:
        chosen = _given(networks)
    found = [_scored(one, problem, scores, batch_size, seed) for one in chosen]
    if found and not any(values for values, _ in found):
        raise next(error for _, errors in found for error in errors)
    columns = _columns(scores, [values for values, _ in found])
    return [
        {
            "id": one.id,
            **{name: values[place] for name, values in columns.items()},
            "message": "; ".join(map(str, errors)) or None,
            "decisions": dict(one.decisions),
        }
        for place, (one, (_, errors)) in enumerate(zip(chosen, found, strict=True))
    ]


def _given(networks: Any) -> list[Architecture]:
    several = [networks] if isinstance(networks, Architecture) else networks
    if not isinstance(several, Iterable) or isinstance(several, str):
        raise SearchError(f"networks: expected a Space, or architectures, got {networks!r:.80}")
    chosen = list(several)
    for place, one in enumerate(chosen):
        if not isinstance(one, Architecture):
            raise SearchError(f"networks[{place}]: expected an architecture, got {one!r:.80}")
    return chosen


def _scored(
    architecture: Architecture, problem: Problem, scores: Sequence[str], batch_size: int, seed: int
) -> tuple[dict[str, float], list[NasError]]:
    """Returns the scores that a network has, and why it has no others."""
    from workers.zero_cost.scoring import score

    found: dict[str, float] = {}
    errors: list[NasError] = []
    for name in scores:
        try:
            found |= score(architecture, problem, [name], batch_size=batch_size, seed=seed)
        except BuildError as error:
            return {}, [error]
        except (ZeroCostError, TrainingFailure) as error:
            errors.append(error)
    return found, errors


def _columns(scores: Sequence[str], found: Sequence[dict[str, float]]) -> dict[str, list[float | None]]:
    """Returns the column of each score, and of each of its parts, over the rows; None where it is missing."""
    from workers.zero_cost.ranks import aggregated

    columns: dict[str, list[float | None]] = {}
    for name in scores:
        parts = dict.fromkeys(key for values in found for key in values if key.startswith(f"{name}."))
        whole: list[float | None] = [values.get(name) for values in found]
        there = [place for place, values in enumerate(found) if parts and parts.keys() <= values.keys()]
        if len(there) > 1:  # one alone has no rank
            ranked = aggregated({part: [found[place][part] for place in there] for part in parts})
            for place, value in zip(there, ranked, strict=True):
                whole[place] = value
        columns[name] = whole
        columns |= {part: [values.get(part) for values in found] for part in parts}
    return columns
