"""Features of architectures with their scores beside them, on one scale."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from controllers.predictor.features import Genomes
from controllers.scores import REMEMBERED, Hints, Scores

Floats = NDArray[np.float64]

SAMPLE = 64  # random networks that say on what scale a score is
QUARTILES = 1.349  # standard deviations between the quartiles of a normal distribution
MOST = 3.0  # standard deviations from the middle of those, beyond which scores are all alike


class ScoredInputs:
    """Features with a column for each score, as far as the scores can be paid.

    A score is given in standard deviations from the median of random networks, both by the quartiles: scores
    have no unit in common, and some fall to minus infinity. A network without a score stands in the middle.

    Args:
        genomes: the genomes of the space.
        hints: what scores networks.
        seed: the seed of the random networks.
    """

    def __init__(self, genomes: Genomes, hints: Hints, seed: int) -> None:
        self._genomes, self._hints = genomes, hints
        self._sample = genomes.sample(SAMPLE, np.random.default_rng(seed % 2**64))
        self._known: dict[bytes, Scores] = {}
        self._middle: Floats | None = None
        self._spread = np.ones(0)
        self.count = len(hints.function.names)

    @property
    def affordable(self) -> int:
        """The number of new networks that can be scored beside the sample; below 0: not even that."""
        owed = 0 if self._middle is not None else SAMPLE
        return self._hints.affordable - owed

    def num_new(self, genomes: Iterable[Floats]) -> int:
        """Returns how many of some genomes have not been scored yet."""
        return len({genome.tobytes() for genome in genomes} - self._known.keys())

    def __call__(self, genomes: Floats) -> Floats:
        """Returns the features, shape (n, num_features), and the scores after them, (n, scores)."""
        if self._middle is None:
            drawn = self._values(self._sample)
            drawn[~np.isfinite(drawn)] = np.nan
            there = ~np.isnan(drawn).all(axis=0)
            quartiles = np.zeros((3, self.count))
            quartiles[:, there] = np.nanpercentile(drawn[:, there], [25, 50, 75], axis=0)
            self._middle = quartiles[1]
            self._spread = (quartiles[2] - quartiles[0]) / QUARTILES
        values = self._values(genomes) - self._middle
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.where(self._spread > 0.0, values / self._spread, 0.0)
        scores = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=MOST, neginf=-MOST), -MOST, MOST)
        return np.hstack([self._genomes.features(genomes), scores])

    def _values(self, genomes: Floats) -> Floats:
        """Returns scores as they are, shape (n, scores)."""
        found = np.empty((len(genomes), self.count))
        for row, genome in enumerate(genomes):
            key = genome.tobytes()
            if key not in self._known:
                if len(self._known) == REMEMBERED:
                    self._known.clear()
                self._known[key] = self._hints.scores(self._genomes.decode(genome))
            found[row] = self._known[key]
        return found
