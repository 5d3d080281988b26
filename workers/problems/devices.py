"""Where tensors are: devices by name, those that are not there refused."""

from collections.abc import Callable

import torch

from search_spaces.errors import NasError


def check_device(device: torch.device | str, error: Callable[[str], NasError]) -> None:
    """Check that tensors can be put on a device.

    Args:
        device: the device, or its name.
        error: the error to raise.

    Raises:
        NasError: the error, where there is no such device.
    """
    try:
        torch.zeros(1, device=device).item()  # which the device "meta" has not
    except (RuntimeError, AssertionError, ValueError) as wrong:
        why = str(wrong).splitlines()[0]
        raise error(
            f"device: expected one of this machine, such as 'cpu', got {str(device)!r:.40}: {why:.200}"
        ) from wrong
