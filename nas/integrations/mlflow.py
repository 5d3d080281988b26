"""Searches in MLflow: an experiment per search, a run per network."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any, final

from nas.integrations.tracker import library, of_card, of_epoch, of_trial, title, where_of
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

_STATUS = {"complete": "FINISHED", "failed": "FAILED", "paused": "SCHEDULED"}
_BATCH = 100  # parameters in one call, as MLflow allows; and tags
_CARDS = "cards"  # the name of their run, in place of a trial's number
_LONGEST = 500  # characters of a parameter that every version of MLflow takes


@final
class MLflow(Callback):
    """Writes to MLflow's tracking store: look at it with ``mlflow ui --backend-store-uri sqlite:///mlflow.db``.

    The experiment has the name of the search. A run's parameters are the decisions, its metrics those of the
    epochs and at the end costs and ``test_`` metrics, its tags where the network came from, the device and
    precision that it was trained on, and why it failed. Where there are cards, a run named ``cards`` has how
    busy each was, the memory in use and the trials on it, by the seconds of the search. Searches that go on
    add to the same experiment, to the runs of their paused trials and to that of the cards.

    Args:
        uri: the tracking store: ``sqlite:///file.db``, or the address of a server.

    Raises:
        SearchError: an argument is not what it should be; or mlflow is not installed.
    """

    @checked(SearchError)
    def __init__(self, uri: str = "sqlite:///mlflow.db") -> None:
        self._library = library("mlflow", "mlflow")
        self._uri = uri
        self._runs: dict[int, str] = {}  # ids, by trial: of those in training, and of those that have paused
        self._open: set[int] = set()  # of them, those in training
        self._cards: tuple[Card, ...] = ()  # that were written last
        self._of_cards: str | None = None  # the id of the run that has them

    def on_search_begin(self, search: SearchRecord, description: Description) -> None:
        self._client = self._library.MlflowClient(self._uri)
        self._search = search.name
        # stores may have searches of the same name
        self._key = hashlib.sha256(f"{search.name} {search.created_at}".encode()).hexdigest()[:16]
        self._runs.clear()
        self._open.clear()
        self._of_cards = None
        there = self._client.get_experiment_by_name(search.name)
        self._looks = there is not None and search.elapsed_seconds > 0  # for runs of an earlier driver
        self._experiment = there.experiment_id if there else self._client.create_experiment(search.name)

    def on_report(self, trial: Trial, report: EpochReport) -> None:
        self._log(self._run(trial), of_epoch(report), report.epoch)

    def on_trial_end(self, trial: Trial) -> None:
        if trial.status not in TRAINED:
            return
        run = self._run(trial)
        self._log(run, of_trial(trial), trial.epochs or 0)
        for name, value in where_of(trial).items():
            self._client.set_tag(run, f"nas.{name}", value[:_LONGEST])
        if trial.status == "failed":
            self._client.set_tag(run, "nas.reason", trial.reason)
            self._client.set_tag(run, "nas.message", (trial.message or "")[:_LONGEST])
        self._client.set_terminated(run, _STATUS[trial.status])
        self._open.discard(trial.number)
        if trial.status != "paused":
            del self._runs[trial.number]

    def on_turn(self, progress: Progress) -> None:
        if not progress.cards or progress.cards is self._cards:
            return
        self._cards = progress.cards
        if self._of_cards is None:
            self._of_cards = self._run_of_cards()
        for card in self._cards:
            values = {f"{card.id}/{name}": value for name, value in of_card(card).items()}
            self._log(self._of_cards, values, round(progress.elapsed))

    def on_search_end(self, status: str, reason: str) -> None:
        if self._of_cards is not None:
            self._client.set_terminated(self._of_cards)
        for number in self._open:
            self._client.set_terminated(self._runs[number], "KILLED")

    def _run(self, trial: Trial) -> str:
        """The id of a trial's run, which is open; a new one if there is none."""
        number = trial.number
        if number not in self._open:
            run = self._runs.get(number) or (self._earlier(number) if self._looks else None)
            if run is not None:
                self._client.update_run(run, "RUNNING")
            self._runs[number] = run or self._new(trial)
            self._open.add(number)
        return self._runs[number]

    def _run_of_cards(self) -> str:
        """The id of the run that has what the cards did, which is open; a new one if there is none."""
        run = self._earlier(_CARDS) if self._looks else None
        if run is not None:
            self._client.update_run(run, "RUNNING")
            return run
        tags = {"nas.search": self._search, "nas.key": self._key, "nas.number": _CARDS}
        return str(self._client.create_run(self._experiment, None, tags, run_name=_CARDS).info.run_id)

    def _earlier(self, number: int | str) -> str | None:
        wanted = f"tags.`nas.key` = '{self._key}' AND tags.`nas.number` = '{number}'"
        found = self._client.search_runs([self._experiment], wanted, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _new(self, trial: Trial) -> str:
        tags = {
            "nas.search": self._search, "nas.key": self._key, "nas.number": str(trial.number),
            "nas.id": trial.architecture_id, "nas.origin": trial.origin,
            "nas.parents": " ".join(trial.parents),
        }  # fmt: skip
        started = None if trial.started_at is None else int(1000 * trial.started_at)
        made = self._client.create_run(self._experiment, started, tags, run_name=title(trial))
        run = str(made.info.run_id)
        param = self._library.entities.Param
        params = [param(_key(path), str(value)[:_LONGEST]) for path, value in trial.decisions.items()]
        for start in range(0, len(params), _BATCH):
            self._client.log_batch(run, params=params[start : start + _BATCH])
        return run

    def _log(self, run: str, values: dict[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metric: Any = self._library.entities.Metric
        metrics = [metric(_key(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(run, metrics=metrics)


def _key(name: str) -> str:
    """Returns a name with the characters that MLflow allows."""
    return re.sub(r"[^\w\-. /]", "_", name)
