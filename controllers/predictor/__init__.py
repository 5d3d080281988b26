"""Evolution led by a model of the results: features of decisions, a Gaussian process, what it proposes."""

from controllers.predictor.predictor import PredictorEvolution

__all__ = ["PredictorEvolution"]
