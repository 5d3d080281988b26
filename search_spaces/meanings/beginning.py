"""How tensors begin that a network has and another one lacks, so that both answer the same at first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Beginning:
    """How new tensors begin.

    Attributes:
        zeros: those that begin with zeros, by name: the last ones of branches that are added to something.
        identities: weights of linear layers and convolutions that hand on what they get, by name.
        norms: normalisations that hand on what they get, by the name of the module.
    """

    zeros: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    norms: frozenset[str] = frozenset()

    def __or__(self, other: Beginning) -> Beginning:
        return Beginning(
            self.zeros | other.zeros, self.identities | other.identities, self.norms | other.norms
        )

    def __len__(self) -> int:
        return len(self.zeros) + len(self.identities) + len(self.norms)


NOTHING = Beginning()
"""For what has no new tensors on its way."""
