"""A network's weights as bytes in the safetensors format."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from search_spaces.errors import FormatError


def to_safetensors(network: nn.Module) -> bytes:
    """The ``state_dict`` of a network, from any device and in any layout; equal weights give equal bytes.

    Tensors that share memory (tied weights) are written once for each name, so that any reader can load them.
    """
    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()
    }
    # One entry only: safetensors writes several in an order that changes from call to call.
    return save(state, metadata={"format": "pt"})


def inherit(network: nn.Module, data: bytes) -> int:
    """Sets a network's weights to those of another one where names, shapes and types match; others stay.

    So a child begins where its parent was in E. Real et al., "Large-Scale Evolution of Image Classifiers",
    ICML 2017.

    Args:
        network: the network, which is changed in place.
        data: the weights as `to_safetensors` returns them.

    Returns:
        How many tensors of its ``state_dict`` it got.

    Raises:
        FormatError: the data are no safetensors.
    """
    try:
        given = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise FormatError(f"weights to begin from: {error}") from error
    count = 0
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            came = given.get(name)
            if came is not None and came.shape == tensor.shape and came.dtype == tensor.dtype:
                tensor.copy_(came)
                count += 1
    return count
