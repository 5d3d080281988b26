"""The rows of leaderboards, of trials and of networks over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.objectives import Limit
from controllers.ranking import first_front
from nas.description import Description
from nas.ranking import outcome
from nas.records import MEASURED, Trial
from nas.results.scores import SCORES
from nas.results.seeds import Network


class Columns:
    """What the rows of a leaderboard have in common.

    Attributes:
        metrics, tests: names, in the order of the columns.
        std, test_std: of which metrics there are deviations over seeds.
        limits: of the search.
        scored: whether there are scores over tasks.
        several: whether there are several searches.
        front: the trials (by `id`) that no other is better than in all objectives; None: there is one
            objective.
    """

    def __init__(self) -> None:
        self.metrics: list[str] = []
        self.tests: list[str] = []
        self.std: list[str] = []
        self.test_std: list[str] = []
        self.limits: Sequence[Limit] = ()
        self.scored = self.several = False
        self.front: set[int] | None = None

    @staticmethod
    def of(description: Description, trials: Sequence[Trial], several: bool = False) -> Columns:
        """Those of the trials, in their ranks; the first front is among the first of them."""
        columns = Columns()
        metrics = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
        wanted = [objective.metric for objective in description.objectives]
        columns.metrics = [*(m for m in wanted if m in metrics), *(m for m in metrics if m not in wanted)]
        tests = list(dict.fromkeys(name for trial in trials for name in trial.test_metrics))
        tests.sort(key=lambda name: metrics.index(name) if name in metrics else len(metrics))
        columns.tests, columns.limits = tests, description.limits
        columns.scored, columns.several = len(description.signature.tasks) > 1, several
        if len(wanted) > 1:
            judged = [(trial, outcome(trial, description.objectives, description.limits)) for trial in trials]
            kept = [
                (trial, came.scores) for trial, came in judged if came.feasible and trial.status in MEASURED
            ]
            first = first_front([scores for _, scores in kept]) if kept else []
            columns.front = {id(kept[place][0]) for place in first}
        return columns

    def front_of(self, trial: Trial) -> dict[str, bool | None]:
        """Whether a trial is of the front, as its row says it."""
        if self.front is None:
            return {}
        return {"front": id(trial) in self.front if trial.status in MEASURED else None}


def entry(
    place: int,
    trial: Trial | None,
    columns: Columns,
    search: str = "",
    scores: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One row; of no trial: its keys."""
    trial = trial or Trial(0, "", {}, "failed")
    return {
        "rank": place if trial.status in MEASURED else None,
        "id": trial.architecture_id,
        "status": trial.status,
        **({"search": search} if columns.several else {}),
        **{name: trial.metrics.get(name) for name in columns.metrics},
        **((scores or dict.fromkeys(SCORES)) if columns.scored else {}),
        **{f"test_{name}": trial.test_metrics.get(name) for name in columns.tests},
        **columns.front_of(trial),
        "feasible": _feasible(trial, columns.limits),
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "number": trial.number,
        "origin": trial.origin,
        "parents": list(trial.parents),
        "reason": trial.reason,
        "message": trial.message,
    }


def network_entry(place: int, network: Network, columns: Columns) -> dict[str, Any]:
    """One row over seeds."""
    trial = network.trial
    return {
        "rank": place,
        "id": trial.architecture_id,
        "n": network.n,
        **{name: trial.metrics.get(name) for name in columns.metrics},
        **{f"test_{name}": trial.test_metrics.get(name) for name in columns.tests},
        **{f"{name}_std": network.std.get(name) for name in columns.std},
        **{f"test_{name}_std": network.test_std.get(name) for name in columns.test_std},
        **columns.front_of(trial),
        "feasible": _feasible(trial, columns.limits),
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "searches": list(network.searches),
        "origin": trial.origin,
        "parents": list(trial.parents),
    }


def _feasible(trial: Trial, limits: Sequence[Limit]) -> bool | None:
    if trial.status not in (*MEASURED, "infeasible"):
        return None
    known = [limit for limit in limits if limit.metric in trial.metrics]
    return all(limit.violation(trial.metrics[limit.metric]) == 0 for limit in known)
