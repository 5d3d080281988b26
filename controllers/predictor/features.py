"""Architectures as rows of numbers: genomes to breed, features to learn from.

A *genome* has one gene for each hole that leaves anything to decide: the index of the option for a choice,
the place on the unit interval for a number, NaN where the hole is not active.
"""

import numpy as np
from numpy.typing import NDArray

from controllers.predictor.activity import Activity
from search_spaces import Architecture, Space
from search_spaces.holes import Choice, Hole, Value

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_PLACES = 10_001  # integers with more values are treated as real numbers
NO_PLACES = np.empty(0)
SPREADS = np.array([0.2, 0.05, 0.0125])  # of a mutation of a number: from the whole range to fine tuning


class Genomes:
    """Translates between the architectures of a space, genomes and features; makes new genomes.

    Attributes:
        holes: the holes with more than one value, one for each gene.
        num_genes: the number of these holes.
        num_features: the number of columns of `features`.
        options: the number of options of each gene, 0 for a number.
        columns: the features that stand for each gene.
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
        self._activity = Activity(space, self._indices)

    def encode(self, architecture: Architecture) -> Floats:
        """Returns the genome of an architecture, shape (num_genes,).

        Decisions unknown to this space are left out.
        """
        genome = np.full(self.num_genes, np.nan)
        for path, value in architecture.decisions.items():
            index = self._indices.get(path)
            if index is not None and self.holes[index].contains(value):
                genome[index] = self._gene(index, value)
        return genome

    def decode(self, genome: Floats) -> Architecture:
        """Returns the architecture of a genome whose active holes all have their genes."""

        def pick(path: str, hole: Hole) -> Value:
            if path not in self._indices:
                return hole.value_at(0)
            gene = float(genome[self._indices[path]])
            return hole.value_at(int(gene)) if isinstance(hole, Choice) else hole.from_unit(gene)

        return self._space.fill(pick)

    def features(self, genomes: Floats) -> Floats:
        """Returns one-hot options, and numbers as they are: shape (n, num_features).

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
        """Draws random genomes, shape (count, num_genes)."""
        return self._settled(np.full((count, self.num_genes), np.nan), rng)

    def mutate(self, parents: Floats, rng: np.random.Generator) -> Floats:
        """Returns a child of each parent, with one or two active genes moved: the shape of `parents`.

        Genes that become active by it are random.
        """
        children = parents.copy()
        everyone = np.arange(len(parents))
        self._move_one(children, everyone, rng)
        self._move_one(children, everyone[rng.random(len(parents)) < 0.5], rng)
        return self._settled(children, rng)

    def _settled(self, genomes: Floats, rng: np.random.Generator) -> Floats:
        """Returns genomes with random values for active genes without one, and none for the inactive."""
        genomes = np.where(np.isnan(genomes), self._random(len(genomes), rng), genomes)
        positions = {gene: self._positions(gene, genomes[:, gene]) for gene in self._activity.deciding}
        genomes[~self._activity(positions, len(genomes))] = np.nan
        return genomes

    def _random(self, count: int, rng: np.random.Generator) -> Floats:
        """Draws a value for every gene, shape (count, num_genes)."""
        genomes = rng.random((count, self.num_genes))
        genomes[:, self._categorical] = np.floor(
            genomes[:, self._categorical] * self.options[self._categorical]
        )
        for gene, places in self._places.items():
            if len(places):
                genomes[:, gene] = places[_nearest(places, _spread(places, genomes[:, gene]))]
        return genomes

    def _positions(self, gene: int, values: Floats) -> Integers:
        """Returns the positions of a gene's values among all values of its hole."""
        return _nearest(self._places[gene], values) if gene in self._places else values.astype(np.int64)

    def _move_one(self, genomes: Floats, rows: Integers, rng: np.random.Generator) -> None:
        """Moves one active gene of each row, in place: an option to another, a number by a normal step."""
        if not self.num_genes:
            return
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
    """Returns where on the unit interval the values of an integer lie; none for a real number."""
    if hole.num_values is None or hole.num_values > MOST_PLACES:
        return NO_PLACES
    return np.array([hole.to_unit(hole.value_at(place)) for place in range(hole.num_values)])


def _nearest(places: Floats, numbers: Floats) -> Integers:
    return np.searchsorted((places[1:] + places[:-1]) / 2.0, numbers)


def _spread(places: Floats, numbers: Floats) -> Floats:
    """Stretches numbers of the unit interval so that the first and the last place get their full share."""
    low = 1.5 * places[0] - 0.5 * places[1]
    high = 1.5 * places[-1] - 0.5 * places[-2]
    return np.asarray(low + numbers * (high - low))


def _next_places(places: Floats, before: Floats, after: Floats, rng: np.random.Generator) -> Floats:
    """Returns the places nearest to `after`, but a neighbour where that would be the one `before`."""
    old, new = _nearest(places, before), _nearest(places, after)
    aside = np.where(rng.random(len(old)) < 0.5, 1, -1)
    aside = np.where(old == 0, 1, np.where(old == len(places) - 1, -1, aside))
    return places[np.where(new == old, old + aside, new)]
