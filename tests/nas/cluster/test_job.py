"""Searches as jobs: the command, what is installed, and what is not sent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cluster.job import cluster_job
from nas.commands.output.status import last_progress
from search_spaces.errors import ExecutorError, SearchError, StoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files of code, and one that names what to install."""
    (tmp_path / "parts").mkdir()
    for name in ("my_search.py", "parts/layers.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "other.txt").write_text("timm==1.0\n")
    return tmp_path


def test_the_command_of_a_job_says_all_that_was_said(folder: Path) -> None:
    options = {"limit": ["num_params<=9", "loss<=1"], "workers": 64, "gpus_per_trial": 0.25, "problem": None}
    made = cluster_job(
        "search", str(folder / "my_search.py"), options, name="Tom's", store="postgresql://me@db/nas"
    )
    assert made.entrypoint == (
        "exec python -m nas.cli search my_search.py '--limit=num_params<=9' '--limit=loss<=1' --workers=64 "
        "--gpus-per-trial=0.25 '--name=Tom'\"'\"'s' --store=postgresql://me@db/nas"
    )
    assert re.fullmatch(r"Tom-s-[0-9a-f]{6}", made.id)
    assert made.again.endswith("my_search.py '--name=Tom'\"'\"'s' --store=postgresql://me@db/nas")


def test_results_of_a_job_without_a_store_outlive_its_folder(folder: Path) -> None:
    home = str(folder)
    command = cluster_job("search", None, {}).entrypoint.replace(
        "exec python -m nas.cli search", "echo $NAS_STORE #"
    )
    for environment, store in (({}, f"{home}/nas.db"), ({"NAS_STORE": "postgresql://db"}, "postgresql://db")):
        ended = subprocess.run(
            command, shell=True, env=environment | {"HOME": home}, capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == store


def test_a_file_within_a_larger_folder_keeps_its_place_there(folder: Path) -> None:
    made = cluster_job("search", str(folder / "parts" / "layers.py"), {}, working_dir=folder)
    assert made.command[:2] == ["search", "parts/layers.py"]
    assert "my_search.py" in made.files


def test_a_space_in_a_file_is_shipped(folder: Path) -> None:
    (folder / "space.json").write_text("{}")
    made = cluster_job("search", None, {"space": str(folder / "space.json")})
    assert list(made.files) == ["space.json"]
    assert "--space=space.json" in made.command


def test_requirements_beside_the_file_are_installed_unless_they_name_nothing(folder: Path) -> None:
    beside = folder / "requirements.txt"
    beside.write_text("# none yet\n\n")
    assert "pip" not in cluster_job("search", str(folder / "my_search.py"), {}).runtime_env(None)
    beside.write_text("timm==1.0\n")
    assert cluster_job("search", str(folder / "my_search.py"), {}).runtime_env(None)["pip"] == str(beside)
    other = folder / "other.txt"
    made = cluster_job("search", str(folder / "my_search.py"), {}, requirements=other)
    assert made.runtime_env(None)["pip"] == str(other)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://me:geheim@pypi.example.org/simple",
        "git+https://geheim@github.com/me/it.git",
        "git+ssh://me:geheim@example.org/it.git",
        "it @ git+https://me:ge/heim@example.org:8443/it.git@v1",
        "it @ https://example.org/it.whl?token=geheim",
        "--extra-index-url=https%3A%2F%2Fme%3Ageheim%40example.org",
    ],
)
def test_a_secret_among_the_requirements_is_not_sent(folder: Path, line: str) -> None:
    (folder / "requirements.txt").write_text(f"timm\n{line}\n")
    with pytest.raises(SearchError, match="line 2") as error:
        cluster_job("search", str(folder / "my_search.py"), {})
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://${A}:${B}@pypi.example.org/simple",
        "git+https://${C}@github.com/me/it.git",
        "it @ git+ssh://git@example.org:22/it.git@v1.0",
        "timm==1.0  # for tokens=3",
    ],
)
def test_requirements_without_a_secret_are_sent(folder: Path, line: str) -> None:
    (folder / "requirements.txt").write_text(f"timm\n{line}\n")
    assert "pip" in cluster_job("search", str(folder / "my_search.py"), {}).runtime_env(None)


@pytest.mark.parametrize("store", ["postgresql://me:geheim@db/nas", "postgresql://db/nas?password=geheim"])
def test_a_password_of_a_store_is_not_sent(store: str) -> None:
    with pytest.raises(SearchError, match="NAS_STORE") as error:
        cluster_job("search", None, {}, store=store)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("store", ["nas.db", "sqlite:///runs/nas.db", "sqlite://"])
def test_a_store_that_the_cluster_would_delete_is_refused(store: str) -> None:
    with pytest.raises(SearchError, match="deletes a job's folder"):
        cluster_job("search", None, {}, store=store)


@pytest.mark.parametrize(
    "store", ["/data/nas.db", "~/nas.db", "sqlite:////data/nas.db", "postgresql://db/nas"]
)
def test_a_store_that_stays_is_taken(store: str) -> None:
    assert f"--store={store}" in cluster_job("search", None, {}, store=store).command


def test_a_search_is_gone_on_with_by_its_name_alone() -> None:
    made = cluster_job("resume", "tiny", {"trials": 3}, store="~/nas.db")
    assert (made.search, made.command) == ("tiny", ["resume", "tiny", "--trials=3", "--store=~/nas.db"])
    assert made.again == "tiny '--store=~/nas.db'"


def test_a_file_that_would_not_be_shipped_is_refused(folder: Path) -> None:
    (folder / "ignored.py").write_text("")
    (folder / ".gitignore").write_text("ignored.py")
    wrong = {
        "outside of the folder": ("my_search.py", folder / "parts"),
        "would not be shipped": ("ignored.py", None),
        "expected a Python file": ("nowhere.py", None),
    }
    for why, (name, working_dir) in wrong.items():
        with pytest.raises(SearchError, match=why):
            cluster_job("search", str(folder / name), {}, working_dir=working_dir)


def test_what_is_no_store_is_said_at_once() -> None:
    with pytest.raises(StoreError, match="expected a URL"):
        cluster_job("search", None, {}, store="://")


@pytest.mark.parametrize(
    "track", ["tensorboard:runs@home", "mlflow:http://head:5000", "wandb", "wandb:/a/b:c@d"]
)
def test_a_tracker_that_writes_to_a_place_without_a_password_is_sent(track: str) -> None:
    assert f"--track={track}" in cluster_job("search", None, {"track": [track]}).command


def test_without_the_extra_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pathspec", None)
    with pytest.raises(ExecutorError, match=r"'pathspec'.*pip install 'nasforge\[cluster\]'"):
        cluster_job("search", str(folder / "my_search.py"), {})


def test_the_last_line_of_progress_is_told_without_its_first_word() -> None:
    lines = "search mine is new\nmine: 3 trials\nother: 4\n"
    assert last_progress(lines, "mine") == "mine: 3 trials"
    assert (
        last_progress(f"{lines}search mine ended after 3 s: done\n", "mine") == "mine ended after 3 s: done"
    )
    assert last_progress("", "mine") == "mine: nothing heard of it yet"


@pytest.mark.parametrize("option", ["data", "validation"])
def test_data_lie_where_all_nodes_see_them(option: str) -> None:
    options = {"data": "/shared/rows.csv", "predict": ["y"], "test": "0.1"}
    assert "--data=/shared/rows.csv" in cluster_job("search", None, options).command
    with pytest.raises(SearchError, match=rf"--{option} rows.csv: expected a place that all nodes see"):
        cluster_job("search", None, {**options, option: "rows.csv"})
    cluster_job("search", None, {**options, option: "s3://bucket/rows.csv"})
