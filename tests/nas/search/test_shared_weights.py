"""Searches that score networks with weights that all share, and train the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
from controllers import at_most, maximize, minimize
from controllers.inherited_first import CHECK_AFTER, CHECKED, Checked
from nas import Search
from nas.commands.output.status import search_lines
from nas.records import PathScore, Trial
from nas.reports.content import content
from nas.results.inherited import agreement, inherited_scores
from nas.search.callbacks import OnTurn
from nas.search.lessons import LESSONS_OF_CONTROLLER, NETWORKS
from nas.search.plan import shared
from nas.search.plan.shared import verdict
from nas.search.progress import Progress
from nas.store.store import Store
from search_spaces import Space, catalog, choice, integer, layer, sequential
from search_spaces.errors import SearchError
from workers.inline import Inline
from workers.job import HeldWeights, Job, SharedWeights
from workers.testing.jobs import points

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(2, 40)),
            choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh)),
            layer(nn.Linear, out_features=integer(2, 20)),
        ),
        "recipe": {"epochs": 3, "batch_size": 16},
    }
)
TRIALS = CHECK_AFTER + CHECKED + 8
FEW = 6


def make(folder: Path, **options: Any) -> Search:
    chosen: dict[str, Any] = {
        "controller": "evolution",
        "executor": "inline",
        "store": folder / "nas.db",
        "name": "shared",
        "weights": "shared",
        "trials": TRIALS,
    }
    return Search(SPACE, points(), **(chosen | options))


class Stopped(KeyboardInterrupt):
    """Stands for Ctrl-C."""


def stop_after(turns: int) -> Any:
    """Ends a search in one of its turns."""
    seen = 0

    def look(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == turns:
            raise Stopped

    return OnTurn(look)


def trials_of(folder: Path) -> list[Trial]:
    with Store(folder / "nas.db") as store:
        return store.trials(store.search("shared").id)


def told(trials: list[Trial]) -> list[tuple[Any, ...]]:
    return [
        (one.number, one.architecture_id, one.status, one.epochs, one.score, one.origin) for one in trials
    ]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    make(folder).run()
    return folder


def test_networks_are_scored_and_the_best_are_trained(unbroken: Path) -> None:
    board = nas.leaderboard(unbroken / "nas.db")
    assert board.evaluation.dtype == "str"
    full, inherited = (board[board.evaluation == how] for how in ("full", "inherited"))
    assert set(full.status) == {"complete"}
    assert set(inherited.status) == {"paused"}
    assert full["rank"].max() < inherited["rank"].min()
    assert len(full) > CHECKED
    assert (inherited.epochs == 0).all()
    assert inherited.test_accuracy.isna().all()
    assert 0 in set(full.number)
    best = nas.load(unbroken / "nas.db")
    assert best.architecture.id == board.id[0]


def test_a_plan_trains_the_plain_network_then_a_bank_and_scores_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST", 0.0)
    monkeypatch.setattr(shared, "SHARE", 0.5)
    board = make(tmp_path, controller="auto", trials=None, seconds=8, epochs=2).run()
    with Store(tmp_path / "nas.db") as store:
        parts = [one.part for one in store.choices(1)]
        (bank,) = [one for one in store.choices(1) if one.part == "bank"]
        assert len(store.bank_epochs(1)) == bank.value["epochs"] > 0
    assert parts.index("epochs") < parts.index("bank") if "epochs" in parts else "bank" in parts
    assert board[board.number == 0].origin.iloc[0] == "plain"
    assert "inherited" in set(board.evaluation)


def test_where_there_is_no_time_for_a_bank_networks_are_trained_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LEAST", 1e9)
    for number, controller in enumerate(("auto", "random")):
        (tmp_path / str(number)).mkdir()
        board = make(
            tmp_path / str(number), controller=controller, trials=8, seconds=60, epochs=2, fidelity="full"
        ).run()
        assert set(board.evaluation) == {"full"}
        assert len(board) == 8
        with Store(tmp_path / str(number) / "nas.db") as store:
            reasons = {one.part: one.reason for one in store.choices(1)}
        assert "too few for a bank" in reasons["bank"]
        assert "networks are trained as ever" in reasons["trust"]


def test_what_is_chosen_is_said(unbroken: Path) -> None:
    with Store(unbroken / "nas.db") as store:
        choices = {one.part: one for one in store.choices(1)}
        epochs = store.bank_epochs(1)
        assert store.bank(1) is not None
    assert len(epochs) == choices["bank"].value["epochs"] > 0
    assert [one.epoch for one in epochs] == list(range(1, len(epochs) + 1))
    assert epochs[-1].train_loss < epochs[0].train_loss
    verdict = choices["trust"].value
    assert verdict["trusted"] == (verdict["inherited"] > verdict["num_params"])
    assert verdict["networks"] == CHECKED


@pytest.mark.parametrize("turns", [1, 4, 12, 30, 45])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(
    tmp_path: Path, unbroken: Path, turns: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, callbacks=[stop_after(turns)]).run()
    assert told(trials_of(tmp_path)) != told(trials_of(unbroken))
    make(tmp_path).run(resume=True)
    assert told(trials_of(tmp_path)) == told(trials_of(unbroken))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    make(folder, paths="controller", trials=FEW).run()
    return folder


def lessons_of(folder: Path) -> list[tuple[int, float, tuple[PathScore, ...]]]:
    """The training of a bank, but for the seconds that it took."""
    with Store(folder / "nas.db") as store:
        return [(one.epoch, one.train_loss, one.scored) for one in store.bank_epochs(1)]


def test_a_controller_draws_the_networks_that_train_the_bank_and_hears_their_scores(
    drawn: Path,
) -> None:
    lessons = [scored for _, _, scored in lessons_of(drawn) if scored]
    assert len(lessons) == LESSONS_OF_CONTROLLER
    assert all(len(scored) == NETWORKS // LESSONS_OF_CONTROLLER for scored in lessons)
    for scored in lessons[:-1]:
        metrics = [one.metrics for one in scored if one.metrics]
        assert metrics
        assert all({"accuracy", "num_params"} <= one.keys() for one in metrics)
    assert not any(one.metrics for one in lessons[-1])
    with Store(drawn / "nas.db") as store:
        assert any(leg.until == 0 and leg.metrics for leg in store.legs(1))


@pytest.mark.parametrize("turns", [9, *(pytest.param(turns, marks=pytest.mark.slow) for turns in (4, 30))])
def test_a_bank_whose_networks_a_controller_draws_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, drawn: Path, turns: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, paths="controller", trials=FEW, callbacks=[stop_after(turns)]).run()
    assert len(lessons_of(tmp_path)) < len(lessons_of(drawn))
    make(tmp_path, paths="controller", trials=FEW).run(resume=True)
    assert lessons_of(tmp_path) == lessons_of(drawn)
    assert told(trials_of(tmp_path)) == told(trials_of(drawn))


class Two(Inline):
    """Two jobs may be in flight; they run one after the other."""

    @property
    def slots(self) -> int:
        return 2


@pytest.mark.slow
@pytest.mark.parametrize("paths", ["uniform", "controller"])
def test_several_workers_train_a_bank_that_goes_on_from_the_average_of_theirs(
    tmp_path: Path, paths: str
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for folder in (whole, parted):
        folder.mkdir()
    make(whole, executor=Two(), paths=paths, trials=FEW).run()
    with Store(whole / "nas.db") as store:
        (bank,) = [one for one in store.choices(1) if one.part == "bank"]
    assert bank.value["workers"] == 2
    assert "2 workers train it" in bank.reason
    losses = [loss for _, loss, _ in lessons_of(whole)]
    assert len(losses) == bank.value["epochs"]
    assert losses[-1] < losses[0]
    with pytest.raises(KeyboardInterrupt):
        make(parted, executor=Two(), paths=paths, trials=FEW, callbacks=[stop_after(24)]).run()
    assert 0 < len(lessons_of(parted)) < len(losses)
    make(parted, executor="inline", paths=paths, trials=FEW).run(resume=True)
    assert lessons_of(parted) == lessons_of(whole)


class OneOfTwo(Two):
    """The bank of the second worker fails."""

    def _start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.lesson is not None and job.lesson.worker == 1:
                job = replace(job, bank=SharedWeights("broken", HeldWeights(b"nothing")))
            super()._start([job])


def test_where_one_of_several_workers_fails_the_others_are_stopped_and_networks_are_trained_as_ever(
    tmp_path: Path,
) -> None:
    board = make(tmp_path, executor=OneOfTwo(), trials=5).run()
    with Store(tmp_path / "nas.db") as store:
        trust = next(one for one in store.choices(1) if one.part == "trust")
        assert not store.bank_epochs(1)
    assert "the bank could not be trained" in trust.reason
    assert set(board.evaluation) == {"full"}


def test_trained_networks_may_begin_with_what_they_inherit(tmp_path: Path) -> None:
    board = make(tmp_path, finish="inherit").run()
    trained = board[(board.status == "complete") & (board.number > 0)]
    with Store(tmp_path / "nas.db") as store:
        trust = next(one for one in store.choices(1) if one.part == "trust")
        trials = {one.number: one for one in store.trials(1)}
    inherited = [number for number in trained.number if "inherited_share" in trials[number].metrics]
    assert len(inherited) >= CHECKED
    assert all(trials[number].metrics["inherited_share"] > 0.5 for number in inherited)
    assert trust.value["networks"] == CHECKED
    assert board.estimate.isna().all()


def test_several_objectives_and_limits_hold(tmp_path: Path) -> None:
    objectives = [maximize("accuracy"), minimize("num_params")]
    board = make(tmp_path, controller="nsga2", objectives=objectives, limits=at_most("num_params", 400)).run()
    assert (board.num_params <= 400).all()
    assert {"full", "inherited"} <= set(board.evaluation)
    assert bool(board.front.any())


def test_a_fidelity_applies_to_those_that_are_trained(tmp_path: Path) -> None:
    board = make(tmp_path, fidelity="asha", epochs=9).run()
    assert set(board[board.evaluation == "inherited"].epochs) == {0}
    assert set(board[board.evaluation == "full"].epochs) <= {1, 3, 9}
    assert board.iloc[0].epochs == 9


def test_a_first_network_beyond_a_limit_or_that_fails_is_not_the_last_word(tmp_path: Path) -> None:
    first = [{"model.0.out_features": 40, "model.1": "relu", "model.2.out_features": 20}]
    board = make(tmp_path, limits=at_most("num_params", 400), first=first).run()
    assert 0 not in set(board.number)
    with Store(tmp_path / "nas.db") as store:
        assert store.bank_epochs(1)
    assert "inherited" in set(board.evaluation)


def test_a_target_alone_ends_with_a_number_of_trials(tmp_path: Path) -> None:
    search = make(tmp_path, trials=None, target=2.0)
    assert search.description.budget.trials == 100


class Broken(nn.Module):
    """Answers what is no number, when it learns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float("nan") if self.training and not x.is_meta else x


def test_a_bank_that_cannot_be_trained_is_said_and_networks_are_trained_as_ever(tmp_path: Path) -> None:
    some = choice(fine=layer(nn.ReLU), broken=layer(Broken))
    space = Space({"model": sequential(layer(nn.Linear, out_features=integer(2, 9)), some)})
    search = Search(
        space, points(), "random", executor="inline", store=tmp_path / "nas.db", trials=6,
        weights="shared", epochs=1, failures=0,
    )  # fmt: skip
    board = search.run()
    with Store(tmp_path / "nas.db") as store:
        trust = next(one for one in store.choices(1) if one.part == "trust")
    assert "the bank could not be trained: not_finite" in trust.reason
    assert set(board.status) <= {"complete", "failed"}
    assert "complete" in set(board.status)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inherit_weights": True}, 'weights: not "shared" with inherit_weights'),
        ({"reuse_results": True}, 'weights: not "shared" with reuse_results'),
        ({"weights": "own", "finish": "inherit"}, 'give weights="shared", too'),
        ({"weights": "own", "paths": "sandwich"}, 'give weights="shared", too'),
        ({"paths": "all"}, "paths: expected"),
        (
            {"paths": "controller", "limits": at_most("grad_norm", 9.0)},
            'paths: not "controller" with grad_norm.*give paths="uniform"',
        ),
        ({"weights": "all"}, "weights: expected"),
        ({"executor": "tune"}, "does not work with Tune"),
        ({"hints": ["num_params"]}, 'hints: not with weights="shared"'),
        ({"limits": at_most("peak_memory_bytes", 1e12)}, "does not go with peak_memory_bytes"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SearchError, match=words):
        make(tmp_path, **options)


def test_a_space_of_one_network_has_nobody_to_share_with(tmp_path: Path) -> None:
    lone = Space({"model": sequential(layer(nn.Linear, out_features=3))})
    with pytest.raises(SearchError, match="nobody shares weights with it"):
        Search(lone, points(), "random", executor="inline", store=tmp_path / "nas.db", weights="shared")


def test_a_search_goes_on_from_its_store_alone(tmp_path: Path) -> None:
    store = tmp_path / "nas.db"
    options: dict[str, Any] = {"store": store, "name": "shared", "executor": "inline", "weights": "shared"}
    first = Search(catalog.mlp(), "digits", trials=1, callbacks=[stop_after(2)], **options)
    with pytest.raises(Stopped):
        first.run()
    found = Search.from_store(store, "shared", executor="inline")
    assert found.description == first.description
    assert (found.description.weights, found.description.finish) == ("shared", "scratch")
    assert found.description.ranking.paused
    assert len(found.run(resume=True)) == 1


def test_inherited_scores_are_told_beside_those_of_trainings(unbroken: Path) -> None:
    with Store(unbroken / "nas.db") as store:
        found = inherited_scores(store, store.search("shared"))
        page = content(store, "shared")["shared"]
        lines = dict(search_lines(store, "shared"))
    board = nas.leaderboard(unbroken / "nas.db").set_index("number")
    assert len(found.numbers) >= CHECKED
    assert [board.accuracy[number] for number in found.numbers] == list(found.trained)
    assert found.inherited != found.trained
    assert page["networks"]["trained"] == pytest.approx(list(found.trained))
    assert len(page["epochs"]) == len(page["losses"]) > 0
    assert "training loss" in lines["bank"]


def test_an_inherited_score_reaches_no_target(tmp_path: Path, unbroken: Path) -> None:
    board = nas.leaderboard(unbroken / "nas.db")
    best = board[board.evaluation == "inherited"].accuracy.max()
    first = board[board.number == 0].accuracy.iloc[0]
    assert first < best
    search = make(tmp_path, target=float(best), trials=CHECK_AFTER)
    board = search.run()
    ended = board[board.evaluation == "full"].accuracy.max()
    assert "trials are done" in search.reason or ended >= best


def test_agreement_counts_pairs() -> None:
    assert agreement([1, 2, 3], [10, 20, 30]) == 1.0
    assert agreement([3, 2, 1], [10, 20, 30]) == -1.0
    assert agreement([1, 1, 1], [10, 20, 30]) == 0.0
    assert agreement([1], [2]) == 0.0


@pytest.mark.parametrize(("ends", "trusted"), [([1.0, 2.0, 3.0], True), ([3.0, 2.0, 1.0], False)])
def test_inherited_scores_are_believed_where_sizes_say_less(ends: list[float], trusted: bool) -> None:
    checked = [Checked(number, float(number), end) for number, end in enumerate(ends)]
    trials = [Trial(number, str(number), {}, "complete", metrics={"num_params": 5.0}) for number in range(3)]
    value, reason = verdict(checked, trials)
    assert value["trusted"] is trusted
    assert "numbers of parameters by 0.00" in reason
