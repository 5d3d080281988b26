"""Tables in files: read whole, or refused in one line; and the problem that they make."""

from __future__ import annotations

import gzip
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from search_spaces.errors import ProblemError
from workers import problems
from workers.problems.frames.files import read_table


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = {name: rng.choice(["m", "n"], 80) for name in ("op", "y")}
    return pd.DataFrame({"x": rng.random(80), "group": rng.integers(0, 9, 80), **words})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "T.CSV", "t.parquet"])
def test_a_file_is_read_by_its_ending(table: pd.DataFrame, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
        table.to_parquet(file)
    else:
        text = table.to_csv(index=False, sep="\t" if "tsv" in name else ",")
        file.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    pd.testing.assert_frame_equal(read_table(file), table)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.xlsx", b"", "expected a file that ends in .csv, .tsv, .parquet"),
        ("t.csv", None, "there is no such file"),
        ("t.csv", b"", "cannot be read: No columns to parse"),
        ("t.csv", "x,y\n1,Z\xfcrich\n".encode("latin-1"), "expected UTF-8, got other bytes"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", "cannot be read: .*Expected 2 fields in line 3, saw 4"),
        ("t.parquet", b"nothing", "cannot be read|needs pyarrow"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ProblemError, match=said) as refused:
        read_table(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_the_problem_of_a_file_is_loaded_again_by_its_options(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    table[:20].to_csv(tmp_path / "v.csv", index=False)
    problem = problems.load(
        "data",
        path=tmp_path / "t.csv",
        predict="y",
        validation=str(tmp_path / "v.csv"),
        columns={"op": "drop"},
        grouped_by="group",
        seed=3,
    )
    again = problems.load("data", **problem.options)
    assert again.options == problem.options
    assert again.signature == problem.signature
    assert again.train.inputs["row"].equal(problem.train.inputs["row"])
    assert len(problem.validation) == 20
    assert [Path(path).name for path, *_ in problem.read_from] == ["t.csv", "v.csv"]


def test_a_file_that_lies_elsewhere_is_read_by_its_uri(table: pd.DataFrame) -> None:
    with fsspec.open("memory://bucket/t.csv", "w") as file:
        table.to_csv(file, index=False)
    problem = problems.load("data", path="memory://bucket/t.csv", predict="y", test="0.25")
    assert problem.options == {"path": "memory://bucket/t.csv", "predict": "y", "test": 0.25}
    assert not problem.read_from
    assert len(problem.test) == 20
    with pytest.raises(ProblemError, match=r"memory://bucket/none\.csv: there is no such file"):
        read_table("memory://bucket/none.csv")
    with pytest.raises(ProblemError, match=r"nothing://t\.csv: cannot be read: Protocol not known"):
        read_table("nothing://t.csv")


def test_cells_may_be_divided_by_semicolons_and_numbers_have_commas(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size;price;ort\n1;2,50;Bern, CH\n2;-3;Genf\n;4,25;\n")
    frame = read_table(tmp_path / "t.csv")
    assert frame["price"].tolist() == [2.5, -3.0, 4.25]
    assert frame["ort"].tolist()[:2] == ["Bern, CH", "Genf"]
    (tmp_path / "t.csv").write_text("size,name\n1,a;b\n")
    assert [*read_table(tmp_path / "t.csv")] == ["size", "name"]
