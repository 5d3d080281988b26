"""What a network costs, found on torch's meta device: nothing is allocated, nothing is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass


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
