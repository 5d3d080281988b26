"""Architectures as rows of numbers: genomes to breed, features to learn from.

A *genome* has one gene for each hole that leaves anything to decide: the index of the option for a choice,
the place on the unit interval for a number, NaN where the hole is not active.
"""

import random

import numpy as np
from numpy.typing import NDArray

from search_spaces import Architecture, Space
from search_spaces.holes import Choice, Hole, Value

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PROBES = 64  # samples that tell whether a space is conditional
MOST_PLACES = 4096  # integers with more values than this are treated as real numbers
NO_PLACES = np.empty(0)
SPREADS = np.array([0.2, 0.05, 0.0125])  # of a mutation of a number: from the whole range to fine tuning


class Genomes:
    """Translates between the architectures of a space, genomes and features; makes new genomes.

    Attributes:
        num_genes: holes with more than one value.
        num_features: columns of `features`.
        options: per gene, how many options; 0 for a number.
        columns: per gene, the features that stand for it.
        conditional: whether some hole may be inactive, as far as 64 samples tell. A space mistaken for a flat
            one is searched all the same, only that new genomes then have genes for inactive holes, too.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._indices: dict[str, int] = {}
        self.holes: list[Hole] = []
        for path, hole in space.holes().items():
            if hole.num_values != 1:
                self._indices[path] = len(self.holes)
                self.holes.append(hole)
        self.num_genes = len(self.holes)
        self.options = np.array([_num_options(hole) for hole in self.holes], dtype=np.int64)
        widths = np.maximum(self.options, 1)
        ends = np.cumsum(widths)
        self.columns = [slice(int(end - width), int(end)) for end, width in zip(ends, widths, strict=True)]
        self.num_features = int(widths.sum())
        self._categorical = np.flatnonzero(self.options > 0)
        self._numeric = np.flatnonzero(self.options == 0)
        self._starts = ends - widths
        self._places = {int(index): _places(self.holes[index]) for index in self._numeric}
        rng = random.Random(0)
        self.conditional = self.num_genes > 0 and any(
            np.isnan(self.encode(space.sample(rng))).any() for _ in range(PROBES)
        )

    def encode(self, architecture: Architecture) -> Floats:
        """The genome of an architecture, shape (num_genes,). Decisions unknown to this space are left out."""
        genome = np.full(self.num_genes, np.nan)
        for path, value in architecture.decisions.items():
            index = self._indices.get(path)
            if index is not None and self.holes[index].contains(value):
                genome[index] = self._gene(index, value)
        return genome

    def decode(self, genome: Floats, rng: random.Random) -> Architecture:
        """The architecture of a genome; active holes without a gene are sampled."""

        def pick(path: str, hole: Hole) -> Value:
            index = self._indices.get(path)
            gene = np.nan if index is None else float(genome[index])
            if gene != gene:
                return hole.sample(rng)
            return hole.value_at(int(gene)) if isinstance(hole, Choice) else hole.from_unit(gene)

        return self._space.fill(pick)

    def features(self, genomes: Floats) -> Floats:
        """One-hot options, and numbers as they are: shape (n, num_features).

        An inactive choice is all zeros and an inactive number stands in the middle of its range, so that what
        is inactive is no further from a value than two values may be from each other.
        """
        found = np.zeros((len(genomes), self.num_features))
        genes = genomes[:, self._categorical]
        rows, which = np.nonzero(~np.isnan(genes))
        found[rows, self._starts[self._categorical][which] + genes[rows, which].astype(np.int64)] = 1.0
        found[:, self._starts[self._numeric]] = np.nan_to_num(genomes[:, self._numeric], nan=0.5)
        return found

    def sample(self, count: int, rng: np.random.Generator) -> Floats:
        """Random genomes, shape (count, num_genes)."""
        if self.conditional:
            draw = _python_random(rng)
            return np.array([self.encode(self._space.sample(draw)) for _ in range(count)])
        genomes = rng.random((count, self.num_genes))
        genomes[:, self._categorical] = np.floor(
            genomes[:, self._categorical] * self.options[self._categorical]
        )
        for gene, places in self._places.items():
            if len(places):
                genomes[:, gene] = places[_nearest(places, genomes[:, gene])]
        return genomes

    def mutate(self, parents: Floats, rng: np.random.Generator) -> Floats:
        """A child of each parent, with one or two active genes moved, shape of `parents`."""
        children = parents.copy()
        everyone = np.arange(len(parents))
        self._move_one(children, everyone, rng)
        self._move_one(children, everyone[rng.random(len(parents)) < 0.5], rng)
        if not self.conditional:
            return children
        draw = _python_random(rng)
        return np.array([self.encode(self.decode(child, draw)) for child in children])

    def _move_one(self, genomes: Floats, rows: Integers, rng: np.random.Generator) -> None:
        """Move one active gene of each row, in place: an option to another, a number by a normal step."""
        active = ~np.isnan(genomes[rows])
        genes = np.argmax(active * rng.random(active.shape), axis=1)
        before = genomes[rows, genes]
        others = self.options[genes] - 1
        option = np.floor(rng.random(len(rows)) * others)
        option += option >= before
        steps = rng.standard_normal(len(rows)) * rng.choice(SPREADS, len(rows))
        number = np.abs(before + steps) % 2.0  # reflected at the ends of the range
        number = np.where(number > 1.0, 2.0 - number, number)
        for gene in np.unique(genes):
            places = self._places.get(int(gene), NO_PLACES)
            if len(places):
                moving = genes == gene
                number[moving] = _next_places(places, before[moving], number[moving], rng)
        # no hole active: the gene is NaN and stays so
        genomes[rows, genes] = np.where(others >= 0, np.where(np.isnan(before), before, option), number)

    def _gene(self, index: int, value: Value) -> float:
        hole = self.holes[index]
        return float(hole.position(value)) if isinstance(hole, Choice) else hole.to_unit(value)


def _num_options(hole: Hole) -> int:
    return len(hole.labels) if isinstance(hole, Choice) else 0


def _places(hole: Hole) -> Floats:
    """Where on the unit interval the values of an integer lie; none for a real number."""
    if hole.num_values is None or hole.num_values > MOST_PLACES:
        return NO_PLACES
    return np.array([hole.to_unit(hole.value_at(place)) for place in range(hole.num_values)])


def _nearest(places: Floats, numbers: Floats) -> Integers:
    return np.searchsorted((places[1:] + places[:-1]) / 2.0, numbers)


def _next_places(places: Floats, before: Floats, after: Floats, rng: np.random.Generator) -> Floats:
    """Those of the places nearest to `after`, but a neighbour where that would be the one `before`."""
    old, new = _nearest(places, before), _nearest(places, after)
    aside = np.where(rng.random(len(old)) < 0.5, 1, -1)
    aside = np.where(old == 0, 1, np.where(old == len(places) - 1, -1, aside))
    return places[np.where(new == old, old + aside, new)]


def _python_random(rng: np.random.Generator) -> random.Random:
    return random.Random(int(rng.integers(2**62)))
