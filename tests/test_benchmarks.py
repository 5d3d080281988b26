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
    "hypervolume",
    "measured",
    "multitask_baselines",
    "peers",
    "recording",
}
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in HELPERS)


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


def test_hypervolume_of_a_staircase_is_its_area() -> None:
    from benchmarks.hypervolume import share_of_front
    from controllers.ranking import hypervolume

    assert hypervolume([(1, 2), (2, 1), (0.5, 0.5)], (0, 0)) == 3
    everything = [(0.0, 3.0), (1.0, 2.0), (3.0, 0.0), (0.5, 0.5)]
    assert share_of_front(everything, everything) == 1
    assert share_of_front([(1.0, 2.0)], everything) == 1
    assert share_of_front([(0.5, 0.5)], everything) == 0.125
