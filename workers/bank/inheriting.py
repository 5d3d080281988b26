"""Networks that take their weights from a bank: to be scored with them, or to be trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.meanings.meaning import in_common, meanings
from search_spaces.signature import Signature
from workers.acceleration import PLAIN, Acceleration
from workers.bank.bank import Bank
from workers.bank.shared_tensor import SharedTensor
from workers.bank.view import Axes, unequivocal
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.averaging import recalibrate
from workers.training.criterion import Forward, adapt
from workers.training.metrics import evaluate
from workers.training.random_state import IsolatedRandomState
from workers.training.standardisation import standardise, target_scales
from workers.training.training import lay_out, precision_of


def inherit_from(
    bank: Bank, network: nn.Module, architecture: Architecture, signature: Signature
) -> tuple[int, int]:
    """Sets the parameters of a network to those that a bank has for it; the bank stays as it is.

    Returns:
        How many numbers of the network the bank had, and how many there are.

    Raises:
        BuildError: the architecture does not fit the signature.
    """
    known, met = meanings(architecture, signature), Counter[str]()
    taken = whole = 0
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            key, axes = unequivocal(met, known[name].key, known[name].axes, parameter.shape)
            whole += parameter.numel()
            if (shared := bank.tensors.get(key)) is not None:
                taken += _take(parameter, axes, shared)
    return taken, whole


def _take(parameter: Tensor, axes: Axes, shared: SharedTensor) -> int:
    """Sets what a shared tensor has of a parameter; returns how many numbers that is."""
    here, there = in_common(axes, shared.places)
    mine, theirs = _grid(here, parameter.device), _grid(there, shared.value.device)
    known = shared.known[theirs].to(parameter.device)
    parameter[mine] = torch.where(known, shared.value[theirs].to(parameter), parameter[mine])
    return int(known.sum())


def _grid(places: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, ...]:
    rows = [torch.tensor(row, dtype=torch.int64, device=device) for row in places]
    return torch.meshgrid(*rows, indexing="ij") if rows else ()


@dataclass(frozen=True)
class Heir:
    """A network with the weights of a bank, ready to answer.

    Attributes:
        network: the network, in evaluation mode.
        share: the share of its numbers that the bank had; the others are as they were initialised.
        problem: the problem that it is for.
        forward: the function that asks it.
        device: where it is.
    """

    network: nn.Module
    share: float
    problem: Problem
    forward: Forward
    device: torch.device

    def metrics(self, split: Split | None, check: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Returns its metrics on a split, by name.

        Args:
            split: the split of the problem; None: it has none such.
            check: the function that is called between batches; it raises to stop early.
        """
        return evaluate(
            self.forward,
            self.network,
            split,
            self.problem.signature.tasks,
            check=check,
            device=self.device,
            scales=target_scales(self.network),
        )


def heir(
    bank: Bank,
    architecture: Architecture,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str | None = None,
    check: Callable[[], None] = lambda: None,
    acceleration: Acceleration = PLAIN,
) -> Heir:
    """Returns a network with the weights of a bank.

    The statistics of its batch normalisation are measured anew, on training examples: those of one network
    are of no use to another (Guo et al., "Single Path One-Shot", ECCV 2020, section 3.4).

    Args:
        bank: the bank, which was trained and stays as it is.
        architecture: the network.
        problem: the problem.
        recipe: how the bank was trained.
        seed: the seed of those examples, and of the weights that the bank does not have.
        device: the device; None: where the data are.
        check: the function that is called between batches; it raises to stop early.
        acceleration: how the device is made use of.

    Raises:
        BuildError: the network does not fit the problem.
    """
    device = problem.train.device if device is None else torch.device(device)
    signature = problem.signature
    with IsolatedRandomState(seed, device):
        network = architecture.build(signature)
        standardise(network, problem, recipe)
        taken, whole = inherit_from(bank, network, architecture, signature)
        network.to(device)
        forward = adapt(network, signature, precision_of(recipe, device, acceleration))
        lay_out(network, forward, problem, device)
        generator = torch.Generator().manual_seed(seed)
        recalibrate(network, forward, problem.train, generator, check=check, device=device)
    return Heir(network, taken / max(1, whole), problem, forward, device)
