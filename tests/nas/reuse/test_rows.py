"""A network that was found for a frame takes rows as they come: from the store, from exports, from a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nas
from nas import Search
from nas.reuse.found import Found
from search_spaces import Space, catalog, layer
from search_spaces.blocks import Dense, ToVector
from search_spaces.errors import FormatError, ProblemError
from search_spaces.nodes import sequential
from workers.problems import Problem


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Fruits: what they are follows from their colour and weight, some of which are missing."""
    rng = np.random.default_rng(0)
    weight = rng.normal(100, 30, 240)
    colour = rng.choice(["red", "green", "yellow"], 240)
    kind = np.where(colour == "yellow", "banana", np.where(weight > 90, "apple", "plum"))
    price = 0.01 * weight + (colour == "red")
    frame = pd.DataFrame({"weight": weight, "colour": colour, "kind": kind, "price": price})
    frame.loc[::12, "weight"] = np.nan
    return frame


@pytest.fixture(scope="module")
def store(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a search of one task, and one of two."""
    path = tmp_path_factory.mktemp("rows") / "nas.db"
    recipe = {"epochs": 20, "batch_size": 16, "learning_rate": 0.02}
    lone = sequential(layer(ToVector, embedding_dim=4), layer(Dense, out_features=16))
    for name, predict in (("one", ["kind"]), ("two", ["kind", "price"])):
        problem = Problem.from_frame(frame[["weight", "colour", *predict]], predict)
        model: Any = lone if name == "one" else catalog.multitask(problem.signature).plain().value
        space = Space({"model": model, "recipe": recipe})
        options: dict[str, Any] = {"store": path, "executor": "inline", "keep_weights": 2}
        Search(space, problem, "random", trials=2, name=name, **options).run()
    return path


def test_rows_as_they_come_are_answered_with_names(store: Path, frame: pd.DataFrame) -> None:
    rows = frame[["colour", "weight"]]
    answers = nas.load(store, search="one").predict(rows)
    assert (answers == frame["kind"]).mean() > 0.9
    assert set(answers) <= {"apple", "banana", "plum"}
    unknown = pd.DataFrame({"colour": ["blue", None], "weight": [np.nan, 50.0]})
    assert len(nas.load(store, search="one").predict(unknown)) == 2


def test_several_tasks_are_answered_by_name_in_the_units_of_the_frame(
    store: Path, frame: pd.DataFrame
) -> None:
    answers = nas.load(store, search="two").predict(frame)
    assert [*answers] == ["kind", "price"]
    assert np.abs(answers["price"] - frame["price"]).mean() < 0.4


def test_an_export_takes_rows_too(store: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    found = nas.load(store, search="one")
    again = nas.load(found.export(tmp_path / "it"))
    assert again.preprocessing == found.preprocessing
    assert (again.predict(frame) == found.predict(frame)).all()


def test_an_ensemble_takes_rows_too(store: Path, frame: pd.DataFrame) -> None:
    problem = Problem.from_frame(frame[["weight", "colour", "kind"]], ["kind"])
    answers = nas.ensemble(store, search="one", problem=problem).predict(frame)
    assert (answers == frame["kind"]).mean() > 0.9


def test_images_are_answered_by_their_paths(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    paths = []
    for number in range(40):
        path = tmp_path / ("dark" if number % 2 else "light") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        image.fromarray(np.full((8, 8), 40 if number % 2 else 200, dtype=np.uint8)).save(path)
        paths.append(str(path))
    problem = Problem.from_folder(tmp_path)
    model: Any = sequential(layer(ToVector, embedding_dim=4), layer(Dense, out_features=4))
    space = Space({"model": model, "recipe": {"epochs": 3, "batch_size": 8}})
    options: dict[str, Any] = {"store": tmp_path / "nas.db", "executor": "inline", "keep_weights": 1}
    Search(space, problem, "random", trials=1, **options).run()
    answers = nas.load(tmp_path / "nas.db").predict(pd.DataFrame({"image": paths[:6]}))
    assert len(answers) == 6
    assert set(answers) <= {"dark", "light"}


def test_a_network_of_some_inputs_asks_for_their_columns_alone(tmp_path: Path) -> None:
    texts = [f"a {'good' if number % 2 else 'bad'} thing, {number} times" for number in range(60)]
    frame = pd.DataFrame({"size": np.arange(60) % 7, "told": texts, "kind": ["a", "b"] * 30})
    problem = Problem.from_frame(frame, "kind", columns={"told": "text", "size": "number"}).only(
        inputs=["row"]
    )
    model: Any = sequential(layer(ToVector, embedding_dim=4), layer(Dense, out_features=4))
    space = Space({"model": model, "recipe": {"epochs": 1, "batch_size": 8}})
    options: dict[str, Any] = {"store": tmp_path / "nas.db", "executor": "inline", "keep_weights": 1}
    Search(space, problem, "random", trials=1, **options).run()
    assert len(nas.load(tmp_path / "nas.db").predict(frame[["size"]])) == 60


@pytest.mark.slow
def test_a_file_of_plain_torch_takes_rows_in_a_process_without_this_project(
    store: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    found = nas.load(store, search="two")
    found.export(tmp_path / "it", "python")
    frame.to_csv(tmp_path / "it" / "rows.csv", index=False)
    script = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nas", "workers", "search_spaces", "controllers"):
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
import network, pandas
answers = network.predict(pandas.read_csv("rows.csv"))
print(",".join(answers["kind"]), ",".join(f"{price:.4f}" for price in answers["price"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "it", capture_output=True, text=True, check=True
    )
    kinds, prices = (part.split(",") for part in done.stdout.split())
    expected = found.predict(pd.read_csv(tmp_path / "it" / "rows.csv"))
    assert kinds == list(expected["kind"])
    assert [float(price) for price in prices] == pytest.approx(expected["price"], abs=1e-3)


def test_rows_are_refused_where_nobody_knows_what_they_are(store: Path, frame: pd.DataFrame) -> None:
    found = nas.load(store, search="one")
    bare = Found(*(getattr(found, name) for name in ("architecture", "signature", "weights")), {}, {}, {})
    with pytest.raises(ProblemError, match=r"got a frame, of which nobody knows .*Problem\.from_frame"):
        bare.predict(frame)
    with pytest.raises(ProblemError, match="predict, rows: expected a column 'colour'"):
        found.predict(frame[["weight"]])


def test_a_folder_whose_preprocessing_is_none_is_refused(store: Path, tmp_path: Path) -> None:
    folder = nas.load(store, search="one").export(tmp_path / "it")
    file = folder / "architecture.json"
    file.write_text(file.read_text().replace("nasforge-preprocessing/1", "other/1"))
    with pytest.raises(FormatError, match="expected the format nasforge-preprocessing/1"):
        nas.load(folder)
