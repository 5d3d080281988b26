"""What every space must keep, as tests for spaces of your own: inherit `SpaceContract`.

What the tests are made of can be used by itself: inputs and targets at random, the shapes of answers, and
checks that a network answers and learns. This needs pytest; nothing else of the project imports it.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from search_spaces.architecture import Architecture
from search_spaces.building.network import Network
from search_spaces.signature import Signature
from search_spaces.space import Space
from search_spaces.tasks import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Tagging,
    Task,
)

Make = Callable[[], Space]
"""Makes a space."""

TaskLoss = Callable[[Task, Tensor, Tensor], Tensor]
"""A loss, of a task, the answers to it and its targets."""


class SpaceContract:
    """The tests that every space must pass. Inherit it and say which space, by fixtures of these names.

    `make` and `signature` must be given; `samples`, `least_size`, `least_distinct` and `elsewhere` may be.

    Example:
        >>> class TestMySpace(SpaceContract):
        ...     @pytest.fixture
        ...     def make(self):
        ...         return my_space
        ...
        ...     @pytest.fixture
        ...     def signature(self):
        ...         return Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
    """

    @pytest.fixture
    def make(self) -> Make:
        """What makes the space: a function of a module, or one that pickles, so that another process can."""
        raise NotImplementedError("a fixture 'make' says what makes the space")

    @pytest.fixture
    def signature(self) -> Signature:
        """The signature that networks of the space are built for."""
        raise NotImplementedError("a fixture 'signature' says what the networks serve")

    @pytest.fixture
    def samples(self) -> int:
        """The number of architectures that are looked at."""
        return 200

    @pytest.fixture
    def least_size(self) -> int:
        """The least number of architectures that the space has."""
        return 2

    @pytest.fixture
    def least_distinct(self) -> float:
        """The least share of samples that differ from all others."""
        return 0.5

    @pytest.fixture
    def elsewhere(self, make: Make) -> list[str]:
        """The identities of some samples, found in another process."""
        (identities,) = identities_elsewhere([make], 50)
        return identities

    @pytest.fixture
    def space(self, make: Make) -> Space:
        """The space."""
        return make()

    @pytest.fixture
    def architectures(self, space: Space, samples: int) -> list[Architecture]:
        """Samples of the space, the same in every test."""
        return sampled(space, samples)

    def test_samples_build_run_and_give_every_parameter_a_gradient(
        self, architectures: list[Architecture], signature: Signature
    ) -> None:
        torch.manual_seed(0)
        inputs, rng = random_inputs(signature, 5), random.Random(0)
        for i, architecture in enumerate(architectures):
            network = architecture.build(signature)
            check_learning(network, inputs, architecture)
            if len(inputs) > 1:
                check_learning(network, inputs, architecture, random_presence(signature, 5, rng))
            check_answers(network, inputs, architecture)
            if i % 20 == 0:
                check_cost(architecture, network)

    def test_samples_survive_json_and_their_decisions(
        self, space: Space, architectures: list[Architecture]
    ) -> None:
        for architecture in architectures:
            text = architecture.to_json()
            again = Architecture.from_json(text)
            assert again.to_json() == text
            assert space.architecture(json.loads(text)["decisions"]).id == again.id == architecture.id

    def test_the_space_survives_json(self, space: Space) -> None:
        again = Space.from_json(space.to_json())
        assert again.holes() == space.holes()
        assert again.sample(random.Random(7)).id == space.sample(random.Random(7)).id

    def test_identities_are_the_same_in_every_process(self, space: Space, elsewhere: list[str]) -> None:
        assert elsewhere == [architecture.id for architecture in sampled(space, len(elsewhere))]

    def test_the_space_is_counted_and_its_samples_differ(
        self, space: Space, architectures: list[Architecture], least_size: int, least_distinct: float
    ) -> None:
        distinct = len({architecture.id for architecture in architectures})
        assert space.size() >= max(least_size, distinct)
        assert distinct >= least_distinct * len(architectures)


def sampled(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    """Returns architectures at random: the same for the same seed."""
    rng = random.Random(seed)
    return [space.sample(rng) for _ in range(count)]


def identities_elsewhere(makes: Sequence[Make], count: int) -> list[list[str]]:
    """Finds the identities of each space's first samples in another process, with other hashes of text."""
    code = (
        "import json, pickle, sys\n"
        "sys.path[:] = json.loads(sys.argv[1])\n"
        "from search_spaces.testing import sampled\n"
        "makes, count = pickle.load(sys.stdin.buffer)\n"
        "print(json.dumps([[a.id for a in sampled(make(), count)] for make in makes]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(sys.path)],
        input=pickle.dumps((list(makes), count)),
        env={**os.environ, "PYTHONHASHSEED": "4321"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


def random_inputs(signature: Signature, count: int) -> dict[str, Tensor]:
    """Returns a batch: numbers and categories at random; texts, and series that are padded, of different
    lengths, the first one empty."""
    part = max(1, count - 1)
    return {
        name: kind.cut(kind.random(count), torch.arange(count) * kind.shape[0] // part)
        for name, kind in signature.inputs.items()
    }


def random_presence(signature: Signature, count: int, rng: random.Random) -> dict[str, Tensor]:
    """Returns which examples have which input: each has at least one; now and then none has the first one."""
    present = {name: torch.tensor([rng.random() < 0.6 for _ in range(count)]) for name in signature.inputs}
    *others, last = present
    if others and rng.random() < 0.3:
        present[others[0]] = torch.zeros(count, dtype=torch.bool)
    present[last] |= ~torch.stack(list(present.values())).any(0)
    return present


def random_target(signature: Signature, task: str, count: int) -> Tensor:
    """Returns targets of a task at random; in retrieval every item matches only itself."""
    kind = signature.tasks[task]
    if isinstance(kind, Classification | Ordinal):
        return torch.randint(kind.classes, (count,))
    if isinstance(kind, MultiLabel):
        return torch.randint(2, (count, kind.classes)).float()
    if isinstance(kind, CountRegression):
        return torch.randint(9, (count, kind.outputs)).float()
    if isinstance(kind, QuantileRegression):
        return torch.randn(count, 1)
    if isinstance(kind, Tagging):
        return torch.randint(kind.tags, answer_shape(signature, task, count)[:2])
    if isinstance(kind, Retrieval):
        return torch.arange(count)
    if isinstance(kind, Generation):
        return torch.randint(1, kind.vocabulary, (count, kind.length))
    if isinstance(kind, DenseMap) and kind.discrete:
        return torch.randint(kind.outputs, (count, kind.height, kind.width))
    return torch.randn(answer_shape(signature, task, count))


def answer_shape(signature: Signature, task: str, count: int) -> tuple[int, ...]:
    """Returns the shape of the answers to a task for ``count`` examples."""
    kind = signature.tasks[task]
    if isinstance(kind, Tagging):
        return (count, signature.inputs[signature.tagged_input(task)].shape[0], kind.tags)
    if isinstance(kind, Retrieval):
        return (count, 2, kind.features)
    if isinstance(kind, Generation):
        return (count, kind.length, kind.vocabulary)
    if isinstance(kind, DenseMap):
        return (count, kind.outputs, kind.height, kind.width)
    known = Classification | MultiLabel | Ordinal | Regression | CountRegression | QuantileRegression
    assert isinstance(kind, known), f"a kind of task unknown here: {kind!r}"
    return (count, kind.outputs)


def distance(task: Task, answer: Tensor, target: Tensor) -> Tensor:
    """Returns a loss for any task: the mean squared distance from numbers at random."""
    return (answer - torch.randn_like(answer)).square().mean()


def loss_of(
    network: Network,
    inputs: Mapping[str, Tensor],
    present: Mapping[str, Tensor] | None = None,
    task_loss: TaskLoss = distance,
) -> Tensor:
    """Returns the sum of the tasks' losses on targets at random.

    Args:
        network: the network that answers.
        inputs: a batch for it.
        present: which examples have which input; None: all have all.
        task_loss: the loss where a head has none of its own.
    """
    signature, encoding = network.signature, network.encode(inputs, present)
    count = next(iter(inputs.values())).shape[0]
    losses = []
    for name, task in signature.tasks.items():
        head: Any = network.head(name)
        features, mask = encoding.features[name], encoding.masks[name]
        target = random_target(signature, name, count)
        if hasattr(head, "loss"):
            losses.append(head.loss(features, target, mask))
        else:
            losses.append(task_loss(task, head(features, mask=mask), target))
    return torch.stack(losses).sum()


def check_learning(
    network: Network,
    inputs: Mapping[str, Tensor],
    which: object,
    present: Mapping[str, Tensor] | None = None,
    task_loss: TaskLoss = distance,
) -> None:
    """Asserts that a loss is finite, and that every parameter gets a finite gradient of it.

    Args:
        network: the network that learns.
        inputs: a batch for it.
        which: what messages say of the network.
        present: which examples have which input; None: all have all. With it a parameter may get no gradient.
        task_loss: the loss where a head has none of its own.
    """
    network.zero_grad()
    loss = loss_of(network.train(), inputs, present, task_loss)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite(), f"the loss of {which} is {loss.item()}"
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            assert present is not None, f"{name} of {which} gets no gradient"
        else:
            assert parameter.grad.isfinite().all(), f"{name} of {which} gets a gradient that is not finite"
    if present is None:
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        assert torch.nn.utils.get_total_norm(gradients) > 0, f"all gradients of {which} are 0"


def check_answers(network: Network, inputs: Mapping[str, Tensor], which: object) -> None:
    """Asserts that a network, in evaluation mode, answers every task with finite numbers in its shape.

    Args:
        network: the network that answers.
        inputs: a batch for it, by name.
        which: what messages say of the network.
    """
    count = next(iter(inputs.values())).shape[0]
    with torch.no_grad():
        answers = network.eval()(dict(inputs))
    shapes = {task: tuple(answer.shape) for task, answer in answers.items()}
    expected = {task: answer_shape(network.signature, task, count) for task in network.signature.tasks}
    assert shapes == expected, f"{which} answers in shapes {shapes}, expected {expected}"
    assert all(answer.isfinite().all() for answer in answers.values()), f"answers of {which} are not finite"


def check_cost(architecture: Architecture, network: Network) -> None:
    """Asserts that the cost of an architecture tells the parameters of its network, and that it has some."""
    cost = architecture.cost(network.signature)
    assert cost.num_params == sum(parameter.numel() for parameter in network.parameters())
    assert min(cost.num_macs, cost.activation_bytes) > 0
