"""What a zero-cost score is computed from: networks that nobody has trained, and batches of their problem."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from search_spaces.architecture import Architecture
from search_spaces.building.network import Network
from search_spaces.errors import ProblemError, ZeroCostError
from search_spaces.signature import Signature
from workers.problems.problem import Problem
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.batches import in_order
from workers.training.criterion import Criterion, TrainingLoss
from workers.training.random_state import seed_all
from workers.training.standardisation import standardise
from workers.zero_cost import LEAST


@dataclass
class Probe:
    """An architecture on a problem, as zero-cost scores look at it.

    Whatever it hands out is the score's own, to be changed at will.

    Attributes:
        architecture: the architecture.
        problem: the problem; scores see its training examples only.
        batch_size: the examples in a batch, as far as there are so many.
        seed: the seed of the weights, the batches and whatever else is random.
        built: the network that was built last; None: none was.
    """

    architecture: Architecture
    problem: Problem
    batch_size: int
    seed: int
    built: Network | None = field(default=None, init=False)

    @property
    def signature(self) -> Signature:
        """The inputs and tasks of the problem."""
        return self.problem.signature

    @property
    def device(self) -> torch.device:
        """Where the data are, and where everything is computed."""
        return self.problem.train.device

    def network(self, *, standardised: bool = True) -> Network:
        """Builds the network, with the same weights each time, in training mode but for dropout.

        Args:
            standardised: whether it standardises inputs and targets, as it would to be trained. False: for
                inputs that are not of the problem.
        """
        seed_all(self.seed, self.device)
        network = self.architecture.build(self.signature)
        if standardised:
            standardise(network, self.problem, Recipe.of(self.architecture))
        self.built = network.to(self.device).train()
        for module in network.modules():
            if isinstance(module, _DropoutNd):
                module.p = 0.0
            elif isinstance(module, nn.MultiheadAttention | nn.RNNBase):
                module.dropout = 0.0
        return network

    def batch(self, number: int = 0, of: int = 1) -> Split:
        """Returns examples of the training split, drawn by the seed; masks are on the CPU.

        Args:
            number: the number of the batch, from 0.
            of: the number of batches, no two of which have an example in common.

        Raises:
            ProblemError: there are too few examples.
        """
        return self._draw(torch.arange(len(self.problem.train)), number, of)

    def whole_batch(self) -> Split:
        """Returns examples that lack no input, drawn by the seed.

        Raises:
            ProblemError: there are too few of them.
        """
        train = self.problem.train
        there = torch.ones(len(train), dtype=torch.bool)
        for mask in train.present.values():
            there &= mask.cpu()
        return self._draw(there.nonzero().squeeze(1), 0, 1)

    def _draw(self, rows: Tensor, number: int, of: int) -> Split:
        train = self.problem.train
        size = min(self.batch_size, len(rows) // of)
        if size < LEAST:
            whole = "" if len(rows) == len(train) else " that have all inputs"
            raise ProblemError(
                f"problem {self.problem.name!r}: expected at least {LEAST * of} training examples{whole}, to "
                f"score a network that is not trained, got {len(rows)}: count (num_params, num_macs)"
            )
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(rows), generator=generator)
        chosen = rows[order[number * size : (number + 1) * size]].to(train.device)
        return next(in_order(train.select(chosen), size, self.device))

    def loss(self, network: Network, batch: Split) -> Tensor:
        """Returns the sum of the tasks' losses, each over the examples of the batch that have its label.

        Raises:
            ProblemError: no example of the batch has any label.
        """
        criterion = Criterion(network, self.signature, Recipe(), self.problem.train.num_domains)
        losses = TrainingLoss(network, criterion.to(self.device), self.signature)(batch).tasks
        if not losses:
            raise ProblemError(
                f"problem {self.problem.name!r}: none of the {len(batch)} examples drawn has a label: "
                "take a larger batch"
            )
        return torch.stack(list(losses.values())).sum()


def weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of a network by name: parameters of two axes or more, without biases and normalisations."""
    return {n: p for n, p in network.named_parameters() if p.requires_grad and p.ndim > 1}


def named_layer(network: nn.Module, name: str) -> str:
    """A layer in words: its place in the network, and what it is."""
    return f"{name} ({type(network.get_submodule(name)).__name__})"


def undefined(score: str, why: str) -> ZeroCostError:
    """The error that says that a network has no such score.

    Args:
        score: the name of the score.
        why: what stands in its way, with the layer of the network.
    """
    return ZeroCostError(
        f"{score}: {why}: leave {score} out, or take one that every network has (num_params, grad_norm, snip)"
    )
