"""What a network costs, found on torch's meta device: nothing is allocated, nothing is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search_spaces.nodes import Model
    from search_spaces.signature import Signature


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        num_params: trainable parameters, heads included.
        num_macs: multiply-adds of one forward pass of one example: those of every matrix product,
            convolution and attention, in whatever layer they happen (counted by operator, not by layer);
            element-wise work and pooling have none.
        activation_bytes: memory that one example's activations hold until the backward pass, in bytes.
    """

    num_params: int
    num_macs: int
    activation_bytes: int

    def to_dict(self) -> dict[str, float]:
        """The costs by name."""
        return asdict(self)


def measure(model: Model, signature: Signature) -> Cost:
    """The cost of the network that ``model`` builds for ``signature``.

    Raises:
        BuildError: it cannot be built.
    """
    from search_spaces.building.build import BATCH, outline
    from search_spaces.building.counters import Counters

    counters = Counters()
    network, _ = outline(model, signature, counters.watch)
    held = counters.held_bytes(network.parameters())
    return Cost(
        num_params=sum(p.numel() for p in network.parameters() if p.requires_grad),
        num_macs=counters.num_macs() // BATCH,
        activation_bytes=held // BATCH,
    )
