"""Every problem of the catalog keeps the contract of problems; so does one of plain tensors."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest

from workers.problems import Problem, catalog, load
from workers.testing import ProblemContract
from workers.testing.jobs import points

ALIKE = {"snips"}
"""The problems whose examples may look alike without being the same."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with what `fashion_mnist` reads: noise, and as little of it as will do."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 10_040), ("test", 40)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, count, dtype=np.uint8)
    place = tmp_path_factory.mktemp("clothes")
    np.savez(place / "fashion_mnist.npz", **arrays)
    return str(place)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of one's own: numbers and words, some of them missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.random(200), "colour": rng.choice(["red", "green"], 200)})
    frame["kind"] = np.where(frame["size"] > 0.5, "large", "small")
    frame.loc[::9, "colour"] = None
    place = tmp_path_factory.mktemp("own") / "rows.csv"
    frame.to_csv(place, index=False)
    return str(place)


class TestProblemsOfTheCatalog(ProblemContract):
    @pytest.fixture(scope="class", params=[name for name in catalog if name not in ALIKE])
    @classmethod
    def load(cls, request: pytest.FixtureRequest, folder: str, table: str) -> Callable[..., Problem]:
        of_files = {"fashion_mnist": {"folder": folder}, "data": {"path": table, "predict": "kind"}}
        return partial(load, request.param, **of_files.get(request.param, {}))

    def test_its_name_is_that_of_the_catalog(self, load: partial[Problem], problem: Problem) -> None:
        assert problem.name == load.args[0]


class TestSnips(ProblemContract):
    max_overlap = 0.01  # sentences that differ in words that train does not know look alike

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls) -> Callable[..., Problem]:
        return partial(load, "snips")


class TestProblemOfTensors(ProblemContract):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls) -> Callable[..., Problem]:
        return points
