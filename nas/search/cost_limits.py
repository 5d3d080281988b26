"""The limits on what a network costs, which can be checked before any training."""

from __future__ import annotations

from collections.abc import Mapping

from nas.description import COSTS, Description
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError
from workers.failures import message_of


class CostCheck:
    """Holds networks against the limits on their costs.

    Args:
        description: the description of the search.

    Attributes:
        needed: whether there is any such limit. (A table measures costs itself: it has no network to count.)
    """

    def __init__(self, description: Description) -> None:
        self._signature, self._limits = description.signature, description.limits
        costs = COSTS - set(description.metrics)
        self.needed = any(limit.metric in costs for limit in description.limits)

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """Returns the costs of a network, by name.

        Raises:
            BuildError: it cannot be built.
        """
        try:
            return architecture.cost(self._signature).to_dict()
        except BuildError:
            raise
        except Exception as error:  # a user's module may raise anything
            raise BuildError(message_of(error)) from error

    def broken(self, costs: Mapping[str, float]) -> str | None:
        """Returns which limit a network breaks, in words; None: none."""
        for limit in self._limits:
            if limit.metric in costs and limit.violation(costs[limit.metric]) > 0:
                return f"{limit.metric} is {costs[limit.metric]:,}, the limit {limit}"
        return None
