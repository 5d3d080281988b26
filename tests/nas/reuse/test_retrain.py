"""What was found is trained again with seeds of its own, and the best goes on; networks answer together."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from joined_networks import architecture
from joined_networks import problem as joined_problem
from torch import Tensor, nn

import nas
from nas import Search
from nas.description import COSTS
from nas.reuse.ensemble import AveragedNetworks, averaged, plain
from search_spaces import (
    Classification,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    Regression,
    Retrieval,
    Signature,
    Space,
    Vector,
    choice,
    integer,
    layer,
    sequential,
)
from search_spaces.errors import SearchError, StoreError, UnknownNameError
from workers.inline import Inline
from workers.job import Finished, Job
from workers.problems import Problem
from workers.training.metrics import Evaluation

NETWORKS = {
    "model": sequential(layer(nn.Linear, out_features=integer(1, 50)), layer(nn.ReLU)),
    "recipe": {"epochs": 2, "batch_size": 16},
}


@pytest.fixture(scope="module")
def store(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of six networks, of which four are kept."""
    path = tmp_path_factory.mktemp("store") / "s.db"
    options = {"executor": "inline", "keep_weights": 4, "name": "mine", "trials": 6}
    Search(Space(NETWORKS), problem, "random", store=path, **options).run()
    return path


def again(store: Path, problem: Problem, *args: Any, **options: Any) -> nas.Retraining:
    return nas.retrain(store, *args, **{"problem": problem, "executor": "inline", "seeds": 2, **options})


def run_job(problem: Problem, job: Job) -> Finished:
    with Inline() as executor:
        executor.open(problem)
        executor.start(job)
        while True:
            for event in executor.events():
                if isinstance(event, Finished):
                    return event


# -- retraining --------------------------------------------------------------------------------------------


def test_each_network_is_trained_once_for_each_seed(store: Path, problem: Problem) -> None:
    board, told = nas.leaderboard(store), []
    result = again(store, problem, top=2, listener=told.append)
    assert [one.id for one in result] == list(board["id"][:2])
    assert sorted(told, key=lambda run: (run.id, run.seed)) == sorted(
        (run for one in result for run in one.runs), key=lambda run: (run.id, run.seed)
    )
    assert len({run.seed for run in told}) == 4
    frame = result.frame()
    for row, one in zip(frame.to_dict("records"), result, strict=True):
        values = [run.test_metrics["accuracy"] for run in one.runs]
        assert row["n"] == 2
        assert row["failed"] == 0
        assert row["epochs"] == 2
        assert row["test_accuracy_mean"] == pytest.approx(statistics.fmean(values))
        assert row["test_accuracy_std"] == pytest.approx(statistics.stdev(values))
        assert row["accuracy_mean"] == pytest.approx(
            statistics.fmean(r.metrics["accuracy"] for r in one.runs)
        )
    assert "num_params_mean" not in frame
    assert "<table" in result._repr_html_()


def test_a_run_is_the_training_of_its_seed_and_not_that_of_the_search(store: Path, problem: Problem) -> None:
    (one,) = again(store, problem, nas.leaderboard(store)["id"][1], seeds=1, epochs=3)
    (run,) = one.runs
    found = nas.load(store, one.id)
    job = Job(0, found.architecture, seed=run.seed, epochs=3)
    assert run_job(problem, job).test_metrics == run.test_metrics
    assert one.epochs == 3
    (same,) = again(store, problem, one.id, seeds=1, epochs=2)
    assert same.runs[0].metrics["loss"] != found.metrics["loss"]  # another seed
    assert one.best.provenance["epochs"] == 3
    assert one.best.provenance["retrained"]["test_metrics"]["accuracy"]["std"] is None


def test_the_best_run_on_validation_goes_on_with_its_weights(
    store: Path, problem: Problem, tmp_path: Path
) -> None:
    (one,) = again(store, problem, seeds=4)
    scores = [run.metrics["accuracy"] for run in one.runs]
    best = one.runs[scores.index(max(scores))]
    assert one.best.metrics == best.metrics
    assert one.best.provenance["training_seed"] == best.seed
    found = nas.load(one.best.export(tmp_path / "best"))
    with torch.inference_mode():
        answer = found.build()(dict(problem.test.inputs))
    (task,) = answer
    right = (answer[task].argmax(1) == problem.test.targets[task]).float().mean()
    assert float(right) == pytest.approx(best.test_metrics["accuracy"])
    card = (tmp_path / "best" / "README.md").read_text()
    assert "trained again on the training data with 4 seeds" in card
    mean = statistics.fmean(run.test_metrics["accuracy"] for run in one.runs)
    assert f"accuracy {mean:.4f} ±" in card


class Seen(nn.Module):
    """Notes the largest batch that it has been trained on."""

    largest = 0

    def forward(self, input: Tensor) -> Tensor:
        if self.training and not input.is_meta:
            Seen.largest = max(Seen.largest, len(input))
        return input


def test_all_data_are_those_to_train_and_to_validate_on(problem: Problem, tmp_path: Path) -> None:
    space = Space({"model": layer(Seen), "recipe": {"epochs": 1, "batch_size": 1000}})
    Search(space, problem, "random", store=tmp_path / "s.db", executor="inline", trials=1).run()
    assert Seen.largest == len(problem.train)
    options = {"problem": problem, "executor": "inline", "seeds": 2, "space": space}
    (one,) = nas.retrain(tmp_path / "s.db", all_data=True, **options)
    assert Seen.largest == len(problem.train) + len(problem.validation)
    assert all(run.metrics.keys() == COSTS | {"peak_memory_bytes"} for run in one.runs)
    assert one.best.provenance["training_seed"] == one.runs[0].seed
    assert "accuracy_mean" not in one.best.provenance
    row = nas.Retraining([one]).rows()[0]
    assert "test_accuracy_mean" in row
    assert "accuracy_mean" not in row
    assert (
        "on training and validation data"
        in nas.Found.export(one.best, tmp_path / "it").joinpath("README.md").read_text()
    )


def test_examples_of_several_sources_keep_them_in_one_split(problem: Problem) -> None:
    from nas.reuse.retrain import _with_validation

    both = Problem.join("both", joined_problem(40), joined_problem(30, seed=1))
    whole = _with_validation(both)
    assert len(whole.train) == len(both.train) + len(both.validation)
    assert whole.train.num_domains == 2
    wanted = torch.cat([both.train.domain, both.validation.domain])
    assert torch.equal(whole.train.domain, wanted)
    assert _with_validation(problem).train.domain is None


class Moody(nn.Module):
    """Fails with every second seed."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 3)
        if not self.linear.weight.is_meta and torch.initial_seed() % 2:
            raise RuntimeError("not today")

    def forward(self, input: Tensor) -> Tensor:
        return self.linear(input)


def test_a_run_that_fails_is_told_and_the_others_count(problem: Problem, tmp_path: Path) -> None:
    space = Space({"model": layer(Moody), "recipe": {"epochs": 1}})
    for seed in range(20):  # one with which the search itself does not fail
        Search(
            space, problem, "random", store=tmp_path / "s.db", executor="inline", trials=1, seed=seed
        ).run()
        if nas.leaderboard(tmp_path / "s.db")["status"][0] == "complete":
            break
    options = {"problem": problem, "executor": "inline", "space": space}
    (one,) = nas.retrain(tmp_path / "s.db", seeds=8, **options)
    failed = [run for run in one.runs if run.failure]
    assert 0 < len(failed) < 8
    assert all("not today" in run.failure for run in failed)
    row = nas.Retraining([one]).rows()[0]
    assert (row["n"], row["failed"]) == (8 - len(failed), len(failed))
    assert "not today" in row["message"]
    assert one.best.provenance["retrained"]["runs"] == row["n"]


def test_what_cannot_be_trained_again_is_named(store: Path, problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="expected an id or top, got both"):
        again(store, problem, "ab", top=2)
    with pytest.raises(SearchError, match="seeds: expected a whole number above 0, got 0"):
        again(store, problem, seeds=0)
    with pytest.raises(SearchError, match="its problem 'larger' is your own"):
        nas.retrain(store, executor="inline")
    with pytest.raises(UnknownNameError, match="no architecture named 'zz'"):
        again(store, problem, "zz")
    with pytest.raises(StoreError, match="no store at"):
        again(tmp_path / "none.db", problem)


# -- ensembles ---------------------------------------------------------------------------------------------


def test_an_ensemble_answers_with_the_mean_of_its_members(store: Path, problem: Problem) -> None:
    chosen = nas.ensemble(store, problem=problem, top=4)
    inputs = dict(problem.test.inputs)
    (task,) = problem.signature.tasks
    with torch.inference_mode():
        each = [member.build()(inputs)[task].softmax(1) for member in chosen.members]
    total = sum(chosen.counts)
    mean = sum(answer * count / total for answer, count in zip(each, chosen.counts, strict=True))
    torch.testing.assert_close(chosen(inputs)[task].exp(), mean)
    torch.testing.assert_close(chosen(next(iter(inputs.values()))), chosen(inputs)[task])
    right = (mean.argmax(1) == problem.test.targets[task]).float().mean()
    assert chosen.test_metrics["accuracy"] == pytest.approx(float(right))


def test_an_ensemble_is_no_worse_on_validation_than_its_best_member(store: Path, problem: Problem) -> None:
    board = nas.leaderboard(store)
    for metric in ("accuracy", "loss"):
        chosen = nas.ensemble(store, problem=problem, metric=metric)
        kept = board["id"][:4]
        better = max if metric == "accuracy" else min
        best = better(nas.load(store, id).metrics[metric] for id in kept)
        assert chosen.best.metrics[metric] == pytest.approx(best)
        assert better(chosen.metrics[metric], best) == pytest.approx(chosen.metrics[metric])
        assert {member.architecture.id for member in chosen.members} <= set(kept)
    (alone,) = nas.ensemble(store, problem=problem, top=1).members
    assert alone.architecture.id == board["id"][0]


def test_selection_is_greedy_with_replacement(store: Path, problem: Problem) -> None:
    """The same as written out: at each round the network with which the mean has the lowest loss."""
    ids = nas.leaderboard(store)["id"][:4]
    found = [nas.load(store, id) for id in ids]
    (task,) = problem.signature.tasks
    with torch.inference_mode():
        each = [one.build()(dict(problem.validation.inputs))[task].softmax(1) for one in found]

    def loss(places: list[int]) -> float:
        mean = torch.stack([each[place] for place in places]).mean(0)
        scores = Evaluation(problem.signature.tasks, torch.device("cpu"))
        scores.add({task: mean.log()}, problem.validation)
        return scores.result()["loss"]

    chosen: list[int] = []
    rounds = []
    for _ in range(6):
        chosen = [*chosen, min(range(4), key=lambda place: loss([*chosen, place]))]
        rounds.append((loss(chosen), chosen))
    _, best = min(rounds, key=lambda one: one[0])
    result = nas.ensemble(store, problem=problem, metric="loss", rounds=6)
    counted = dict(zip((m.architecture.id for m in result.members), result.counts, strict=True))
    assert counted == {ids[place]: best.count(place) for place in sorted(set(best))}


def test_several_tasks_and_modalities_are_averaged_each_in_its_way(tmp_path: Path) -> None:
    data = joined_problem(90)
    arch = architecture(data.signature)
    space = Space({**arch.value, "recipe": {**arch.recipe, "epochs": 1, "batch_size": choice(8, 16)}})
    Search(space, data, "random", store=tmp_path / "s.db", executor="inline", trials=2, keep_weights=2).run()
    chosen = nas.ensemble(tmp_path / "s.db", problem=data, space=space, rounds=2)
    assert chosen.metric == "score"
    assert chosen.metrics.keys() == chosen.test_metrics.keys() == set(data.metrics)
    answers = chosen(dict(data.test.inputs))
    assert answers.keys() == data.signature.tasks.keys()
    assert chosen.rows()[0]["id"] == "ensemble"
    assert sum(row["share"] for row in chosen.rows()[1:]) == pytest.approx(1)


def test_each_kind_of_answer_has_its_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = [torch.randn(3, 2, generator=generator) for _ in range(2)]
    mixed = averaged(Regression(2), numbers, (3, 1))
    torch.testing.assert_close(mixed, numbers[0] * 0.75 + numbers[1] * 0.25)

    task: Any = DenseMap(4, 2, 2)
    maps = [torch.randn(3, 4, 2, 2, generator=generator) for _ in range(2)]
    mixed = averaged(task, [plain(task, answer) for answer in maps], (1, 1))
    torch.testing.assert_close(mixed.exp(), (maps[0].softmax(1) + maps[1].softmax(1)) / 2)

    task = Retrieval("a", "b", 5)
    items = [nn.functional.normalize(torch.randn(6, 2, 5, generator=generator), dim=2) for _ in range(2)]
    query, gallery = averaged(task, items, (1, 3)).unbind(1)
    each = [item[:, 0] @ item[:, 1].T for item in items]
    torch.testing.assert_close(query @ gallery.T, each[0] * 0.25 + each[1] * 0.75)
    torch.testing.assert_close(query.norm(dim=1), torch.ones(6))

    for task in (MultiLabel(2), Ordinal(3)):
        mixed = averaged(task, [plain(task, answer) for answer in numbers], (1, 1))
        torch.testing.assert_close(mixed.sigmoid(), (numbers[0].sigmoid() + numbers[1].sigmoid()) / 2)
        assert averaged(task, [plain(task, 1000 * numbers[0])], (1,)).isfinite().all()

    certain = torch.tensor([[0.0, 1000.0]])
    assert averaged(Classification(2), [plain(Classification(2), certain)], (1,)).isfinite().all()


def test_an_ensemble_of_what_has_no_mean_or_no_weights_is_refused(
    store: Path, problem: Problem, tmp_path: Path
) -> None:
    with pytest.raises(SearchError, match="metric: expected one of loss, accuracy, got 'f1'"):
        nas.ensemble(store, problem=problem, metric="f1")
    with pytest.raises(SearchError, match="top: expected a whole number above 0, got 0"):
        nas.ensemble(store, problem=problem, top=0)
    options = {"executor": "inline", "trials": 1}
    Search(Space(NETWORKS), problem, "random", store=tmp_path / "s.db", keep_weights=0, **options).run()
    with pytest.raises(StoreError, match="no weights were kept"):
        nas.ensemble(tmp_path / "s.db", problem=problem)
    signature = Signature({"x": Vector(2)}, {"say": Generation(3, 5)})
    texts = Problem.from_tensors(
        "texts", ({"x": torch.rand(30, 2)}, {"say": torch.ones(30, 3).long()}), signature=signature
    )
    Search(Space(NETWORKS), texts, "random", store=tmp_path / "t.db", **options).run()
    with pytest.raises(SearchError, match="'say': texts that several networks write have no average"):
        nas.ensemble(tmp_path / "t.db", problem=texts)


def test_an_average_may_be_trained_further(store: Path, problem: Problem) -> None:
    chosen = nas.ensemble(store, problem=problem, top=2, rounds=2)
    assert isinstance(chosen.network, AveragedNetworks)
    chosen.network(dict(problem.train.inputs))[next(iter(problem.signature.tasks))].sum().backward()
    assert all(parameter.grad is not None for parameter in chosen.network.parameters())


# -- commands ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search on a problem of the catalog."""
    from workers.problems import load

    path = tmp_path_factory.mktemp("digits") / "s.db"
    options = {"executor": "inline", "epochs": 1, "trials": 2, "name": "mine"}
    Search(Space(NETWORKS), load("digits"), "random", store=path, **options).run()
    return path


def command(*words: str) -> None:
    from nas.cli import main

    before, sys.argv = sys.argv, ["nas", *words]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    assert not ended.value.code


def test_the_command_trains_again_prints_and_exports(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--store", str(digits), "--executor", "inline"]
    command(
        "retrain", "--top", "2", "--seeds", "2", "--to", str(tmp_path / "out"), "--format", "json", *where
    )
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [row["n"] for row in rows] == [2, 2]
    assert err.count("trained") == 4
    for row in rows:
        found = nas.load(tmp_path / "out" / row["id"])
        assert found.provenance["retrained"]["runs"] == 2
    again = str(tmp_path / "out" / rows[0]["id"])
    command("export", again, "--to", str(tmp_path / "other"), "--format", "torch-export")
    assert nas.load(tmp_path / "other").provenance == nas.load(again).provenance
    assert (tmp_path / "other" / "model.pt2").is_file()
    command("retrain", rows[0]["id"][:9], "--seeds", "1", "--epochs", "1", *where)
    assert rows[0]["id"] in capsys.readouterr().out


def test_the_command_lets_networks_answer_together(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("ensemble", "mine", "--store", str(digits), "--format", "json")
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["id"] == "ensemble"
    assert rows[0]["accuracy"] >= max(row["accuracy"] for row in rows[1:])
