"""The nas command: what it prints, what it imports, and that what is wrong takes one line to say."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas import Search, cli
from nas.store.store import Store
from search_spaces import Space
from workers.problems import Problem

Run = Callable[..., tuple[int, str, str]]

COMMANDS = [
    "search", "resume", "extend", "leaderboard", "show", "export", "list", "submit", "status", "logs", "stop",
    "compare", "retrain", "ensemble", "plan", "score",
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process and an empty folder: returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


@pytest.fixture(scope="module")
def made(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one search, made once."""
    from torch import nn

    from search_spaces import choice, integer, layer, sequential

    folder = tmp_path_factory.mktemp("made")
    model = sequential(layer(nn.Linear, out_features=integer(1, 50)), choice(relu=layer(nn.ReLU), none=None))
    Search(
        {"model": model}, problem, "evolution", store=folder / "nas.db", executor="inline", epochs=1,
        trials=6, limits=nas.at_most("num_params", 100), name="mine | yours",
    ).run()  # fmt: skip
    nas.load(folder / "nas.db").export(folder / "best")
    (folder / "space.json").write_text(Space({"model": model}).to_json())
    (folder / "rows.csv").write_text("x,y\n" + "0.5,a\n1.5,b\n" * 40)
    return folder


@pytest.fixture
def there(made: Path, tmp_path: Path) -> Path:
    """That folder, to be spoilt."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


# -- data of one's own -------------------------------------------------------------------------------------


def test_a_table_is_searched_gone_on_with_and_answered(run: Run, there: Path) -> None:
    here = ["--executor", "inline", "--store", "own.db"]
    few = ["--predict", "y", "--test", "none", "--trials", 1, "--epochs", 1]
    code, out, err = run("search", "--data", "rows.csv", *few, *here)
    assert code == 0, err
    assert "column 'x': number, by its type" in out + err
    assert "test_accuracy" not in out
    (there / "rows.csv").rename(there / "moved.csv")
    code, _, err = run("extend", "data-auto-1", "--trials", "+1", *here)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{there / 'rows.csv'}: there is no such file" in err
    (there / "moved.csv").rename(there / "rows.csv")
    code, _, err = run("extend", "data-auto-1", "--trials", "+1", *here)
    assert code == 0, err
    assert set(nas.load("own.db").predict(pd.DataFrame({"x": [0.5, 1.5]}))) <= {"a", "b"}


# -- leaderboards ------------------------------------------------------------------------------------------


def test_a_leaderboard_as_json_is_a_list_of_objects_best_first(run: Run, there: Path) -> None:
    code, out, _ = run("leaderboard", "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 6
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["accuracy"] for row in rows] == sorted((row["accuracy"] for row in rows), reverse=True)
    for key in ("id", "status", "loss", "test_accuracy", "test_loss", "num_params", "num_macs"):
        assert all(key in row for row in rows)


def test_a_leaderboard_as_csv_is_read_by_any_reader(run: Run, there: Path) -> None:
    _, out, _ = run("leaderboard", "--format", "csv", "--top", 3)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["test_accuracy"]) == nas.leaderboard("nas.db")["test_accuracy"][0]


def test_a_leaderboard_as_markdown_is_a_table(run: Run, there: Path) -> None:
    _, out, _ = run("leaderboard", "--format", "markdown", "--infeasible")
    lines = out.strip().splitlines()
    assert lines[1].replace(" ", "").strip("|").split("|") == ["---"] * (lines[0].count("|") - 1)
    assert len({line.count("|") for line in lines}) == 1


def test_a_leaderboard_as_a_table_names_the_search_and_has_whole_ids(run: Run, there: Path) -> None:
    _, out, _ = run("leaderboard", "mine | yours", "--top", 2)
    assert "mine | yours (larger, evolution, finished)" in out
    assert nas.leaderboard("nas.db")["id"][1] in out
    assert nas.leaderboard("nas.db")["id"][2] not in out


# -- the other commands ------------------------------------------------------------------------------------


def test_an_architecture_is_shown_with_drawing_decisions_costs_and_curve(run: Run, there: Path) -> None:
    best = nas.leaderboard("nas.db")["id"][0]
    code, out, _ = run("show", best[:7])
    assert code == 0
    for text in (
        best,
        "Linear",
        "model.0.out_features",
        "num_params",
        "learning curve",
        "search mine | yours",
    ):
        assert text in out


def test_an_architecture_is_exported_and_shown_from_its_folder(run: Run, there: Path) -> None:
    best = nas.leaderboard("nas.db")["id"][0]
    code, out, _ = run("export", best, "--to", "taken")
    assert code == 0
    assert "nas.load('taken').build()" in out
    code, out, _ = run("show", "taken")
    assert code == 0
    assert "Linear" in out
    assert nas.load("taken").architecture.id == best


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("spaces", ["mlp", "cnn", "cell"]),
        ("problems", ["digits", "digit_pairs", "omniglot", "snips", "fashion_mnist"]),
        ("controllers", ["random", "evolution", "reinforce"]),
        ("searches", ["mine | yours", "larger", "finished", "maximize accuracy"]),
    ],
)
def test_what_there_is_is_listed(run: Run, there: Path, what: str, names: list[str]) -> None:
    code, out, _ = run("list", what)
    assert code == 0
    assert all(name in out for name in names)


def test_a_search_tells_how_it_stands(run: Run, there: Path) -> None:
    code, out, _ = run("status", "mine | yours")
    assert code == 0
    best = nas.leaderboard("nas.db")
    assert f"best    accuracy {best['accuracy'][0]:.4f} ({best['id'][0][:8]})" in out
    assert "search  mine | yours: finished (6 trials are done)" in out
    assert "6 complete" in out
    assert out.endswith("driver  none\n")


def test_submit_takes_every_option_of_search(run: Run) -> None:
    options = [set(re.findall(r"--[a-z-]+", run(command, "--help")[1])) for command in ("search", "submit")]
    assert options[0] < options[1]


def test_a_search_is_run_and_gone_on_with_from_the_command_line(run: Run) -> None:
    options = ["--executor", "inline", "--store", "sqlite:///some where.db"]
    mlp = ["--space", "mlp", "--epochs", 1, "--trials", 2, "--limit", "num_params <= 5e4", "--seed", 3]
    code, out, err = run("search", *mlp, "--controller", "random", *options)
    assert (code, err) == (0, "")
    assert "2 trials are done" in out
    assert out.startswith(
        "problem 'digits': examples: 1,077 train, 360 validation, 360 test\n  input 'image': "
    )
    hint = "nas extend digits-random-1 --store 'sqlite:///some where.db' --trials +50"
    assert hint in out
    code, out, err = run("resume", "digits-random-1", "--trials", 3, "--checkpoints", "elsewhere", *options)
    assert (code, err) == (0, "")
    with Store("sqlite:///some where.db") as store:
        assert store.search().description.checkpoints == str(Path("elsewhere").resolve())
    board = nas.leaderboard("sqlite:///some where.db")
    assert len(board) == 3
    assert (board["num_params"] <= 5e4).all()


def test_a_search_of_some_inputs_and_tasks_of_a_problem_is_gone_on_with_as_such(run: Run) -> None:
    options = ["--executor", "inline", "--store", "nas.db"]
    part = ["--problem", "omniglot", "--input", "pen", "--task", "alphabet"]
    code, _, err = run("search", *part, "--space", "mlp", "--epochs", 1, "--trials", 1, *options)
    assert (code, err) == (0, "")
    code, _, err = run("resume", "--trials", 2, *options)
    assert (code, err) == (0, "")
    board = nas.leaderboard("nas.db")
    assert len(board) == 2
    assert "accuracy" in board
    assert not [column for column in board if "character" in column]


def test_what_a_budget_would_buy_is_told_and_a_search_with_it_is_planned(run: Run) -> None:
    data = ("digits", "--space", "mlp", "--executor", "inline")
    code, out, _ = run("plan", *data, "--seconds", "100000", "--epochs", "3")
    assert code == 0
    *threads, epochs, controller = out.splitlines()
    assert all(line.split()[0] == "threads" for line in threads)  # where there are several cores
    assert "networks of 3 epochs" in epochs
    assert controller.split()[:2] == ["controller", "one"]
    code, _, err = run("plan", *data, "--seconds", "0.0001")
    assert code == 2
    assert err.startswith("error: seconds: 0.0001 seconds are too few: one epoch of the plain network takes")
    options = ("--controller", "auto", "--trials", "2", "--epochs", "1")
    code, out, _ = run("search", "--problem", *data, *options)
    assert code == 0
    _, out, _ = run("status")
    assert re.search(r"plan +controller: some 2 networks are too few", out)


def test_trials_pause_and_go_on_when_the_search_does(run: Run) -> None:
    options = ["--executor", "inline", "--store", "nas.db"]
    pausing = ["--fidelity", "asha", "--epochs", 3, "--min-epochs", 1]
    code, _, err = run("search", "--space", "mlp", *pausing, "--trials", 3, *options)
    assert (code, err) == (0, "")
    assert list(nas.leaderboard("nas.db").epochs) == [3, 1, 1]
    code, _, err = run("resume", "--trials", 6, *options)
    assert (code, err) == (0, "")
    board = nas.leaderboard("nas.db")
    assert list(board.epochs) == [3, 3, 1, 1, 1, 1]
    assert list(board.status) == ["complete"] * 2 + ["paused"] * 4


def test_a_search_of_several_objectives_in_a_space_from_a_file(run: Run, there: Path) -> None:
    code, _, err = run(
        "search", "--space", "space.json", "--maximize", "accuracy", "--minimize", "num_params",
        "--trials", 3, "--executor", "inline", "--epochs", 1, "--name", "two",
    )  # fmt: skip
    assert (code, err) == (0, "")
    with Store("nas.db") as store:
        record = store.search("two")
    assert [o["metric"] for o in record.stored["objectives"]] == ["accuracy", "num_params"]


def test_a_search_begins_with_the_plain_network_unless_it_is_told_not_to(run: Run, there: Path) -> None:
    for name, options in (("with", []), ("without", ["--without-plain", "--controller", "evolution"])):
        assert run("search", *SMALL, "--name", name, *options)[0] == 0
    with Store("nas.db") as store:
        (plain,), (other,) = store.trials(store.search("with").id), store.trials(store.search("without").id)
        description = store.search("with").description
    assert (plain.origin, other.origin) == ("plain", "random")
    assert plain.architecture_id == description.load_space().plain().id


def test_the_networks_that_do_best_together_have_a_last_row_of_the_leaderboard(run: Run, there: Path) -> None:
    assert run("search", *SMALL[:-4], "--trials", "4", "--epochs", "1", "--executor", "inline")[0] == 0
    code, out, err = run("leaderboard", "--ensemble", "--format", "json")
    assert (code, err) == (0, "")
    *rows, last = json.loads(out)
    assert len(rows) == 4
    assert (last["id"], last["status"], last["rank"]) == ("ensemble", "together", None)
    assert last["accuracy"] >= rows[0]["accuracy"]
    assert last["test_accuracy"] > 0
    assert rows[0]["id"][:8] in last["origin"]
    assert "together" in run("leaderboard", "--ensemble")[1]
    code, _, err = run("leaderboard", "--ensemble", "--over-seeds")
    assert (code, err.splitlines()[0][:24]) == (2, "error: --ensemble: of th")


# -- what is wrong -----------------------------------------------------------------------------------------

SMALL = ["--space", "mlp", "--trials", "1", "--epochs", "1", "--executor", "inline"]

FP8 = """
from nas import Search
from search_spaces import Space, choice
recipe = {"precision": choice("float32", "fp8"), "epochs": 1}
search = Search(Space({"model": [], "recipe": recipe}), "digits", "random", executor="inline", trials=1)
"""

WRONG = {
    "an unknown command": ["serach"],
    "an unknown option": ["search", "--trails", "3"],
    "an unknown problem": ["search", "--problem", "digit"],
    "an unknown space": ["search", "--space", "cnm"],
    "an unknown controller": ["search", "--controller", "evolve"],
    "a plan without the plain network": ["search", "--controller", "auto", "--without-plain"],
    "an unknown metric": ["search", "--maximize", "acc"],
    "a metric of no network": ["search", *SMALL, "--limit", "params<=3"],
    "an unknown executor": ["search", "--executor", "cloud"],
    "two workers in one process": ["search", "--executor", "inline", "--workers", "2"],
    "no workers": ["search", "--workers", "0"],
    "an unknown format": ["leaderboard", "--format", "xml"],
    "an unknown search": ["leaderboard", "other"],
    "an unknown search to resume": ["resume", "other"],
    "a number of no search": ["leaderboard", "12345678901234567890"],
    "an unknown id": ["show", "ffffffffffffffff"],
    "an unknown id to export": ["export", "zz", "--to", "x"],
    "an id in another search": ["show", "0", "--search", "other"],
    "an unknown list": ["list", "things"],
    "a limit without a bound": ["search", *SMALL, "--limit", "num_params"],
    "a limit with two signs": ["search", *SMALL, "--limit", "num_params<=>3"],
    "a limit without a number": ["search", *SMALL, "--limit", "num_params<=many"],
    "a limit that only the other way round": ["search", *SMALL, "--limit", "num_params=3"],
    "an objective both ways": ["search", *SMALL, "--maximize", "loss", "--minimize", "loss"],
    "trials below one": ["search", *SMALL[:2], "--trials", "-3"],
    "trials that are no number": ["search", "--trials", "many"],
    "no seconds": ["search", "--seconds", "0"],
    "seconds without end": ["search", "--seconds", "inf"],
    "epochs below one": ["search", "--epochs", "0"],
    "an unknown fidelity": ["search", "--fidelity", "ashes"],
    "epochs before a pause that never comes": ["search", "--min-epochs", "2"],
    "more epochs before a pause than in all": [
        "search",
        "--fidelity",
        "asha",
        "--epochs",
        "2",
        "--min-epochs",
        "3",
    ],
    "a leaderboard of no rows": ["leaderboard", "--top", "0"],
    "a store that is not there": ["leaderboard", "--store", "nowhere.db"],
    "a store to resume that is not there": ["resume", "--store", "nowhere.db"],
    "a store in no folder": ["search", *SMALL, "--store", "no/where.db"],
    "a store that is a folder": ["leaderboard", "--store", "best"],
    "a store that is a text": ["leaderboard", "--store", "text.txt"],
    "a database of no kind": ["leaderboard", "--store", "oracel://x"],
    "a server that is not there": ["leaderboard", "--store", "postgresql://me:secret@127.0.0.1:1/x"],
    "a space in no file": ["search", "--space", "nowhere.json"],
    "a space in a broken file": ["search", "--space", "half.json"],
    "a space that is something else": ["search", "--space", "best/architecture.json"],
    "a space for other data": ["search", "--space", "space.json", "--problem", "fashion_mnist"],
    "a problem without its files": ["search", "--problem", "fashion_mnist", "--folder", "best"],
    "a problem that needs no folder": ["search", "--problem", "digits", "--folder", "best"],
    "data that are not there": ["search", "--data", "none.csv", "--predict", "y"],
    "data of which nothing is predicted": ["search", "--data", "rows.csv"],
    "a column that is not there": ["search", "--data", "rows.csv", "--predict", "z"],
    "data and a problem": ["search", "--data", "rows.csv", "--predict", "y", "--problem", "digits"],
    "data and a folder": ["search", "--data", "rows.csv", "--predict", "y", "--folder", "."],
    "a column to predict without data": ["search", "--predict", "y"],
    "a column of no kind": ["search", "--data", "rows.csv", "--predict", "y", "--column", "x"],
    "an unknown task": ["search", "--problem", "omniglot", "--task", "colour"],
    "an unknown input": ["search", "--problem", "omniglot", "--input", "sound"],
    "an input of a problem that has one": ["search", "--problem", "digits", "--input", "image"],
    "a file and a task": ["search", "empty.py", "--task", "alphabet"],
    "a search in no file": ["search", "nowhere.py"],
    "a search in a text": ["search", "text.txt"],
    "a search in a folder": ["search", "best"],
    "a file that describes no search": ["search", "empty.py"],
    "a file that fails": ["search", "fails.py"],
    "a file that is no Python": ["search", "wrong.py"],
    "a file that hides a module": ["search", "json.py"],
    "a file and what it should say": ["search", "empty.py", "--seed", "3"],
    "a name that is taken": ["search", *SMALL, "--name", "mine | yours"],
    "a name with a line break": ["search", *SMALL, "--name", "a\nb"],
    "a search of one's own data": ["resume", "mine | yours"],
    "a folder without a network": ["show", "empty"],
    "a folder with half a network": ["show", "half"],
    "a folder with half the weights": ["show", "short"],
    "an export onto a file": ["export", "", "--to", "text.txt"],
    "an export without a place": ["export", "3fa9"],
    "nothing to show": ["show"],
    "a cluster that is not named": ["submit"],
    "a cluster at no dashboard": ["logs", "--address", "127.0.0.1:6379"],
    "a cluster that is not there": ["submit", *SMALL, "--address", "http://me:secret@127.0.0.1:9"],
    "a dashboard to search on": ["search", *SMALL[:2], "--address", "http://127.0.0.1:9"],
    "a cluster for one process": ["search", *SMALL, "--address", "auto"],
    "GPUs for one process": ["resume", "--executor", "inline", "--gpus-per-trial", "0.5"],
    "GPUs that Ray Tune cannot pack": ["search", "--executor", "tune", "--gpus-per-trial", "auto"],
    "GPUs that are no number": ["search", *SMALL, "--gpus-per-trial", "many"],
    "less than no GPU": ["search", *SMALL, "--gpus-per-trial", "-1"],
    "an unknown way to cast": ["search", *SMALL, "--autocast", "float8"],
    "an unknown way to compile": ["search", *SMALL, "--compile", "maybe"],
    "an unknown way to go on with graphs": ["resume", "mine | yours", "--graphs", "1"],
    "an unknown way to submit": ["submit", *SMALL, "--compile", "1", "--address", "http://127.0.0.1:9"],
    "an unknown precision": ["search", "fp8.py"],
    "a share of several GPUs": ["search", "--gpus-per-trial", "1.5"],
    "no cores": ["search", "--cpus-per-trial", "0"],
    "nothing to go on with there": ["resume", "--address", "http://127.0.0.1:9"],
    "a file to go on with there, of no search": ["resume", "empty.py", "--address", "http://127.0.0.1:9"],
    "something to ship nowhere": ["resume", "mine | yours", "--with-package"],
    "a search of no store": ["status", "other"],
    "a submitted file that is not there": ["submit", "nowhere.py", "--address", "http://127.0.0.1:9"],
    "a submitted file and what it should say": ["submit", "empty.py", "--seed", "3"],
    "a password to be seen by all": ["submit", "--store", "postgresql://me:secret@127.0.0.1:1/x"],
}


@pytest.mark.parametrize("what", list(WRONG))
def test_what_is_wrong_takes_one_line_and_exit_code_2(run: Run, there: Path, what: str) -> None:
    (there / "text.txt").write_text(
        "neither a database nor a search, and it is as long as it has to be\n" * 20
    )
    (there / "half.json").write_text((there / "space.json").read_text()[:40])
    (there / "empty.py").write_text("")
    (there / "fails.py").write_text("import torch\nraise ValueError('first line\\nsecond line')\n")
    (there / "wrong.py").write_text("search = = 3\n")
    (there / "json.py").write_text("search = 3\n")
    (there / "fp8.py").write_text(FP8)
    (there / "empty").mkdir()
    for name in ("half", "short"):
        shutil.copytree(there / "best", there / name)
    (there / "half" / "architecture.json").write_text('{"format": ')
    weights = there / "short" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    code, out, err = run(*WRONG[what])
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: \S.*\n", err), err
    assert "secret" not in err


def test_the_command_alone_shows_what_there_is(run: Run) -> None:
    code, out, _ = run()
    assert code == 2
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: nas {command}" in " ".join(out.split())


# -- what is imported --------------------------------------------------------------------------------------


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"torch", "ray", "pandas", "sqlalchemy", "numpy"}),
        (["search", "--help"], {"torch", "ray", "pandas", "sqlalchemy", "numpy"}),
        (["leaderboard"], {"torch", "ray"}),
        (["leaderboard", "--format", "json"], {"torch", "ray"}),
        (["list", "searches"], {"torch", "ray"}),
        (["submit", "--help"], {"torch", "ray", "pandas", "sqlalchemy", "numpy", "requests"}),
        (["status"], {"torch", "ray"}),
        (["list", "controllers"], {"torch", "ray"}),
        (["list", "problems"], {"torch", "ray"}),
        (["list", "spaces"], {"torch", "ray"}),
    ],
    ids=lambda value: " ".join(sorted(value) if isinstance(value, set) else value),
)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(
    there: Path, arguments: list[str], heavy: set[str]
) -> None:
    script = (
        "import sys, nas.cli\n"
        f"sys.argv = ['nas', *{arguments}]\n"
        "try:\n    nas.cli.main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
