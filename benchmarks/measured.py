"""The tables of networks that others measured, as problems for simulated workers.

NAS-Bench-201 (CIFAR-10) with the latencies of HW-NAS-Bench, and NAS-Bench-Macro, lie in `benchmarks/tables/`
with their notices; LCBench is read from a folder that the user names.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas

from search_spaces import Architecture, Classification, Image, Signature, Space, Vector, choice
from workers.tabular import Answer, Table

FOLDER = Path(__file__).parent / "tables"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
MACRO_OPERATIONS = ("identity", "mb3_k3", "mb6_k5")
CIFAR10 = Signature({"image": Image(3, 32, 32)}, {"class": Classification(10)})


def cell_space() -> Space:
    """The cells of NAS-Bench-201 as six plain decisions."""
    return Space({edge: choice(*OPERATIONS) for edge in EDGES})


def nb201(fitness: str = "12", space: Space | None = None) -> Table:
    """NAS-Bench-201 on CIFAR-10.

    A search sees the validation accuracy (percent) after 12 epochs, billed the seconds that the 12 took, or
    that after 200 (``fitness="200"``), billed the seconds of the 200. The test accuracy is always that of
    200 epochs. Costs: parameters, and latencies in milliseconds.

    Args:
        fitness: ``"12"`` or ``"200"``.
        space: another space whose decisions have the edges' names, such as the catalog's ``cell()``.
    """
    rows = _nb201_rows()
    accuracy, seconds = {
        "12": ("cifar10_valid_acc_12", "cifar10_cost_s_12"),
        "200": ("cifar10_valid_acc_200", "cifar10_train_time_s_200"),
    }[fitness]
    answers = {
        code: Answer(
            {"accuracy": row[accuracy]},
            row[seconds],
            {"accuracy": row["cifar10_test_acc_200"]},
            {
                "num_params": 1e6 * row["cifar10_params_m"],
                "edge_gpu_milliseconds": row["edgegpu_latency"],
                "raspi4_milliseconds": row["raspi4_latency"],
            },
        )
        for code, row in rows.items()
    }
    code = {operation: str(digit) for digit, operation in enumerate(OPERATIONS)}

    def answer(architecture: Architecture) -> Answer:
        return answers["".join([code[str(architecture.decisions[edge])] for edge in EDGES])]

    return _table(f"nb201-{fitness}", space or cell_space(), answer, costs=True)


def macro() -> Table:
    """NAS-Bench-Macro on CIFAR-10: eight layers of three kinds; mean test accuracy of three seeds.

    There is no validation accuracy and no time in it: a search sees the mean in percent, and every network
    takes a second.
    """
    frame = pandas.read_parquet(FOLDER / "nas_bench_macro.parquet")
    answers = {
        row.arch: Answer(
            {"accuracy": row.test_acc_mean},
            1.0,
            {"accuracy": row.test_acc_mean},
            {"num_params": float(row.params), "flops": float(row.flops)},
        )
        for row in frame.itertuples()
    }
    space = Space({f"layer{i}": choice(*MACRO_OPERATIONS) for i in range(8)})
    code = {operation: str(digit) for digit, operation in enumerate(MACRO_OPERATIONS)}

    def answer(architecture: Architecture) -> Answer:
        return answers["".join([code[str(value)] for value in architecture.decisions.values()])]

    return _table("nb-macro", space, answer, costs=True)


def lcbench_tasks(folder: Path) -> list[str]:
    """The names of the tasks in ``folder/lcbench_even17.parquet``."""
    return sorted(_lcbench(folder).task.unique())


def lcbench(folder: Path, task: str) -> Table:
    """One task of LCBench: 1,000 configurations with curves of validation accuracy (percent) over 52 epochs.

    The space has one hole, which of them; the seconds are cumulative, as measured.
    """
    frame = _lcbench(folder)
    rows = frame[frame.task == task]
    answers = {}
    for row in rows.itertuples():
        epochs = tuple(
            ({"accuracy": float(value)}, float(after))
            for value, after in zip(row.val_accuracy, row.time_s, strict=True)
        )
        test = {"accuracy": 100 * float(row.test_balanced_accuracy_52)}
        answers[int(row.config_id)] = Answer(epochs[-1][0], epochs[-1][1], test, epochs=epochs)
    space = Space({"config": choice(*answers)})

    def answer(architecture: Architecture) -> Answer:
        return answers[architecture.value["config"]]

    return Table(
        f"lcbench-{task}", space, Signature({"row": Vector(1)}, {"class": Classification(2)}), answer
    )


@lru_cache(maxsize=1)
def _nb201_rows() -> dict[str, dict[str, Any]]:
    cells = pandas.read_parquet(FOLDER / "nb201_cifar10.parquet").drop(columns="cifar10_valid_acc_200_seeds")
    hardware = pandas.read_parquet(FOLDER / "hw_nb201_cifar10.parquet").drop(columns="arch_index")
    joined = cells.merge(hardware, on="op_code", how="left")
    return {row["op_code"]: row for row in joined.to_dict("records")}


@lru_cache(maxsize=1)
def _lcbench(folder: Path) -> pandas.DataFrame:
    path = folder / "lcbench_even17.parquet"
    if not path.exists():
        raise SystemExit(f"no {path.name} in {folder}: name the folder that has it")
    frame = pandas.read_parquet(path)
    frame["task"] = frame["task"].astype(str)
    return frame


def _table(name: str, space: Space, answer: Callable[[Architecture], Answer], costs: bool) -> Table:
    metrics = ("accuracy",)
    if costs:
        first = answer(next(space.enumerate()))
        metrics += tuple(first.costs)
    return Table(name, space, CIFAR10, answer, metrics)
