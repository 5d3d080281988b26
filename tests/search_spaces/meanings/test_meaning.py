"""What the tensors of networks mean: what is known by one name and index is one and the same thing."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import (
    Classification,
    Image,
    Regression,
    Sequence,
    Signature,
    Space,
    TabularRow,
    Tokens,
    Vector,
    choice,
    layer,
    sequential,
)
from search_spaces.architecture import Architecture
from search_spaces.blocks import FeatureTokenizer, Inception, Parallel, Recurrent, TransformerLayer
from search_spaces.blocks.backbone.sharing import TaskAttention
from search_spaces.catalog import catalog, cell, cnn, load, multitask
from search_spaces.meanings.meaning import Meaning, meanings
from search_spaces.testing import sampled

IMAGE = Signature({"image": Image(1, 16, 16)}, {"kind": Classification(5)})
VECTOR = Signature({"point": Vector(6)}, {"kind": Classification(3)})
SERIES = Signature({"wave": Sequence(12, 3)}, {"kind": Classification(4)})
SIGNATURES = {
    "cnn": IMAGE,
    "cell": IMAGE,
    "vit": IMAGE,
    "mlp": VECTOR,
    "series": SERIES,
    "text": Signature({"text": Tokens(9, 50)}, {"kind": Classification(4)}),
    "table": Signature({"row": TabularRow(3, (2, 9, 40))}, {"kind": Classification(4)}),
    "multitask": Signature(IMAGE.inputs, {"a": Classification(5), "b": Regression(1)}),
    "multimodal": Signature(
        {**IMAGE.inputs, **SERIES.inputs}, {"a": Classification(5), "b": Classification(4)}
    ),
}
SIZES = ("width", "out_features", "out_channels", "embedding_dim", "kernel", "mlp_ratio", "channels")


def space_of(name: str) -> Space:
    wants = "signature" in inspect.signature(catalog[name]).parameters
    return load(name, signature=SIGNATURES[name]) if wants else load(name)


def enlarged(space: Space, small: Architecture) -> Architecture:
    """The same architecture with the largest sizes that there are."""

    def pick(path: str, hole: Any) -> Any:
        value = small.decisions[path]
        if not value or isinstance(value, str | bool) or not any(one in path for one in SIZES):
            return value
        return max(one for one in (*(hole.values or ()), value) if isinstance(one, int | float))

    return space.fill(pick)


class _Affine(nn.Module):
    """Layer normalisation without the normalisation, for which all features count."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: Tensor) -> Tensor:
        return input * self.weight + self.bias


def made_local(network: nn.Module) -> nn.Module:
    """The network with nothing left that depends on how many features there are, zeros included."""
    for module in list(network.modules()):
        if isinstance(module, TaskAttention):
            module.width = 1  # attention is scaled by it
        for name, child in list(module.named_children()):
            if isinstance(child, nn.LayerNorm):
                setattr(module, name, _Affine(child))
    return network.eval()


def put_into(large: nn.Module, there: dict[str, Meaning], small: nn.Module, here: dict[str, Meaning]) -> bool:
    """Sets a large network to the numbers of a small one where they mean the same, and to zeros elsewhere.

    Returns:
        Whether there was a place for all of them, and the large network has nothing that does more than take
        part: a shortcut with a convolution where the small one has none.
    """
    state = {
        name: torch.zeros_like(value) if value.is_floating_point() else value
        for name, value in large.state_dict().items()
    }
    names = {meaning.key: name for name, meaning in there.items()}
    if {key for key in names if "shortcut" in key} != {
        one.key for one in here.values() if "shortcut" in one.key
    }:
        return False
    for name, value in small.state_dict().items():
        target = names[here[name].key]
        if value.dim():
            places = [
                torch.tensor([{one: i for i, one in enumerate(theirs)}[one] for one in ours])
                for ours, theirs in zip(here[name].axes, there[target].axes, strict=True)
            ]
            state[target][torch.meshgrid(*places, indexing="ij")] = value
        else:
            state[target] = value
    large.load_state_dict(state)
    return True


@pytest.fixture
def unscaled(monkeypatch: pytest.MonkeyPatch) -> None:
    attend: Callable[..., Any] = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **options: attend(*args, **options, scale=0.1)
    )


LARGE = ("multitask", "multimodal")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.soak) if name in LARGE else name
        for name in SIGNATURES
        if name != "cell"
    ],
)
@pytest.mark.usefixtures("unscaled")
def test_a_network_within_a_larger_one_answers_the_same(name: str) -> None:
    space, signature, rng = space_of(name), SIGNATURES[name], random.Random(name)
    compared = 0
    for _ in range(12 if name in LARGE else 8):
        small = space.sample(rng)
        large = enlarged(space, small)
        networks = [one.build(signature) for one in (small, large)]
        with torch.no_grad():
            for parameter in networks[0].parameters():
                nn.init.normal_(parameter, std=0.3)
        tensors = [meanings(one, signature) for one in (small, large)]
        if small.id == large.id or not put_into(networks[1], tensors[1], networks[0], tensors[0]):
            continue
        compared += 1
        example = signature.example(3)
        with torch.no_grad():
            first, second = (made_local(network)(example) for network in networks)
        for task in signature.tasks:
            ours, theirs = (one if isinstance(one, Tensor) else one[task] for one in (first, second))
            torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4 * float(ours.abs().max()))
    assert compared >= 3


@pytest.mark.soak
@pytest.mark.parametrize("name", list(SIGNATURES))
def test_nine_tenths_of_the_largest_network_are_slices(name: str) -> None:
    space, signature = space_of(name), SIGNATURES[name]
    rng = random.Random(0)
    found = [meanings(space.sample(rng), signature) for _ in range(20)]
    sizes: dict[tuple[str, int], set[int]] = {}
    for tensors in found:
        for one in tensors.values():
            for axis, indices in enumerate(one.axes):
                sizes.setdefault((one.key, axis), set()).add(len(indices))
    largest = max(found, key=lambda tensors: sum(map(numbers, tensors.values())))
    apart = [
        one
        for one in largest.values()
        if any(not s and len(sizes[one.key, axis]) > 1 for axis, s in enumerate(one.sliced))
    ]
    assert sum(map(numbers, apart)) <= 0.1 * sum(map(numbers, largest.values())), [one.key for one in apart]


def numbers(meaning: Meaning) -> int:
    count = 1
    for indices in meaning.axes:
        count *= len(indices)
    return count


@pytest.mark.parametrize("name", list(SIGNATURES))
def test_no_two_tensors_of_a_network_and_no_two_indices_of_an_axis_are_one(name: str) -> None:
    space, rng = space_of(name), random.Random(1)
    for _ in range(3):
        network = space.sample(rng)
        found = meanings(network, SIGNATURES[name])
        assert found.keys() == network.build(SIGNATURES[name]).state_dict().keys()
        assert len({one.key for one in found.values()}) == len(found)
        for one in found.values():
            for indices in one.axes:
                assert len(set(indices)) == len(indices)


def test_operations_of_one_edge_are_tensors_of_their_own() -> None:
    space = cell(channels=4, cells=1)
    edges = dict.fromkeys(space.holes(), "none")
    keys = [
        {one.key for one in meanings(space.architecture(edges | {"3<-0": name}), IMAGE).values()}
        for name in ("nor_conv_1x1", "nor_conv_3x3")
    ]
    differ = keys[0] ^ keys[1]
    assert differ
    assert all("3<-0=nor_conv" in key for key in differ)


def test_a_stage_keeps_its_place_whatever_stands_before_it() -> None:
    space = cnn(stages=2, depth=1, widths=(4,), dense_layers=1, dense_widths=(8,))
    plain = space.plain().decisions
    stage = {path: value for path, value in plain.items() if path.startswith("1.0")}
    two = space.plain({"1.times": 2, **{path.replace("1.0", "1.1"): value for path, value in stage.items()}})
    dense = {path: value for path, value in plain.items() if path.startswith("2")}
    pooled = space.plain({"1.times": 1, "1.0.downsample": "max", **dense})
    strided = space.plain({"1.times": 1, "1.0.downsample": "stride", **dense})
    keys = [{one.key for one in meanings(one, IMAGE).values()} for one in (pooled, strided, two)]
    assert keys[0] == keys[1] < keys[2]


def test_copies_of_a_stage_belong_to_their_tasks() -> None:
    signature = SIGNATURES["multitask"]
    space = multitask(signature, sharing=["independent", "hard"], encoders={"image": ["cnn"]})
    apart, together = (
        meanings(space.plain({"body.sharing": kind}), signature) for kind in ("independent", "hard")
    )
    stems = [
        {one.key for one in found.values() if ".image.0:" in one.key and one.key.endswith("Conv2d.weight")}
        for found in (apart, together)
    ]
    assert {key.split("/")[0] for key in stems[0]} == {"a", "b"}
    assert len(stems[1]) == 1
    assert not stems[0] & stems[1]


def axes(space: Space, signature: Signature, name: str, **decisions: Any) -> tuple[Any, ...]:
    return meanings(space.plain(decisions), signature)[name].axes


def test_behind_a_flatten_an_index_is_a_channel_at_a_position() -> None:
    grid = layer(nn.AdaptiveAvgPool2d, output_size=choice(2, 3))
    space = Space(
        sequential(
            layer(nn.Conv2d, out_channels=choice(2, 5), kernel_size=3),
            grid,
            layer(nn.Flatten),
            layer(nn.Linear, out_features=4),
        )
    )
    found = {
        (channels, side): set(
            axes(space, IMAGE, "body.3.weight", **{"0.out_channels": channels, "1.output_size": side})[1]
        )
        for channels in (2, 5)
        for side in (2, 3)
    }
    assert [len(found[one]) for one in ((2, 2), (5, 2), (5, 3))] == [8, 20, 45]
    assert found[2, 2] < found[5, 2]
    assert not found[2, 2] & found[2, 3]  # positions of a grid of another size


def test_features_of_branches_are_known_by_their_branch() -> None:
    space = Space(
        sequential(
            layer(Inception, out_channels=choice(8, 16)), layer(nn.Conv2d, out_channels=2, kernel_size=1)
        )
    )
    small, large = (axes(space, IMAGE, "body.1.weight", **{"0.out_channels": n})[1] for n in (8, 16))
    assert set(small) < set(large)
    assert small != large[:8]


def test_a_branch_that_is_left_out_changes_no_other_one() -> None:
    first = choice(none=None, some=layer(nn.Linear, out_features=3))
    space = Space(
        sequential(
            layer(Parallel, branches=[first, layer(nn.Linear, out_features=2)]),
            layer(nn.Linear, out_features=1),
        )
    )
    one, both = (
        axes(space, VECTOR, "body.1.weight", **{"0.branches.0": kind})[1] for kind in ("none", "some")
    )
    assert len(one) == 2
    assert {index[-1] for index in both[3:]} == set(one)


@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3)])
def test_rows_of_a_recurrent_layer_are_known_by_their_gate(name: str, gates: int) -> None:
    space = Space(layer(Recurrent, out_features=choice(2, 4), cell=name, bidirectional=False))
    small, large = (axes(space, SERIES, "body.0.ahead.weight_ih_l0", out_features=size)[0] for size in (2, 4))
    assert set(small) < set(large)
    assert [large.index(row) for row in small] == [4 * gate + i for gate in range(gates) for i in range(2)]


def test_features_of_attention_are_known_by_their_head() -> None:
    space = Space(
        sequential(
            layer(nn.Linear, out_features=choice(4, 8)), layer(TransformerLayer, heads=2, mlp_ratio=2.0)
        )
    )
    small, large = (
        axes(space, SERIES, "body.1.attention.project.weight", **{"0.out_features": size})[0]
        for size in (4, 8)
    )
    assert [large.index(row) for row in small] == [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21]


@pytest.mark.parametrize("frequencies", [0, 4])
def test_features_that_numbers_are_made_into_are_known_by_their_place(frequencies: int) -> None:
    tokenizer = layer(FeatureTokenizer, embedding_dim=choice(4, 8), frequencies=frequencies)
    space = Space(sequential(tokenizer, layer(nn.Linear, out_features=2)))
    weight = "body.0.periodic.weight" if frequencies else "body.0.weight"
    names = {weight: -1, "body.0.bias": -1, "body.0.categories.2.weight": -1, "body.1.weight": 1}
    for name, axis in names.items():
        small, large = (
            axes(space, SIGNATURES["table"], name, **{"0.embedding_dim": size})[axis] for size in (4, 8)
        )
        assert (len(small), len(large)) == (4, 8)
        assert small == large[:4]


def test_taps_of_a_kernel_are_known_by_their_distance_from_its_middle() -> None:
    space = Space(
        layer(nn.Conv2d, out_channels=2, kernel_size=choice(3, 5), dilation=choice(1, 2), padding="same")
    )

    def taps(kernel: int, dilation: int) -> tuple[Any, ...]:
        return axes(space, IMAGE, "body.0.weight", kernel_size=kernel, dilation=dilation)[2]

    assert taps(5, 1)[1:4] == taps(3, 1)
    assert taps(5, 1)[::2] == taps(3, 2)


class Mine(nn.Module):
    """A module of a user's own, in functions of torch."""

    def __init__(self, in_features: int, width: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(width, in_features))
        self.scale = nn.Parameter(torch.ones(width))
        self.last = nn.Linear(width, 2)

    def forward(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.last(torch.tanh(input @ self.first.t()) * self.scale))


class Halves(nn.Module):
    """One that takes the features of a layer apart: the first half gates the second."""

    def __init__(self, in_features: int, width: int) -> None:
        super().__init__()
        self.both = nn.Linear(in_features, 2 * width)
        self.last = nn.Linear(width, 2)

    def forward(self, input: Tensor) -> Tensor:
        gate, value = self.both(input).chunk(2, -1)
        return torch.as_tensor(self.last(gate.sigmoid() * value))


def test_modules_of_a_user_are_followed_through_functions_of_torch() -> None:
    space = Space(layer(Mine, width=choice(3, 5)))
    found = [meanings(space.plain({"width": width}), VECTOR) for width in (3, 5)]
    for name in ("first", "scale", "last.weight", "last.bias"):
        small, large = (one[f"body.0.{name}"] for one in found)
        assert all(small.sliced)
        assert small.key == large.key
        for ours, theirs in zip(small.axes, large.axes, strict=True):
            assert theirs[: len(ours)] == ours


def test_features_that_are_taken_apart_are_others_in_another_number() -> None:
    space = Space(layer(Halves, width=choice(3, 5)))
    small, large = (set(axes(space, VECTOR, "body.0.both.weight", width=width)[0]) for width in (3, 5))
    assert not small & large


class Looks(Mine):
    """One that looks at numbers, and calls a function as nobody does."""

    def forward(self, input: Tensor) -> Tensor:
        scale = 2.0 if float(input.mean()) > 0 else 1.0
        return super().forward(torch.cat(dim=-1, tensors=[input * scale]))


def test_modules_that_look_at_numbers_are_followed_too() -> None:
    space = Space(layer(Looks, width=choice(3, 5)))
    small, large = (meanings(space.plain({"width": width}), VECTOR) for width in (3, 5))
    assert large["body.0.last.weight"].axes[1][:3] == small["body.0.last.weight"].axes[1]
    assert large["body.0.first"].axes[1] == small["body.0.first"].axes[1]


def test_tensors_mean_the_same_where_series_have_different_lengths() -> None:
    padded = Signature({"wave": Sequence(12, 3, padded=True)}, SERIES.tasks)
    for architecture in sampled(load("series"), 5):
        assert meanings(architecture, padded) == meanings(architecture, SERIES)
