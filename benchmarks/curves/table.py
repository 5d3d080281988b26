"""The tables of collected curves: written from what a collection has appended, read for the replay."""

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import read_rows
from benchmarks.curves.problems import CASES, NoFolderError, problem_of, space_of
from search_spaces import Space

FOLDER = Path(__file__).parent.parent / "tables" / "curves"
OBJECTIVES = ("score", "accuracy")
"""The metric that a search optimises: the first of these that was measured."""


@dataclass(frozen=True)
class Training:
    """A training to its end.

    Attributes:
        scores: the objective on the validation split after each epoch, higher is better.
        seconds: the seconds of each epoch, training and validation.
    """

    scores: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class Network:
    """A network of a table.

    Attributes:
        id: the id of the architecture.
        decisions: what makes the architecture, by path.
        trainings: one for each seed; none where they failed.
    """

    id: str
    decisions: dict[str, Any]
    trainings: tuple[Training, ...]

    @property
    def end(self) -> float:
        """The mean over seeds of the score at the end; minus infinity where training fails."""
        return float(np.mean([one.scores[-1] for one in self.trainings])) if self.trainings else -np.inf

    @property
    def seconds(self) -> float:
        """The mean over seeds of the seconds of a training."""
        return float(np.mean([one.seconds.sum() for one in self.trainings])) if self.trainings else 0.0


@dataclass(frozen=True, eq=False)
class CurveTable:
    """The networks of a problem: the plain one first."""

    name: str
    space: Space
    networks: tuple[Network, ...]

    @property
    def plain(self) -> Network:
        """The plain network."""
        return self.networks[0]

    @cached_property
    def best(self) -> float:
        """The best score at an end."""
        return max(network.end for network in self.networks)

    @cached_property
    def by_id(self) -> dict[str, Network]:
        """The networks by their ids."""
        return {network.id: network for network in self.networks}

    def regret(self, score: float) -> float:
        """How far a score is below that of the best network, in multiples of how far the plain one's is."""
        return (self.best - score) / (self.best - self.plain.end)


def convert(rows: Path, data: Path | None, folder: Path) -> None:
    """Writes tables: of each problem its space, and its rows as a collection has appended them.

    Scores and seconds have 4 digits.

    Args:
        rows: the folder of the rows.
        data: the folder of the files of some problems; None: those are left out.
        folder: the folder of the tables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        found = read_rows(rows / f"{name}.jsonl")
        if not found:
            continue
        try:
            space = space_of(name, problem_of(name, data).signature)
        except NoFolderError:
            continue
        columns: dict[str, list[Any]] = defaultdict(list)
        for row in found:
            for key in ("network", "origin", "id", "seed", "failed", "cut"):
                columns[key].append(row[key])
            columns["num_params"].append(row.get("num_params", 0))
            columns["num_macs"].append(row.get("num_macs", 0))
            columns["decisions"].append(json.dumps(row["decisions"]))
            columns["seconds"].append(_rounded(row["seconds"]))
            columns["training_seconds"].append(_rounded(row["training"]))
            for metric in found[0]["metrics"][0]:
                columns[f"validation {metric}"].append(_rounded([one[metric] for one in row["metrics"]]))
                columns[f"test {metric}"].append(np.float32(round(row["test"].get(metric, np.nan), 4)))
        frame = pd.DataFrame(columns | {"space": space.to_json()})
        frame = frame.astype({"network": "int16", "seed": "int8"})
        frame["space"] = frame["space"].astype("category")
        frame.to_parquet(folder / f"{name}.parquet", compression="zstd", index=False)


def _rounded(values: list[float]) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).round(4)


def load(name: str, folder: Path = FOLDER) -> CurveTable:
    """Reads a table. What was cut stays as it was last, for as long as the others train."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    objective = next(one for one in OBJECTIVES if f"validation {one}" in frame)
    epochs = CASES[name].epochs
    networks = []
    for _, rows in frame.groupby("network", sort=True):
        trainings = []
        for row in rows.to_dict("records"):
            scores, seconds = row[f"validation {objective}"], row["seconds"]
            if row["failed"] or not len(scores):
                continue
            missing = epochs - len(scores)
            scores = np.pad(scores.astype(float), (0, missing), mode="edge")
            seconds = np.pad(seconds.astype(float), (0, missing), constant_values=seconds.mean())
            trainings.append(Training(scores, seconds))
        first = rows.iloc[0]
        networks.append(Network(first["id"], json.loads(first["decisions"]), tuple(trainings)))
    return CurveTable(name, Space.from_json(frame["space"].iloc[0]), tuple(networks))
