"""Composites: what is written as one layer and built as many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search_spaces.nodes import Layer
    from search_spaces.signature import Signature


class Composite(ABC):
    """A class for `layer` that is no module itself: a model is described with it in few words.

    Made of its arguments when the network is built, it says which layer they stand for.
    """

    @abstractmethod
    def expand(self, signature: Signature | None = None) -> Layer:
        """The layer that is built instead.

        Args:
            signature: what the network must serve; None: all that it can.

        Raises:
            ValueError: the arguments make no network for it.
        """
