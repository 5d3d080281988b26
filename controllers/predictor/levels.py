"""Scores of trials at their end and forecasts of those that have paused, joined for one Gaussian process."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controllers.curves import END, Forecast

Floats = NDArray[np.float64]

LEAST_SHARE = 0.01
"""The least share of the variance that a rung is taken to foretell."""


def targets_and_levels(chosen: Sequence[Forecast], everything: Sequence[Forecast]) -> tuple[Floats, Floats]:
    """Returns what a Gaussian process learns from, and the level of each (see `GaussianProcess`), shape (n,).

    How trials do at a rung is a function of its own, of which that of the ends can be another one in places:
    some networks begin fast and end poorly, and however many are seen at the rung, that stays unknown. So the
    level of a rung is -log of its correlation with the ends, of which the square is the share of the variance
    of the scores at the end that the forecasts leave nothing of, 1 - E[deviation^2] / Var[score]. A forecast
    is a mean, drawn towards the mean of all by this correlation; the target is drawn apart again by it.

    Args:
        chosen: the forecasts to learn from; those of trials at their end have the epochs `END`.
        everything: those of all trials.
    """
    means = np.array([forecast.mean for forecast in everything])
    squares = np.array([forecast.deviation**2 for forecast in everything])
    epochs = np.array([forecast.epochs for forecast in everything])
    center, variance = float(means.mean()), float(means.var() + squares.mean())
    correlations = {END: 1.0}
    for rung in np.unique(epochs[epochs < END]).tolist():
        left = float(squares[epochs == rung].mean()) / variance if variance > 0.0 else 0.0
        correlations[rung] = max(LEAST_SHARE, 1.0 - left) ** 0.5
    tied = np.array([correlations[forecast.epochs] for forecast in chosen])
    targets = np.array([forecast.mean for forecast in chosen])
    return center + (targets - center) / tied, -np.log(tied)
