"""Graphs: calls in order, shared parts, inputs that some examples lack, padding."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Classification, Retrieval, Signature, Space, Tokens, Vector, layer, sequential
from search_spaces import Sequence as Series
from search_spaces.blocks import Head, Recurrent, SequenceConvolution, TokenEmbedding
from search_spaces.blocks.backbone.backbone import Backbone
from search_spaces.blocks.backbone.links import Concat, Sum
from search_spaces.blocks.backbone.sharing import Pool
from search_spaces.blocks.graph import Graph, in_order
from search_spaces.blocks.masks import shortened
from search_spaces.building.network import Chain, Network
from search_spaces.errors import BuildError, ProblemError

PRESENT = torch.tensor([True, False, True, True, False])
ROWS = PRESENT.nonzero().squeeze(1)


class Noting(nn.Module):
    """A linear layer with normalisation over the batch that notes what it was given."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.norm = nn.BatchNorm1d(out_features)
        self.given: list[Tensor] = []

    def forward(self, input: Tensor) -> Tensor:
        self.given.append(input.detach())
        answer: Tensor = self.norm(self.linear(input))
        return answer


class Join(nn.Module):
    """The sum of its sources, which notes what else it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, Any]] = []

    def forward(self, *values: Tensor, masks: Any = None, present: Any = None) -> Tensor:
        self.told.append((masks, present))
        return torch.stack(values).sum(0)


class Telling(nn.Module):
    """Passes a sequence on and notes its mask."""

    def __init__(self, shorter: int = 1) -> None:
        super().__init__()
        self.shorter = shorter
        self.masks: list[Tensor | None] = []

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        self.masks.append(mask)
        return input[:, :: self.shorter]


def _two(join: nn.Module | None = None) -> Graph:
    """Two streams of two stages, and what joins them."""
    parts = {
        "a/1": Noting(3, 4),
        "a/2": Noting(4, 4),
        "b/1": Noting(2, 4),
        "b/2": Noting(4, 4),
        "join": join or Concat(((4,), (4,)), 6),
    }
    calls = {
        "a/1": ["a/1", "a"],
        "a/2": ["a/2", "a/1"],
        "b/1": ["b/1", "b"],
        "b/2": ["b/2", "b/1"],
        "join": ["join", "a/2", "b/2"],
    }
    return Graph(parts, calls, {"task": ["join"]}, embeddings={"a": "a/2", "b": "b/2"})


def _inputs(count: int = 5) -> dict[str, Tensor]:
    return {"a": torch.randn(count, 3), "b": torch.randn(count, 2)}


def _given(graph: Graph, part: str) -> list[Tensor]:
    noting = graph.parts[part]
    assert isinstance(noting, Noting)
    return noting.given


# -- order -------------------------------------------------------------------------------------------------


def _order(calls: dict[str, list[str]], *outputs: str) -> list[str]:
    return [name for name, _ in in_order(calls, {"task": outputs})]


def test_each_call_comes_after_those_it_needs_and_once() -> None:
    calls = {"d": ["p", "b", "c"], "c": ["p", "a"], "b": ["p", "a"], "a": ["p", "x"], "idle": ["p", "a"]}
    assert _order(calls, "d") == ["a", "b", "c", "d"]
    assert _order(calls, "c", "d") == ["a", "c", "b", "d"]
    assert list(in_order(calls, {"task": ["a"]}, ["idle"])) == [("a", ["p", "x"]), ("idle", ["p", "a"])]


def test_a_chain_of_many_calls_is_put_in_order() -> None:
    calls = {str(i): ["p", str(i - 1)] for i in range(5000)}
    assert _order(calls, "4999") == list(calls)


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ({"c": ["p", "c"]}, "'c' waits for itself"),
        ({"c": ["p", "b"], "b": ["p", "x", "d"], "d": ["p", "b"]}, "'b' waits for itself"),
        ({"b": ["p", "x"]}, "outputs from the calls, got 'c'"),
        ({"c": ["q", "x"]}, r"call 'c': expected a part and its sources, got \['q', 'x'\]"),
        ({"c": ["p"]}, r"call 'c': expected a part and its sources, got \['p'\]"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(calls: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph({"p": nn.Identity()}, calls, {"task": ["c"]})


@pytest.mark.parametrize(
    ("calls", "task", "message"),
    [
        ({"c": ["p", "z"]}, "task", "model: call 'c': expected sources from x, y, c, got 'z'"),
        ({"c": ["p", "x"]}, "other", "model: expected outputs for task, got other"),
        ({"c": ["q", "x"]}, "task", "model: Graph cannot be made .*: call 'c': expected a part"),
    ],
)
def test_a_graph_that_does_not_fit_the_signature_is_refused(
    calls: dict[str, list[str]], task: str, message: str
) -> None:
    signature = Signature({"x": Vector(3), "y": Vector(4)}, {"task": Classification(2)})
    graph = layer(Graph, parts={"p": layer(nn.Linear, out_features=2)}, calls=calls, outputs={task: ["c"]})
    with pytest.raises(BuildError, match=message):
        Space(graph).architecture({}).build(signature)


# -- parts -------------------------------------------------------------------------------------------------


def test_two_calls_of_a_part_share_its_weights() -> None:
    linear = nn.Linear(3, 3)
    graph = Graph(
        {"p": linear, "join": Join()},
        {"once": ["p", "x"], "twice": ["p", "once"], "both": ["join", "once", "twice"]},
        {"task": ["both"]},
    )
    x = torch.randn(4, 3)
    assert sum(parameter.numel() for parameter in graph.parameters()) == 12
    assert torch.allclose(graph({"x": x})["task"], linear(x) + linear(linear(x)))


def test_taps_are_the_answers_of_all_calls_by_name() -> None:
    graph = _two().eval()
    inputs = _inputs()
    encoding = graph.encode(inputs)
    assert list(encoding.taps) == ["a/1", "a/2", "b/1", "b/2", "join"]
    assert torch.equal(encoding.taps["a/2"], graph.parts["a/2"](graph.parts["a/1"](inputs["a"])))
    assert encoding.features["task"] is encoding.taps["join"]
    assert graph.shapes == {"a": (3,), "b": (2,), **{k: tuple(v.shape[1:]) for k, v in encoding.taps.items()}}


def test_what_losses_ask_for_is_kept_though_no_output_needs_it() -> None:
    graph = Graph(
        {"p": nn.Linear(3, 2), "q": nn.Linear(3, 2), "idle": nn.Linear(3, 2)},
        {"p": ["p", "x"], "q": ["q", "x"], "idle": ["idle", "x"], "p/vector": ["p", "x"]},
        {"task": ["p"]},
        embeddings={"x": "p/vector"},
        ties=[["p", "q"]],
        private=[["p", "q"]],
    )
    taps = graph.encode({"x": torch.randn(2, 3)}).taps
    assert taps.keys() == {"p", "p/vector", "q"}
    assert graph.parts.keys() == {"p", "q"}
    assert graph.embeddings == {"x": "p/vector"}
    assert (graph.ties, graph.private) == ([["p", "q"]], [("p", "q")])


def test_the_head_of_retrieval_receives_two_vectors() -> None:
    signature = Signature({"x": Vector(3), "y": Vector(4)}, {"find": Retrieval("x", "y", 5)})
    parts = {"p": layer(nn.Linear, out_features=6), "q": layer(nn.Linear, out_features=7)}
    graph = layer(Graph, parts=parts, calls={"p": ["p", "x"], "q": ["q", "y"]}, outputs={"find": ["p", "q"]})
    network = Space(graph).architecture({}).build(signature)
    inputs = {"x": torch.randn(3, 3), "y": torch.randn(3, 4)}
    features = network.encode(inputs).features["find"]
    assert [tuple(vector.shape) for vector in features] == [(3, 6), (3, 7)]
    assert network(inputs)["find"].shape == (3, 2, 5)


# -- inputs that some examples lack ------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_examples_without_an_input_do_not_go_through_its_encoder(training: bool) -> None:
    graph, inputs = _two().train(training), _inputs()
    inputs["b"][~PRESENT] = torch.nan
    features = graph.encode(inputs, {"b": PRESENT}).features["task"]
    (first,), (second,) = _given(graph, "b/1"), _given(graph, "b/2")
    assert torch.equal(first, inputs["b"][ROWS])
    assert len(second) == 3
    assert len(_given(graph, "a/1")[0]) == 5
    assert isinstance(features, Tensor)
    assert features.shape == (5, 6)
    assert features.isfinite().all()


def test_what_an_example_lacks_changes_nothing_for_the_others() -> None:
    graph, inputs = _two().eval(), _inputs()
    some = graph.encode(inputs, {"b": PRESENT})
    alone = graph.encode({name: value[ROWS] for name, value in inputs.items()})
    assert torch.allclose(_tensor(some, "task")[ROWS], _tensor(alone, "task"), atol=1e-6)
    # and an example without it is answered as if it came alone
    lone = graph.encode({name: value[1:2] for name, value in inputs.items()}, {"b": PRESENT[1:2]})
    assert torch.allclose(_tensor(some, "task")[1:2], _tensor(lone, "task"), atol=1e-6)
    assert not torch.allclose(_tensor(some, "task")[1:2], _tensor(graph.encode(inputs), "task")[1:2])


def _tensor(encoding: Any, task: str) -> Tensor:
    features = encoding.features[task]
    assert isinstance(features, Tensor)
    return features


def test_an_input_that_all_examples_lack_leaves_its_encoder_without_gradients() -> None:
    graph, inputs = _two(), _inputs()
    graph(_inputs())  # what went through once has a shape
    encoding = graph.encode(inputs, {"b": torch.zeros(5, dtype=torch.bool)})
    assert len(_given(graph, "b/1")) == 1
    assert torch.equal(encoding.taps["b/2"], torch.zeros(5, 4))
    assert "b/1" not in encoding.taps
    _tensor(encoding, "task").square().sum().backward()
    for name, parameter in graph.named_parameters():
        assert (parameter.grad is None) == name.startswith("parts.b/"), name
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_all_inputs_may_be_lacking_at_once() -> None:
    graph = _two()
    graph(_inputs())
    nothing = torch.zeros(5, dtype=torch.bool)
    features = _tensor(graph.encode(_inputs(), {"a": nothing, "b": nothing}), "task")
    assert features.isfinite().all()
    assert torch.equal(features, features[:1].expand(5, -1))


def test_a_single_example_with_an_input_counts_as_without_it_in_training() -> None:
    graph = _two()
    one = torch.tensor([False, False, True, False, False])
    graph(_inputs())
    training = graph.encode(_inputs(), {"b": one})
    assert len(_given(graph, "b/1")) == 1
    assert not training.taps["b/2"].any()
    evaluation = graph.eval().encode(_inputs(), {"b": one})
    assert len(_given(graph, "b/1")[1]) == 1
    assert torch.equal(evaluation.taps["b/2"].any(1), one)


def test_joins_are_told_who_has_what() -> None:
    join = Join()
    graph = _two(join)
    graph(_inputs(), {"a": torch.ones(5, dtype=torch.bool)})
    assert join.told[0] == ([None, None], [None, None])
    graph(_inputs(), {"a": torch.ones(5, dtype=torch.bool), "b": PRESENT})
    (_, (of_a, of_b)) = join.told[1]
    assert of_a is None
    assert torch.equal(of_b, PRESENT)
    encoding = graph.encode(_inputs(), {"a": ~PRESENT, "b": PRESENT})
    (_, (of_a, of_b)) = join.told[2]
    assert torch.equal(of_a, ~PRESENT)
    assert torch.equal(of_b, PRESENT)
    assert torch.equal(encoding.taps["a/2"].any(1), ~PRESENT)


def test_what_joins_calls_of_one_input_runs_on_the_examples_that_have_it() -> None:
    join = Join()
    parts = {"p": nn.Linear(3, 4), "q": nn.Linear(3, 4), "join": join, "after": Noting(4, 2)}
    calls = {"p": ["p", "x"], "q": ["q", "x"], "join": ["join", "p", "q"], "after": ["after", "join"]}
    graph = Graph(parts, calls, {"task": ["after"]})
    features = graph({"x": torch.randn(5, 3)}, {"x": PRESENT})["task"]
    assert join.told == [([None, None], [None, None])]
    assert len(_given(graph, "after")[0]) == 3
    assert torch.equal(features.any(1), PRESENT)


def test_a_built_network_knows_the_shape_of_what_it_never_saw() -> None:
    signature = Signature({"x": Vector(3), "y": Series(6, 2)}, {"task": Classification(2)})
    streams = {"x": layer(nn.Linear, out_features=4), "y": layer(nn.Linear, out_features=5)}
    links = [{"taps": {"x": 1.0, "y": 1.0}, "operator": "attend", "width": 4}]
    space = Space(layer(Backbone, streams=streams, tasks={"task": None}, links=links))
    network = space.architecture({}).build(signature)
    inputs = {"x": torch.randn(2, 3), "y": torch.zeros(2, 6, 2)}
    for one in (network, copy.deepcopy(network)):
        answer = one(inputs, {"y": torch.zeros(2, dtype=torch.bool)})["task"]
        assert answer.isfinite().all()


def test_an_input_left_out_is_missing_in_all_examples() -> None:
    signature = Signature({"x": Vector(3), "y": Series(6, 2)}, {"task": Classification(2)})
    streams = {"x": layer(nn.Linear, out_features=4), "y": layer(nn.Linear, out_features=5)}
    inputs = {"x": torch.randn(2, 3), "y": torch.randn(2, 6, 2)}
    for operator in ("sum", "concat", "gate", "attend", "lowrank"):
        links = [{"taps": {"x": 1.0, "y": 1.0}, "operator": operator, "width": 4}]
        space = Space(layer(Backbone, streams=streams, tasks={"task": None}, links=links))
        network = space.architecture({}).build(signature).eval()
        for name in inputs:
            others = {other: value for other, value in inputs.items() if other != name}
            expected = network(inputs, {name: torch.zeros(2, dtype=torch.bool)})["task"]
            torch.testing.assert_close(network(others)["task"], expected)
    wrong: dict[str, Any] = {
        "a lone tensor": inputs["x"],
        "none": {},
        "x, z": {"x": inputs["x"], "z": inputs["y"]},
    }
    for said, given in wrong.items():
        with pytest.raises(ProblemError, match=f"from x, y, got {said}"):
            network(given)


def test_what_some_lack_is_joined_in_half_precision_too() -> None:
    graph = _two(Sum(((4,), (4,)), 6))
    graph(_inputs())
    nothing = torch.zeros(5, dtype=torch.bool)
    for present in ({"b": PRESENT}, {"b": nothing}, {"a": ~PRESENT, "b": PRESENT}):
        with torch.autocast("cpu", torch.bfloat16):
            features = _tensor(graph.encode(_inputs(), present), "task")
        features.float().sum().backward()
        assert features.isfinite().all()


# -- padding -----------------------------------------------------------------------------------------------


def test_what_asks_for_a_mask_sees_where_tokens_are_real() -> None:
    tokens = torch.tensor([[5, 2, 1, 0, 0, 0], [3, 0, 0, 0, 0, 0]])
    telling, after, halving = Telling(), Telling(), Telling(shorter=2)
    parts = {"embed": nn.Embedding(9, 4), "p": telling, "halving": halving, "after": after, "pool": Pool()}
    calls = {
        "embed": ["embed", "text"],
        "p": ["p", "embed"],
        "halving": ["halving", "p"],
        "after": ["after", "halving"],
    }
    graph = Graph(
        parts | {"pool": Pool()}, calls | {"pool": ["pool", "after"]}, {"a": ["after"], "b": ["pool"]}
    )
    encoding = graph.encode({"text": tokens})
    for noted in (telling.masks[0], halving.masks[0]):
        assert noted is not None
        assert torch.equal(noted, tokens != 0)
    expected = torch.tensor([[True, True, False], [True, False, False]])
    for noted in (after.masks[0], encoding.masks["a"]):
        assert noted is not None
        assert torch.equal(noted, expected)
    assert encoding.masks["b"] is None
    # of examples that lack the text nothing is real
    some = graph.encode({"text": tokens}, {"text": torch.tensor([False, True])}).masks["a"]
    assert some is None  # in training a single one counts as lacking it too
    some = graph.eval().encode({"text": tokens}, {"text": torch.tensor([False, True])}).masks["a"]
    assert some is not None
    assert torch.equal(some, torch.tensor([[False] * 3, [True, False, False]]))


def test_numbers_have_no_mask() -> None:
    telling = Telling()
    graph = Graph({"p": telling}, {"p": ["p", "x"]}, {"task": ["p"]})
    assert graph.encode({"x": torch.zeros(2, 4)}).masks == {"task": None}
    assert telling.masks == [None]


@pytest.mark.parametrize("halvings", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 5, 8, 9, 13])
def test_halved_masks_do_not_depend_on_how_much_padding_follows(length: int, halvings: int) -> None:
    real = torch.arange(1, length + 1).unsqueeze(1)  # every number of real positions
    counts = []
    for padding in range(9):
        mask = torch.arange(length + padding) < real
        step = 2**halvings
        halved = shortened(mask, -(-(length + padding) // step))
        assert halved is not None
        assert torch.equal(halved.sum(1), -(-real.squeeze(1) // step))
        counts.append(halved.sum(1))
    assert len(counts) == 9


ENCODERS = {
    "recurrent": [layer(Recurrent, out_features=6)],
    "convolution": [layer(SequenceConvolution, out_features=6, normalisation="layer")],
    "halved": [
        layer(SequenceConvolution, out_features=6, normalisation="layer", pooling="max"),
        layer(SequenceConvolution, out_features=4, normalisation="layer", pooling="average"),
        layer(Recurrent, out_features=6, cell="gru"),
    ],
}


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
@pytest.mark.parametrize("stages", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("graph", [False, True], ids=["chain", "graph"])
def test_more_padding_leaves_the_answers_as_they_are(
    graph: bool, stages: Sequence[Any], pooling: str
) -> None:
    torch.manual_seed(0)
    signature = Signature({"text": Tokens(7, 20)}, {"a": Classification(3), "b": Classification(2)})
    stream = sequential(layer(TokenEmbedding, embedding_dim=5), *stages)
    body = layer(Backbone, streams={"text": stream}, tasks={"a": None, "b": None}, sharing={"kind": "mask"})
    heads = {"a": layer(Head, pooling=pooling), "b": layer(Head, pooling=pooling)}
    space = Space({"body": body if graph else stream, "heads": heads})
    network = space.architecture({}).build(signature).eval()
    lengths = torch.tensor([[1], [3], [5], [7]])
    tokens = torch.randint(1, 20, (4, 7)) * (torch.arange(7) < lengths)
    answers = network(tokens)
    for columns in (1, 2, 5):
        padded = network(torch.cat([tokens, torch.zeros(4, columns, dtype=torch.int64)], 1))
        for task, answer in answers.items():
            assert torch.allclose(padded[task], answer, atol=1e-5)
    shorter = network(tokens[:1, :1])
    for task, answer in answers.items():
        assert torch.allclose(shorter[task], answer[:1], atol=1e-5)


# -- networks ----------------------------------------------------------------------------------------------


def test_a_chain_passes_masks_to_its_members_and_goes_on_with_the_first_of_a_tuple() -> None:
    first, second = Telling(), Telling()
    chain = Chain(nn.Embedding(9, 4), first, nn.LSTM(4, 6, batch_first=True), Chain(second))
    tokens = torch.tensor([[5, 2, 0]])
    assert chain(tokens, mask=tokens != 0).shape == (1, 3, 6)
    for noted in (first.masks[0], second.masks[0]):
        assert noted is not None
        assert torch.equal(noted, tokens != 0)


def test_a_network_takes_its_only_input_by_name_or_as_it_is() -> None:
    signature = Signature({"x": Vector(3)}, {"a": Classification(2)})
    for body in (
        layer(nn.Linear, out_features=4),
        layer(
            Graph,
            parts={"p": layer(nn.Linear, out_features=4)},
            calls={"p": ["p", "x"]},
            outputs={"a": ["p"]},
        ),
    ):
        network = Space(body).architecture({}).build(signature)
        assert isinstance(network, Network)
        x = torch.randn(2, 3)
        assert torch.equal(network(x), network({"x": x})["a"])
        assert network.head("a") is network.heads[0]
        assert network.encode(x).taps.keys() == ({"p"} if isinstance(network.body, Graph) else set())


def test_texts_of_different_vocabularies_are_embedded_each_with_its_own() -> None:
    signature = Signature({"question": Tokens(5, 7), "answer": Tokens(6, 11)}, {"right": Classification(2)})
    stream = sequential(layer(TokenEmbedding, embedding_dim=4), layer(Recurrent, out_features=4))
    links = [{"taps": {"question": 1.0, "answer": 1.0}, "operator": "sum", "width": 4}]
    streams = {"question": stream, "answer": stream}
    space = Space(layer(Backbone, streams=streams, tasks={"right": None}, links=links))
    network = space.architecture({}).build(signature)
    sizes = [part.num_embeddings for part in network.modules() if isinstance(part, nn.Embedding)]
    assert sizes == [7, 11]


def test_a_backbone_is_the_whole_body() -> None:
    signature = Signature({"x": Vector(3)}, {"a": Classification(2)})
    backbone = layer(Backbone, streams={"x": layer(nn.Linear, out_features=4)}, tasks={"a": None})
    with pytest.raises(BuildError, match=r"model\.1: Backbone must be the whole body"):
        Space(sequential(layer(nn.ReLU), backbone)).architecture({}).build(signature)
