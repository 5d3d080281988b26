"""A network's weights as bytes in the safetensors format, and what such bytes hold."""

import json

from safetensors.torch import load, save
from torch import Tensor, nn


def to_safetensors(network: nn.Module) -> bytes:
    """The ``state_dict`` of a network, from any device and in any layout; equal weights give equal bytes.

    Tensors that share memory (tied weights) are written once for each name, so that any reader can load them.
    """
    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()
    }
    # One entry only: safetensors writes several in an order that changes from call to call.
    return save(state, metadata={"format": "pt"})


def from_safetensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file in the safetensors format, by name, and the words in its header.

    Raises:
        SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError: it is none.
    """
    tensors = load(data)
    # safetensors shows the words of a file by its path alone: eight bytes of length, then JSON
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return tensors, header.get("__metadata__", {})
