"""What a network has and another one lacks does nothing at first, wherever that can be had."""

from __future__ import annotations

import inspect
import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from controllers.moves import Moves
from search_spaces import (
    Classification,
    Image,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tokens,
    Vector,
    choice,
    integer,
    layer,
    repeat,
    sequential,
)
from search_spaces.architecture import Architecture
from search_spaces.blocks import Cell, Residual
from search_spaces.catalog import catalog, load
from search_spaces.meanings.meaning import kinship
from workers.trial.inheritance import inherit
from workers.weights import to_safetensors

IMAGE = Signature({"image": Image(2, 8, 8)}, {"kind": Classification(3)})
POINT = Signature({"point": Vector(5)}, {"kind": Classification(3)})
SERIES = Signature({"wave": Sequence(8, 3)}, {"kind": Classification(4)})
ROW = Signature({"row": TabularRow(3, (2, 9))}, {"kind": Classification(3)})
TEXT = Signature({"text": Tokens(6, 20)}, {"kind": Classification(4)})


def example_of(signature: Signature) -> Tensor:
    (kind,) = signature.inputs.values()
    return kind.random(16)


def answers_of(
    before: Architecture, after: Architecture, signature: Signature
) -> tuple[Tensor, Tensor, nn.Module]:
    """What a parent and its child answer to some examples, and the child."""
    torch.manual_seed(0)
    parent, example = before.build(signature), example_of(signature)
    parent(example)  # running statistics of its own
    kin = kinship(after, before, signature)
    child = after.build(signature)
    inherit(child, kin, to_safetensors(parent))
    with torch.no_grad():
        return parent.eval()(example), child.eval()(example), child


def assert_learns(child: nn.Module, signature: Signature) -> None:
    """Every parameter moves within three steps."""
    example = example_of(signature)
    before = {name: one.detach().clone() for name, one in child.named_parameters()}
    optimizer = torch.optim.SGD(child.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        child.train()(example).square().sum().backward()
        optimizer.step()
    assert [name for name, one in child.named_parameters() if torch.equal(one, before[name])] == []


class Scaled(nn.Module):
    """A user's residual branch, with a scale of its own behind it."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(in_features, in_features))
        self.scale = nn.Parameter(torch.ones(in_features))

    def forward(self, input: Tensor) -> Tensor:
        return input + torch.tanh(input @ self.first.t()) * self.scale


class Rectified(nn.Module):
    """A residual branch that ends in a ReLU, behind which zeros would learn nothing."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(in_features, in_features)

    def forward(self, input: Tensor) -> Tensor:
        return input + torch.relu(self.inner(input))


class Beside(nn.Module):
    """A user's module whose answer stands beside its input."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(in_features, 3)

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat([torch.tanh(self.inner(input)), input], -1)


DENSE = sequential(layer(nn.Linear, out_features=6), layer(nn.ReLU))
MAPS = sequential(layer(nn.Conv2d, out_channels=4, kernel_size=3, padding=1), layer(nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("first", "block", "signature"),
    [
        pytest.param(DENSE, DENSE, POINT, id="linear layer and ReLU"),
        pytest.param(DENSE, layer(nn.Linear, out_features=6), POINT, id="linear layer"),
        pytest.param(DENSE, layer(nn.Linear, out_features=9), POINT, id="linear layer, wider"),
        pytest.param(DENSE, layer(Scaled), POINT, id="residual of a user's own"),
        pytest.param(DENSE, layer(Beside), POINT, id="features beside"),
        pytest.param(
            MAPS, layer(nn.Conv2d, out_channels=4, kernel_size=5, padding="same"), IMAGE, id="convolution"
        ),
        pytest.param(
            MAPS,
            layer(nn.Conv2d, out_channels=4, kernel_size=3, padding=2, dilation=2, groups=4),
            IMAGE,
            id="depthwise convolution",
        ),
        pytest.param(
            sequential(MAPS, layer(nn.ReLU)), layer(Residual, out_channels=4), IMAGE, id="residual block"
        ),
        pytest.param(
            sequential(MAPS, layer(nn.ReLU)), layer(Residual, out_channels=6), IMAGE, id="projected residual"
        ),
    ],
)
def test_a_child_with_more_layers_answers_what_its_parent_did_and_learns(
    first: Any, block: Any, signature: Signature
) -> None:
    space = Space(sequential(first, repeat(block, integer(0, 3)), layer(nn.Flatten)))
    for fewer, more in ((0, 1), (1, 3)):
        path = next(path for path in space.holes() if path.endswith("times"))
        before, after = (space.plain({path: times}) for times in (fewer, more))
        ours, theirs, child = answers_of(before, after, signature)
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
        assert_learns(child, signature)


def test_a_branch_that_ends_in_a_relu_begins_as_ever() -> None:
    space = Space(sequential(DENSE, repeat(layer(Rectified), integer(0, 1))))
    before, after = (space.plain({"1.times": times}) for times in (0, 1))
    assert not kinship(after, before, POINT).beginning


@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU])
def test_a_layer_before_another_activation_begins_as_ever(activation: type[nn.Module]) -> None:
    block = sequential(layer(nn.Linear, out_features=6), layer(activation))
    space = Space(sequential(DENSE, repeat(block, integer(0, 1))))
    before, after = (space.plain({"1.times": times}) for times in (0, 1))
    assert not kinship(after, before, POINT).beginning


def test_an_edge_more_in_a_cell_begins_as_none() -> None:
    kind = choice("none", "nor_conv_3x3")
    space = Space(
        sequential(
            MAPS, layer(Cell, edges={"1<-0": "skip_connect", "2<-0": kind, "2<-1": "nor_conv_1x1"}, nodes=3)
        )
    )
    path = next(path for path in space.holes() if "2<-0" in path)
    before, after = (space.plain({path: one}) for one in ("none", "nor_conv_3x3"))
    ours, theirs, child = answers_of(before, after, IMAGE)
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
    assert_learns(child, IMAGE)


def test_a_shortcut_that_widens_hands_on_what_it_gets() -> None:
    space = Space(
        sequential(
            layer(nn.Conv2d, out_channels=choice(4, 6), kernel_size=1),
            layer(nn.ReLU),
            layer(Residual, out_channels=6),
        )
    )
    before, after = (space.plain({"0.out_channels": width}) for width in (6, 4))
    beginning = kinship(after, before, IMAGE).beginning
    assert beginning.identities == {"body.2.shortcut.0.weight"}
    assert beginning.norms == {"body.2.shortcut.1"}
    assert not beginning.zeros


def deepened(space: Space, rng: random.Random) -> tuple[Architecture, Architecture]:
    """A random network of a space, and one with one more of something."""
    moves = Moves(space)
    while True:
        parent = space.sample(rng)
        child = moves.mutate(parent, rng)
        both = parent.decisions.keys() & child.decisions.keys()
        moved = [path for path in both if parent.decisions[path] != child.decisions[path]]
        if len(moved) == 1 and moved[0].endswith(("times", "depth")):
            before, after = (one.decisions[moved[0]] for one in (parent, child))
            if isinstance(before, int) and isinstance(after, int) and 0 < before < after:
                return parent, child


SHARES = {
    "cnn": (IMAGE, 5),
    "vit": (IMAGE, 8),
    "series": (SERIES, 1),
    "text": (TEXT, 3),
    "mlp": (POINT, 1),
    "table": (ROW, 5),
}
"""Of each space what it serves, and how many of eight deeper children answer what their parents did."""


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SHARES))
def test_deeper_children_of_the_catalogs_spaces_answer_what_their_parents_did(name: str) -> None:
    signature, least = SHARES[name]
    wants = "signature" in inspect.signature(catalog[name]).parameters
    space = load(name, signature=signature) if wants else load(name)
    rng, same = random.Random(0), 0
    for _ in range(8):
        ours, theirs, _ = answers_of(*deepened(space, rng), signature)
        off = (ours - theirs).square().mean() / (ours - ours.mean(0)).square().mean()
        same += bool(off < 1e-4)
    assert same >= least


class Tabled(nn.Module):
    """A user's layer with numbers that are fixed."""

    def __init__(self, in_features: int, persistent: bool = True) -> None:
        super().__init__()
        table = torch.linspace(1, 2, in_features)
        self.register_buffer("table", table, persistent=persistent)

    def forward(self, input: Tensor) -> Tensor:
        return input + self.table


@pytest.mark.parametrize("persistent", [True, False])
def test_what_is_fixed_in_a_new_layer_stays_what_it_is(persistent: bool) -> None:
    more = choice(none=None, more=layer(Tabled, persistent=persistent))
    space = Space({"model": sequential(layer(nn.Linear, out_features=6), layer(nn.ReLU), more)})
    before, after = (space.plain({"model.2": one}) for one in ("none", "more"))
    _, _, child = answers_of(before, after, POINT)
    (table,) = [one for name, one in child.named_buffers() if name.endswith("table")]
    torch.testing.assert_close(table, torch.linspace(1, 2, 6))


class Smoothed(nn.Module):
    """A new layer beside its own mean over neighbours."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.made = nn.Conv2d(in_channels, in_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        made = self.made(input)
        return made + torch.nn.functional.avg_pool2d(made, 3, 1, 1)


def test_a_new_layer_beside_what_is_made_of_it_does_not_answer_nothing() -> None:
    space = Space({"model": sequential(MAPS, choice(none=None, more=layer(Smoothed)), layer(nn.ReLU))})
    before, after = (space.plain({"model.1": one}) for one in ("none", "more"))
    _, answers, child = answers_of(before, after, IMAGE)
    assert answers.std(0).min() > 0
    made = next(module for module in child.modules() if isinstance(module, Smoothed))
    assert made.made.weight.abs().sum() > 0
