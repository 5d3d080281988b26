"""Networks of which some go wrong while they train, in the ways that a worker must outlive."""

import time

import torch
from torch import Tensor, nn


class Faulty(nn.Module):
    """Passes its input on; in training it first does what its fault is.

    ``kind``: ``none``, ``exception``, ``nan``, ``hang`` (no report ever), ``memory`` (a gigabyte more in each
    step). ``seconds``: that every step takes. ``ballast``: numbers among the weights that do nothing.
    """

    def __init__(self, kind: str, seconds: float, ballast: int) -> None:
        super().__init__()
        self.kind, self.seconds = kind, seconds
        self.register_buffer("ballast", torch.rand(ballast))
        self._held: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or not self.training:
            return x
        time.sleep(self.seconds)
        if self.kind == "exception":
            raise ArithmeticError("no such thing")
        if self.kind == "nan":
            return x * float("nan")
        if self.kind == "hang":
            time.sleep(10_000)
        if self.kind == "memory":
            self._held.append(torch.ones(2**28))
        return x
