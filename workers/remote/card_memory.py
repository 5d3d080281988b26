"""The share of a card's memory that a worker may use, of which its trials are held to no more."""

from __future__ import annotations

CONTEXT = 512 * 2**20
"""Bytes that a process takes of a card before it holds any tensor, with the kernels of usual networks.

About what CUDA 12 and 13 take on cards of data centres; torch's limits do not count it.
"""


def hold_to(share: float, device: str) -> None:
    """Holds this process to a share of its card's memory; a CPU has no such bound.

    What a trial asks for above that raises `torch.OutOfMemoryError` in this process, and in no neighbour.

    Args:
        share: the share, above 0, 1 at most, with what CUDA itself takes.
        device: the device that the process trains on.
    """
    if device != "cuda":
        return
    import torch

    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(of_the_tensors(share, total))


def of_the_tensors(share: float, total: int) -> float:
    """Returns the share of a card's memory that is left for tensors.

    Args:
        share: the share of the process; the whole card leaves all to be tried.
        total: the bytes that the card has.
    """
    return share if share >= 1 else max(share - CONTEXT / total, share / 2)
