"""Searches in Weights & Biases, offline: a run per search, to be sent later with ``wandb sync``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nas.integrations.tracker import library, of_card, of_epoch, of_trial, where_of
from nas.records import TRAINED
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
class WandB(Callback):
    """Writes a W&B run in offline mode; nothing is sent before ``wandb sync FOLDER/wandb/offline-run-*``.

    Its history has a line for each epoch of a trial (``epoch/...``) and for each trial that ended
    (``trial/...``, its decisions as ``decision/...``), both with the number of the trial as ``trial/number``;
    its summary the best value of the first objective as ``best/...``. The device and the precision of a trial
    are ``trial/device`` and ``trial/precision``; what each card did is ``cards/<its id>/...``, by the seconds
    of the search as ``cards/seconds``. A search that goes on writes another
    folder with the same run id: synchronised in their order, they make one run.

    Args:
        folder: the folder in which W&B makes its folder ``wandb``.
        project: the project of W&B.

    Raises:
        SearchError: an argument is not what it should be; or wandb is not installed.
    """

    @checked(SearchError)
    def __init__(self, folder: str | Path = ".", project: str = "nas") -> None:
        self._library = library("wandb", "wandb")
        self._folder, self._project = Path(folder), project
        self._run: Any = None
        self._best: tuple[float, str] | None = None
        self._cards: tuple[Card, ...] = ()  # that were written last

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{search.name} {search.created_at}"  # stores may have searches of the same name
        self._run = self._library.init(
            project=self._project,
            name=search.name,
            id=hashlib.sha256(name.encode()).hexdigest()[:12],
            resume="allow",
            mode="offline",
            dir=str(self._folder),
            config=description.to_dict(),
            settings=self._library.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
        self._run.define_metric("epoch/*", step_metric="epoch/number")
        self._run.define_metric("trial/*", step_metric="trial/number")
        self._run.define_metric("cards/*", step_metric="cards/seconds")
        self._best = None

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        values = {f"epoch/{name}": value for name, value in of_epoch(report).items()}
        self._run.log({"trial/number": trial.number, "epoch/number": report.epoch, **values})

    def on_trial_end(self, trial: Trial) -> None:
        if trial.status not in TRAINED:
            return
        values = of_trial(trial)
        about = {"number": trial.number, "id": trial.architecture_id, "status": trial.status}
        about |= {"origin": trial.origin, "reason": trial.reason, **where_of(trial)}
        decisions = {f"decision/{path}": value for path, value in trial.decisions.items()}
        self._run.log({f"trial/{name}": value for name, value in (about | values).items()} | decisions)

    def on_turn(self, progress: Progress) -> None:
        if progress.best is not None and progress.best != self._best:
            self._best = progress.best
            self._run.summary[f"best/{progress.objective}"], self._run.summary["best/id"] = progress.best

        if progress.cards and progress.cards is not self._cards:
            self._cards = progress.cards
            found = {
                f"cards/{card.id}/{name}": value
                for card in self._cards
                for name, value in of_card(card).items()
            }
            self._run.log({"cards/seconds": progress.elapsed, **found})

    def on_search_end(self, status: str, reason: str) -> None:
        if self._run is not None:
            self._run.summary["status"] = f"{status}: {reason}"
            self._run.finish(exit_code=0 if status == "finished" else 1)
            self._run = None
