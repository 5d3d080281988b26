"""The scores of a trial come before its training, which a bound on one can spare it."""

from __future__ import annotations

import math

import pytest
from torch import nn
from untrained import random_problem, row

from search_spaces import layer
from search_spaces.errors import TrainingFailure
from workers.job import Failed, Finished, Job
from workers.trial import trial
from workers.trial.scores import check_bounds
from workers.zero_cost import score

RELU = row(6, layer(nn.ReLU), 5)


def last(job: Job) -> Finished | Failed:
    """The last event of a trial."""
    *_, end = trial.run(job, random_problem())
    assert isinstance(end, Finished | Failed)
    return end


def test_scores_are_among_the_costs_and_change_no_metric() -> None:
    with_scores = last(Job(0, RELU, seed=3, epochs=2, scores=("snip", "swap")))
    without = last(Job(0, RELU, seed=3, epochs=2))
    assert isinstance(with_scores, Finished)
    assert isinstance(without, Finished)
    expected = score(RELU, random_problem(), ["snip", "swap"], seed=3)
    assert {name: with_scores.costs[name] for name in expected} == expected
    assert with_scores.metrics == without.metrics
    assert with_scores.weights == without.weights
    assert not without.costs.keys() & {"snip", "swap"}


def test_what_is_not_defined_is_told_to_the_log() -> None:
    end = last(Job(0, row(6, layer(nn.Tanh)), seed=0, epochs=1, scores=("naswot", "jacov")))
    assert isinstance(end, Finished)
    assert "naswot" not in end.costs
    assert math.isfinite(end.costs["jacov"])
    assert "no score: naswot: no unit switches" in end.log


def test_a_network_beyond_a_bound_is_not_trained() -> None:
    bounds = {"num_layers": (4.0, None)}
    end = last(Job(7, RELU, seed=0, epochs=1, scores=("num_layers",), bounds=bounds))
    assert isinstance(end, Failed)
    assert (end.number, end.reason, end.infrastructure) == (7, "limit", False)
    assert end.message == "num_layers is 3, the limit num_layers >= 4"
    assert end.costs == {"num_layers": 3.0}


def test_a_network_without_the_score_of_a_bound_is_not_trained_either() -> None:
    job = Job(0, RELU, seed=0, bounds={"snip": (None, 0.5)})
    check_bounds(job, {"snip": 0.5, "naswot": 3.0})
    with pytest.raises(TrainingFailure, match=r"snip is 0\.6, the limit snip <= 0\.5"):
        check_bounds(job, {"snip": 0.6})
    with pytest.raises(TrainingFailure, match=r"snip is not defined for this network, the limit"):
        check_bounds(job, {"naswot": 3.0})
