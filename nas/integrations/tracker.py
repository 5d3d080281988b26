"""What every tracker needs: its library, and the values that it writes of an epoch and of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from nas.records import EpochReport, Trial
    from workers.executor import Card


def library(name: str, extra: str) -> Any:
    """Imports the library that a tracker writes with.

    Args:
        name: the name of its module; it is imported as such, whatever our own files are called.
        extra: the extra of ours that installs it.

    Raises:
        SearchError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise SearchError(f"tracking needs {name} ({error}): pip install 'nasforge[{extra}]'") from error


def of_epoch(report: EpochReport) -> dict[str, float]:
    """Returns the finite numbers of an epoch by name: validation metrics, ``train_loss``, ``seconds``."""
    return finite({**report.metrics, "train_loss": report.train_loss, "seconds": report.seconds})


def of_trial(trial: Trial) -> dict[str, float]:
    """Returns a trial's finite numbers by name: metrics, costs, ``test_`` metrics, epochs and seconds."""
    tests = {f"test_{name}": value for name, value in trial.test_metrics.items()}
    return finite({**trial.metrics, **tests, "epochs": trial.epochs, "seconds": trial.seconds})


def of_card(card: Card) -> dict[str, float]:
    """Returns what is known of a card, by name: ``busy``, ``memory_bytes``, ``trials``, ``room``."""
    return finite({"busy": card.busy, "memory_bytes": card.memory, "trials": card.trials, "room": card.room})


def where_of(trial: Trial) -> dict[str, str]:
    """Returns the device and the precision of a trial's training, as far as they are known."""
    return {name: trial.ran[name] for name in ("device", "precision") if name in trial.ran}


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Returns those of some numbers that are there and finite."""
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def title(trial: Trial) -> str:
    """Returns a name for a trial that sorts by its number: ``00012-3fa9c1d2``."""
    return f"{trial.number:05d}-{trial.architecture_id[:8]}"
