"""Networks of several tasks are compared with single-task runs, which are trained once and kept for all."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from controllers.fidelity import SuccessiveHalving
from controllers.ranking import dominates
from nas import Search, maximize
from nas.records import Reference, Trial
from nas.results.scores import delta_m_pct
from nas.reuse.single_task import runs_of
from nas.store.store import Store
from search_spaces import Architecture, Space, choice, layer
from search_spaces.blocks.heads.heads import Head
from search_spaces.catalog import multitask
from search_spaces.errors import SearchError, StoreError
from workers.inline import Inline
from workers.job import Finished, Job
from workers.problems import Problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Of two numbers, which one is larger and what they sum to: 80 examples."""
    inputs = torch.rand(80, 2, generator=torch.Generator().manual_seed(0))
    targets = {"larger": (inputs[:, 0] > inputs[:, 1]).long(), "sum": inputs.sum(1, keepdim=True)}
    return Problem.from_tensors("pairs", ({"pair": inputs}, targets), 0.3, 0.2)


SHARING = ("hard", "soft", "stitch")


class Moody(nn.Module):
    """Passes its input on, or fails."""

    fails = False

    def forward(self, input: Tensor) -> Tensor:
        if Moody.fails:
            raise RuntimeError("not today")
        return input


def space_of(problem: Problem, *, sharing: Sequence[str] = SHARING, **recipe: Any) -> Space:
    """Few networks: of these ways to share two encoders."""
    encoder = [layer(nn.Linear, out_features=choice(4, 8)), layer(nn.ReLU), layer(Moody)]
    model = multitask(
        problem.signature,
        sharing=sharing,
        encoders={"pair": encoder},
        task_attention=(False,),
        heads={task: layer(Head) for task in problem.signature.tasks},
    )
    return Space({"model": model, "recipe": {"epochs": 2, "batch_size": 16, **recipe}})


def first_of(space: Space) -> Architecture:
    """The network of the first value of every hole."""
    return space.fill(lambda path, hole: hole.values[0])


@pytest.fixture
def searched(problem: Problem, tmp_path: Path) -> Callable[..., Search]:
    """A search that has been run, in the store of this test."""

    def search(name: str = "mine", **options: Any) -> Search:
        options = {"controller": "random", "trials": 4, "space": space_of(problem)} | options
        made = Search(problem=problem, executor="inline", store=tmp_path / "store.db", name=name, **options)
        made.run()
        return made

    return search


def compare(search: Search, **options: Any) -> tuple[Any, list[Reference]]:
    """The comparison of a search, and what was trained for it."""
    trained: list[Reference] = []
    options = {"problem": search.problem, "space": search.space, "listener": trained.append} | options
    return nas.compare(search.store, search.name, executor="inline", **options), trained


# -- identity ----------------------------------------------------------------------------------------------


def test_for_one_task_networks_that_share_differently_are_the_same(problem: Problem) -> None:
    alone = problem.signature.only(tasks=["sum"])
    kinds = ("hard", "soft", "stitch", "private")
    found = [first_of(space_of(problem, sharing=[kind])) for kind in kinds]
    assert len({architecture.id_for(alone) for architecture in found}) == 1
    assert len({architecture.id_for(problem.signature) for architecture in found}) == len(kinds)
    sizes = {sum(p.numel() for p in architecture.build(alone).parameters()) for architecture in found}
    assert sizes == {2 * 4 + 4 + 4 + 1}  # an encoder of four features, a head of one number


def test_for_one_task_networks_with_another_encoder_or_head_are_others(problem: Problem) -> None:
    alone = problem.signature.only(tasks=["sum"])
    first = first_of(space_of(problem))
    (encoder,) = (path for path in first.decisions if path.endswith("out_features"))
    other = space_of(problem).architecture({**first.decisions, encoder: 8})
    assert first.id_for(alone) != other.id_for(alone)


def test_balancing_does_not_count_for_one_task_but_the_rest_of_the_recipe_does(problem: Problem) -> None:
    def references(**recipe: Any) -> set[str]:
        search = Search(space_of(problem, sharing=["hard"], **recipe), problem, "random", executor="inline")
        architecture = first_of(search.space)
        trial = Trial(0, architecture.id, architecture.decisions, "complete", epochs=2)
        return {run.reference.key for run in runs_of(search.description, trial, architecture, {}).values()}

    plain = references()
    assert len(plain) == 2
    assert references(balancing="uncertainty") == plain
    assert references(balancing="static", task_weights={"sum": 3.0}) == plain
    assert references(learning_rate=0.01).isdisjoint(plain)


# -- training ----------------------------------------------------------------------------------------------


def test_a_reference_is_the_network_trained_for_its_task_alone(
    searched: Callable[..., Search], problem: Problem
) -> None:
    search = searched(trials=1)
    frame, trained = compare(search, top=1)
    assert [reference.task for reference in trained] == ["larger", "sum"]
    architecture = nas.load(search.store, frame["id"][0]).architecture
    for reference in trained:
        with Inline() as executor:
            executor.open(problem.only(tasks=[reference.task]))
            executor.start(Job(0, architecture, seed=reference.seed))
            while not isinstance(event := executor.events()[0], Finished):
                pass
        assert dict(reference.metrics) == event.metrics
        assert dict(reference.test_metrics) == event.test_metrics


def test_a_comparison_has_found_reference_and_gain_of_both_splits(
    searched: Callable[..., Search], problem: Problem
) -> None:
    search = searched()
    frame, trained = compare(search, top=2)
    board = nas.leaderboard(search.store)
    by_id = {reference.architecture_id: reference for reference in trained}
    assert list(frame["task"]) == ["larger", "sum"] * 2
    assert list(frame["metric"]) == ["larger.accuracy", "sum.rmse"] * 2
    assert list(frame["id"]) == [board["id"][i] for i in (0, 0, 1, 1)]
    for row in frame.to_dict("records"):
        place, metric = row["rank"] - 1, row["metric"].split(".")[1]
        sign = 1 if metric == "accuracy" else -1
        reference = by_id[row["reference_id"]]
        assert row["found"] == board[row["metric"]][place]
        assert row["test_found"] == board[f"test_{row['metric']}"][place]
        assert row["reference"] == reference.metrics[metric]
        assert row["test_reference"] == reference.test_metrics[metric]
        for part in ("", "test_"):
            gain = 100 * sign * (row[f"{part}found"] / row[f"{part}reference"] - 1)
            assert row[f"{part}gain_pct"] == pytest.approx(gain)
    means = frame.groupby("rank")[["gain_pct", "test_gain_pct"]].mean()
    assert list(frame["delta_m_pct"][::2]) == pytest.approx(list(means["gain_pct"]))
    assert list(frame["test_delta_m_pct"][::2]) == pytest.approx(list(means["test_gain_pct"]))


def test_what_was_trained_alone_is_never_trained_again_in_a_store(searched: Callable[..., Search]) -> None:
    first = searched(trials=6)
    frame, trained = compare(first, top=6)
    # six ways to share two encoders: two encoders for each of two tasks
    assert len(set(frame["id"])) == 6
    assert len(trained) == len({reference.key for reference in trained}) == 4
    # what is not needed is not asked for
    again, none = compare(first, top=6, problem=None)
    assert none == []
    assert again.equals(frame)
    _, none = compare(searched("other", controller="evolution", trials=3), top=3)
    assert none == []
    _, more = compare(searched("seed", seed=1, trials=1), top=1)
    assert len(more) == 2


def test_a_reference_that_ran_in_another_arithmetic_is_told(searched: Callable[..., Search]) -> None:
    search = searched()
    frame, trained = compare(search, top=1)
    assert frame["message"].isna().all()
    assert all(reference.ran["device"] == "cpu" for reference in trained)
    with Store(search.store) as store:
        ran = {**trained[0].ran, "device": "NVIDIA H100", "precision": "bfloat16", "compiled": "yes"}
        store.references.keep(replace(trained[0], ran=ran))
        store.references.keep(replace(trained[1], ran={}))  # as older versions kept them
    frame, again = compare(search, top=1)
    assert again == []
    by_task = frame.set_index("task")["message"]
    expected = "ran on NVIDIA H100, bfloat16, compiled, the network on cpu, float32"
    assert by_task[trained[0].task] == expected
    assert by_task.isna().sum() == 1


def test_a_run_that_fails_is_recorded_and_tried_again_the_next_time(
    searched: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = searched(trials=1)
    monkeypatch.setattr(Moody, "fails", True)
    frame, trained = compare(search)
    assert [(run.status, run.reason) for run in trained] == [("failed", "build")] * 2
    assert all("not today" in message for message in frame["message"])
    assert frame["delta_m_pct"].isna().all()
    assert nas.leaderboard(search.store)["delta_m_pct"].isna().all()
    monkeypatch.setattr(Moody, "fails", False)
    frame, trained = compare(search)
    assert [run.status for run in trained] == ["complete"] * 2
    assert frame["message"].isna().all()
    assert frame["delta_m_pct"].notna().all()


def test_ctrl_c_keeps_what_is_done(searched: Callable[..., Search]) -> None:
    search = searched(trials=1)

    def interrupt(reference: Reference) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(search, listener=interrupt)
    _, trained = compare(search)
    assert [run.task for run in trained] == ["sum"]


def test_of_a_trial_that_has_paused_the_reference_pauses_there_too(
    searched: Callable[..., Search], problem: Problem
) -> None:
    fidelity = SuccessiveHalving(max_epochs=4, min_epochs=1, factor=4)
    search = searched(trials=6, fidelity=fidelity)
    with Store(search.store) as store:
        record = store.search()
        paused = next(trial for trial in store.trials(record.id) if trial.status == "paused")
        description = record.description
    runs = runs_of(description, paused, search.space.architecture(paused.decisions), {})
    assert {(run.reference.epochs, run.reference.until) for run in runs.values()} == {(4, paused.epochs)}
    assert paused.epochs == 1
    frame, _ = compare(search, top=6)
    assert frame["reference"].notna().all()


def test_labels_that_were_dropped_from_a_problem_stay_dropped(problem: Problem, tmp_path: Path) -> None:
    dropped = problem.drop(labels=0.4)
    space = space_of(dropped, sharing=["hard"])
    search = Search(space, dropped, "random", store=tmp_path / "s.db", trials=1, executor="inline")
    search.run()
    frame, _ = compare(search, top=1)
    assert frame["reference"].notna().all()


# -- what cannot be compared -------------------------------------------------------------------------------


def test_what_cannot_be_compared_says_why(
    searched: Callable[..., Search], problem: Problem, tmp_path: Path
) -> None:
    search = searched(trials=1)
    with pytest.raises(SearchError, match="its problem 'pairs' is your own"):
        compare(search, problem=None)
    with pytest.raises(SearchError, match="its data are not those of search 'mine'"):
        compare(search, problem=problem.drop(labels=0.1))
    with pytest.raises(SearchError, match="the space is not that of trial 0"):
        compare(search, space=space_of(problem, epochs=3))
    with pytest.raises(SearchError, match="expected a whole number above 0, got 0"):
        compare(search, top=0)
    alone = problem.only(tasks=["sum"])
    single = Search(
        Space({"model": layer(nn.Linear, out_features=choice(2, 3)), "recipe": {"epochs": 1}}), alone,
        "random", store=search.store, trials=1, executor="inline", name="single",
    )  # fmt: skip
    single.run()
    with pytest.raises(SearchError, match="'single' has one task"):
        compare(single)
    with Store(search.store) as store:
        store.create_search("empty", dict(store.search("mine").stored))
    with pytest.raises(StoreError, match="no trained network yet"):
        nas.compare(search.store, "empty")


# -- leaderboards ------------------------------------------------------------------------------------------


def test_a_leaderboard_has_the_scores_over_tasks_after_the_metrics(searched: Callable[..., Search]) -> None:
    search = searched(trials=6)
    board = nas.leaderboard(search.store)
    columns = list(board)
    start = columns.index("mean_rank")
    assert columns[start : start + 3] == ["mean_rank", "worst_task", "delta_m_pct"]
    assert all(
        name.startswith("test_") is (place > start + 2) for place, name in enumerate(columns) if "." in name
    )
    ranks = (board["larger.accuracy"].rank(ascending=False) + board["sum.rmse"].rank()) / 2
    assert list(board["mean_rank"]) == list(ranks)
    assert set(board["worst_task"]) <= {"larger", "sum"}
    assert board["delta_m_pct"].isna().all()

    frame, _ = compare(search, top=1)
    board = nas.leaderboard(search.store)
    assert board["delta_m_pct"][0] == frame["delta_m_pct"][0]
    worst = frame.loc[frame["gain_pct"].idxmin(), "task"]
    assert board["worst_task"][0] == worst
    # networks with the same encoder have the same references: compared already
    with Store(search.store) as store:
        known = {number for number, runs in store.references.of_search(1).items() if len(runs) == 2}
    assert {int(n) for n in board[board["delta_m_pct"].notna()]["number"]} == known
    assert len(known) > 1


def test_the_test_split_plays_no_part_in_the_scores(
    searched: Callable[..., Search], problem: Problem
) -> None:
    search = searched(trials=3)
    compare(search, top=3)
    board = nas.leaderboard(search.store)
    tasks = problem.signature.tasks
    with Store(search.store) as store:
        references = store.references.of_search(1)
    for row in board.to_dict("records"):
        own = references[row["number"]]
        alone = {"larger": own["larger"].metrics["accuracy"], "sum": own["sum"].metrics["rmse"]}
        found = {"larger": row["larger.accuracy"], "sum": row["sum.rmse"]}
        assert row["delta_m_pct"] == delta_m_pct(tasks, found, alone)


def test_a_search_for_the_best_in_each_of_two_tasks_ranks_by_front(problem: Problem, tmp_path: Path) -> None:
    inputs = torch.rand(80, 2, generator=torch.Generator().manual_seed(1))
    targets = {"a": (inputs[:, 0] > inputs[:, 1]).long(), "b": (inputs.sum(1) > 1).long()}
    two = Problem.from_tensors("two", ({"pair": inputs}, targets), 0.3, 0.2)
    board = Search(
        space_of(two),
        two,
        "nsga2",
        objectives=[maximize("a.accuracy"), maximize("b.accuracy")],
        trials=6,
        executor="inline",
        store=tmp_path / "s.db",
    ).run()
    values = list(zip(board["a.accuracy"], board["b.accuracy"], strict=True))
    assert list(board["rank"]) == [1, 2, 3, 4, 5, 6]
    assert list(board)[3:5] == ["a.accuracy", "b.accuracy"]
    # nobody is dominated by one who comes later, and there is something to tell apart
    assert not any(dominates(later, sooner) for i, sooner in enumerate(values) for later in values[i:])
    assert len(set(values)) > 1
    front = [v for v in values if not any(dominates(other, v) for other in values)]
    assert values[: len(front)] == front


# -- the command -------------------------------------------------------------------------------------------

FILE = """
import torch
from torch import nn
from nas import Search
from search_spaces import Architecture, Space, choice, layer
from search_spaces.catalog import multitask
from workers.problems import Problem

x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
targets = {"a": (x[:, 0] > x[:, 1]).long(), "b": x.sum(1, keepdim=True)}
problem = Problem.from_tensors("pairs", ({"x": x}, targets), 0.2, 0.2)
model = multitask(problem.signature, encoders={"x": layer(nn.Linear, out_features=choice(4, 8, 16))})
search = Search(Space({"model": model, "recipe": {"epochs": 1}}), problem, "random", trials=3, name="pairs")
"""


def test_the_command_compares_and_leaderboards_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas import cli

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs_file.py").write_text(FILE)
    described = ("--file", "pairs_file.py", "--executor", "inline")
    assert run("search", "pairs_file.py", "--executor", "inline")[0] == 0
    code, out, err = run("compare", "--top", "2", "--executor", "inline")
    assert code == 2
    assert "its problem 'pairs' is your own" in err
    code, out, err = run("compare", "pairs", "--top", "2", *described)
    assert code == 0
    assert "a alone, " in err
    assert out.count("delta_m_pct") == 2
    for word in ("a.accuracy", "b.rmse", "test_reference", "gain_pct"):
        assert word in out
    code, out, err = run("compare", "--top", "2", "--format", "json")
    rows = json.loads(out)
    assert (code, err, len(rows)) == (0, "", 4)
    assert rows[0]["metric"] == "a.accuracy"
    code, out, _ = run("leaderboard", "--format", "csv")
    assert "mean_rank,worst_task,delta_m_pct" in out.splitlines()[0]
    code, out, _ = run("leaderboard")
    assert "delta_m_pct" in out
    assert "a.loss" not in out


# -- the store ---------------------------------------------------------------------------------------------


def test_a_store_gives_back_references_of_the_trials_that_are_compared_with_them(url: str) -> None:
    run = Reference("data", "täsk", "0123456789abcdef", 3, 2, 2**32 - 1)
    failed = replace(run, status="failed", reason="exception", message="nul \0, half \ud800")
    complete = replace(
        run, status="complete", metrics={"loss": math.inf}, test_metrics={"accuracy": 0.5}, seconds=1.5
    )
    assert failed.key == complete.key != replace(run, until=3).key
    with Store(url, create=True) as store:
        first, second = (store.create_search(name, {}).id for name in ("first", "second"))
        for search in (first, second):
            with store.writing(search) as writing:
                writing.add(Trial(7, "a" * 16, {}, "complete"))
        store.references.link(first, {7: {"täsk": run}})
        assert store.references.of_search(first) == {}
        store.references.keep(failed)
        assert store.references.of_search(first)[7]["täsk"].status == "failed"
        store.references.keep(complete)
        store.references.link(second, {7: {"täsk": run}})
        store.references.link(first, {7: {"täsk": replace(run, until=3)}})
        assert store.references.of_search(first) == {}
        assert store.references.of_search(second) == {7: {"täsk": complete}}
