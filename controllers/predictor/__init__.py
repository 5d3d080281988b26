"""Evolution on a surrogate: a Gaussian process says which of many mutants are worth a training.

- `predictor`: the controller.
- `evolver`: breeds candidates for what the surrogate thinks of them.
- `surrogate`: from results to beliefs about objectives and limits; `archive` bounds what it learns from.
- `acquisition`: beliefs as one number to climb (expected improvement, Thompson sampling).
- `gaussian_process`: regression with uncertainty.
- `scored_inputs`: features with the scores of untrained networks beside them.
- `features`: architectures as genomes and as features; `activity` says which genes are active.

All but `predictor` import numpy and scipy.
"""

from controllers.predictor.predictor import PredictorEvolution

__all__ = ["PredictorEvolution"]
