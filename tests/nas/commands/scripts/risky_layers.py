"""A module of a user's own, beside the script that uses it: some of its layers go wrong when they train."""

import time

import torch
from torch import Tensor, nn


class Risky(nn.Module):
    """Passes its input on, or fails in one of the ways in which networks fail."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta or not self.training:
            return x
        if self.fault == "exception":
            raise ArithmeticError("no such thing")
        if self.fault == "nan":
            return x * float("nan")
        if self.fault == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if self.fault == "slow":
            time.sleep(1)
        return x
