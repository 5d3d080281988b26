"""Random search: the plain baseline that every other controller has to beat."""

from controllers.base import Controller, Draft, Outcome, Proposal


class RandomSearch(Controller):
    """Samples every active decision independently of all results.

    J. Bergstra and Y. Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 2012; as a baseline for
    architectures: L. Li and A. Talwalkar, "Random Search and Reproducibility for NAS", UAI 2019.
    """

    def _propose(self) -> Draft:
        return self._draw()

    def _learn(self, proposal: Proposal, outcome: Outcome) -> None:
        pass
