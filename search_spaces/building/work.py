"""What a network's operators do in a forward pass, on which its speed depends; found on the meta device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What the operators of a network do in one forward pass, heads included.

    Attributes:
        num_operators: operators on the way of the gradient, whatever the size of the batch; views are none.
            A recurrent layer counts as many for each step as its steps take time.
        num_written: numbers that they write for each example.
        num_macs: multiply-adds for each example (see `search_spaces.building.cost.Cost`), but the batched.
        num_batched_macs: multiply-adds for each example in products of many small matrices, as attention
            makes them.
        num_params: trainable parameters.
    """

    num_operators: int
    num_written: int
    num_macs: int
    num_batched_macs: int
    num_params: int
