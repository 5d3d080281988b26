"""Every benchmark runs in its quick form and ends with its line of JSON; that of a card, without one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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
    "tabled_scores",
}
NAMES = sorted(
    {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - HELPERS
    | {"curves", "inheritance", "shared_weights"}
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


def measured_on_a_cpu(
    parts: list[str], lines: Path, hiding: Path | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Runs parts of the benchmark of a card; returns the lines of its file by part, and its last line."""
    paths = [str(path) for path in (hiding, ROOT) if path is not None]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick"),
            *("--seconds", "1000", "--output", str(lines), "--only", *parts),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    machine, *measured = map(json.loads, lines.read_text().splitlines())
    assert (machine["part"], machine["device"]) == ("machine", "cpu")
    assert [line["part"] for line in measured] == parts
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["benchmark"] == "gpu"
    # nothing that was measured on a CPU is a claim
    assert last["targets"]
    assert not any(target["met"] for target in last["targets"])
    return {line["part"]: line for line in measured}, last


@pytest.mark.soak
@pytest.mark.end_to_end
def test_a_card_is_measured_where_little_more_than_torch_is_installed(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING)
    parts = ["agreement", "step", "packing", "failures", "repeats"]
    lines, last = measured_on_a_cpu([*parts, "search"], tmp_path / "lines.jsonl", hiding=tmp_path)
    assert [lines[part]["status"] for part in parts] == ["done"] * len(parts), lines
    assert (lines["search"]["status"], lines["search"]["skipped"]) == ("skipped", ["needs ray"])
    assert last["figures"].keys() == {"machine", *parts, "search"}

    agreement = lines["agreement"]["figures"]
    assert agreement["failed"] == {}
    assert agreement["beyond 1e-4 in float32"] == {}
    assert agreement["beyond 2e-2 in bfloat16"] == {}
    assert agreement["blocks not seen"] == []
    assert agreement["cases"] > 60
    assert "balance, upgrad: needs torchjd" in lines["agreement"]["skipped"]
    assert all(found["ms"].keys() >= {"plain", "eager"} for found in lines["step"]["figures"].values())
    packing = lines["packing"]["figures"]
    assert packing["workers"] == "processes of our own"
    assert packing["rounds"].keys() == {"1", "2"}
    assert all(one["failed"] == [] for one in packing["rounds"].values())
    failures = lines["failures"]["figures"]
    assert failures["reasons"] == {"none": 44, "out_of_memory": 5, "exception": 1}
    assert failures["workers replaced"] == 1
    assert failures["not as expected"] == {}
    assert failures["neighbours that differ"] == []
    repeats = lines["repeats"]["figures"]
    assert repeats.pop("failed") == {}
    assert all(all(one.values()) for one in repeats.values())


@pytest.mark.soak
@pytest.mark.end_to_end
def test_a_card_is_measured_with_all_that_is_installed(tmp_path: Path) -> None:
    parts = ["packing", "search", "nccl", "exports"]
    lines, _ = measured_on_a_cpu(parts, tmp_path / "lines.jsonl")
    assert [line["status"] for line in lines.values()] == ["done"] * len(parts), lines
    packing = lines["packing"]["figures"]
    assert packing["workers"] == "the pool's"
    assert all(one["failed"] == [] for one in packing["rounds"].values())
    search = lines["search"]["figures"]
    assert (search["lost"], search["trials"]) == (0, {"complete": 12})
    assert search["workers lost"] >= 1
    group = lines["nccl"]["figures"]["mlp, 2"]
    assert all(difference <= 1e-3 for difference in group["differences"].values())
    exports = lines["exports"]["figures"]["cnn"]
    assert exports.keys() == {"safetensors", "python"}
    assert all(difference <= 1e-5 for difference in exports.values())


def test_a_part_that_fails_says_so_and_one_that_lacks_a_package_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from benchmarks.gpu import __main__ as script
    from benchmarks.gpu.setting import Setting

    def part(error: Exception) -> SimpleNamespace:
        def measure(setting: Setting) -> None:
            raise error

        return SimpleNamespace(measure=measure)

    parts = {
        "benchmarks.gpu.step": part(ValueError("something the author forgot")),
        "benchmarks.gpu.search": part(ModuleNotFoundError("No module named 'ray'", name="ray.util")),
        "benchmarks.gpu.nccl": part(ModuleNotFoundError("no module", name="workers.nowhere")),
    }
    monkeypatch.setattr(script, "import_module", parts.__getitem__)
    setting = Setting("cpu", True, None, 10.0)
    failed = script.run("step", setting)
    assert failed["status"] == "failed"
    assert failed["error"].endswith("ValueError: something the author forgot\n")
    skipped = script.run("search", setting)
    assert (skipped["status"], skipped["skipped"]) == ("skipped", ["needs ray"])
    assert script.run("nccl", setting)["status"] == "failed"  # a module of ours is no package to install
    for line in (failed, skipped):
        script.append(tmp_path / "lines.jsonl", line)
    written = (tmp_path / "lines.jsonl").read_text().splitlines()
    assert [json.loads(line)["part"] for line in written] == ["step", "search"]


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


def test_a_pool_proposes_the_nearest_of_its_networks_that_was_not_begun() -> None:
    from benchmarks.curves.replay import Pool
    from search_spaces import Space, choice, integer

    space = Space({"op": choice("a", "b"), "width": integer(0, 10)})
    known = [space.architecture({"op": op, "width": width}) for op, width in (("a", 0), ("a", 10), ("b", 4))]
    pool = Pool(space, known)
    wanted = {"op": "a", "width": 2}
    assert pool.architecture(wanted).id == known[0].id
    pool.begun.add(known[0].id)
    assert pool.architecture(wanted).id == known[1].id
    assert pool.architecture(known[0].decisions).id == known[0].id  # what is asked for by name is given
    assert [one.id for one in pool.enumerate()] == [one.id for one in known]
