"""What every network of several inputs and tasks promises, whatever its encoders, sharing, links and heads.

Samples are directed so that each two of these decisions meet: which pairs did is counted.
"""

import random
from collections import Counter
from itertools import combinations, product
from typing import Any

import pytest
import torch

from search_spaces import (
    Architecture,
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    TabularRow,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.blocks import CrfHead, Head
from search_spaces.blocks.backbone.links import OPERATORS
from search_spaces.blocks.backbone.patterns import PATTERNS
from search_spaces.catalog import cell, cnn, encoder, multimodal, multitask, series, table, text, vit
from search_spaces.catalog.encoders import dense
from search_spaces.errors import SpaceError
from search_spaces.nodes import layer
from search_spaces.testing import check_answers, check_learning, random_inputs, random_presence
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
    for kind in ("lstm", "gru", "cnn", "dpcnn", "transformer", "bag")
}
ROWS = {kind: table(kinds=(kind,), layers=2, widths=(4, 8), number_dims=(3,)) for kind in ("mlp", "resnet")}
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
    {
        "image": Image(2, 8, 8),
        "pen": Sequence(9, 3),
        "words": Tokens(7, 20),
        "facts": Vector(4),
        "row": TabularRow(3, (2, 9)),
    },
    {
        "kind": Classification(3),
        "size": Regression(2),
        "tags": Tagging(4, input="words"),
        "steps": Tagging(3, input="pen"),
        "find": Retrieval("image", "words", 6),
        "say": Generation(3, 12),
        "map": DenseMap(3, 8, 8),
        "depth": DenseMap(1, 8, 8, discrete=False),
        "labels": MultiLabel(3),
        "grade": Ordinal(3),
        "visits": CountRegression(2),
        "price": QuantileRegression(),
    },
)


def _keeps_its_promises(architecture: Architecture, signature: Signature, rng: random.Random) -> None:
    """It builds, answers, and learns in every parameter, even where examples lack inputs."""
    network, inputs = architecture.build(signature), random_inputs(signature, COUNT)
    present = random_presence(signature, COUNT, rng)
    check_learning(network, inputs, architecture, task_loss=task_loss)
    check_learning(network, inputs, architecture, present, task_loss=task_loss)
    check_answers(network, inputs, architecture)


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
    "row": ROWS,
    "tagger": TAGGERS,
    "pooling": POOLINGS,
}
CASES: dict[str, tuple[Signature, list[str]]] = {
    "two inputs": (TWO, ["sharing", "operator", "image", "pen", "pooling"]),
    "a text": (TEXT, ["sharing", "words", "tagger", "pooling"]),
    "three tasks": (THREE, ["sharing", "image", "pooling"]),
    "all kinds": (ALL, list(DECISIONS)),
}


MARKS: dict[str, Any] = {"a text": [], "all kinds": pytest.mark.soak}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=MARKS.get(case, pytest.mark.slow)) for case in CASES]
)
def test_every_two_decisions_meet_in_networks_that_build_answer_and_learn(case: str) -> None:
    seen = _seen_to_keep_their_promises(case)
    assert set(seen) == _every_pair({kind: DECISIONS[kind] for kind in CASES[case][1]})


def test_a_few_networks_of_all_kinds_of_inputs_and_tasks_build_answer_and_learn() -> None:
    assert _seen_to_keep_their_promises("all kinds", rows=2)


def _seen_to_keep_their_promises(case: str, rows: int | None = None) -> Counter[frozenset[tuple[str, str]]]:
    """How often pairs of decisions met in networks that keep their promises, of all rows or the first few."""
    torch.manual_seed(0)
    rng = random.Random(0)
    signature, kinds = CASES[case]
    decisions = {kind: DECISIONS[kind] for kind in kinds}
    seen: Counter[frozenset[tuple[str, str]]] = Counter()
    for i, row in enumerate(_rows(decisions)[:rows]):
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
    return seen


def test_kinds_of_encoders_are_told_by_name() -> None:
    space = multimodal(TWO, encoders={"image": ["cell"], "pen": ["gru", "conv"]})
    assert "1<-0" in space.holes()
    assert not any("lstm" in path or "vit" in path for path in space.holes())
    with pytest.raises(SpaceError, match="kinds: expected kinds from cnn, vit, cell, got 'resnet'"):
        multimodal(TWO, encoders={"image": ["resnet"]})
    with pytest.raises(SpaceError, match="kinds: expected at least one option"):
        encoder(Vector(3), [])
    with pytest.raises(SpaceError, match="kinds: expected kinds from mlp, resnet, got 'transformer'"):
        encoder(TabularRow(3), ["transformer"])


def test_nothing_is_chosen_where_it_would_change_nothing() -> None:
    """Links give vectors, in which there is nothing to pool: each choice would be the same network twice."""

    def pools(signature: Signature) -> list[str]:
        heads = [path for path in multimodal(signature).holes() if path.startswith("heads")]
        return [path for path in heads if path.endswith("pooling")]

    facts = {"a": Vector(3), "b": Vector(4), "row": TabularRow(2, (5,))}
    tasks = {"kind": Classification(3), "size": Regression(2)}
    assert pools(TWO) == []
    assert pools(Signature(facts, tasks)) == pools(Signature({"a": Vector(3)}, tasks)) == []
    assert pools(Signature({"row": facts["row"]}, tasks)) == []
    assert not any("pooling" in path for path in multimodal(Signature(facts, tasks)).holes())
    assert len(pools(THREE)) == 3
    # who needs no positions goes along with a task that does
    assert len(pools(Signature({**TEXT.inputs, **facts}, {"slots": Tagging(4, input="words"), **tasks}))) == 2
