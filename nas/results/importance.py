"""Importance of decisions: which of them decide how good a network is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from controllers.objectives import Objective
from nas.records import MEASURED, Trial
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import AtMost, Whole, checked
from search_spaces.errors import SearchError
from search_spaces.holes import is_number

if TYPE_CHECKING:
    import pandas as pd

LEAST_TRIALS = 10
"""With fewer results nothing is said."""

MOST_TRIALS = 2000
"""Of more results the model sees so many, drawn at random: more take long and change little."""

MOST_SEED = 2**32 - 1
"""The largest seed that scikit-learn takes."""

_FOLDS, _REPEATS, _TREES = 3, 3, 64

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """How much a decision matters.

    Attributes:
        path: the path of the decision.
        importance: what share of the variance of the ranks it decides, with all its interactions; 0 says that
            it does not matter.
        std: the standard deviation over folds and shufflings.
        best: the value whose networks are best on average; of a number with many values None.
    """

    path: str
    importance: float
    std: float
    best: Any


@dataclass(frozen=True)
class Importances:
    """The importances of all decisions, the most important first.

    Attributes:
        decisions: those with more than one value.
        explained: what share of the variance of the ranks the model explains on networks that it has not
            seen (R2, 1 at the most). Where it is near 0 or below, the importances mean nothing.
        trials: how many the model learnt from.
    """

    decisions: tuple[Importance, ...]
    explained: float
    trials: int


NOTHING = Importances((), math.nan, 0)


def importances(trials: Sequence[Trial], objective: Objective, *, seed: int = 0) -> Importances:
    """Returns the permutation importance of decisions in a random forest that predicts the rank from them.

    L. Breiman, "Random Forests", Machine Learning 2001. Half of the squared error that shuffling a decision
    adds is its total Sobol index (B. Gregorutti, B. Michel and P. Saint-Pierre, "Correlation and variable
    importance in random forests", Statistics and Computing 2017), which functional ANOVA (F. Hutter, H. Hoos
    and K. Leyton-Brown, ICML 2014) splits further; here in the distribution of what was tried. It is measured
    on held-out folds, so that a decision by which the forest only remembers its trials counts for nothing.

    Ranks are predicted, not the values of the objective: a few networks that did not learn at all would
    outweigh all differences between the others. A decision that is not active is a value of its own; where
    trials were trained for different numbers of epochs, the forest is told of how many.

    Args:
        trials: the trials of one search; those without a value of the objective are left out.
        objective: the objective by which they are ranked.
        seed: the seed of the forest, the folds and the shuffling.
    """
    from scipy.stats import rankdata
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    rng = np.random.default_rng(seed)
    known = [t for t in trials if math.isfinite(t.metrics.get(objective.metric, math.nan))]
    if len(known) > MOST_TRIALS:
        known = [known[i] for i in np.sort(rng.choice(len(known), MOST_TRIALS, replace=False))]
    columns = _columns(known)
    values = rankdata([objective.score(trial.metrics[objective.metric]) for trial in known])
    if len(known) < LEAST_TRIALS or not columns or np.ptp(values) == 0.0:
        return NOTHING
    table = np.column_stack([column for _, column in columns])
    epochs = np.array([float(trial.epochs or 0) for trial in known])
    if np.ptp(epochs) > 0.0:
        table = np.column_stack([table, epochs])
    drops: list[Floats] = []
    errors = np.zeros(len(known))
    for learnt, held in KFold(_FOLDS, shuffle=True, random_state=seed).split(table):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, max_features=0.5, random_state=seed)
        forest.fit(table[learnt], values[learnt])
        errors[held] = values[held] - forest.predict(table[held])
        found = permutation_importance(
            forest, table[held], values[held], n_repeats=_REPEATS, random_state=seed, scoring=_minus_square
        )
        drops.append(found.importances[: len(columns)] / (2.0 * values.var()))
    drop = np.concatenate(drops, axis=1)
    explained = 1.0 - float(np.mean(errors**2) / values.var())
    ranked = sorted(range(len(columns)), key=lambda i: -drop[i].mean())
    decisions = []
    for i in ranked:
        path, mean = columns[i][0], max(0.0, float(drop[i].mean()))
        decisions.append(Importance(path, mean, float(drop[i].std()), _best(path, known, values)))
    return Importances(tuple(decisions), explained, len(known))


@checked(SearchError)
def importance(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    metric: str | None = None,
    seed: Annotated[Whole, AtMost(MOST_SEED)] = 0,
) -> pd.DataFrame:
    """Returns which decisions of a search decide how good its networks are; see `importances` for the method.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        metric: one of the objectives; left out: the first.
        seed: the seed of the model.

    Returns:
        A frame with a row for each decision, the most important first: ``decision, importance, std, best``;
        in its ``attrs``, ``explained`` (R2 of the model on networks that it has not seen: where that is near
        0 the importances mean nothing) and ``trials``. Empty where fewer than 10 networks have results.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be.
    """
    import pandas as pd

    with open_store(store) as opened:
        record = opened.search(search)
        objective = record.description.objective(metric)
        found = importances(opened.trials(record.id, statuses=MEASURED), objective, seed=seed)
    rows = [(one.path, one.importance, one.std, one.best) for one in found.decisions]
    frame = pd.DataFrame(rows, columns=["decision", "importance", "std", "best"])
    frame["best"] = frame["best"].astype(object)
    frame.attrs |= {"explained": found.explained, "trials": found.trials}
    return frame


def _minus_square(model: Any, table: Floats, values: Floats) -> float:
    return -float(np.mean((values - model.predict(table)) ** 2))


def _columns(trials: Sequence[Trial]) -> list[tuple[str, Floats]]:
    """Returns the decisions that differ, by path.

    Numbers are as they are, others their place among the values; where a decision is not active it is NaN,
    which trees take for a value of its own.
    """
    paths = dict.fromkeys(path for trial in trials for path in trial.decisions)
    columns = []
    for path in paths:
        came = [trial.decisions.get(path) for trial in trials]
        if len(set(map(_key, came))) > 1:
            columns.append((path, _column(came)))
    return columns


def _column(came: Sequence[Any]) -> Floats:
    if all(value is None or is_number(value) for value in came):
        return np.array([math.nan if value is None else float(value) for value in came])
    places = {key: float(i) for i, key in enumerate(sorted({_key(v) for v in came if v is not None}))}
    return np.array([math.nan if value is None else places[_key(value)] for value in came])


def _key(value: Any) -> str:
    return repr(value)  # True, 1 and 1.0 are different decisions


def _best(path: str, trials: Sequence[Trial], values: Floats, most: int = 12) -> Any:
    """Returns the value whose networks are best on average, if few values have several networks each."""
    groups: dict[str, tuple[Any, list[float]]] = {}
    for trial, value in zip(trials, values, strict=True):
        decision = trial.decisions.get(path)
        if decision is not None:
            groups.setdefault(_key(decision), (decision, []))[1].append(float(value))
    several = [(decision, scores) for decision, scores in groups.values() if len(scores) > 1]
    if not several or len(groups) > most:
        return None
    return max(several, key=lambda group: float(np.mean(group[1])))[0]
