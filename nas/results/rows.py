"""The rows of leaderboards, of trials and of networks over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.objectives import Objective
from controllers.ranking import first_front
from nas.description import Description
from nas.ranking import Ranked, Ranking
from nas.records import MEASURED, OTHER_CODE, Trial
from nas.results.scores import SCORES
from nas.results.seeds import TrainedNetwork
from workers.acceleration import RAN

ESTIMATED = ("estimate", "low", "high", "trainings", "gap")
"""The columns that say what a trained network is worth; see `nas.results.leaderboard`."""


@dataclass(frozen=True)
class RowLayout:
    """What the rows of a leaderboard have in common: which columns they have.

    Attributes:
        metrics: the names of the validation metrics, in the order of the columns.
        tests: the names of the test metrics, in the order of the columns.
        std: the names of the validation metrics that have deviations over seeds.
        test_std: the names of the test metrics that have deviations over seeds.
        scored: whether there are scores over tasks.
        several: whether the rows are those of several searches.
        other_code: whether some networks were trained again with other code of the user's own.
        front: the trials (by `id`) that no other is better than in all objectives; None: there is one
            objective.
        objective: the first objective, in whose units estimates are; None: there is none.
    """

    metrics: Sequence[str] = ()
    tests: Sequence[str] = ()
    std: Sequence[str] = ()
    test_std: Sequence[str] = ()
    scored: bool = False
    several: bool = False
    other_code: bool = False
    front: frozenset[int] | None = None
    objective: Objective | None = None

    @staticmethod
    def of(
        description: Description,
        ranked: Sequence[Ranked],
        *,
        several: bool = False,
        over_seeds: Sequence[TrainedNetwork] = (),
    ) -> RowLayout:
        """Returns the layout of the rows of these trials.

        Args:
            description: the description of the search by which they were ranked.
            ranked: the trials, best first; the first front is among the first of them.
            several: whether they come from several searches.
            over_seeds: the networks whose means over seeds the trials are, if they are.
        """
        wanted = [objective.metric for objective in description.objectives]
        metrics = _names(one.trial.metrics for one in ranked)
        tests = _names(one.trial.test_metrics for one in ranked)
        return RowLayout(
            metrics=[*(m for m in wanted if m in metrics), *(m for m in metrics if m not in wanted)],
            tests=sorted(tests, key=lambda name: metrics.index(name) if name in metrics else len(metrics)),
            std=_names(network.std for network in over_seeds),
            test_std=_names(network.test_std for network in over_seeds),
            scored=len(description.signature.tasks) > 1,
            several=several,
            other_code=any(OTHER_CODE in network.trial.ran for network in over_seeds),
            front=_front(ranked) if len(wanted) > 1 else None,
            objective=description.objectives[0],
        )

    def estimate_of(self, ranked: Ranked) -> dict[str, Any]:
        """Returns what the weights of a trial are worth, as its row says it."""
        found, trial = ranked.estimate, ranked.trial
        if found is None or self.objective is None:
            return dict.fromkeys(ESTIMATED)
        metric = self.objective.metric
        value, *ends = map(self.objective.score, (found.value, found.low, found.high))
        test = trial.test_metrics.get(metric)
        gap = None if test is None else test - value
        return dict(zip(ESTIMATED, (value, min(ends), max(ends), found.trainings, gap), strict=True))

    def front_of(self, trial: Trial) -> dict[str, bool | None]:
        """Returns whether a trial is of the front, as its row says it."""
        if self.front is None:
            return {}
        return {"front": id(trial) in self.front if trial.status in MEASURED else None}


def entry(
    place: int,
    ranked: Ranked | None,
    layout: RowLayout,
    search: str = "",
    scores: Mapping[str, Any] | None = None,
    phase: str | None = None,
    evaluation: str | None = None,
) -> dict[str, Any]:
    """Returns one row; where there is no trial, one that has its keys."""
    ranked = ranked or Ranking().judge(Trial(0, "", {}, "failed"))
    trial = ranked.trial
    return {
        "rank": place if trial.status in MEASURED else None,
        "id": trial.architecture_id,
        "status": trial.status,
        **({"search": search} if layout.several else {}),
        **{name: trial.metrics.get(name) for name in layout.metrics},
        **((scores or dict.fromkeys(SCORES)) if layout.scored else {}),
        **{f"test_{name}": trial.test_metrics.get(name) for name in layout.tests},
        **layout.estimate_of(ranked),
        **layout.front_of(trial),
        "feasible": ranked.feasible,
        "phase": phase,
        "evaluation": evaluation,
        "training": trial.training if trial.status in MEASURED else None,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "number": trial.number,
        "origin": trial.origin,
        "parents": list(trial.parents),
        "reason": trial.reason,
        "message": trial.message,
        **{name: trial.ran.get(name) for name in RAN},
    }


def network_entry(place: int, network: TrainedNetwork, ranked: Ranked, layout: RowLayout) -> dict[str, Any]:
    """Returns one row over seeds."""
    trial = network.trial
    return {
        "rank": place,
        "id": trial.architecture_id,
        "n": network.n,
        **{name: trial.metrics.get(name) for name in layout.metrics},
        **{f"test_{name}": trial.test_metrics.get(name) for name in layout.tests},
        **{f"{name}_std": network.std.get(name) for name in layout.std},
        **{f"test_{name}_std": network.test_std.get(name) for name in layout.test_std},
        **layout.front_of(trial),
        "feasible": ranked.feasible,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "searches": list(network.searches),
        "origin": trial.origin,
        "parents": list(trial.parents),
        **{name: trial.ran.get(name) for name in (*RAN, *([OTHER_CODE] if layout.other_code else []))},
    }


def _names(values: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for one in values for name in one))


def _front(ranked: Sequence[Ranked]) -> frozenset[int]:
    kept = [one for one in ranked if one.outcome.feasible and one.trial.status in MEASURED]
    return frozenset(id(kept[place].trial) for place in first_front([one.outcome.scores for one in kept]))
