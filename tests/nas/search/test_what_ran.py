"""What ran is kept with each trial, and told while a search runs; so is what the cards did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from scripted import Scripted
from stored import trials

import nas
from controllers.fidelity import SuccessiveHalving
from nas import Search
from nas.search.callbacks import OnTurn
from nas.store.store import Store
from search_spaces import Space
from workers.executor import Card
from workers.job import Checkpoint, Event, Failed, Finished, HeldWeights, Job
from workers.problems import Problem

CPU = {"device": "cpu", "precision": "float32", "compiled": "no", "graphs": "no", "deterministic": "no"}
H100 = {**CPU, "device": "NVIDIA H100", "precision": "bfloat16", "graphs": "no: it prints"}


def in_turn(job: Job) -> dict[str, str]:
    return H100 if job.number % 2 else CPU


def messages(search: Search) -> list[str]:
    """The lines that a search says while it runs."""
    said: list[str] = []
    search.callbacks += [OnTurn(lambda progress: said.extend(progress.messages))]
    search.run()
    return said


def test_what_ran_is_kept_with_each_trial_and_is_in_the_leaderboard(make: Any) -> None:
    search = make("random", trials=4, executor=Scripted(ran=in_turn))
    board = search.run().set_index("number")
    assert [trial.ran for trial in trials(search)] == [CPU, H100, CPU, H100]
    assert list(board["device"].sort_index()) == ["cpu", "NVIDIA H100"] * 2
    assert board["graphs"][1] == "no: it prints"
    assert set(nas.leaderboard(search.store, where="precision=bfloat16")["number"]) == {1, 3}


def test_failures_and_trials_of_executors_that_do_not_say_it_have_none(make: Any) -> None:
    def fails(job: Job) -> Failed:
        return Failed(job.number, "exception", "no", "", False, 0.1)

    failed, silent = make(trials=2, executor=Scripted(fails)), make(trials=2, executor=Scripted())
    for search in (failed, silent):
        board = search.run()
        assert [trial.ran for trial in trials(search)] == [{}, {}]
        assert board["device"].isna().all()
    with Store(silent.store) as store:
        assert store.ran(store.search(silent.name).id) == []


class Halves(Scripted):
    """Pauses where a job says so."""

    def _events_of(self, job: Job) -> list[Event]:
        *reports, end = super()._events_of(job)
        if isinstance(end, Finished) and job.until is not None and job.until < 9:
            end = replace(end, checkpoint=Checkpoint(job.until, HeldWeights(b"")))
        return [*reports, end]


def test_a_trial_of_which_parts_ran_elsewhere_names_both(make: Any) -> None:
    executor = Halves(ran=lambda job: CPU if job.checkpoint is None else H100)
    fidelity = SuccessiveHalving(9, 3)
    search = make("random", trials=9, fidelity=fidelity, executor=executor)
    search.run()
    found = {trial.ran["device"] for trial in trials(search)}
    assert found == {"cpu", "cpu, NVIDIA H100"}
    gone_on = next(trial for trial in trials(search) if trial.ran["device"] != "cpu")
    assert gone_on.ran["deterministic"] == "no"


def test_a_search_says_once_on_what_it_trains(make: Any) -> None:
    assert messages(make(trials=5, executor=Scripted(ran=in_turn))) == [
        "trains on cpu, float32",
        "trains on NVIDIA H100, bfloat16",
    ]
    assert messages(make(trials=2, executor=Scripted())) == []


def test_what_the_cards_did_is_recorded_over_time_and_told_to_callbacks(make: Any) -> None:
    class Timed(Scripted):
        """Its clock goes on by three seconds with each look."""

        now = 0.0

        def clock(self) -> float:
            self.now += 3.0
            return self.now

    looks: list[int] = []

    def cards() -> list[Card]:
        looks.append(len(looks))
        if len(looks) == 1:
            return []  # the workers are starting
        return [
            Card("GPU-0", "NVIDIA H100", "one", len(looks), 8, 0.5, 10**9, 8 * 10**10),
            Card("GPU-1", "NVIDIA H100", "two", 0, 8),
        ]

    heard: list[tuple[Card, ...]] = []
    search = make(trials=20, executor=Timed(cards=cards))
    search.callbacks += [OnTurn(lambda progress: heard.append(progress.cards))]
    said = messages(search)
    assert said == ["cards: 2 x NVIDIA H100 on 2 nodes"]
    with Store(search.store) as store:
        records = store.cards(store.search(search.name).id)
    assert len(records) == 2 * (len(looks) - 1)
    assert [card.trials for _, card in records[::2]] == [n + 1 for n in looks[1:]]
    times = [at for at, _ in records[::2]]
    assert times == sorted(set(times))
    told = list(dict.fromkeys(map(id, filter(None, heard))))
    assert len(told) == len(looks) - 1  # another tuple for each record
    assert heard[-1] == tuple(card for _, card in records[-2:])


def test_a_training_here_says_what_ran(problem: Problem, networks: Space, tmp_path: Path) -> None:
    search = Search(networks, problem, "random", executor="inline", store=tmp_path / "s.db", trials=1)
    search.run()
    (trial,) = trials(search)
    assert (trial.ran["device"], trial.ran["precision"]) == ("cpu", "float32")
    assert nas.load(tmp_path / "s.db").provenance["ran"] == trial.ran
