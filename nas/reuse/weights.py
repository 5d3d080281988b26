"""The network of an architecture with the weights that were kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.architecture import Architecture
from search_spaces.errors import FormatError, StoreError
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from search_spaces.building.network import Network


def network_with_weights(architecture: Architecture, signature: Signature, weights: bytes | None) -> Network:
    """Returns a network with its trained weights, in evaluation mode.

    Args:
        architecture: the architecture of the network.
        signature: the inputs and tasks that it serves.
        weights: its trained weights as safetensors; None where they were not kept.

    Raises:
        StoreError: the weights were not kept.
        FormatError: they are not the weights of this network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    if weights is None:
        raise StoreError(
            f"the weights of {architecture.id} were not kept: "
            "a search keeps those of its best networks only (keep_weights=); nas.retrain trains it again"
        )
    network = architecture.build(signature)
    try:
        network.load_state_dict(load_tensors(weights))
        network.settle()
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise FormatError(f"not the weights of {architecture.id}: {what:.300}") from error
    return network.eval()
