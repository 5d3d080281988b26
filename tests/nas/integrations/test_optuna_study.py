"""A search is a study of Optuna, on which Optuna's own tools work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from scripted import Scripted

import nas
from nas import Search, at_most, maximize, minimize
from nas.store.store import Store
from search_spaces import Space, choice, integer, real
from search_spaces.errors import SearchError, UnknownNameError
from workers.job import Event, Failed, Finished, Job, Reported

SPACE = Space(
    {
        "width": integer(1, 512, log=True),
        "depth": integer(2, 10, step=2),
        "rate": real(1e-4, 1e-1, log=True),
        "steps": integer(2, 64, step=2, log=True),
        "op": choice(conv={"kernel": choice(3, 5, 7)}, none=None),
    }
)


def outcome(job: Job) -> dict[str, float] | Failed:
    """The width decides; every seventh fails."""
    if job.number % 7 == 3:
        return Failed(job.number, "not_finite", "training loss became nan", "", False, 0.1)
    width = float(job.architecture.decisions["width"])
    return {"loss": 0.01 + 1 / width, "accuracy": width / 512}


@pytest.fixture
def search(make: Any) -> Search:
    found = make("random", on=SPACE, trials=40, name="mine", executor=Scripted(outcome))
    found.run()
    return found


def by_number(search: Search) -> dict[int, Any]:
    with Store(search.store) as store:
        return {trial.number: trial for trial in store.trials(store.search(search.name).id)}


def test_trials_have_their_decisions_values_states_and_times(search: Search) -> None:
    study, trials = nas.to_optuna(search), by_number(search)
    assert study.study_name == "mine"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["accuracy"]
    assert [trial.number for trial in study.trials] == sorted(trials)
    for trial in study.trials:
        own = trials[trial.number]
        assert trial.params == dict(own.decisions)
        assert trial.user_attrs["id"] == own.architecture_id
        assert trial.datetime_start.timestamp() == pytest.approx(own.started_at, abs=1e-3)
        assert trial.duration.total_seconds() == pytest.approx(own.seconds, abs=1e-3)
        if own.status == "failed":
            assert trial.state == optuna.trial.TrialState.FAIL
            assert trial.user_attrs["reason"] == "not_finite"
        else:
            assert trial.state == optuna.trial.TrialState.COMPLETE
            assert trial.value == own.metrics["accuracy"]
            assert trial.intermediate_values == {1: trial.value}
            assert trial.user_attrs["num_params"] == own.metrics["num_params"]
            assert trial.user_attrs["test_accuracy"] == own.test_metrics["accuracy"]
    assert study.best_trial.user_attrs["id"] == nas.leaderboard(search.store)["id"][0]


def test_decisions_have_the_distributions_of_their_holes(search: Search) -> None:
    found: dict[str, Any] = {}
    for trial in nas.to_optuna(search).trials:
        found |= trial.distributions
    assert found == {
        "width": optuna.distributions.IntDistribution(1, 512, log=True),
        "depth": optuna.distributions.IntDistribution(2, 10, step=2),
        "rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "steps": optuna.distributions.FloatDistribution(
            2, 64, log=True
        ),  # Optuna has no steps in a log range
        "op": optuna.distributions.CategoricalDistribution(("conv", "none")),
        "op.conv.kernel": optuna.distributions.CategoricalDistribution((3, 5, 7)),
    }


def test_optuna_finds_the_decision_that_matters(search: Search) -> None:
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=0)
    found = optuna.importance.get_param_importances(nas.to_optuna(search), evaluator=evaluator)
    assert next(iter(found)) == "width"
    assert found["width"] > 0.8


def test_optunas_plots_and_frames_take_it(search: Search) -> None:
    study = nas.to_optuna(search)
    assert len(study.trials_dataframe()) == 40
    pytest.importorskip("plotly")
    history = optuna.visualization.plot_optimization_history(study)
    assert len(history.data[0].y) == sum(trial.status == "complete" for trial in by_number(search).values())
    assert optuna.visualization.plot_intermediate_values(study).data
    assert optuna.visualization.plot_parallel_coordinate(study, params=["width", "op"]).data


def test_optuna_goes_on_from_it(search: Search) -> None:
    study = nas.to_optuna(search)
    study.sampler = optuna.samplers.TPESampler(seed=0)
    trial = study.ask()
    assert trial.number == 40
    assert trial.suggest_int("width", 1, 512, log=True) > 100  # where the good ones were


def test_several_objectives_have_their_directions(make: Any) -> None:
    objectives = [minimize("loss"), maximize("accuracy")]
    search = make("random", on=SPACE, trials=12, objectives=objectives, executor=Scripted(outcome))
    search.run()
    study = nas.to_optuna(search)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert all(trial.values == [trial.user_attrs["loss"], trial.user_attrs["accuracy"]] for trial in done)
    assert [trial.number for trial in study.best_trials] == [max(done, key=lambda t: t.values[1]).number]


def test_limits_are_constraints(make: Any) -> None:
    search = make(
        "random", on=SPACE, trials=40, limits=at_most("loss", 0.02), objectives=minimize("accuracy"),
        executor=Scripted(outcome),
    )  # fmt: skip
    board = search.run()
    best = nas.to_optuna(search).best_trial
    assert best.user_attrs["id"] == board["id"][0]
    assert best.user_attrs["loss"] <= 0.02


class Pausing(Scripted):
    """Trials report each epoch to where they are to pause."""

    def _events_of(self, job: Job) -> list[Event]:
        from workers.job import Checkpoint, HeldWeights

        report, end = super()._events_of(job)
        assert isinstance(report, Reported)
        assert isinstance(end, Finished)
        begun = 0 if job.checkpoint is None else job.checkpoint.epoch
        last = job.until or job.epochs or 1
        told = [Reported(job.number, _at(report, epoch)) for epoch in range(begun + 1, last + 1)]
        paused = Checkpoint(last, HeldWeights(b"")) if last < (job.epochs or 1) else None
        ended = Finished(
            job.number, end.metrics, end.test_metrics, 0.5, end.weights, end.costs, checkpoint=paused
        )
        return [*told, ended]


def _at(report: Reported, epoch: int) -> Any:
    from dataclasses import replace

    return replace(report.report, epoch=epoch)


def test_trials_that_were_stopped_early_are_pruned(make: Any) -> None:
    search = make("random", trials=12, fidelity="asha", epochs=9, executor=Pausing())
    search.run()
    study, trials = nas.to_optuna(search), by_number(search)
    states = {trial.number: trial.state.name for trial in study.trials}
    expected = {"complete": "COMPLETE", "paused": "PRUNED"}
    assert states == {number: expected[trial.status] for number, trial in trials.items()}
    assert set(states.values()) == {"COMPLETE", "PRUNED"}
    for trial in study.trials:
        assert max(trial.intermediate_values) == trials[trial.number].epochs


def test_a_search_is_found_by_its_name_and_its_space_in_the_store(search: Search, make: Any) -> None:
    make("random", name="other", trials=2).run()
    assert len(nas.to_optuna("mine", store=search.store).trials) == 40
    assert nas.to_optuna(store=search.store).study_name == "other"
    with pytest.raises(UnknownNameError):
        nas.to_optuna("nobody", store=search.store)


@pytest.mark.slow
def test_it_goes_into_a_storage_once_under_a_name(search: Search, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    nas.to_optuna(search, storage=url)
    assert len(optuna.load_study(study_name="mine", storage=url).trials) == 40
    with pytest.raises(SearchError, match="the storage has a study named 'mine'"):
        nas.to_optuna(search, storage=url)
    assert nas.to_optuna(search, storage=url, name="again").study_name == "again"


def test_an_unfinished_search_has_trials_that_are_running(make: Any) -> None:
    def press(ended: int) -> None:
        if ended == 3:
            raise KeyboardInterrupt

    search = make("random", trials=9, executor=Scripted(slots=2, before=press))
    with pytest.raises(KeyboardInterrupt):
        search.run()
    states = [trial.state.name for trial in nas.to_optuna(search).trials]
    assert states == ["COMPLETE"] * 3 + ["RUNNING"] * 2
