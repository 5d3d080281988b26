"""Networks: sizes found, own and lazy modules, several layers in one, errors that say where."""

import random
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from search_spaces import (
    Architecture,
    Classification,
    Image,
    Regression,
    Sequence,
    Signature,
    Space,
    Tagging,
    Tokens,
    Vector,
    choice,
    layer,
    sequential,
    size,
)
from search_spaces.blocks import Parallel
from search_spaces.errors import BuildError, SpaceError
from search_spaces.nodes import Sequential

IMAGE = Signature({"image": Image(3, 8, 8)}, {"class": Classification(4)})
SERIES = Signature({"series": Sequence(6, 5)}, {"class": Classification(4)})
TEXT = Signature({"text": Tokens(6, 20)}, {"tag": Tagging(7)})
VECTOR = Signature({"vector": Vector(5)}, {"class": Classification(4)})


class Own(nn.Module):
    """A module of a user's: a size under a name of its own, and a part that is given to it."""

    def __init__(self, width: int, inside: nn.Module | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.inside = inside

    def forward(self, input: Tensor) -> Tensor:
        input = input * self.scale
        return input if self.inside is None else self.inside(input)


class Impatient(nn.Module):
    """A module that looks at numbers, which the meta device does not have."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 3)

    def forward(self, input: Tensor) -> Tensor:
        answer: Tensor = self.linear(input)
        return answer * 2 if float(input.sum()) > 0 else answer


def _built(signature: Signature, *parts: object) -> nn.Module:
    architecture = Space(sequential(*parts)).sample(random.Random(0))
    network = architecture.build(signature)
    answer = network(signature.example(3))
    assert set(answer) == set(signature.tasks)
    sum(value.sum() for value in answer.values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    cost = architecture.cost(signature)
    assert cost.num_params == sum(parameter.numel() for parameter in network.parameters())
    return network


@pytest.mark.parametrize(
    ("signature", "parts"),
    [
        (IMAGE, [layer(nn.Conv2d, out_channels=8, kernel_size=3), layer(nn.BatchNorm2d), layer(nn.ReLU)]),
        (IMAGE, [layer(nn.Conv2d, out_channels=8, kernel_size=3), layer(nn.GroupNorm, num_groups=2)]),
        (IMAGE, [layer(nn.ConvTranspose2d, out_channels=4, kernel_size=2, stride=2)]),
        (IMAGE, [layer(nn.LazyConv2d, out_channels=4, kernel_size=3), layer(nn.LazyBatchNorm2d)]),
        (IMAGE, [layer(nn.Flatten), layer(nn.LazyLinear, out_features=4)]),
        (
            VECTOR,
            [
                layer(nn.Linear, out_features=8),
                layer(nn.BatchNorm1d),
                layer(nn.Linear, out_features=6, bias=False),
            ],
        ),
        (VECTOR, [layer(nn.Linear, size(-1), 7)]),
        (SERIES, [layer(nn.LSTM, hidden_size=4, num_layers=2, bidirectional=True)]),
        (SERIES, [layer(nn.GRU, hidden_size=4), layer(nn.LayerNorm), layer(nn.RNN, hidden_size=3)]),
        (TEXT, [layer(nn.Embedding, embedding_dim=8), layer(nn.LSTM, hidden_size=4)]),
        (SERIES, [layer(Own, width=size(-1))]),
        (SERIES, [layer(Own, width=size(-1), inside=layer(nn.Linear, out_features=3))]),
        (SERIES, [layer(Own, width=size(2), inside=sequential(layer(nn.Linear, out_features=3), None))]),
        (VECTOR, [layer(Impatient), layer(nn.Linear, out_features=3)]),
        (VECTOR, []),
    ],
)
def test_sizes_are_found_and_every_parameter_learns(signature: Signature, parts: list[object]) -> None:
    _built(signature, *parts)


def test_a_transformer_clones_the_layer_it_is_given() -> None:
    encoder = layer(
        nn.TransformerEncoder,
        encoder_layer=layer(nn.TransformerEncoderLayer, nhead=2, dim_feedforward=16),
        num_layers=2,
    )
    _built(SERIES, layer(nn.Linear, out_features=8), encoder)
    _built(TEXT, layer(nn.Embedding, embedding_dim=8), encoder)


def test_branches_side_by_side_are_joined() -> None:
    branches = [layer(nn.Conv2d, out_channels=4, kernel_size=1), None]
    wide = _built(IMAGE, layer(Parallel, branches=[*branches, layer(nn.Identity)]))
    assert wide.heads[0].linear.in_features == 7
    same = layer(nn.Conv2d, out_channels=3, kernel_size=3, padding="same")
    _built(IMAGE, layer(Parallel, branches=[same, sequential(), sequential(same, same)], join="sum"))
    _built(SERIES, layer(Parallel, branches=[layer(nn.LSTM, hidden_size=4), layer(nn.Identity)]))
    with pytest.raises(BuildError, match=r"model\.0: Parallel cannot be made.*at least one branch"):
        Space(sequential(layer(Parallel, branches=[None]))).sample(random.Random(0)).build(IMAGE)


def test_answers_have_the_shapes_of_their_tasks() -> None:
    body = Space(sequential(layer(nn.Embedding, embedding_dim=8))).sample(random.Random(0))
    tasks = {"tag": Tagging(7), "kind": Classification(3), "score": Regression()}
    answers = body.build(Signature({"text": Tokens(6, 20)}, tasks))(torch.zeros(2, 6, dtype=torch.int64))
    assert {k: tuple(v.shape) for k, v in answers.items()} == {
        "tag": (2, 6, 7),
        "kind": (2, 3),
        "score": (2, 1),
    }


@pytest.mark.parametrize(
    ("signature", "parts", "says"),
    [
        (IMAGE, [layer(nn.ReLU), layer(nn.Conv2d, out_channels=2, kernel_size=11)],
         r"model\.1: Conv2d.*\(3, 8, 8\)"),
        (IMAGE, [layer(nn.Linear, in_features=5, out_features=2)], r"model\.0: Linear.*\(3, 8, 8\)"),
        (IMAGE, [layer(nn.BatchNorm2d, num_features=7)], r"model\.0: BatchNorm2d.*\(3, 8, 8\)"),
        (SERIES, [layer(nn.LayerNorm, normalized_shape=7)], r"model\.0: LayerNorm.*\(6, 5\)"),
        (IMAGE, [layer(nn.Conv2d, out_channels=2)], r"model\.0: Conv2d needs 'kernel_size'"),
        (IMAGE, [layer(nn.Conv2d, out_channels=2, kernel_size="big")], r"model\.0: Conv2d"),
        (IMAGE, [layer(nn.Embedding, embedding_dim=3)], r"model\.0: Embedding needs 'num_embeddings'"),
        (VECTOR, [layer(Own, width=size(4))], r"model\.0\.width: cannot read the size of axis 4.*\(5,\)"),
        (SERIES, [layer(Own, width=5, inside=layer(nn.Conv2d, out_channels=1, kernel_size=9))],
         r"model\.0\.inside: Conv2d"),
        (Signature({"text": Tokens(3, 5)}, {"tag": Tagging(2)}),
         [layer(nn.Embedding, embedding_dim=3), layer(nn.Flatten)], "head of a tagging task"),
        (Signature({"a": Vector(2), "b": Vector(3)}, {"c": Classification(2)}), [layer(nn.ReLU)],
         "takes one input"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_says_where_and_what_came(
    signature: Signature, parts: list[object], says: str
) -> None:
    architecture = Space(sequential(*parts)).sample(random.Random(0))
    with pytest.raises(BuildError, match=says):
        architecture.build(signature)
    with pytest.raises(BuildError, match=says):
        architecture.cost(signature)


def test_what_is_no_layer_within_a_sequential_says_so() -> None:
    architecture = Architecture({"model": Sequential((layer(nn.ReLU), 3))}, {})
    with pytest.raises(BuildError, match=r"model\.1: expected a layer, got 3"):
        architecture.build(IMAGE)


def test_a_space_without_a_network_says_so() -> None:
    with pytest.raises(BuildError, match="builds no network"):
        Space({"width": choice(1, 2)}).sample(random.Random(0)).build(IMAGE)


def test_layers_written_wrongly_are_refused_at_once() -> None:
    with pytest.raises(SpaceError, match="expected a class of torch modules"):
        layer("Conv2d")  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"layer\(Linear\)"):
        layer(nn.Linear, out_feature=3)
    with pytest.raises(SpaceError, match="axis: expected a whole number"):
        size("last")  # type: ignore[arg-type]


def test_building_is_seeded_by_torch_and_the_dry_run_draws_nothing() -> None:
    architecture = Space(sequential(layer(nn.Flatten), layer(nn.Linear, out_features=3))).sample(
        random.Random(0)
    )
    torch.manual_seed(1)
    plain = torch.rand(1)
    torch.manual_seed(1)
    architecture.cost(IMAGE)
    assert torch.rand(1) == plain
    torch.manual_seed(1)
    one = architecture.build(IMAGE).state_dict()
    torch.manual_seed(1)
    other = architecture.build(IMAGE).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any(tensor.is_meta for tensor in one.values())


def test_networks_are_built_in_several_threads_at_once() -> None:
    space = Space(
        sequential(
            layer(nn.Conv2d, out_channels=choice(2, 4, 8), kernel_size=choice(1, 3)), layer(nn.BatchNorm2d)
        )
    )
    architectures = [space.sample(random.Random(seed)) for seed in range(16)]
    with ThreadPoolExecutor(4) as threads:
        networks = list(threads.map(lambda a: a.build(IMAGE), architectures))
    for architecture, network in zip(architectures, networks, strict=True):
        assert not any(parameter.is_meta for parameter in network.parameters())
        assert architecture.cost(IMAGE).num_params == sum(p.numel() for p in network.parameters())


@pytest.mark.slow
def test_architectures_of_classes_of_a_script_travel_by_cloudpickle(tmp_path) -> None:
    script = """
        import random, sys, cloudpickle
        from torch import nn
        from search_spaces import *
        class Mine(nn.Module):
            def __init__(self, in_features, out):
                super().__init__(); self.linear = nn.Linear(in_features, out)
            def forward(self, x): return self.linear(x)
        space = Space(sequential(layer(Mine, out=choice(3, 5))))
        architecture = space.sample(random.Random(0))
        with open(sys.argv[1], "wb") as file:
            cloudpickle.dump((architecture, space, architecture.id), file)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    subprocess.run([sys.executable, tmp_path / "script.py", tmp_path / "out"], check=True)
    import cloudpickle

    architecture, space, identity = cloudpickle.loads((tmp_path / "out").read_bytes())
    assert architecture.id == identity
    assert architecture.build(VECTOR)(torch.zeros(2, 5)).shape == (2, 4)
    assert space.architecture(dict(architecture.decisions)).id == identity
