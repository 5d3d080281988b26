"""The public address of the plots, as in ``nas.plots.pareto()``; see `nas.results.plots`."""

from nas.results.plots import best_so_far, curves, importance, pareto

__all__ = ["best_so_far", "curves", "importance", "pareto"]
