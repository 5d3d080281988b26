"""Every benchmark runs in its quick form and ends with its line of JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELPERS = {
    "__init__",
    "common",
    "driving",
    "exported",
    "hypervolume",
    "measured",
    "multitask_baselines",
    "peers",
    "recording",
}
NAMES = sorted(
    {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - HELPERS
    | {path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py")}
)

HIDING = """
import sys
from importlib.machinery import PathFinder

HIDDEN = {"ray", "optuna", "sqlalchemy", "alembic", "torchjd", "rich", "typer"}

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""A `sitecustomize.py`: in every process that finds it these packages are not installed."""


@pytest.mark.soak
@pytest.mark.end_to_end
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_ends_with_one_line_of_json(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--quick"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = json.loads(done.stdout.splitlines()[-1])
    assert set(line) == {"benchmark", "figures", "targets"}
    assert line["benchmark"] == name
    assert line["figures"]
    for target in line["targets"]:
        assert set(target) == {"name", "value", "target", "met"}


@pytest.mark.slow
@pytest.mark.end_to_end
def test_a_card_is_measured_where_little_more_than_torch_is_installed(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING)
    lines = tmp_path / "lines.jsonl"
    parts = ["agreement", "step", "packing", "failures"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick"),
            *("--output", str(lines), "--only", *parts, "search"),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    machine, *measured = map(json.loads, lines.read_text().splitlines())
    assert machine["device"] == "cpu"
    by_part = {line["part"]: line for line in measured}
    assert list(by_part) == [*parts, "search"]
    assert [by_part[part]["status"] for part in parts] == ["done"] * len(parts), done.stdout[-6000:]
    assert by_part["search"]["status"] == "skipped"
    assert by_part["search"]["skipped"] == ["needs ray"]

    agreement = by_part["agreement"]["figures"]
    assert agreement["beyond 1e-4 in float32"] == {}
    assert agreement["blocks not seen"] == []
    assert agreement["cases"] > 60
    assert "balance, upgrad: needs torchjd" in by_part["agreement"]["skipped"]
    assert all(found["ms"].keys() >= {"plain", "eager"} for found in by_part["step"]["figures"].values())
    packing = by_part["packing"]["figures"]
    assert packing["workers"] == "processes of our own"
    assert all(one["failed"] == [] for one in packing["rounds"].values())
    assert packing["rounds"]["2"]["trials per minute"] > 0
    failures = by_part["failures"]["figures"]
    assert failures["reasons"] == {"none": 44, "out_of_memory": 5, "exception": 1}
    assert failures["workers replaced"] == 1
    assert failures["not as expected"] == {}
    assert failures["neighbours that differ"] == []

    # nothing that was measured on a CPU is a claim
    targets = json.loads(done.stdout.splitlines()[-1])["targets"]
    assert targets
    assert not any(target["met"] for target in targets)


def test_a_figure_that_was_not_measured_meets_no_target() -> None:
    from benchmarks.common import at_least, at_most

    assert not at_most("any", None, 5).met
    assert not at_least("any", None, 5).met
    assert at_most("any", 5, 5).met
    assert at_least("any", 5, 5).met


def test_hypervolume_of_a_staircase_is_its_area() -> None:
    from benchmarks.hypervolume import share_of_front
    from controllers.ranking import hypervolume

    assert hypervolume([(1, 2), (2, 1), (0.5, 0.5)], (0, 0)) == 3
    everything = [(0.0, 3.0), (1.0, 2.0), (3.0, 0.0), (0.5, 0.5)]
    assert share_of_front(everything, everything) == 1
    assert share_of_front([(1.0, 2.0)], everything) == 1
    assert share_of_front([(0.5, 0.5)], everything) == 0.125
