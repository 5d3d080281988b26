"""The executor over Ray Tune alone, and controllers and problems in Ray Tune itself."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from torch import nn

from controllers import RandomSearch, RegularizedEvolution, maximize
from search_spaces import Space, choice, layer, sequential
from search_spaces.errors import ExecutorError, FormatError
from workers.inline import Inline
from workers.job import Failed, Finished, Job, Reported
from workers.problems.problem import Problem
from workers.testing.jobs import Faulty, answers, architecture, drain, faulty, points, run
from workers.tune.search import as_searcher, trainable
from workers.tune.tune import Tune

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def problem() -> Problem:
    return points()


@pytest.fixture(scope="module")
def executor(ray_cluster: None, problem: Problem) -> Iterator[Tune]:
    with Tune(workers=2, grace=1.5) as made:
        made.open(problem)
        yield made


def finals(events: list[Any]) -> dict[int, Any]:
    return {event.number: event for event in events if not isinstance(event, Reported)}


def test_a_trial_whose_worker_is_killed_is_trained_again_with_the_same_result(
    executor: Tune, tmp_path: Path
) -> None:
    job = Job(0, faulty("killed once", tmp_path / "killed"), 5)
    events = run(executor, job, Job(1, architecture(), 1))
    assert answers(events) == answers(run(executor, job, Job(1, architecture(), 1)))
    assert {number: event.attempts for number, event in finals(events).items()} == {0: 2, 1: 1}


@pytest.mark.soak
def test_a_trial_that_always_loses_its_worker_fails_with_worker_lost(executor: Tune) -> None:
    failed = finals(run(executor, Job(0, faulty("killed"), 0)))[0]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.infrastructure, failed.attempts) == ("worker_lost", True, 3)


def test_a_trial_whose_card_is_gone_is_trained_again_in_another_process(
    executor: Tune, tmp_path: Path
) -> None:
    lost = executor.lost_workers
    end = finals(run(executor, Job(0, faulty("card gone once", tmp_path / "gone"), 0)))[0]
    assert isinstance(end, Finished)
    assert (end.attempts, executor.lost_workers) == (2, lost + 1)


@pytest.mark.soak
def test_a_hanging_trial_loses_its_process_and_the_executor_goes_on(executor: Tune) -> None:
    events = run(executor, Job(0, faulty("hang"), 0, seconds=0.5), Job(1, architecture(), 0))
    assert (finals(events)[0].reason, finals(events)[0].infrastructure) == ("timeout", False)
    assert isinstance(finals(events)[1], Finished)
    executor.start(Job(0, faulty("hang"), 0))
    assert executor.events(timeout=1) == []
    executor.stop(0)
    assert finals(drain(executor))[0].reason == "stopped"


class Heard(tune.Callback):  # type: ignore[misc]
    """Writes down what Tune tells."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []

    def on_trial_result(self, result: dict[str, Any], **info: Any) -> None:
        self.results.append(dict(result))


def test_a_trial_that_the_scheduler_stops_is_finished_with_the_metrics_that_it_has(
    ray_cluster: None, problem: Problem, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = Heard()
    scheduler = ASHAScheduler(max_t=6, grace_period=2, reduction_factor=3)
    with Tune(
        workers=1,
        tune_config=tune.TuneConfig(scheduler=scheduler),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="mine", callbacks=[heard]),
    ) as executor:
        executor.open(problem)
        jobs = [Job(number, architecture(epochs=6), seed=number) for number in range(6)]
        events = run(executor, *jobs)
        ended = finals(events)
        epochs = {
            number: [e.report for e in events if e.number == number and isinstance(e, Reported)]
            for number in ended
        }
        assert {len(reports) for reports in epochs.values()} >= {2, 6}  # of those at work one is the best
        for number, event in ended.items():
            assert isinstance(event, Finished)
            assert event.checkpoint is None
            assert event.metrics == epochs[number][-1].metrics
            assert event.test_metrics.keys() == event.metrics.keys()
            network = architecture().build(problem.signature)
            network.load_state_dict(safetensors.torch.load(event.weights.read()))
            assert ("ended by Ray Tune" in event.log) == (len(epochs[number]) < 6)
    assert "Trial" not in capfd.readouterr().out, "Tune has printed something"
    assert len(heard.results) == sum(map(len, epochs.values()))
    assert all("report" not in result and 0 <= result["accuracy"] <= 1 for result in heard.results)
    written = [json.loads(line) for file in tmp_path.glob("mine/*/result.json") for line in file.open()]
    assert len(written) == len(heard.results)


class Pausing(FIFOScheduler):  # type: ignore[misc]
    """Pauses each trial after its second epoch; stops some of those then, lets others go on."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        second = result["training_iteration"] == 2
        return str(TrialScheduler.PAUSE if second else TrialScheduler.CONTINUE)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        for trial in tune_controller.get_trials():
            if trial.status == "PAUSED" and trial.config["job"] % 2:
                tune_controller.stop_trial(trial)
        return super().choose_trial_to_run(tune_controller)


@pytest.mark.soak
def test_trials_that_the_scheduler_pauses_go_on_as_if_it_had_not_or_end_there(
    ray_cluster: None, problem: Problem
) -> None:
    jobs = [Job(number, architecture(epochs=5), seed=number) for number in range(4)]
    with Inline() as inline:
        inline.open(problem)
        whole = answers(run(inline, *jobs))
    with Tune(workers=2, tune_config=tune.TuneConfig(scheduler=Pausing())) as executor:
        executor.open(problem)
        events = run(executor, *jobs)
        found = answers(events)
    for number in (0, 2):
        assert found[number] == whole[number]
    for number in (1, 3):
        *reports, (metrics, _, weights) = found[number]  # type: ignore[misc]
        assert reports == whole[number][:2]
        assert metrics == whole[number][1][1]  # type: ignore[index]
        architecture().build(problem.signature).load_state_dict(safetensors.torch.load(weights))


def test_closing_leaves_no_process_no_thread_and_no_file(
    ray_cluster: None, problem: Problem, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    marker = tmp_path / "pid"
    made = Tune(workers=1)
    made.open(problem)
    folder = made._folder
    assert folder is not None
    assert folder.exists()
    *_, finished = run(made, Job(0, faulty("own process", marker), 0))
    assert isinstance(finished, Finished)
    made.start(Job(1, faulty("hang"), 0))
    made.events(timeout=1)
    made.close()
    made.close()
    assert "ray tune" not in {thread.name for thread in set(threading.enumerate()) - before}
    assert not folder.exists()
    process = int(marker.read_text())
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker outlived its executor")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (tune.TuneConfig(num_samples=3), "num_samples is a search's own"),
        (tune.TuneConfig(time_budget_s=3), "time_budget_s is a search's own"),
        (
            tune.TuneConfig(
                scheduler=PopulationBasedTraining(
                    hyperparam_mutations={"seed": [1, 2]}, metric="a", mode="max"
                )
            ),
            "PopulationBasedTraining gives trials the weights of others",
        ),
    ],
    ids=["samples", "time", "population"],
)
def test_what_a_search_says_itself_is_turned_down(config: tune.TuneConfig, words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        Tune(tune_config=config)


def space() -> Space:
    model = sequential(
        layer(nn.Linear, out_features=choice(2, 4, 8, 16, 32)), choice(layer(nn.ReLU), layer(nn.Tanh))
    )
    return Space({"model": model, "recipe": {"epochs": 3, "batch_size": 16}})


def values(number: int) -> dict[str, Any]:
    return {"accuracy": number / 10, "training_iteration": 3, "config/architecture": "..."}


def test_a_searcher_restored_from_what_it_saved_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    def made() -> Any:
        return as_searcher(RegularizedEvolution(space(), maximize("accuracy"), seed=1, population=3))

    one = made()
    for number in range(6):
        one.suggest(f"t{number}")
        if number != 4:
            one.on_trial_complete(f"t{number}", values(number), error=number == 2)
    one.save_to_dir(str(tmp_path), "now")
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    other = made()
    other.restore_from_dir(str(tmp_path))
    for searcher in (one, other):
        searcher.on_trial_complete("t4", values(4))
    assert [one.suggest(f"u{n}") for n in range(3)] == [other.suggest(f"u{n}") for n in range(3)]
    stranger = as_searcher(RandomSearch(space(), maximize("accuracy"), seed=2))
    with pytest.raises(FormatError, match="another one"):
        stranger.restore_from_dir(str(tmp_path))


def test_a_searcher_tells_what_was_measured_and_failures_as_such() -> None:
    told: list[Any] = []

    class Told(RandomSearch):
        def _learn(self, proposal: Any, outcome: Any) -> None:
            told.append(outcome)

    searcher = as_searcher(Told(space(), maximize("accuracy"), seed=0))
    assert (searcher.metric, searcher.mode) == ("accuracy", "max")
    for number in range(10):
        assert json.loads(searcher.suggest(f"t{number}")["architecture"])
    assert searcher.suggest("one more") == "FINISHED"  # there are ten networks
    searcher.on_trial_complete("t0", values(5))
    searcher.on_trial_complete("t1", values(5), error=True)
    searcher.on_trial_complete("t2", None)
    searcher.on_trial_complete("t3", {"pid": 1, "trial_id": "t3"})  # stopped before its first epoch
    searcher.on_trial_complete("nobody", values(1))
    assert [(outcome.failed, outcome.scores) for outcome in told] == [
        (False, (0.5,)),
        (True, ()),
        (True, ()),
        (True, ()),
    ]


class Interrupting(tune.Callback):  # type: ignore[misc]
    """Ends a run after its third result."""

    def __init__(self) -> None:
        self.results = 0

    def on_trial_result(self, **info: Any) -> None:
        self.results += 1
        if self.results == 4:
            raise RuntimeError("the power is gone")


@pytest.mark.soak
def test_a_run_of_tune_with_our_space_and_controller_is_interrupted_and_restored(
    ray_cluster: None, problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")
    fault = choice(layer(Faulty, fault="none"), layer(Faulty, fault="exception"))
    model = sequential(layer(nn.Linear, out_features=choice(4, 8)), fault)
    own = Space({"model": model, "recipe": {"epochs": 3, "batch_size": 16}})
    trains = trainable(problem, modules=[Faulty])
    config = tune.TuneConfig(
        search_alg=as_searcher(RandomSearch(own, maximize("accuracy"), seed=0)),
        metric="accuracy",
        mode="max",
        num_samples=-1,
        max_concurrent_trials=1,
        reuse_actors=True,
    )
    run_config = tune.RunConfig(name="run", storage_path=str(tmp_path), callbacks=[Interrupting()], verbose=0)
    with pytest.raises(Exception, match="the power is gone"):
        tune.Tuner(trains, tune_config=config, run_config=run_config).fit()
    results = tune.Tuner.restore(str(tmp_path / "run"), trains, resume_unfinished=True).fit()
    assert len(results) == 4
    tried = [
        json.loads((Path(result.path) / "params.json").read_text())["architecture"] for result in results
    ]
    assert len(set(tried)) == 4, "each network once"
    assert sum(result.error is not None for result in results) == 2
    for result, network in zip(results, tried, strict=True):
        failed = result.error is not None
        assert ('"exception"' in network) == failed
        if not failed:
            assert (result.metrics["epoch"], result.metrics["num_params"] > 0) == (3, True)
            assert (Path(result.checkpoint.path) / "weights.safetensors").exists()
