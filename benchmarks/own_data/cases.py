"""The cases: frames as people have them, some generated, some of scikit-learn."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd
from sklearn import datasets

TEST = 0.25
"""The share of the rows that is answered and never seen."""


@dataclass(frozen=True)
class Case:
    """A frame and what is to be predicted of it.

    Attributes:
        frame: the rows.
        predict: the column that is predicted.
        kind: ``classification`` or ``regression``.
    """

    frame: pd.DataFrame
    predict: str
    kind: str

    def divided(self, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows to learn from, and those to answer."""
        places = np.random.default_rng(seed).permutation(len(self.frame))
        held = round(TEST * len(places))
        return self.frame.iloc[places[held:]], self.frame.iloc[places[:held]]


def passengers() -> Case:
    """A ship's passengers, generated after those of the Titanic: words, gaps, fares with a long tail."""
    rng = np.random.default_rng(1912)
    rows = 900
    sex, rank = (
        rng.choice(["male", "female"], rows, p=[0.65, 0.35]),
        rng.choice([1, 2, 3], rows, p=[0.25, 0.2, 0.55]),
    )
    age = np.clip(rng.normal(38 - 6 * rank, 13, rows), 0.5, 80).round(1)
    fare = (rng.lognormal(4.6 - 0.9 * rank, 0.6, rows)).round(2)
    port = rng.choice(["Southampton", "Cherbourg", "Queenstown"], rows, p=[0.7, 0.2, 0.1])
    family = rng.poisson(0.8, rows)
    score = (
        1.8 * (sex == "female") * (1 + 0.5 * (rank < 3)) - 0.8 * (rank - 2) + 1.6 * (age < 12) * (family < 4)
    )
    score = (
        score
        - 0.35 * np.maximum(family - 2, 0)
        + 0.4 * (port == "Cherbourg")
        - 1.1
        + rng.logistic(0, 0.7, rows)
    )
    frame = pd.DataFrame(
        {"class": rank, "sex": sex, "age": age, "family": family, "fare": fare, "port": port}
    )
    frame.loc[rng.random(rows) < 0.2, "age"] = np.nan
    frame.loc[rng.random(rows) < 0.02, "port"] = None
    frame["survived"] = np.where(score > 0, "yes", "no")
    return Case(frame, "survived", "classification")


def houses() -> Case:
    """Blocks of houses, generated after those of California: where they lie decides together with incomes."""
    rng = np.random.default_rng(1990)
    rows = 4000
    income = rng.lognormal(1.2, 0.45, rows)
    north, east = rng.uniform(32.5, 42, rows), rng.uniform(-124, -114, rows)
    rooms, age = rng.lognormal(1.6, 0.25, rows), rng.integers(1, 53, rows).astype(float)
    people = rng.lognormal(1.0, 0.3, rows)
    by_sea = np.exp(-((east + 124 - 0.8 * (42 - north)) ** 2) / 4)
    value = 0.45 * income + 1.6 * by_sea * np.sqrt(income) + 0.3 * np.log(rooms / people) + 0.004 * age
    value = 100_000 * np.clip(value + rng.normal(0, 0.35, rows), 0.15, 6)
    frame = pd.DataFrame(
        {
            "income": income,
            "age": age,
            "rooms": rooms,
            "people": people,
            "north": north,
            "east": east,
            "sold": pd.Timestamp("1990-01-01") + pd.to_timedelta(rng.integers(0, 365, rows), "D"),
            "value": value.round(-2),
        }
    )
    return Case(frame, "value", "regression")


def _of_sklearn(load: Callable[..., object], kind: str) -> Case:
    frame = load(as_frame=True).frame  # type: ignore[attr-defined]
    return Case(frame, "target", kind)


def diabetes() -> Case:
    """442 patients: how far the disease came within a year (Efron et al., 2004)."""
    return Case(datasets.load_diabetes(as_frame=True, scaled=False).frame, "target", "regression")


def wine() -> Case:
    """178 wines of three cultivars."""
    return _of_sklearn(datasets.load_wine, "classification")


def breast_cancer() -> Case:
    """569 tumours, malignant or benign."""
    return _of_sklearn(datasets.load_breast_cancer, "classification")


def digits() -> Case:
    """1,797 digits of 8 x 8 pixels, a column for each."""
    return _of_sklearn(datasets.load_digits, "classification")


def sentences() -> Case:
    """What people have asked of a voice assistant: a column of texts, and what they wanted (Snips)."""
    text = gzip.decompress(files("workers.problems").joinpath("data/snips.tsv.gz").read_bytes()).decode()
    rows = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    frame = pd.DataFrame({"sentence": [row[2] for row in rows], "intent": [row[1] for row in rows]})
    return Case(frame.sample(4000, random_state=0), "intent", "classification")


def orders() -> Case:
    """Orders of a shop, generated: customers of several hundred towns, days of the week, gaps."""
    rng = np.random.default_rng(7)
    rows, towns = 3000, 300
    rich = rng.normal(0, 0.5, towns)
    town = np.minimum(rng.geometric(0.015, rows) - 1, towns - 1)
    day = rng.integers(0, 730, rows)
    kind = rng.choice(["book", "tool", "toy", "shirt"], rows)
    base = pd.Series(kind).map({"book": 2.5, "tool": 3.6, "toy": 3.0, "shirt": 3.2}).to_numpy(dtype=float)
    toys = 0.8 * (kind == "toy") * np.cos(2 * np.pi * (day % 365 - 350) / 365)
    amount = np.exp(base + rich[town] + toys + 0.25 * (day % 7 >= 5) + rng.normal(0, 0.3, rows))
    frame = pd.DataFrame(
        {
            "town": [f"town {number}" for number in town],
            "day": pd.Timestamp("2022-01-03") + pd.to_timedelta(day, "D"),
            "kind": kind,
            "returning": rng.random(rows) > 0.4,
            "points": np.where(rng.random(rows) < 0.3, np.nan, rng.gamma(2, 50, rows)),
            "log_amount": np.log(amount),
        }
    )
    return Case(frame, "log_amount", "regression")


CASES: dict[str, Callable[[], Case]] = {
    one.__name__: one
    for one in (passengers, houses, diabetes, wine, breast_cancer, digits, sentences, orders)
}
