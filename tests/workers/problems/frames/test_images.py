"""Images in folders and in columns of paths: their sizes, what is broken, and the networks that see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image
from workers import problems
from workers.problems import Problem
from workers.problems.frames.preprocessing import Preprocessing

PIL = pytest.importorskip("PIL.Image")


def draw(path: Path, level: int, size: tuple[int, int] = (6, 8), mode: str = "L") -> Path:
    """Writes an image of one level of brightness; size is height and width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if mode == "L" else (*size, 3)
    PIL.fromarray(np.full(shape, level, dtype=np.uint8), mode).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty dark images and twenty bright ones."""
    for number in range(20):
        draw(tmp_path / "pets" / "dark" / f"{number}.png", number)
        draw(tmp_path / "pets" / "bright" / f"{number}.PNG", 255 - number)
    return tmp_path / "pets"


def test_folders_are_classes(folder: Path) -> None:
    problem = Problem.from_folder(folder)
    assert problem.signature.inputs == {"image": Image(1, 6, 8)}
    assert problem.signature.tasks == {"label": Classification(2, ("bright", "dark"))}
    assert (len(problem.train), len(problem.validation), len(problem.test)) == (24, 8, 8)
    bright = problem.train.targets["label"] == 0
    images = problem.train.inputs["image"]
    assert float(images[bright].min()) > 0.9 > 0.1 > float(images[~bright].max())
    assert float(images.max()) == 1.0


def test_folders_of_parts_are_parts(folder: Path) -> None:
    for part, count in (("train", 10), ("val", 4), ("test", 6)):
        for number in range(count):
            for label in ("a", "b"):
                draw(folder / part / label / f"{number}.png", number, (4, 4), "RGB")
    problem = Problem.from_folder(folder)
    assert (len(problem.train), len(problem.validation), len(problem.test)) == (20, 8, 12)
    assert problem.signature.inputs == {"image": Image(3, 4, 4)}


def test_images_of_different_sizes_are_brought_to_the_median_one(folder: Path) -> None:
    for number in range(20):
        draw(folder / "dark" / f"{number}.png", number, (12, 300))
        draw(folder / "bright" / f"{number}.PNG", 255, (12, 500))
    (image,) = Problem.from_folder(folder).signature.inputs.values()
    assert image == Image(1, 4, 128)


def test_broken_files_are_refused_or_left_out_up_to_a_share_and_named(folder: Path) -> None:
    (folder / "dark" / "3.png").write_bytes(b"nothing")
    with pytest.raises(ProblemError, match=r"3\.png is no image that can be read"):
        Problem.from_folder(folder)
    with pytest.raises(ProblemError, match=r"that is more than broken=0\.01"):
        Problem.from_folder(folder, broken=0.01)
    problem = Problem.from_folder(folder, broken=0.2)
    assert sum(len(split) for split in (problem.train, problem.validation, problem.test)) == 39
    assert "3.png" in problem.describe()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nowhere", "there is no such folder"),
        (
            lambda folder: folder / "dark",
            "expected images in a folder for each class, .* got 20 images that are in",
        ),
    ],
)
def test_what_is_no_folder_of_classes_is_refused(folder: Path, make, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ProblemError, match=said):
        Problem.from_folder(make(folder))


def test_a_table_of_paths_beside_other_columns_is_a_problem_of_several_inputs(folder: Path) -> None:
    rows = [
        {
            "photo": f"{label}/{number}.{'PNG' if label == 'bright' else 'png'}",
            "weight": number,
            "kind": label,
        }
        for label in ("dark", "bright")
        for number in range(20)
    ]
    frame = pd.DataFrame(rows)
    frame.loc[::8, "photo"] = None
    frame.to_csv(folder / "labels.csv", index=False)
    problem = problems.load(
        "data", path=folder / "labels.csv", predict=["kind"], columns={"weight": "number"}
    )
    assert [*problem.signature.inputs] == ["row", "photo"]
    assert int((~problem.train.present["photo"]).sum()) > 0
    assert not bool(problem.train.inputs["photo"][~problem.train.present["photo"]].any())
    assert problem.preprocessing is not None
    new = pd.DataFrame({"weight": [3], "photo": [str(folder / "dark" / "3.png")]})
    inputs, _ = Preprocessing.from_json(problem.preprocessing.to_json()).tensors(new)
    assert float(inputs["photo"].max()) == pytest.approx(3 / 255)


def test_a_folder_is_loaded_again_by_its_options(folder: Path) -> None:
    problem = problems.load("data", path=folder, seed=1, test=0.25)
    again = problems.load("data", **problem.options)
    assert again.train.inputs["image"].equal(problem.train.inputs["image"])
    with pytest.raises(ProblemError, match="a folder of images has classes alone, got predict"):
        problems.load("data", path=folder, predict="label")


def test_a_missing_file_is_named(folder: Path) -> None:
    frame = pd.DataFrame(
        {"photo": [str(folder / "dark" / f"{n}.png") for n in range(30)], "y": ["a", "b", "b"] * 10}
    )
    with pytest.raises(ProblemError, match=r"there is no file .*2\d\.png"):
        Problem.from_frame(frame, "y")
