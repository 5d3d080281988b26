"""The speed of trials: learnt from those measured so far, and what the next ones will take by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workers.speed.trial_work import AMOUNTS, Amounts, TrialWork, TrialWorks
from workers.table import Table

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from workers.problems.problem import Problem

_PRIOR = {
    "cpu": {
        "operators": 7.6e-5,
        "numbers": 2.4e-9,
        "macs": 5.2e-11,
        "batched_macs": 3.1e-10,
        "parameters": 5e-9,
        "trials": 0.05,
    },
    "cuda": {
        "operators": 4e-5,
        "numbers": 1e-11,
        "macs": 6e-13,
        "batched_macs": 1e-12,
        "parameters": 2e-11,
        "trials": 0.3,
    },
}
"""Seconds that one of each amount takes, forward and backward: what counts is how they are to one another."""

_SCALE = 3.0
"""How uncertain the speed of a machine is before anything is measured: a factor of e to this, either way."""

_SHAPE = {name: 1.0 if name == "trials" else 0.5 for name in AMOUNTS}
"""The same of each amount's seconds, beside those of the others."""

_NOISE = {"epoch": 0.25, "rest": 0.5}
"""The relative error of a prediction by the right numbers: of a training, and of what is around it."""

_MOST = 200
"""Measurements that are kept: machines change."""


@dataclass(frozen=True)
class TrialSeconds:
    """What a trial takes.

    Attributes:
        epoch: seconds of an epoch's training, as in `workers.job.Report`.
        validation: seconds of the validation after it.
        once: seconds of all that comes once: building, testing, handing over.
    """

    epoch: float
    validation: float
    once: float

    def total(self, epochs: int) -> float:
        """Returns the seconds of a trial of so many epochs."""
        return epochs * (self.epoch + self.validation) + self.once

    def at(self, epoch: float) -> TrialSeconds:
        """Returns what it takes by its own pace.

        Args:
            epoch: the seconds of an epoch's training, of `workers.job.Paced` or of its reports so far.
        """
        return replace(self, epoch=epoch, validation=self.validation * epoch / self.epoch)


class Speed:
    """How fast trials on one problem are, by those measured so far.

    The seconds of a training are a sum over what it does (`workers.speed.trial_work.AMOUNTS`), each amount
    times the seconds that one of it takes. These are known beforehand as they are to one another, within a
    factor; one factor more is the machine's. Both are normal in the logarithm, so is the error of a
    measurement: what is most probable after all measurements is found by Gauss and Newton's method. Each
    device has its own numbers.

    The same measurements in the same order give the same predictions.

    Args:
        problem: the problem that networks are trained on; of a table, whose answers take what it says,
            nothing is learnt or predicted.

    Example:
        >>> speed = Speed(problem)
        >>> speed.observe(plain, 0.8)
        >>> speed.predict(candidate).total(epochs=12)
    """

    def __init__(self, problem: Problem | Table) -> None:
        self._works = (
            {} if isinstance(problem, Table) else {kind: TrialWorks(problem, kind) for kind in _PRIOR}
        )
        self._devices: dict[str, _Fit] = {}
        self._latest = ""

    def observe(
        self,
        architecture: Architecture,
        epoch: float,
        *,
        rest: float | None = None,
        epochs: int = 1,
        device: str = "cpu",
    ) -> None:
        """Takes in what a trial took.

        Args:
            architecture: the network of the trial.
            epoch: the seconds of an epoch's training: the mean of its reports, or of `workers.job.Paced`.
            rest: the seconds of the job without all training: `Finished.seconds` without those of the
                reports; None: they are not known.
            epochs: the epochs that ``rest`` has validations of.
            device: the name of the device (`workers.acceleration.Ran`).
        """
        work = self._work(architecture, device)
        if work is None:
            return
        fit = self._devices.setdefault(device, _Fit(_kind(device)))
        self._latest = device
        fit.add(work.epoch, epoch, _NOISE["epoch"])
        if rest is not None:
            fit.add(work.once + epochs * work.validation, rest, _NOISE["rest"])

    def predict(self, architecture: Architecture, *, device: str | None = None) -> TrialSeconds | None:
        """Returns what a trial will take; None where that is not known.

        It is not where nothing was measured yet, and where what the network does cannot be counted.

        Args:
            architecture: the network of the trial.
            device: the name of the device; None: that of the latest measurement.
        """
        device = self._latest if device is None else device
        fit = self._devices.get(device)
        work = None if fit is None else self._work(architecture, device)
        if fit is None or work is None:
            return None
        return TrialSeconds(*(float(fit.seconds @ one) for one in (work.epoch, work.validation, work.once)))

    def _work(self, architecture: Architecture, device: str) -> TrialWork | None:
        works = self._works.get(_kind(device))
        return None if works is None else works.of(architecture)


def _kind(device: str) -> str:
    return "cpu" if device == "cpu" else "cuda"


class _Fit:
    """The seconds of each amount on one device, by the measurements so far.

    Args:
        kind: the kind of the device.
    """

    def __init__(self, kind: str) -> None:
        self._prior = np.array([_PRIOR[kind][name] for name in AMOUNTS])
        self._rows: list[tuple[Amounts, float, float]] = []
        self._seconds: Amounts | None = None

    def add(self, amounts: Amounts, seconds: float, noise: float) -> None:
        """Takes in a measurement and its relative error."""
        if seconds > 0:
            self._rows = [*self._rows[-_MOST + 1 :], (amounts, seconds, noise)]
            self._seconds = None

    @property
    def seconds(self) -> Amounts:
        """Those of one of each amount."""
        if self._seconds is None:
            self._seconds = self._prior * np.exp(self._most_probable())
        return self._seconds

    def _most_probable(self) -> Amounts:
        """The logarithms of the factors on the prior."""
        amounts = np.array([row[0] for row in self._rows]) * self._prior
        measured, noise = (np.log([r[1] for r in self._rows]), np.array([r[2] for r in self._rows]))
        # the machine's factor and those of the amounts only act together: a normal prior of their sum
        spread = np.diag([_SHAPE[name] ** 2 for name in AMOUNTS]) + _SCALE**2
        precision = np.linalg.inv(spread)
        logs = np.full(len(AMOUNTS), np.median(measured - np.log(amounts.sum(1))))
        for _ in range(20):
            parts = amounts * np.exp(logs)
            shares = parts / parts.sum(1, keepdims=True)  # the derivative of the prediction's logarithm
            errors = measured - np.log(parts.sum(1))
            weights = _weights(errors / noise) / noise**2
            hessian = shares.T @ (weights[:, None] * shares) + precision
            step = np.linalg.solve(hessian, shares.T @ (weights * errors) - precision @ logs)
            logs = logs + np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-6:
                break
        return logs


def _weights(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Huber's: an error of more than two deviations, as of a machine that stood still, counts linearly."""
    return 2.0 / np.maximum(2.0, np.abs(errors))
