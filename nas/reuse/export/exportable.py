"""What an export is made of: a network with its weights, how it did, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from search_spaces.architecture import Architecture
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from workers.problems.frames.preprocessing import Preprocessing


class Exportable(Protocol):
    """A network that can be exported; `nas.reuse.Found` is one, and describes the attributes."""

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

    @property
    def preprocessing(self) -> Preprocessing | None: ...
