"""Searches each case by the default, and shows what it answers beside scikit-learn's models."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

# before torch is imported: on one core each, as others are
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.metrics import accuracy_score, r2_score

import nas
from benchmarks.common import Target, at_least, finish, markdown
from benchmarks.own_data.cases import CASES, Case
from benchmarks.own_data.peers import boosting, linear
from benchmarks.recording import record
from nas.commands.assemble import epochs_for, read_space
from workers.inline import Inline
from workers.problems import Problem

PLACE = "own_data"


def ours(case: Case, train: Any, test: Any, seconds: float, seed: int) -> tuple[Any, str]:
    """What ``nas search --data FILE --predict COLUMN`` finds answers to the rows that it has not seen."""
    # the test rows are for columns of the leaderboard, by which nothing is chosen
    problem = Problem.from_frame(train, {case.predict: case.kind}, test=test, seed=seed)
    space = read_space(None, problem.signature, epochs_for(len(problem.train)), pauses=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "nas.db"
        search = nas.Search(space, problem, seconds=seconds, executor=Inline(1), store=store, seed=seed)
        board = search.run()
        found = nas.load(store)
        return found.predict(
            test.drop(columns=case.predict)
        ), f"{len(board)} networks, the best {board.origin.iloc[0]}"


def scored(case: Case, answers: Any, test: Any) -> float:
    """The share of right answers, or the coefficient of determination."""
    right = test[case.predict].to_numpy()
    return float((accuracy_score if case.kind == "classification" else r2_score)(right, answers))


def noise(case: Case, score: float, rows: int) -> float:
    """The standard error of a score by the number of rows that it is from."""
    if case.kind == "classification":
        return float(np.sqrt(max(score * (1 - score), 1 / rows) / rows))
    return float(np.sqrt(4 * max(score, 0.01) * (1 - score) ** 2 / rows))  # A. Olkin and J. Finn, 1995


def main() -> None:
    """Search, and show what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_data", description=__doc__)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--record", action="store_true", help="write the table into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="two cases of twelve seconds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.quick:
        given.only, given.seconds = ["wine", "passengers"], 12.0
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    level, below = 0, 0
    for name in given.only:
        case = CASES[name]()
        train, test = case.divided(given.seed)
        answers, words = ours(case, train, test, given.seconds, given.seed)
        scores = {
            "ours": scored(case, answers, test),
            "linear": scored(case, linear(case, train, test), test),
            "boosting": scored(case, boosting(case, train, test), test),
        }
        best = max(scores["linear"], scores["boosting"])
        error = noise(case, best, len(test))
        level += scores["ours"] >= best - error
        below += scores["ours"] < scores["linear"] - error
        figures[name] = scores | {"error": error}
        rows.append([name, case.kind, *(f"{value:.3f}" for value in scores.values()), f"{error:.3f}", words])
        print(f"{name}: {scores}", flush=True)
    title = f"Scores of rows that no method has seen, after {given.seconds:g} seconds of search on one core"
    written = markdown(title, ["case", "kind", "ours", "linear", "boosting", "error", "search"], rows)
    print(f"\n{written}\n")
    targets: list[Target] = [
        at_least("cases level with the better of both or above", level, round(0.75 * len(given.only))),
        Target("cases below the linear model", below, "<= 0", below == 0),
    ]
    if given.record:
        record(PLACE, f"python -m benchmarks.own_data --seconds {given.seconds:g}", [written], targets)
    finish("own_data", figures, targets)


if __name__ == "__main__":
    main()
