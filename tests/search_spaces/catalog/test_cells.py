"""Cells: what they compute, which of them are the same, held against all 15,625 of NAS-Bench-201."""

import itertools
import random
import time
from pathlib import Path

import pandas
import pytest
import torch

from search_spaces import Classification, Image, Signature
from search_spaces.blocks import Cell, Reduction
from search_spaces.blocks.cell_identity import (
    OPERATIONS,
    _atoms,
    _least_order,
    canonical_cell,
    edge_names,
    live_edges,
)
from search_spaces.catalog import cell

TABLE = Path(__file__).parents[3] / "benchmarks" / "tables" / "nb201_cifar10.parquet"
CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")


@pytest.fixture(scope="module")
def table() -> pandas.DataFrame:
    """Every cell of the benchmark, with its operations, canonical form and live convolutions."""
    table = pandas.read_parquet(TABLE, columns=["op_code", "iso_class", "cifar10_params_m"])
    table["operations"] = [tuple(OPERATIONS[int(digit)] for digit in code) for code in table.op_code]
    table["form"] = [canonical_cell(operations, 4) for operations in table.operations]
    table["convolutions"] = [
        tuple(sorted(op for _, _, op in live_edges(operations, 4) if op in CONVOLUTIONS))
        for operations in table.operations
    ]
    return table


def _form(code: str, nodes: int = 4) -> str:
    return canonical_cell(tuple(OPERATIONS[int(digit)] for digit in code), nodes)


def _tied_output(operations: tuple[str, ...], input: torch.Tensor) -> torch.Tensor:
    """The cell's answer when equal atoms of equal forms have equal weights."""
    channels = input.shape[1]
    kinds, inputs, output = _atoms(operations, 4)
    ranks = _least_order(kinds, inputs, output)
    module = Cell(channels, dict(zip(edge_names(4), operations, strict=True))).double()
    edges = [(t, s) for t, s, op in live_edges(operations, 4) if op in CONVOLUTIONS]
    for (target, source), rank in zip(edges, ranks, strict=True):
        weights = torch.Generator().manual_seed(rank)
        for parameter in module.operations[f"{target}<-{source}"].parameters():
            parameter.data = torch.randn(parameter.shape, generator=weights, dtype=torch.float64)
    with torch.no_grad():
        answer: torch.Tensor = module(input)
    return answer


def test_the_15625_cells_are_5044_networks(table: pandas.DataFrame) -> None:
    assert len(table) == 15_625
    assert table.form.nunique() == 5_044


def test_cells_with_different_convolutions_never_share_an_identity(table: pandas.DataFrame) -> None:
    assert table.groupby("form").convolutions.nunique().max() == 1


def test_identities_split_an_iso_class_only_where_parameters_differ(table: pandas.DataFrame) -> None:
    """The table takes ``conv(x) + conv(x)`` with two sets of weights for twice one convolution; we do not."""
    split = table.groupby("iso_class").form.transform("nunique") > 1
    assert table[split].iso_class.nunique() == 430
    assert table[split].groupby("iso_class").cifar10_params_m.nunique().min() > 1
    assert table.groupby(["iso_class", "convolutions"]).form.nunique().max() == 1


def test_iso_classes_are_merged_only_where_cells_compute_the_same(table: pandas.DataFrame) -> None:
    """The table's classes know neither that sums are associative through skips nor that pooling is linear."""
    one_each = table.drop_duplicates(["form", "iso_class"])
    merged = one_each[one_each.groupby("form").iso_class.transform("nunique") > 1]
    assert merged.form.nunique() == 792
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    some = random.Random(0).sample(sorted(merged.form.unique()), 150)
    for _, group in merged[merged.form.isin(some)].groupby("form"):
        first, *others = (_tied_output(operations, input) for operations in group.operations)
        for other in others:
            torch.testing.assert_close(other, first, rtol=0, atol=1e-12)


def test_parameters_are_the_benchmarks_own(table: pandas.DataFrame) -> None:
    signature = Signature({"image": Image(3, 32, 32)}, {"class": Classification(10)})
    alive = [
        len(list(live_edges(ops, 4))) == sum(op != "none" for op in ops) for ops in table.operations
    ]  # the benchmark also builds what is never used
    for row in table[alive].sample(4, random_state=0).itertuples():
        architecture = cell().architecture(dict(zip(edge_names(4), row.operations, strict=True)))
        assert architecture.cost(signature).num_params == round(row.cifar10_params_m * 1e6)


def test_identities_are_found_fast() -> None:
    codes = ["".join(code) for code in itertools.islice(itertools.product("34123", repeat=6), 2000)]
    canonical_cell.cache_clear()
    start = time.perf_counter()
    for code in codes:
        _form(code)
    assert (time.perf_counter() - start) / len(codes) < 1e-3  # 0.03 ms on an idle core


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [  # digits in the order of the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2
        ("edges that lead nowhere vanish", "330000", "000000"),
        ("edges from a node that is not reached vanish", "000103", "000100"),
        ("a skip is the identity", "101001", "010001"),
        ("nodes are renumbered", "300010", "030001"),
        ("sums commute", "320011", "230011"),
        ("sums are associative through skips", "232221", "222321"),
        ("pooling a sum is summing the pooled", "111004", "440011"),
        ("pooling goes through sums of anything", "311004", "300440"),
    ],
)
def test_cells_that_compute_the_same_are_one(rule: str, one: str, other: str) -> None:
    assert _form(one) == _form(other), rule


def test_the_convolution_of_nothing_is_nothing() -> None:
    assert _form("000103") == _form("000100") == "x"
    module = Cell(2, {"3<-2": "nor_conv_3x3", "3<-0": "skip_connect"})
    assert list(module.parameters()) == []


def test_one_convolution_used_twice_is_not_two_convolutions() -> None:
    twice = _form("301011")  # conv(x) through nodes 1 and 2
    two = _form("330011")
    assert twice.count("nor_conv") == 1
    assert two.count("nor_conv") == 2
    assert _form("300010") not in (twice, two)


@pytest.mark.parametrize("seed", range(20))
def test_the_identity_does_not_depend_on_the_order_of_nodes(seed: int) -> None:
    """In larger cells too: inner nodes are renumbered at random wherever the edges allow it."""
    rng, nodes = random.Random(seed), 6
    graph = {(t, s): rng.choice(OPERATIONS) for t in range(1, nodes) for s in range(t)}
    for _ in range(20):
        inner = list(range(1, nodes - 1))
        rng.shuffle(inner)
        number = dict(zip([0, *inner, nodes - 1], range(nodes), strict=True))
        if any(op != "none" and number[t] < number[s] for (t, s), op in graph.items()):
            continue
        moved = {(number[t], number[s]): op for (t, s), op in graph.items() if number[t] > number[s]}
        order = [(t, s) for t in range(1, nodes) for s in range(t)]
        forms = {canonical_cell(tuple(g.get(edge, "none") for edge in order), nodes) for g in (graph, moved)}
        assert len(forms) == 1


def test_a_large_symmetric_cell_is_no_trouble() -> None:
    nodes = 10
    operations = tuple(
        "nor_conv_3x3" if name.endswith("<-0") else "skip_connect" if name.startswith("9<-") else "none"
        for name in edge_names(nodes)
    )
    start = time.perf_counter()
    assert canonical_cell(operations, nodes).count("nor_conv_3x3") == 9
    assert time.perf_counter() - start < 1


def test_a_cell_of_nothing_answers_zeros_and_lets_gradients_through() -> None:
    module = Cell(3, {})
    input = torch.randn(2, 3, 4, 4, requires_grad=True)
    answer = module(input)
    answer.sum().backward()
    assert answer.abs().sum() == 0
    assert input.grad is not None
    assert input.grad.abs().sum() == 0


def test_a_cell_computes_what_its_graph_says() -> None:
    module = Cell(2, {"1<-0": "avg_pool_3x3", "3<-1": "skip_connect", "3<-0": "skip_connect"})
    input = torch.ones(1, 2, 3, 3)
    torch.testing.assert_close(module(input), input * 2)  # padding does not count in the average


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_a_reduction_halves_any_map_rounded_up(size: int) -> None:
    assert Reduction(2, 4)(torch.zeros(2, 2, size, size)).shape == (2, 4, (size + 1) // 2, (size + 1) // 2)


@pytest.mark.parametrize(
    ("edges", "nodes", "says"),
    [({"9<-0": "none"}, 4, "edges from"), ({"1<-0": "conv"}, 4, "operation from"), ({}, 1, "nodes from 2")],
)
def test_a_cell_written_wrongly_is_refused(edges: dict[str, str], nodes: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cell(4, edges, nodes)
