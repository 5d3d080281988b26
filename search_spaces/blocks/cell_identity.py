"""When two cells of NAS-Bench-201 compute the same: a canonical form of the cell's graph.

Rules, each of which keeps the function and the number of parameters:

1. ``none`` is no edge. An edge from a node that the input does not reach, or to one that does not reach the
   output, vanishes.
2. ``skip_connect`` is the identity, and sums are commutative and associative: a node is a multiset of terms.
   How nodes are numbered does not count.
3. Average pooling is linear, so it goes through sums: ``pool(a + b) = pool(a) + pool(b)``. A term is
   therefore a number of poolings and what is pooled: the cell's input, or the answer of a convolution.
4. A convolution edge has weights of its own: it is an atom, known by its kernel and by its input (a multiset
   of terms). Used twice it is one atom counted twice; two convolutions of one input are two atoms.
   ``conv(x) + conv(x)`` with two sets of weights is thus not twice ``conv(x)``.

What is left is a small acyclic graph of atoms. Two cells are the same where these graphs are isomorphic: the
form is the least description over all orders of the atoms that the rules cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations in the order of the benchmark's own code."""

MOST_NODES = 12
"""The largest cell."""

_POOL = "avg_pool_3x3"

_Term = tuple[int, int]
"""Number of poolings, and what is pooled: an atom's index, or `_INPUT`."""

_Sum = tuple[tuple[_Term, int], ...]
"""A multiset of terms: each with how often it stands there, sorted."""

_INPUT = -1


@lru_cache
def edge_names(nodes: int) -> tuple[str, ...]:
    """The edges of a cell by name, in the benchmark's order: ``1<-0``, ``2<-0``, ``2<-1``, ...

    Raises:
        ValueError: fewer than two nodes, or more than `MOST_NODES`.
    """
    if not 2 <= nodes <= MOST_NODES:
        raise ValueError(f"expected nodes from 2 to {MOST_NODES}, got {nodes}")
    return tuple(f"{target}<-{source}" for target in range(1, nodes) for source in range(target))


def live_edges(operations: Sequence[str], nodes: int) -> Iterator[tuple[int, int, str]]:
    """The edges on a path from input to output, as (target, source, operation), in the order of `edge_names`.

    Args:
        operations: the operation of each edge, in the order of `edge_names`.
    """
    pairs = ((target, source) for target in range(1, nodes) for source in range(target))
    edges = [(t, s, op) for (t, s), op in zip(pairs, operations, strict=True) if op != "none"]
    reached = [True] + [False] * (nodes - 1)
    for target, source, _ in edges:
        reached[target] = reached[target] or reached[source]
    needed = [False] * (nodes - 1) + [True]
    for target, source, _ in reversed(edges):
        needed[source] = needed[source] or needed[target]
    return (edge for edge in edges if reached[edge[1]] and needed[edge[0]])


@lru_cache(maxsize=65536)
def canonical_cell(operations: tuple[str, ...], nodes: int) -> str:
    """The canonical form of a cell: ``x`` for the identity, ``0`` for one that answers zeros.

    Args:
        operations: the operation of each edge, in the order of `edge_names`.
        nodes: the number of nodes, input and output included.
    """
    kinds, inputs, output = _atoms(operations, nodes)
    return _written(kinds, inputs, output, _least_order(kinds, inputs, output))


def _atoms(operations: Sequence[str], nodes: int) -> tuple[list[str], list[_Sum], _Sum]:
    """The atoms of a cell: their operations, their inputs, and the sum that is the output."""
    kinds: list[str] = []
    inputs: list[_Sum] = []
    sums: list[dict[_Term, int]] = [{(0, _INPUT): 1}, *({} for _ in range(nodes - 1))]
    for target, source, operation in live_edges(operations, nodes):
        terms = sums[source]
        if operation == _POOL:
            terms = {(pools + 1, atom): count for (pools, atom), count in terms.items()}
        elif operation != "skip_connect":
            kinds.append(operation)
            inputs.append(tuple(sorted(terms.items())))
            terms = {(0, len(kinds) - 1): 1}
        into = sums[target]
        for term, count in terms.items():
            into[term] = into.get(term, 0) + count
    return kinds, inputs, tuple(sorted(sums[-1].items()))


def _least_order(kinds: list[str], inputs: list[_Sum], output: _Sum) -> list[int]:
    """Ranks of the atoms that make the written form least among all isomorphic graphs.

    Colour refinement, then each atom of the first class of several in turn set apart: the search tree of
    McKay's canonical labelling, without its pruning beyond twins (a cell has few atoms).
    """
    uses: list[list[tuple[int, int, int]]] = [[] for _ in kinds]  # by whom, with how many poolings, how often
    for user, terms in enumerate([*inputs, output]):
        for (pools, atom), count in terms:
            if atom != _INPUT:
                uses[atom].append((user, pools, count))

    def refined(colours: list[int]) -> list[int]:
        classes = len(set(colours))
        while True:
            looks = [
                (
                    colours[i],
                    kinds[i],
                    sorted((p, -1 if a == _INPUT else colours[a], c) for (p, a), c in inputs[i]),
                    sorted((-1 if u == len(kinds) else colours[u], p, c) for u, p, c in uses[i]),
                )
                for i in range(len(kinds))
            ]
            order = sorted(range(len(kinds)), key=looks.__getitem__)
            colours = [0] * len(kinds)
            for before, here in pairwise(order):
                colours[here] = colours[before] + (looks[here] != looks[before])
            found = len(set(colours))
            if found == classes:
                return colours
            classes = found

    def leaves(colours: list[int]) -> Iterator[list[int]]:
        colours = refined(colours)
        tied = next((c for c in colours if colours.count(c) > 1), None)
        if tied is None:
            yield colours
            return
        members = [i for i, colour in enumerate(colours) if colour == tied]
        seen: set[tuple[_Sum, tuple[tuple[int, int, int], ...]]] = set()
        for member in members:
            twin = (inputs[member], tuple(uses[member]))
            if twin in seen:  # swapping two twins changes nothing: one of them will do
                continue
            seen.add(twin)
            yield from leaves([2 * c + (c == tied and i != member) for i, c in enumerate(colours)])

    if not kinds:
        return []
    return min(leaves([0] * len(kinds)), key=lambda ranks: _written(kinds, inputs, output, ranks))


def _written(kinds: list[str], inputs: list[_Sum], output: _Sum, ranks: list[int]) -> str:
    """The graph as text, with the atoms in order of ``ranks``."""

    def text(terms: _Sum) -> str:
        ranked = sorted((pools, -1 if atom == _INPUT else ranks[atom], n) for (pools, atom), n in terms)
        return "+".join(
            f"{n if n > 1 else ''}{'p' * pools}{'x' if rank < 0 else f'a{rank}'}" for pools, rank, n in ranked
        )

    order = sorted(range(len(kinds)), key=ranks.__getitem__)
    lines = [f"a{ranks[i]}={kinds[i]}({text(inputs[i])})" for i in order]
    return ";".join([*lines, text(output) or "0"])
