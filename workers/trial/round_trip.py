"""Whether what a trial trains can be loaded again: a network built anew, with the weights that were kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from search_spaces.errors import BuildError
from workers.training.criterion import adapt

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from workers.problems.problem import Problem
    from workers.training.criterion import Precision

_EXAMPLES = 8
_RELATIVE = 1e-2
"""By how much answers may differ, of their size: layouts and precisions make them differ by less."""


class Kept:
    """What is kept of a network, noted when it is built: its ``state_dict`` must have the same in the end.

    Args:
        network: the network as it was built.

    Raises:
        BuildError: it has a tensor that cannot be kept.
    """

    def __init__(self, network: nn.Module) -> None:
        self._shapes = _shapes(network)
        for name, tensor in network.state_dict().items():
            if not _is_kept(tensor.dtype):
                raise BuildError(f"{name}: its weights cannot be kept: no file of them holds {tensor.dtype}")

    def check(self, network: nn.Module) -> None:
        """Compares a network with what it was.

        Raises:
            BuildError: it has other tensors now, so that a network built anew cannot take its weights.
        """
        came = _shapes(network)
        new, gone = sorted(came.keys() - self._shapes.keys()), sorted(self._shapes.keys() - came.keys())
        if new:
            raise BuildError(
                f"{_listed(new)}: made while the network ran, so that the trained network cannot be loaded "
                "again: a network built anew does not have it; register it in __init__ (register_buffer), of "
                "its final shape"
            )
        if gone:
            raise BuildError(f"{_listed(gone)}: was there when the network was built, and is not any more")
        for name, shape in came.items():
            if shape != self._shapes[name]:
                raise BuildError(
                    f"{name}: of shape {shape} now, and of shape {self._shapes[name]} when the network was "
                    "built, so that the trained network cannot be loaded again: make it of its final shape "
                    "in __init__"
                )


def check_answers(
    architecture: Architecture,
    problem: Problem,
    network: nn.Module,
    weights: bytes,
    device: torch.device,
    precision: Precision,
) -> None:
    """Builds a network anew, loads the weights, and compares its answers with those of the trained one.

    Of a network that answers at random, in evaluation mode, nothing is known; it is left alone.

    Args:
        architecture: the architecture of the network.
        problem: the problem; some of its validation examples are tried.
        network: the trained network; it is left in evaluation mode.
        weights: its weights as safetensors.
        device: the device of the network.
        precision: the context that it computes in.

    Raises:
        BuildError: the answers differ, or there are none.
    """
    try:
        again = architecture.build(problem.signature)
        again.load_state_dict(load(weights))
        again.to(device)
    except Exception as error:  # a user's module may raise anything
        words = " ".join(str(error).split())
        raise BuildError(f"the trained network cannot be loaded again: {words:.300}") from error
    own, own_again, anew = (_answers(one, problem, device, precision) for one in (network, network, again))
    if not _close(own, own_again):
        return
    if not _close(own, anew):
        loose = sorted(_loose(network))
        hint = f" ({_listed(loose)}: no buffer; register_buffer makes it one)" if loose else ""
        raise BuildError(
            "a network that was built anew, with the trained weights, answers otherwise than the trained "
            f"one: something that it has learnt is not in its state_dict{hint}"
        )


def _answers(
    network: nn.Module, problem: Problem, device: torch.device, precision: Precision
) -> list[Tensor]:
    network.eval()
    batch = problem.validation.take(slice(_EXAMPLES)).map(lambda tensor: tensor.clone()).to(device)
    with torch.inference_mode():
        outputs = adapt(network, problem.signature, precision)(batch)
    return [outputs[name].float() for name in sorted(outputs)]


def _close(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(
        one.shape == other.shape
        and torch.allclose(
            one,
            other,
            rtol=_RELATIVE,
            atol=_RELATIVE * float(one.nan_to_num().abs().amax()) if one.numel() else 0.0,
            equal_nan=True,
        )
        for one, other in zip(some, others, strict=True)
    )


def _loose(network: nn.Module) -> Iterable[str]:
    """Yields the tensors that modules hold as plain attributes."""
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                yield f"{path}.{name}".strip(".")


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@cache
def _is_kept(dtype: torch.dtype) -> bool:
    """Whether safetensors knows a type."""
    try:
        load(save({"one": torch.zeros(1, dtype=dtype)}))
    except Exception:  # such as a KeyError
        return False
    return True


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
