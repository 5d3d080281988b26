"""A problem on its way to a worker."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workers.problems import Problem
from workers.remote.runners import pack, unpack

LOADER = """
import torch
from workers.problems import Problem

def loaded(count=40):
    inputs = torch.arange(2.0 * count).view(count, 2)
    return Problem.from_tensors("of a plug-in", (inputs, torch.arange(count) % 2), options={"count": count})
"""

WORKER = """
import pickle, sys
from workers.job import Job
from workers.remote.runners import runner, unpack
from workers.testing.jobs import architecture

packed = pickle.loads(open(sys.argv[1], "rb").read())
problem = unpack(packed)
assert "plugin_problem" not in sys.modules
assert problem.options == {"count": 40}
*_, end = runner(packed, 1, "cpu")(Job(0, architecture(), seed=0), lambda: None)
print(problem.name, len(problem.train), type(end).__name__)
"""


@pytest.mark.slow
def test_a_worker_needs_not_the_module_that_loaded_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver" / "plugin_problem.py").write_text(LOADER)
    monkeypatch.syspath_prepend(tmp_path / "driver")
    import plugin_problem  # type: ignore[import-not-found]

    problem: Problem = plugin_problem.loaded()
    (tmp_path / "packed").write_bytes(pickle.dumps(pack(problem)))
    command = [sys.executable, "-c", WORKER, str(tmp_path / "packed")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "of a plug-in 24 Finished", done.stderr


def test_a_problem_without_test_examples_is_packed_as_it_is() -> None:
    points = torch.rand(60, 2)
    problem = Problem.from_tensors("bare", (points, (points[:, 0] > 0.5).long()), test=None)
    back = unpack(pack(problem))
    assert back.test is None
    assert torch.equal(back.validation.inputs["vector"], problem.validation.inputs["vector"])
