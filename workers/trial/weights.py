"""A network's weights as bytes in the safetensors format."""

from safetensors.torch import save
from torch import nn


def to_safetensors(network: nn.Module) -> bytes:
    """The ``state_dict`` of a network, from any device and in any layout; equal weights give equal bytes.

    Tensors that share memory (tied weights) are written once for each name, so that any reader can load them.
    """
    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()
    }
    # One entry only: safetensors writes several in an order that changes from call to call.
    return save(state, metadata={"format": "pt"})
