"""What every network of several inputs and tasks promises, whatever its encoders, sharing, links and heads.

Samples are directed so that each two of these decisions meet: which pairs did is counted.
"""

import random
from collections import Counter
from itertools import combinations, product
from typing import Any

import pytest
import torch
from torch import Tensor

from search_spaces import (
    Architecture,
    Classification,
    DenseMap,
    Generation,
    Image,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.blocks import CrfHead, Head
from search_spaces.blocks.backbone.links import OPERATORS
from search_spaces.blocks.backbone.patterns import PATTERNS
from search_spaces.building.network import Network
from search_spaces.catalog import cell, cnn, encoder, multimodal, multitask, series, text, vit
from search_spaces.catalog.encoders import dense
from search_spaces.errors import SpaceError
from search_spaces.nodes import layer
from search_spaces.signature import Task
from workers.training.metrics import task_loss

COUNT = 5
IMAGES = {
    "cnn": cnn(stages=2, depth=1, widths=(4, 6), dense_layers=0),
    "vit": vit(layers=2, widths=(8,), patch_sizes=(2, 4), heads=(2,)),
    "cell": cell(channels=4, cells=(1, 2)),
}
SERIES = {kind: series(kinds=(kind,), stages=2, widths=(4, 6)) for kind in ("conv", "lstm", "gru")}
TEXTS = {
    kind: text(kinds=(kind,), layers=2, embedding_dims=(6,), widths=(4, 8), heads=(2,))
    for kind in ("lstm", "gru", "cnn", "dpcnn", "transformer")
}
VECTORS = {"dense": dense(layers=2)}
TAGGERS = {"softmax": layer(Head, hidden=4), "crf": layer(CrfHead, dropout=0.1)}
POOLINGS = {kind: layer(Head, pooling=kind) for kind in ("mean", "max", "attention")}

TWO = Signature(
    {"image": Image(1, 8, 8), "pen": Sequence(9, 3)},
    {"alphabet": Classification(3), "letter": Classification(5)},
)
TEXT = Signature({"words": Tokens(9, 20)}, {"intent": Classification(3), "slots": Tagging(4)})
THREE = Signature(
    {"image": Image(1, 8, 8)}, {"left": Classification(4), "right": Classification(4), "sum": Regression(1)}
)
ALL = Signature(
    {"image": Image(2, 8, 8), "pen": Sequence(9, 3), "words": Tokens(7, 20), "facts": Vector(4)},
    {
        "kind": Classification(3),
        "size": Regression(2),
        "tags": Tagging(4, input="words"),
        "steps": Tagging(3, input="pen"),
        "find": Retrieval("image", "words", 6),
        "say": Generation(3, 12),
        "map": DenseMap(3, 8, 8),
        "depth": DenseMap(1, 8, 8, discrete=False),
    },
)


def _inputs(signature: Signature) -> dict[str, Tensor]:
    """Numbers at random; texts of different lengths, one of them empty."""
    inputs = {}
    for name, kind in signature.inputs.items():
        if isinstance(kind, Tokens):
            lengths = torch.arange(COUNT).unsqueeze(1) * kind.length // (COUNT - 1)
            tokens = torch.randint(1, kind.vocabulary, (COUNT, kind.length))
            inputs[name] = tokens * (torch.arange(kind.length) < lengths)
        else:
            inputs[name] = torch.randn(COUNT, *kind.shape)
    return inputs


def _target(task: Task, length: int) -> Tensor:
    if isinstance(task, Classification):
        return torch.randint(task.classes, (COUNT,))
    if isinstance(task, Regression):
        return torch.randn(COUNT, task.outputs)
    if isinstance(task, Tagging):
        return torch.randint(task.tags, (COUNT, length))
    if isinstance(task, Retrieval):
        return torch.arange(COUNT)
    if isinstance(task, Generation):
        return torch.randint(1, task.vocabulary, (COUNT, task.length))
    assert isinstance(task, DenseMap)
    if task.discrete:
        return torch.randint(task.outputs, (COUNT, task.height, task.width))
    return torch.randn(COUNT, task.outputs, task.height, task.width)


def _loss(network: Network, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None) -> Tensor:
    """The sum of the tasks' losses, each by its head where that has a loss of its own."""
    signature, encoding = network.signature, network.encode(inputs, present)
    losses = []
    for name, task in signature.tasks.items():
        head, features, mask = network.head(name), encoding.features[name], encoding.masks[name]
        length = 0
        if isinstance(task, Tagging):
            length = signature.inputs[signature.tagged_input(name)].shape[0]
        target = _target(task, length)
        if hasattr(head, "loss"):
            losses.append(head.loss(features, target, mask))
        else:
            losses.append(task_loss(task, head(features, mask=mask), target))
    return torch.stack(losses).sum()


def _shape(task: Task, signature: Signature, name: str) -> tuple[int, ...]:
    """Of the answers."""
    if isinstance(task, Tagging):
        return (COUNT, signature.inputs[signature.tagged_input(name)].shape[0], task.tags)
    if isinstance(task, Retrieval):
        return (COUNT, 2, task.features)
    if isinstance(task, Generation):
        return (COUNT, task.length, task.vocabulary)
    if isinstance(task, DenseMap):
        return (COUNT, task.outputs, task.height, task.width)
    return (COUNT, task.outputs)


def _keeps_its_promises(architecture: Architecture, signature: Signature, rng: random.Random) -> None:
    """It builds, answers, and learns in every parameter, even where examples lack inputs."""
    network = architecture.build(signature)
    inputs = _inputs(signature)
    parameters = dict(network.named_parameters())

    loss = _loss(network, inputs)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name

    network.zero_grad()
    # each example lacks some inputs, all of them the first one now and then; each has at least one
    present = {name: torch.tensor([rng.random() < 0.6 for _ in range(COUNT)]) for name in inputs}
    *others, last = present
    if others and rng.random() < 0.3:
        present[others[0]] = torch.zeros(COUNT, dtype=torch.bool)
    present[last] |= ~torch.stack([present[name] for name in present]).any(0)
    loss = _loss(network, inputs, present)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in parameters.items():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name

    with torch.no_grad():
        answers = network.eval()(inputs)
    for name, task in signature.tasks.items():
        assert tuple(answers[name].shape) == _shape(task, signature, name)
        assert answers[name].isfinite().all()


Row = dict[str, str]
"""For each decision the name of what is taken."""


def _rows(decisions: dict[str, dict[str, Any]]) -> list[Row]:
    """Few rows in which each two values of two decisions meet, found greedily."""
    rng, rows = random.Random(0), []
    missing = _every_pair(decisions)
    while missing:
        candidates = [
            {kind: rng.choice(list(values)) for kind, values in decisions.items()} for _ in range(50)
        ]
        row = max(candidates, key=lambda one: len(_pairs(one) & missing))
        missing -= _pairs(row)
        rows.append(row)
    return rows


def _pairs(row: Row) -> set[frozenset[tuple[str, str]]]:
    return set(map(frozenset, combinations(row.items(), 2)))


def _every_pair(decisions: dict[str, dict[str, Any]]) -> set[frozenset[tuple[str, str]]]:
    named = [[(kind, name) for name in values] for kind, values in decisions.items()]
    return {frozenset(pair) for a, b in combinations(named, 2) for pair in product(a, b)}


def _sample(signature: Signature, fixed: dict[str, Any], rng: random.Random) -> Architecture:
    """An architecture with these decisions fixed and the others at random."""
    heads = {}
    for name, task in signature.tasks.items():
        if isinstance(task, Tagging):
            heads[name] = fixed["tagger"]
        elif isinstance(task, Classification | Regression):
            heads[name] = fixed["pooling"]
    options: dict[str, Any] = {
        "sharing": [fixed["sharing"]],
        "encoders": {name: fixed[name] for name in signature.inputs},
        "heads": heads,
        "levels": 2,
        "experts": (2,),
    }
    if len(signature.inputs) == 1:
        return multitask(signature, **options).sample(rng)
    return multimodal(signature, links=2, operators=[fixed["operator"]], widths=(6,), **options).sample(rng)


DECISIONS: dict[str, dict[str, Any]] = {
    "sharing": {name: name for name in PATTERNS},
    "operator": {name: name for name in OPERATORS},
    "image": IMAGES,
    "pen": SERIES,
    "words": TEXTS,
    "facts": VECTORS,
    "tagger": TAGGERS,
    "pooling": POOLINGS,
}
CASES: dict[str, tuple[Signature, list[str]]] = {
    "two inputs": (TWO, ["sharing", "operator", "image", "pen", "pooling"]),
    "a text": (TEXT, ["sharing", "words", "tagger", "pooling"]),
    "three tasks": (THREE, ["sharing", "image", "pooling"]),
    "all kinds": (ALL, list(DECISIONS)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_two_decisions_meet_in_networks_that_build_answer_and_learn(case: str) -> None:
    torch.manual_seed(0)
    rng = random.Random(0)
    signature, kinds = CASES[case]
    decisions = {kind: DECISIONS[kind] for kind in kinds}
    seen: Counter[frozenset[tuple[str, str]]] = Counter()
    for i, row in enumerate(_rows(decisions)):
        architecture = _sample(signature, {kind: decisions[kind][name] for kind, name in row.items()}, rng)
        try:
            _keeps_its_promises(architecture, signature, rng)
            if i % 4 == 0:
                count = sum(p.numel() for p in architecture.build(signature).parameters())
                assert architecture.cost(signature).num_params == count
        except Exception as error:
            error.add_note(f"{row}: {dict(architecture.decisions)}")
            raise
        seen.update(_pairs(row))
    assert set(seen) == _every_pair(decisions)


def test_kinds_of_encoders_are_told_by_name() -> None:
    space = multimodal(TWO, encoders={"image": ["cell"], "pen": ["gru", "conv"]})
    assert "1<-0" in space.holes()
    assert not any("lstm" in path or "vit" in path for path in space.holes())
    with pytest.raises(SpaceError, match="kinds: expected kinds from cnn, vit, cell, got 'resnet'"):
        multimodal(TWO, encoders={"image": ["resnet"]})
    with pytest.raises(SpaceError, match="kinds: expected at least one option"):
        encoder(Vector(3), [])


def test_nothing_is_chosen_where_it_would_change_nothing() -> None:
    """Links give vectors, in which there is nothing to pool: each choice would be the same network twice."""

    def pools(signature: Signature) -> list[str]:
        heads = [path for path in multimodal(signature).holes() if path.startswith("heads")]
        return [path for path in heads if path.endswith("pooling")]

    facts = {"a": Vector(3), "b": Vector(4)}
    tasks = {"kind": Classification(3), "size": Regression(2)}
    assert pools(TWO) == []
    assert pools(Signature(facts, tasks)) == pools(Signature({"a": Vector(3)}, tasks)) == []
    assert not any("pooling" in path for path in multimodal(Signature(facts, tasks)).holes())
    assert len(pools(THREE)) == 3
    # who needs no positions goes along with a task that does
    assert len(pools(Signature({**TEXT.inputs, **facts}, {"slots": Tagging(4, input="words"), **tasks}))) == 2
