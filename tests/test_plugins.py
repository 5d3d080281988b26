"""What installed packages offer is found by name, works, and never breaks what is not theirs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from plugins import EXAMPLE, install, install_example, run_with

import nas
from nas.store.store import Store

SEARCH = (
    "--controller",
    "annealing",
    "--problem",
    "spirals",
    "--space",
    "sine_mlp",
    "--trials",
    "4",
    "--epochs",
    "2",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package of the examples is installed."""
    folder = tmp_path_factory.mktemp("site")
    install_example(folder)
    offered = {
        "nasforge.executors": {"elsewhere": "workers.inline:Inline"},
        "nasforge.zero_cost": {"depth": "workers.zero_cost.counts:num_layers"},
    }
    install(folder, "here-package", "1.1", offered)
    return folder


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("controllers", "annealing"),
        ("problems", "spirals"),
        ("spaces", "sine_mlp"),
        ("trackers", "jsonl"),
        ("executors", "elsewhere"),
        ("scores", "depth"),
    ],
)
def test_what_a_package_offers_is_listed_with_its_package(
    what: str, name: str, site: Path, tmp_path: Path
) -> None:
    done = run_with(site, "nas", "list", what, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if name in line]
    assert ("here-package 1.1" if what in ("executors", "scores") else "nasforge-example 1.0") in line


@pytest.mark.end_to_end
def test_a_search_by_names_of_a_package_is_run_resumed_and_loaded(site: Path, tmp_path: Path) -> None:
    options = ("--executor", "elsewhere", "--track", "jsonl:told.jsonl", "--store", "s.db", "--without-plain")
    done = run_with(site, "nas", "search", *SEARCH, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Store(tmp_path / "s.db") as store:
        record = store.search()
        assert (record.description.controller, record.description.problem) == ("annealing", "spirals")
        assert {trial.status for trial in store.trials(record.id)} == {"complete"}
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [line["status"] for line in told] == ["complete"] * 4
    again = run_with(site, "nas", "extend", record.name, "--trials", "+2", "--store", "s.db", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(nas.leaderboard(tmp_path / "s.db")) == 6


@pytest.mark.soak
@pytest.mark.cluster
def test_a_search_by_names_of_a_package_is_run_by_workers_of_a_pool(site: Path, tmp_path: Path) -> None:
    options = ("--workers", "2", "--store", "s.db", "--without-plain")
    done = run_with(site, "nas", "search", *SEARCH, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    board = nas.leaderboard(tmp_path / "s.db")
    assert list(board["status"]) == ["complete"] * 4


@pytest.mark.soak
@pytest.mark.end_to_end
def test_layers_of_a_package_are_known_in_a_fresh_process(site: Path, tmp_path: Path) -> None:
    options = ("--executor", "inline", "--store", "s.db", "--without-plain")
    assert run_with(site, "nas", "search", *SEARCH, *options, cwd=tmp_path).returncode == 0
    program = "import nas; nas.load('s.db').export('out'); nas.load('out').build()"
    done = run_with(site, "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    id = nas.leaderboard(tmp_path / "s.db")["id"][0]
    shown = run_with(site, "nas", "show", id, "--store", "s.db", cwd=tmp_path)
    assert "Sine(" in shown.stdout
    without = run_with(tmp_path / "nothing", "-c", "import nas; nas.load('s.db')", cwd=tmp_path)
    assert "unknown layer 'nasforge_example.sine.Sine'" in without.stderr


@pytest.mark.end_to_end
def test_a_broken_package_is_a_warning_that_names_it(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    install_example(broken)
    (broken / "broken_package.py").write_text("raise RuntimeError('not on this machine')\n")
    points = {"nasforge.controllers": {"broken": "broken_package:Controller"}}
    install(broken, "broken-package", "0.3", points)
    done = run_with(broken, "nas", "list", "controllers", cwd=tmp_path)
    assert done.returncode == 0
    assert "annealing" in done.stdout
    assert "evolution" in done.stdout
    assert "broken-package 0.3" in done.stderr
    assert "not on this machine" in done.stderr
    asked = run_with(broken, "nas", "search", "--controller", "broken", "--trials", "1", cwd=tmp_path)
    assert asked.returncode == 2
    assert asked.stderr.startswith("error: controller 'broken' of broken-package 0.3 cannot be loaded")


@pytest.mark.end_to_end
def test_what_is_no_controller_is_refused_by_its_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "odd-package", "1", {"nasforge.controllers": {"odd": "json:dumps"}})
    asked = run_with(site, "nas", "search", "--controller", "odd", "--trials", "1", cwd=tmp_path)
    assert asked.returncode == 2
    assert "odd-package 1" in asked.stderr
    assert "expected a subclass of controllers.Controller" in asked.stderr


@pytest.mark.soak
@pytest.mark.end_to_end
def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install_example(site)
    mine = {"evolution": "nasforge_example.annealing:Annealing", "annealing": "json:dumps"}
    install(site, "other-package", "2.0", {"nasforge.controllers": mine})
    listed = run_with(site, "nas", "list", "controllers", cwd=tmp_path)
    assert listed.returncode == 0
    assert "other-package 2.0 offers 'evolution'" in listed.stderr
    assert "Aging evolution" in listed.stdout
    asked = run_with(site, "nas", "search", "--controller", "annealing", "--trials", "1", cwd=tmp_path)
    assert asked.returncode == 2
    assert "nasforge-example 1.0" in asked.stderr
    assert "other-package 2.0" in asked.stderr


PINS = """
import sys
from pathlib import Path
from nas.cluster.job import cluster_job
from search_spaces.errors import SearchError
try:
    made = cluster_job("search", sys.argv[1] or None, {"controller": sys.argv[2]})
    print(made.runtime_env(None).get("pip"))
except SearchError as error:
    print(error)
"""


@pytest.mark.end_to_end
def test_a_submitted_search_pins_the_packages_whose_names_it_uses(site: Path, tmp_path: Path) -> None:
    def pins(controller: str, file: str = "") -> str:
        done = run_with(site, "-c", PINS, file, controller, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert pins("annealing") == "['nasforge-example==1.0']"
    assert pins("evolution") == "None"
    (tmp_path / "plain.py").write_text("search = 1\n")
    assert pins("evolution", "plain.py") == "None"
    (tmp_path / "by_name.py").write_text("search = Search(space, 'spirals')\n")
    assert pins("evolution", "by_name.py") == "['nasforge-example==1.0']"
    (tmp_path / "by_import.py").write_text("from nasforge_example.sine import Sine\n")
    assert pins("evolution", "by_import.py") == "['nasforge-example==1.0']"
    (tmp_path / "requirements.txt").write_text("numpy\nNasforge_Example>=0.9\n")
    assert pins("evolution", "by_import.py").endswith("requirements.txt")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    assert pins("evolution", "by_import.py") == "['numpy', 'nasforge-example==1.0']"


def test_a_package_from_a_folder_is_refused_by_a_submitted_search(tmp_path: Path) -> None:
    install_example(tmp_path / "site")
    (about,) = (tmp_path / "site").glob("*.dist-info")
    (about / "direct_url.json").write_text(
        json.dumps({"url": "file:///here", "dir_info": {"editable": True}})
    )
    done = run_with(tmp_path / "site", "-c", PINS, "", "annealing", cwd=tmp_path)
    assert "nasforge-example 1.0, which this search uses, was installed from file:///here" in done.stdout
    assert "requirements.txt" in done.stdout


@pytest.mark.soak
def test_what_the_package_offers_is_held_to_the_contracts(site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = run_with(site, "-m", "pytest", "-v", "-c", "/dev/null", "--rootdir", ".", "tests", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    for kit in ("TestAnnealing", "TestSpirals", "TestSineMlp"):
        assert re.search(rf"{kit}::test_\S+ PASSED", done.stdout)


@pytest.mark.slow
def test_what_is_left_out_or_broken_changes_nothing_for_the_others(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install_example(site)
    points = {"evolution": "nasforge_example.sine:Sine", "broken": "nasforge_example.nothing:Nothing"}
    install(site, "other-package", "2.0", {"nasforge.controllers": points})
    named = "from controllers import catalog; from nasforge_example.annealing import Annealing as one"
    done = run_with(site, "-c", f"{named}; print(catalog.name_of(one))", cwd=tmp_path)
    assert done.stdout == "annealing\n", done.stderr
    (tmp_path / "ours.py").write_text("search = Search(space, 'digits', 'evolution')\n")
    pins = run_with(site, "-c", PINS, "ours.py", "evolution", cwd=tmp_path)
    assert pins.stdout == "None\n", pins.stderr
