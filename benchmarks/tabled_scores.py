"""Scores of untrained networks for controllers on tables: what a search would compute, at what it would cost.

A score is looked up only where a search would compute it, and every network that is scored is billed. What a
score takes are the seconds of one core as RESULTS.md has them; a training takes the mean of its table. Counts
are those of our own cost model: of NAS-Bench-201 every operation of a cell adds the same, so three cells say
what all have. Scores by gradients are those of NAS-Bench-Suite-Zero.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas

from benchmarks.measured import FOLDER, MACRO_OPERATIONS, OPERATIONS
from benchmarks.proxies import architecture, noise
from nas.search.hints import COUNTS, NetworkScores
from nas.search.plan.hints import chosen_of
from search_spaces import Architecture

SECONDS = {
    "num_params": 0.081,
    "num_macs": 0.0,
    "synflow": 0.059,
    "naswot": 0.341,
    "jacov": 0.513,
}
"""What a score of a cell of NAS-Bench-201 takes on one core, from RESULTS.md; a dry run serves all counts."""

MACRO_SECONDS = 100.0
"""What a training of NAS-Bench-Macro is taken to last: 50 epochs of CIFAR-10; the table has no seconds."""

DEAD = -1e7
"""What is below in the table of scores says that there is none, for the network answers nothing."""


class TableScores:
    """Looks scores of networks up (`controllers.scores.ScoreFunction`).

    Args:
        rows: the scores by the digits of a network's operations.
        digits: the digit of each operation.
        names: the names of the scores, those that the product would take of them by their price.
        training: the mean seconds of a training.
    """

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, float]],
        digits: Mapping[str, str],
        names: Sequence[str],
        training: float,
    ) -> None:
        chosen, self.price = chosen_of({(name,): SECONDS[name] for name in names}, training, 1)
        self.names = tuple(chosen)
        self._rows, self._digits = rows, digits

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        """Returns the scores."""
        row = self._rows["".join(self._digits[str(value)] for value in architecture.decisions.values())]
        return tuple(row[name] for name in self.names)


def nb201_scores(names: Sequence[str], fitness: str = "200") -> TableScores:
    """Scores of the cells of NAS-Bench-201, beside trainings of 12 or of 200 epochs."""
    seconds = {"12": "cifar10_cost_s_12", "200": "cifar10_train_time_s_200"}[fitness]
    training = pandas.read_parquet(FOLDER / "nb201_cifar10.parquet", columns=[seconds])[seconds].mean()
    return TableScores(_nb201_rows(), _digits(OPERATIONS), names, float(training))


def macro_scores(names: Sequence[str]) -> TableScores:
    """Scores of NAS-Bench-Macro: its authors' counts of parameters and multiply-adds."""
    frame = pandas.read_parquet(FOLDER / "nas_bench_macro.parquet")
    counts = frame.rename(columns={"params": "num_params", "flops": "num_macs"}).set_index("arch")
    rows = counts[list(COUNTS)].to_dict("index")
    return TableScores(rows, _digits(MACRO_OPERATIONS), [n for n in names if n in COUNTS], MACRO_SECONDS)


def counts_of_cells() -> dict[str, np.ndarray]:
    """Counts of a cell of nothing, and what each operation of it adds; each of shape (1 + operations,)."""
    scores = NetworkScores(noise(), COUNTS)
    empty = np.array(scores(architecture("000000")))
    adds = [np.array(scores(architecture(f"{digit}00000"))) - empty for digit in range(len(OPERATIONS))]
    return dict(zip(COUNTS, np.stack([empty, *adds], axis=1), strict=True))


@lru_cache(maxsize=1)
def _nb201_rows() -> dict[str, dict[str, float]]:
    scores = pandas.read_parquet(FOLDER / "nb201_scores.parquet").set_index("op_code")
    known = scores.where(scores > DEAD, -np.inf).to_dict("index")
    counts = counts_of_cells()
    rows = {}
    for code in pandas.read_parquet(FOLDER / "nb201_cifar10.parquet", columns=["op_code"]).op_code:
        used = np.array([1.0, *(code.count(str(digit)) for digit in range(len(OPERATIONS)))])
        rows[code] = known[live(code)] | {name: float(used @ of) for name, of in counts.items()}
    return rows


def live(code: str) -> str:
    """The digits of a cell with ``none`` for operations that nothing reaches or that reach nothing."""
    a, b, c, d, e, f = (digit != "0" for digit in code)  # 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2
    fed1, fed2 = a, b or (a and c)
    read1, read2 = e or (c and f), f
    counts = (read1, read2, fed1 and read2, d, fed1, fed2)
    return "".join(digit if one else "0" for digit, one in zip(code, counts, strict=True))


def _digits(operations: Sequence[str]) -> dict[str, str]:
    return {operation: str(digit) for digit, operation in enumerate(operations)}
