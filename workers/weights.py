"""A network's weights as bytes in the safetensors format."""

from torch import nn


def to_safetensors(network: nn.Module, metadata: dict[str, str] | None = None) -> bytes:
    """The ``state_dict`` of a network, from any device and in any layout.

    Tensors that share memory (tied weights) are written once for each name, so that any reader can load them.
    """
    from safetensors.torch import save

    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()
    }
    return save(state, metadata={"format": "pt", **(metadata or {})})
