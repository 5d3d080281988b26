"""What the trackers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from nas.records import EpochReport, Trial


def library(name: str, extra: str) -> Any:
    """A library that an extra brings.

    Raises:
        SearchError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise SearchError(f"tracking needs {name} ({error}): pip install 'nasforge[{extra}]'") from error


def of_epoch(report: EpochReport) -> dict[str, float]:
    """The finite numbers of an epoch by name: validation metrics, ``train_loss``, ``seconds``."""
    return finite({**report.metrics, "train_loss": report.train_loss, "seconds": report.seconds})


def of_trial(trial: Trial) -> dict[str, float]:
    """The finite numbers of a trial by name: metrics, costs, ``test_`` metrics, ``epochs``, ``seconds``."""
    tests = {f"test_{name}": value for name, value in trial.test_metrics.items()}
    return finite({**trial.metrics, **tests, "epochs": trial.epochs, "seconds": trial.seconds})


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Those of some numbers that are there and finite."""
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def title(trial: Trial) -> str:
    """A name for a trial that sorts by its number: ``00012-3fa9c1d2``."""
    return f"{trial.number:05d}-{trial.architecture_id[:8]}"
