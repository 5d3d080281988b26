"""Searches in TensorBoard: a curve per network, the decisions as hyperparameters, the best so far."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nas.escaping import for_path
from nas.integrations.tracker import library, of_card, of_epoch, of_trial, title, where_of
from nas.records import MEASURED, TRAINED
from nas.search.callbacks import Callback
from search_spaces.arguments import checked
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from nas.description import Description
    from nas.records import EpochReport, Trial
    from nas.search.progress import Progress
    from nas.search_record import SearchRecord
    from workers.executor import Card


@final
class TensorBoard(Callback):
    """Writes event files: look at them with ``tensorboard --logdir runs``.

    ``<folder>/<search>`` has every result by the number of its trial (``trials/...``) and the best value of
    the first objective by how many trials there had been (``best/...``), and of each card how busy it was,
    the memory in use and the trials on it by the seconds of the search (``cards/<its id>/...``).
    ``<folder>/<search>/<trial>`` has the epochs of a trial, and for the tab HPARAMS its decisions, its
    results, and the device and precision that it was trained on. A search that goes on adds to the same
    folders.

    Args:
        folder: the folder of the event files; made if it is not there.

    Raises:
        SearchError: an argument is not what it should be; or tensorboardX is not installed.
    """

    @checked(SearchError)
    def __init__(self, folder: str | Path = "runs") -> None:
        self._library = library("tensorboardX", "tensorboard")
        self._folder = Path(folder)
        self._writers: dict[int | None, Any] = {}  # by trial; None: of the search
        self._best: tuple[float, str] | None = None
        self._cards: tuple[Card, ...] = ()  # that were written last

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        self._here = self._folder / for_path(search.name, safe=" ")
        self._best = None

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        writer = self._writer(trial)
        for name, value in of_epoch(report).items():
            writer.add_scalar(name, value, report.epoch)

    def on_trial_end(self, trial: Trial) -> None:
        if trial.status not in TRAINED:
            return
        values = of_trial(trial)
        if trial.status != "paused":
            self._write_decisions(trial, values)
            self._writers.pop(trial.number).close()
        if trial.status not in MEASURED:
            return
        whole = self._writer(None)
        for name, value in values.items():
            whole.add_scalar(f"trials/{name}", value, trial.number)

    def on_turn(self, progress: Progress) -> None:
        if progress.best is not None and progress.best != self._best:
            self._best = progress.best
            self._writer(None).add_scalar(f"best/{progress.objective}", progress.best[0], progress.trials)

        if progress.cards and progress.cards is not self._cards:
            self._cards = progress.cards
            for card in self._cards:
                for name, value in of_card(card).items():
                    tag, seconds = f"cards/{card.id}/{name}", round(progress.elapsed)
                    self._writer(None).add_scalar(tag, value, seconds)

    def on_search_end(self, status: str, reason: str) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, trial: Trial | None) -> Any:
        number = None if trial is None else trial.number
        if number not in self._writers:
            folder = self._here if trial is None else self._here / for_path(title(trial))
            # without it a writer of the same second would overwrite the file
            suffix = f".{time.time_ns()}"
            self._writers[number] = self._library.SummaryWriter(
                str(folder), flush_secs=10, filename_suffix=suffix
            )
        return self._writers[number]

    def _write_decisions(self, trial: Trial, values: dict[str, float]) -> None:
        """Writes the decisions and the results; `SummaryWriter.add_hparams` would make another folder."""
        decisions = {
            path: value if isinstance(value, bool | int | float | str) else str(value)
            for path, value in trial.decisions.items()
        }
        decisions |= {"status": trial.status, "origin": trial.origin, **where_of(trial)}
        writer = self._writer(trial)
        summaries = library("tensorboardX.summary", "tensorboard")
        for summary in summaries.hparams(decisions, values):
            writer.file_writer.add_summary(summary)
        for name, value in values.items():
            writer.add_scalar(f"result/{name}", value, trial.epochs)
