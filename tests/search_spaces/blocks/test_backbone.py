"""Backbones: who owns which stage, what the links tap, what is left for fewer inputs or tasks."""

import random
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Architecture, Classification, Image, Signature, Space, Tokens, Vector, layer
from search_spaces.blocks import CrfHead, Recurrent, SequenceConvolution, TokenEmbedding
from search_spaces.blocks.backbone.backbone import Backbone, needs
from search_spaces.blocks.backbone.patterns import PATTERNS, Extras
from search_spaces.blocks.backbone.wiring import Wiring
from search_spaces.blocks.graph import Graph
from search_spaces.blocks.heads.heads import default_head
from search_spaces.building.network import Network
from search_spaces.errors import BuildError
from search_spaces.signature import DenseMap, Regression, Retrieval, Tagging

TASKS = ["a", "b", "c"]
SIGNATURE = Signature({"x": Vector(3)}, {task: Classification(2) for task in TASKS})
STAGES = [layer(nn.Linear, out_features=4), layer(nn.Linear, out_features=5)]
FIRST, SECOND = 3 * 4 + 4, 4 * 5 + 5
"""Parameters of the two stages."""
APART = [{"b": "b", "c": "c"}]
TOGETHER = [{"b": "a", "c": "a"}]


def _architecture(**arguments: Any) -> Architecture:
    return Space(layer(Backbone, **arguments)).architecture({})


def _shared(kind: str, **options: Any) -> Architecture:
    """Three tasks on one stream of two linear layers."""
    options = {"routed": {"experts": 2}, "tree": {"levels": APART}}.get(kind, {}) | options
    tasks = dict.fromkeys(TASKS)
    return _architecture(streams={"x": STAGES}, tasks=tasks, sharing={"kind": kind, **options})


def _graph(architecture: Architecture, signature: Signature = SIGNATURE) -> dict[str, Any]:
    """The arguments of the graph that is built for a signature."""
    backbone = architecture.model.body
    return Backbone(**backbone.arguments).expand(signature).arguments  # type: ignore[union-attr]


def _body(network: Network) -> Graph:
    assert isinstance(network.body, Graph)
    return network.body


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _every_parameter_learns(network: Network, inputs: Any) -> None:
    answers = network(inputs)
    answers = answers.values() if isinstance(answers, dict) else [answers]
    sum(answer.square().sum() for answer in answers).backward()
    for name, parameter in network.body.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


# -- who owns what -----------------------------------------------------------------------------------------


def _copies(stage: int, owners: str = "abc") -> list[str]:
    return [f"x/{stage}@{owner}" for owner in owners]


def _with(kind: str, stage: int) -> list[str]:
    return [f"{name}/{kind}" for name in _copies(stage)]


STITCHES = 3 * (3 * 4 + 3 * 5)
MASKS = 3 * ((4 * 8 + 8) + 16 + (8 * 4 + 4) + ((5 + 4) * 8 + 8) + 16 + (8 * 5 + 5))
ROUTES = 3 * (4 * 2 + 2)
PARTS = {
    "hard": (["x/1", "x/2"], FIRST + SECOND),
    "independent": ([*_copies(1), *_copies(2)], 3 * (FIRST + SECOND)),
    "soft": ([*_copies(1), *_copies(2)], 3 * (FIRST + SECOND)),
    "tree": ([*_copies(1), *_copies(2)], 3 * (FIRST + SECOND)),
    "stitch": (
        [*_copies(1), *_with("stitch", 1), *_copies(2), *_with("stitch", 2)],
        3 * (FIRST + SECOND) + STITCHES,
    ),
    "mask": (["x/1", "x/2", *_with("mask", 1), *_with("mask", 2)], FIRST + SECOND + MASKS),
    "private": (
        [
            *("x/1", "x/2", *_copies(1), *_copies(2), *_with("beside", 2)),
            *("x/2/vector", *_with("vector", 2)),
        ],
        4 * (FIRST + SECOND),
    ),
    "routed": (
        ["x/1", "x/2/expert-1", "x/2/expert-2", *_with("route", 2)],
        FIRST + 2 * SECOND + ROUTES,
    ),
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_pattern_has_its_parts_and_the_parameters_counted_by_hand(kind: str) -> None:
    names, count = PARTS[kind]
    architecture = _shared(kind)
    network = architecture.build(SIGNATURE)
    assert sorted(_body(network).parts) == sorted(names)
    assert _size(network.body) == count
    assert architecture.cost(SIGNATURE).num_params == count + _size(network.heads)
    _every_parameter_learns(network, torch.randn(4, 3))


def test_every_pattern_is_counted() -> None:
    assert PARTS.keys() == PATTERNS.keys()


def test_a_tree_parts_where_its_levels_say() -> None:
    levels = [{"b": "a", "c": "a"}, {"b": "a", "c": "c"}]
    graph = _graph(_shared("tree", levels=levels))
    assert graph["calls"] == {
        "x/1": ["x/1", "x"],
        "x/2@a+b": ["x/2@a+b", "x/1"],
        "x/2@c": ["x/2@c", "x/1"],
    }
    assert graph["outputs"] == {"a": ["x/2@a+b"], "b": ["x/2@a+b"], "c": ["x/2@c"]}
    network = _shared("tree", levels=levels).build(SIGNATURE)
    assert _size(network.body) == FIRST + 2 * SECOND


def _partitions(levels: list[dict[str, str]], stages: int, tasks: list[str]) -> list[list[set[str]]]:
    """For each stage the groups of tasks that own it together."""
    stage = layer(nn.Linear, out_features=4)
    taps = PATTERNS["tree"](Wiring(), Extras(), "x", [stage] * stages, tasks, {"levels": levels})
    return [[{t for t in tasks if here[t] == call} for call in dict.fromkeys(here.values())] for here in taps]


def test_partitions_of_a_tree_only_get_finer() -> None:
    rng = random.Random(0)
    tasks = list("abcde")
    seen = set()
    for _ in range(300):
        levels = []
        for _ in range(rng.randint(1, 4)):
            levels.append({task: rng.choice(tasks[: i + 1]) for i, task in enumerate(tasks) if i})
        partitions = _partitions(levels, rng.randint(1, 6), tasks)
        for before, after in pairwise(partitions):
            assert all(any(group <= other for other in before) for group in after)
        assert all(sum(map(len, groups)) == len(tasks) for groups in partitions)
        seen.add(len(partitions[-1]))
    assert seen == {1, 2, 3, 4, 5}


def test_the_stages_are_divided_evenly_among_the_levels_of_a_tree() -> None:
    levels = [TOGETHER[0], {"b": "a", "c": "c"}, APART[0]]
    for stages, groups in ((1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (6, [1, 1, 2, 2, 3, 3]), (4, [1, 1, 2, 3])):
        assert [len(partition) for partition in _partitions(levels, stages, TASKS)] == groups


def test_tasks_that_go_with_each_other_or_with_one_who_is_not_there_go_together() -> None:
    assert _partitions([{"a": "b", "b": "a"}], 1, TASKS) == [[{"a", "b"}, {"c"}]]
    assert _partitions([{"b": "a", "c": "a"}], 1, ["b", "c"]) == [[{"b", "c"}]]


def test_soft_sharing_ties_the_copies_of_each_stage() -> None:
    body = _body(_shared("soft").build(SIGNATURE))
    assert body.ties == [_copies(1), _copies(2)]
    for group in body.ties:
        assert len({tuple(p.shape for p in body.parts[name].parameters()) for name in group}) == 1
    assert not _body(_shared("independent").build(SIGNATURE)).ties


def test_private_streams_are_paired_with_the_shared_one() -> None:
    body = _body(_shared("private").build(SIGNATURE))
    assert body.private == [("x/2/vector", f"x/2@{task}/vector") for task in TASKS]
    encoding = body.encode({"x": torch.randn(4, 3)})
    shared, own = (encoding.taps[name] for name in body.private[0])
    assert torch.equal(encoding.features["a"], torch.cat([shared, own], 1))  # type: ignore[arg-type]


def test_cross_stitch_units_that_take_the_own_stream_alone_are_independent_streams() -> None:
    stitched, apart = _shared("stitch").build(SIGNATURE), _shared("independent").build(SIGNATURE)
    weights = {name: value for name, value in stitched.state_dict().items() if "stitch" not in name}
    apart.load_state_dict(weights)
    x = torch.randn(4, 3)
    assert not torch.allclose(stitched({"x": x})["b"], apart({"x": x})["b"])
    for name, parameter in stitched.named_parameters():
        if "stitch" in name:
            assert parameter[0].eq(0.9).all()
            assert torch.allclose(parameter.sum(0), torch.ones(parameter.shape[1]))
            parameter.data[0], parameter.data[1:] = 1.0, 0.0
    for task in TASKS:
        assert torch.allclose(stitched({"x": x})[task], apart({"x": x})[task])


def test_tasks_that_share_all_do_not_look_at_each_others_features() -> None:
    def architecture(kind: str, attention: bool) -> Architecture:
        sharing = {"kind": kind}
        tasks = dict.fromkeys(TASKS)
        return _architecture(streams={"x": STAGES}, tasks=tasks, sharing=sharing, task_attention=attention)

    assert architecture("hard", True).id == architecture("hard", False).id
    attending = architecture("independent", True)
    assert attending.id != architecture("independent", False).id
    graph = _graph(attending)
    assert graph["calls"]["attention@b"] == ["attention@b", "x/2@b", "x/2@a", "x/2@c"]
    assert graph["outputs"]["b"] == ["attention@b"]
    _every_parameter_learns(attending.build(SIGNATURE), torch.randn(4, 3))


# -- what the links tap ------------------------------------------------------------------------------------


def _link(operator: str = "concat", width: int = 4, **taps: float | None) -> dict[str, Any]:
    return {"taps": taps, "operator": operator, "width": width}


TWO = Signature({"x": Vector(3), "y": Vector(2)}, {"a": Classification(2)})


def _linked(*links: dict[str, Any], stages: tuple[int, int] = (4, 2), **arguments: Any) -> Architecture:
    widths = range(5, 9)
    streams = {
        name: [layer(nn.Linear, out_features=width) for width in widths[:count]]
        for name, count in zip("xy", stages, strict=True)
    }
    return _architecture(streams=streams, **{"tasks": {"a": None}, "links": list(links)} | arguments)


def _wired(*links: dict[str, Any]) -> dict[str, list[str]]:
    """The sources of each link."""
    calls = _graph(_linked(*links), TWO)["calls"]
    return {name: sources for name, (_, *sources) in calls.items() if name.startswith("link/")}


def test_a_link_taps_streams_early_or_late() -> None:
    assert _wired(_link(x=1.0, y=1.0)) == {"link/1": ["x/4", "y/2"]}
    assert _wired(_link(x=0.25, y=0.5)) == {"link/1": ["x/1", "y/1"]}
    assert _wired(_link(x=0.5, y=1.0)) == {"link/1": ["x/2", "y/2"]}
    stages = {0.01: 1, 0.25: 1, 0.26: 2, 0.5: 2, 0.75: 3, 0.76: 4, 1.0: 4}
    for position, stage in stages.items():
        assert _wired(_link(x=position, y=1.0)) == {"link/1": [f"x/{stage}", "y/2"]}


def test_each_link_joins_what_the_one_before_gave() -> None:
    assert _wired(_link(x=0.5, y=0.5), _link(x=0.75, y=None), _link(x=1.0, y=1.0)) == {
        "link/1": ["x/2", "y/1"],
        "link/2": ["link/1", "x/3"],
        "link/3": ["link/2", "x/4", "y/2"],
    }


def test_a_stream_that_no_link_taps_enters_at_the_last() -> None:
    assert _wired(_link(x=0.5), _link(x=None, y=None)) == {"link/1": ["x/2"], "link/2": ["link/1", "y/2"]}
    assert _wired(_link(x=0.5), _link(y=0.5)) == {"link/1": ["x/2"], "link/2": ["link/1", "y/1"]}
    assert _wired(_link(), _link()) == {"link/2": ["x/4", "y/2"]}


def test_stages_beyond_the_last_tap_are_not_built() -> None:
    network = _linked(_link(x=0.5, y=0.5)).build(TWO)
    assert sorted(_body(network).parts) == ["link/1", "x/1", "x/2", "x/2/vector", "y/1", "y/1/vector"]
    assert _size(network.body) == (3 * 5 + 5) + (5 * 6 + 6) + (2 * 5 + 5) + ((6 + 5) * 4 + 4 + 8)
    assert _body(network).embeddings == {"x": "x/2/vector", "y": "y/1/vector"}
    _every_parameter_learns(network, {"x": torch.randn(4, 3), "y": torch.randn(4, 2)})


def test_tasks_share_the_links_of_taps_that_they_share() -> None:
    signature = Signature(TWO.inputs, dict.fromkeys(TASKS, Classification(2)))
    levels = [{"b": "a", "c": "a"}, {"b": "a", "c": "c"}]
    links = [_link(x=0.5, y=0.5), _link(x=1.0)]
    options = {"tasks": dict.fromkeys(TASKS), "sharing": {"kind": "tree", "levels": levels}}
    calls = _graph(_linked(*links, **options), signature)["calls"]
    assert [name for name in calls if name.startswith("link/")] == ["link/1", "link/2@a+b", "link/2@c"]
    assert calls["link/2@c"][1:] == ["link/1", "x/4@c"]


# -- positions that heads need -----------------------------------------------------------------------------

MIXED = Signature(
    {"image": Image(2, 8, 8), "words": Tokens(6, 9), "facts": Vector(3)},
    {
        "kind": Classification(3),
        "tags": Tagging(4, input="words"),
        "map": DenseMap(2, 8, 8),
        "find": Retrieval("image", "words", 4),
        "size": Regression(2),
    },
)
STREAMS = {
    "image": [
        layer(nn.Conv2d, out_channels=3, kernel_size=3, padding=1),
        layer(nn.Conv2d, out_channels=4, kernel_size=2, stride=2),
    ],
    "words": [layer(TokenEmbedding, embedding_dim=4), layer(Recurrent, out_features=5)],
    "facts": [layer(nn.Linear, out_features=4)],
}


def _mixed(kind: str, *links: dict[str, Any], signature: Signature = MIXED) -> Architecture:
    sharing = {"kind": kind, "experts": 2, "levels": [{}]}
    return _architecture(streams=STREAMS, tasks=needs(signature), sharing=sharing, links=list(links))


def _numbers(signature: Signature, count: int = 4) -> dict[str, Tensor]:
    return {
        name: torch.randint(0, kind.vocabulary, (count, kind.length))
        if isinstance(kind, Tokens)
        else torch.randn(count, *kind.shape)
        for name, kind in signature.inputs.items()
    }


ALL = {"image": 0.5, "words": 1.0, "facts": 1.0}


def test_needs_are_the_positions_that_heads_answer() -> None:
    assert needs(MIXED) == {
        "kind": None,
        "tags": "words",
        "map": "image",
        "find": ["image", "words"],
        "size": None,
    }


@pytest.mark.parametrize(
    "operator",
    [
        "sum",
        "attend",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("concat", "gate", "lowrank")),
    ],
)
@pytest.mark.parametrize("kind", PATTERNS)
def test_links_keep_the_positions_that_a_task_answers(kind: str, operator: str) -> None:
    architecture = _mixed(kind, _link(operator, 6, **ALL), _link(operator, 8, image=1.0, facts=1.0))
    network = architecture.build(MIXED)
    inputs = _numbers(MIXED)
    inputs["words"][:, 4:] = 0
    encoding = network.encode(inputs)
    shapes = {task: tuple(f.shape[1:]) for task, f in encoding.features.items() if isinstance(f, Tensor)}
    assert shapes["tags"] == (6, 8)
    assert shapes["map"] == (8, 8, 8)
    # the others go along with the first whose taps are theirs too, or have vectors
    assert shapes["kind"] == shapes["size"] == ((6, 8) if kind == "hard" else (8,))
    mask = encoding.masks["tags"]
    assert mask is not None
    assert torch.equal(mask, inputs["words"] != 0)
    _every_parameter_learns(network, inputs)


def test_a_task_without_positions_goes_along_with_one_that_shares_its_stages() -> None:
    signature = MIXED.only(tasks=["kind", "tags"])
    calls = _graph(_mixed("hard", _link(**ALL)), signature)["calls"]
    assert [name for name in calls if name.startswith("link/")] == ["link/1"]
    assert calls["link/1"][1:] == ["words/2", "image/1", "facts/1"]
    parted = _graph(_mixed("independent", _link(**ALL)), signature)
    keeps = {
        name: part.arguments["keep"] for name, part in parted["parts"].items() if name.startswith("link/")
    }
    assert keeps == {"link/1@kind": 0, "link/1@tags": 1}


def test_tasks_of_different_positions_have_links_of_their_own() -> None:
    graph = _graph(_mixed("hard", _link(**ALL)), MIXED)
    sources = {name: call[1:] for name, call in graph["calls"].items() if name.startswith("link/")}
    assert sources == {
        "link/1@kind+tags+size": ["words/2", "image/1", "facts/1"],
        "link/1@map": ["image/1", "words/2", "facts/1"],
    }


def test_retrieval_compares_the_ends_of_two_streams_whatever_the_links_tap() -> None:
    alone = MIXED.only(tasks=["find"])
    first, second = _mixed("hard", _link(**ALL)), _mixed("hard", _link("sum", 8, facts=1.0))
    network = first.build(alone)
    assert sorted(_body(network).parts) == [
        *("image/1", "image/2", "image/2/vector", "words/1", "words/2", "words/2/vector")
    ]
    assert _body(network).embeddings == {"image": "image/2/vector", "words": "words/2/vector"}
    assert first.id_for(alone) == second.id_for(alone) != first.id
    _every_parameter_learns(network, _numbers(alone))


def test_a_network_of_links_takes_larger_images_and_longer_texts() -> None:
    signature = MIXED.only(tasks=["kind", "map", "size"])
    for kind in PATTERNS:
        network = _mixed(kind, _link("attend", 6, **ALL), _link("gate", 6, image=1.0)).build(signature).eval()
        inputs = _numbers(signature)
        inputs["image"] = torch.randn(4, 2, 12, 10)
        inputs["words"] = torch.randint(0, 9, (4, 9))
        encoding = network.encode(inputs)
        assert tuple(encoding.taps[_body(network).outputs["map"][0]].shape) == (4, 6, 12, 10)
        assert network(inputs)["map"].shape == (4, 2, 8, 8)


# -- fewer tasks and inputs --------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_one_task_of_any_pattern_is_the_plain_stream(task: str) -> None:
    alone = SIGNATURE.only(tasks=[task])
    plain = _shared("hard").id_for(alone)
    for kind in PATTERNS.keys() - {"mask", "routed"}:
        assert _shared(kind).id_for(alone) == plain
        assert _size(_shared(kind).build(alone).body) == FIRST + SECOND
    for kind in ("mask", "routed"):
        assert _shared(kind).id_for(alone) != plain
        _every_parameter_learns(_shared(kind).build(alone), torch.randn(4, 3))


@pytest.mark.parametrize("kind", PATTERNS)
def test_every_task_and_every_input_can_be_built_alone(kind: str) -> None:
    architecture = _mixed(kind, _link("gate", 6, **ALL), _link("attend", 8, image=1.0, facts=1.0))
    for task in MIXED.tasks:
        alone = MIXED.only(tasks=[task])
        _every_parameter_learns(architecture.build(alone), _numbers(alone))
    for name, tasks in (("image", ["kind", "map"]), ("words", ["tags", "size"]), ("facts", ["kind", "size"])):
        alone = MIXED.only([name], tasks)
        network = architecture.build(alone)
        assert not any(part.startswith("link/") for part in _body(network).parts)
        _every_parameter_learns(network, _numbers(alone))
    pair = MIXED.only(["words", "facts"], ["kind", "tags"])
    _every_parameter_learns(architecture.build(pair), _numbers(pair))


# -- identity ----------------------------------------------------------------------------------------------


def test_patterns_that_wire_the_same_network_are_one_architecture() -> None:
    assert _shared("hard").id == _shared("tree", levels=TOGETHER).id == _shared("tree", levels=[]).id
    assert _shared("independent").id == _shared("tree", levels=APART).id
    assert _shared("tree", levels=[*TOGETHER, *APART]).id != _shared("tree", levels=[*APART, *TOGETHER]).id
    assert _shared("tree", levels=[*APART, *TOGETHER]).id == _shared("tree", levels=APART).id
    ids = [_shared(kind).id for kind in PATTERNS]
    assert len(set(ids)) == len(ids) - 1  # the tree stands for independent streams


def test_positions_that_tap_the_same_stage_are_one_architecture() -> None:
    three = [_linked(_link(x=x, y=1.0), stages=(3, 1)).id for x in (0.5, 0.6, 1.0)]
    assert three[0] == three[1] != three[2]


def test_stages_that_nothing_taps_do_not_count() -> None:
    assert _linked(_link(x=0.5, y=0.5)).id == _linked(_link(x=1.0, y=1.0), stages=(2, 1)).id
    assert _linked(_link(x=0.25, y=0.5)).id != _linked(_link(x=1.0, y=1.0), stages=(2, 1)).id


def test_names_of_calls_and_parts_do_not_count_but_those_of_inputs_and_tasks_do() -> None:
    def graph(stage: str, source: str, task: str) -> str:
        calls = {stage: ["p", source], "unused": ["p", stage]}
        parts = {"p": layer(nn.Linear, out_features=2), "q": layer(nn.ReLU)}
        return _named(parts=parts, calls=calls, outputs={task: [stage]})

    def _named(**arguments: Any) -> str:
        return Space(layer(Graph, **arguments)).architecture({}).id

    assert graph("one", "x", "a") == graph("two", "x", "a")
    assert len({graph("one", "x", "a"), graph("one", "y", "a"), graph("one", "x", "b")}) == 3
    parts = {"p": layer(nn.Linear, out_features=2)}
    plain: dict[str, Any] = {"parts": parts, "calls": {"c": ["p", "x"]}, "outputs": {"a": ["c"]}}
    assert _named(**plain) == graph("c", "x", "a") != _named(**plain, embeddings={"x": "c"})


def test_heads_that_tasks_have_anyway_do_not_count() -> None:
    body = _mixed("hard", _link(**ALL)).value
    anyway = {task: layer(default_head(kind)) for task, kind in MIXED.tasks.items()}
    ids = [Space({"body": body, "heads": heads}).architecture({}).id for heads in ({}, anyway)]
    other = Space({"body": body, "heads": anyway | {"tags": layer(CrfHead)}}).architecture({}).id
    assert ids[0] == ids[1] != other


def test_weights_that_are_shared_and_weights_of_ones_own_are_different_architectures() -> None:
    linear = layer(nn.Linear, in_features=3, out_features=3)

    def twice(second: str) -> str:
        calls = {"one": ["p", "x"], "two": [second, "one"]}
        graph = layer(Graph, parts={"p": linear, "q": linear}, calls=calls, outputs={"a": ["two"]})
        return Space(graph).architecture({}).id

    assert twice("p") != twice("q")


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_backbone_survives_json(kind: str) -> None:
    architecture = _mixed(kind, _link(**ALL))
    again = Architecture.from_json(architecture.to_json())
    assert again.id == architecture.id
    assert again.to_json() == architecture.to_json()
    assert [*_body(again.build(MIXED)).calls] == [*_body(architecture.build(MIXED)).calls]


# -- errors ------------------------------------------------------------------------------------------------

X = {"x": STAGES}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"streams": X, "tasks": {"a": None}, "sharing": {"kind": "none"}},
            "a kind from hard, .*'none'",
        ),
        ({"streams": X, "tasks": {"a": None}, "sharing": "hard"}, "a kind from .*got 'hard'"),
        (
            {"streams": X | {"y": STAGES}, "tasks": {"b": None}, "links": [_link()]},
            "expected tasks from b, got a",
        ),
        ({"streams": X, "tasks": {"a": None}}, "expected inputs from x, got y"),
        (
            {"streams": {"x": [], "y": STAGES}, "tasks": {"a": None}},
            "'x': expected at least one stage",
        ),
        ({"streams": {}, "tasks": {"a": None}}, "expected at least one stream and one task"),
        ({"streams": X | {"y": STAGES}, "tasks": {"a": None}}, "at least one link for 2 streams, got none"),
        (
            {"streams": X | {"y": STAGES}, "tasks": {"a": None}, "links": [_link("mean")]},
            "operator from sum, concat, gate, attend, lowrank, got 'mean'",
        ),
        (
            {"streams": X | {"y": STAGES}, "tasks": {"a": None}, "links": [_link(z=1.0)]},
            "expected taps of x, y above 0 to 1, got 'z': 1.0",
        ),
        (
            {"streams": X | {"y": STAGES}, "tasks": {"a": None}, "links": [_link(x=2.0)]},
            "expected taps of x, y above 0 to 1, got 'x': 2.0",
        ),
        ({"streams": X, "tasks": {"t.1": None, "t_1": None}}, r"names that differ .*got t\.1, t_1"),
        ({"streams": {"link": STAGES}, "tasks": {"a": None}}, "other names than 'link'"),
    ],
)
def test_a_backbone_says_what_is_wrong_with_it(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=f"model: Backbone cannot be made: .*{message}"):
        _architecture(**arguments).build(TWO)


def test_a_link_that_cannot_keep_the_positions_says_so() -> None:
    signature = Signature({"x": Vector(3), "words": Tokens(6, 9)}, {"tags": Tagging(3)})
    flattened = [layer(TokenEmbedding, embedding_dim=4), layer(nn.Flatten)]
    streams = {"x": STAGES, "words": flattened}
    with pytest.raises(BuildError, match=r"link/1.*expected sequences or maps to keep the positions of"):
        _architecture(streams=streams, tasks={"tags": "words"}, links=[_link()]).build(signature)


def test_names_with_dots_are_served() -> None:
    tasks = {"a.1": Classification(2), "b": Classification(3)}
    signature = Signature({"x.1": Vector(3), "y.1": Vector(2)}, tasks)
    streams = {"x.1": STAGES, "y.1": STAGES}
    network = _architecture(
        streams=streams,
        tasks={"a.1": None, "b": None},
        sharing={"kind": "stitch"},
        links=[_link(**{"x.1": 0.5, "y.1": 1.0})],
        task_attention=True,
    ).build(signature)
    _every_parameter_learns(network, _numbers(signature))


def test_sequences_of_different_lengths_are_stitched_where_their_stages_halve_them() -> None:
    signature = Signature({"words": Tokens(7, 9)}, {"tags": Tagging(3), "kind": Classification(2)})
    stages = [
        layer(TokenEmbedding, embedding_dim=4),
        *[layer(SequenceConvolution, out_features=6, normalisation="layer", pooling="max")] * 2,
    ]
    for kind in PATTERNS:
        sharing = {"kind": kind, "experts": 2, "levels": APART}
        architecture = _architecture(streams={"words": stages}, tasks=needs(signature), sharing=sharing)
        network = architecture.build(signature)
        inputs = _numbers(signature)
        assert network(inputs)["tags"].shape == (4, 7, 3)
        _every_parameter_learns(network, inputs)
