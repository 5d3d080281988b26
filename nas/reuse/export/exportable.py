"""What can be exported: a network with its weights, how it did, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from search_spaces.architecture import Architecture
from search_spaces.building.network import Network
from search_spaces.signature import Signature


class Exportable(Protocol):
    """What an export is made of; `nas.reuse.Found` is one. The attributes are described there."""

    @property
    def architecture(self) -> Architecture: ...

    @property
    def signature(self) -> Signature: ...

    @property
    def weights(self) -> bytes | None: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def test_metrics(self) -> Mapping[str, float]: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    def build(self) -> Network:
        """The network with its trained weights, in evaluation mode."""
