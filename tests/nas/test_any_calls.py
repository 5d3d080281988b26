"""Whatever public functions, constructors and methods are given: an answer or an error of ours."""

from __future__ import annotations

import inspect
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from any_values import texts, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_doors import doors, parameters
from recorded import record
from torch import nn

import nas
from controllers import RandomSearch, maximize
from nas import Search, Store
from search_spaces import (
    Classification,
    MultiLabel,
    Ordinal,
    Regression,
    Space,
    TabularRow,
    Tagging,
    Tokens,
    Vector,
    choice,
    integer,
    layer,
    sequential,
)
from search_spaces.arguments import is_checked
from search_spaces.errors import NasError
from workers.executor import Executor
from workers.inline import Inline
from workers.recipe import Recipe
from workers.tabular import Answer
from workers.testing.jobs import points

STARTS_RAY = {"workers.cluster.connect", "workers.cluster.start_local", "workers.tune.trainable"}
"""The doors that are not tried: what fits starts a Ray."""

WORK = {"epochs", "seeds", "trials", "seconds", "rounds", "max_epochs"}
"""The parameters that say how long something takes: a number too large is no error."""

PLACES = {"folder", "to", "url", "uri", "source", "store", "storage", "path", "where", "text", "name"}
"""The parameters that may name a file: nothing is written outside of the folder of the test."""

ODD_NAMES = ("nonsense", "missing")
"""What may be wrong beside values: an argument too many, an argument too few."""

SPACE = Space({"a": choice("x", "y"), "b": integer(1, 5)})
NETWORKS = Space({"model": sequential(layer(nn.Linear, out_features=integer(2, 9))), "recipe": {"epochs": 1}})
POINTS = points()


@cache
def filled() -> Store:
    """A store with a search that was run, ``first``, and one that was made up, ``second``."""
    store = Store("sqlite://", create=True)
    Search(NETWORKS, POINTS, "random", trials=3, executor="inline", store=store, name="first").run()
    record(store, 12, name="second", curves=3)
    return store


@cache
def found() -> nas.Found:
    return nas.load(filled(), search="first")


def controller() -> RandomSearch:
    return RandomSearch(SPACE, maximize("accuracy"), seed=0)


def copied() -> Store:
    """The same store once more, for what changes it."""
    store = Store("sqlite://", create=True)
    filled().copy(store)
    return store


def opened() -> Executor:
    executor = Inline()
    executor.open(POINTS)
    return executor


OWNERS: dict[str, Callable[[], Any]] = {
    "controllers.Controller": controller,
    "nas.Ensemble": lambda: nas.ensemble(filled(), "first", problem=POINTS, top=2, rounds=1),
    "nas.Found": found,
    "nas.Search": lambda: Search(NETWORKS, POINTS, "random", trials=1, executor="inline", store="sqlite://"),
    "nas.Store": copied,
    "search_spaces.Architecture": NETWORKS.plain,
    "search_spaces.Classification": lambda: Classification(2),
    "search_spaces.MultiLabel": lambda: MultiLabel(2),
    "search_spaces.Ordinal": lambda: Ordinal(3),
    "search_spaces.Signature": lambda: POINTS.signature,
    "search_spaces.Space": lambda: SPACE,
    "search_spaces.TabularRow": lambda: TabularRow(2, (3,)),
    "search_spaces.Tagging": lambda: Tagging(2),
    "search_spaces.Tokens": lambda: Tokens(3, 9),
    "search_spaces.signature.Input": lambda: Vector(2),
    "workers.Executor": opened,
    "workers.Inline": opened,
    "workers.Problem": lambda: POINTS,
    "workers.Recipe": lambda: Recipe(schedule="wsd"),
}
"""The object that a method is called on, by its class."""

FITTING: dict[str, Callable[[], Any]] = {
    "answer": lambda: lambda architecture: Answer({"accuracy": 0.5}, 1.0),
    "answers": lambda: torch.zeros(3, 2),
    "architecture": NETWORKS.plain,
    "architecture_id": lambda: found().architecture.id,
    "axis": lambda: 1,
    "best": found,
    "bound": lambda: 3,
    "controller": controller,
    "counts": lambda: (1,),
    "cpus": lambda: 1,
    "data": POINTS.signature.to_dict,
    "decisions": lambda: {"a": "x", "b": 2},
    "description": lambda: "what it is",
    "device": lambda: "cpu",
    "epochs": lambda: 1,
    "events": list,
    "executor": lambda: "inline",
    "factory": lambda: nn.Linear,
    "folder": lambda: "folder",
    "given": lambda: "plain",
    "inputs": lambda: POINTS.train.take(slice(3)).inputs["point"],
    "kind": lambda: Vector(3),
    "members": lambda: (found(),),
    "metric": lambda: "accuracy",
    "metrics": lambda: {"accuracy": 0.5},
    "name": lambda: "first",
    "names": lambda: ["accuracy"],
    "network": lambda: nn.Linear(2, 2),
    "number": lambda: 0,
    "objectives": lambda: maximize("accuracy"),
    "problem": lambda: POINTS,
    "proposal": lambda: controller().ask(),
    "provenance": dict,
    "recipe": lambda: Recipe(epochs=1),
    "results": list,
    "rng": lambda: random.Random(0),
    "search": lambda: "first",
    "search_id": lambda: 1,
    "searches": lambda: ["first", "second"],
    "seed": lambda: 0,
    "seeds": lambda: 1,
    "signature": lambda: POINTS.signature,
    "source": filled,
    "space": lambda: NETWORKS,
    "stem": lambda: "first",
    "store": filled,
    "target": lambda: Store("sqlite://", create=True),
    "task": Regression,
    "test": lambda: POINTS.test,
    "test_metrics": dict,
    "text": NETWORKS.to_json,
    "train": lambda: POINTS.train,
    "trials": lambda: [0, 1],
    "validation": lambda: POINTS.validation,
    "value": lambda: {"a": choice(1, 2)},
    "values": lambda: {"accuracy": 0.5},
    "weights": lambda: found().weights,
}
"""What a parameter of that name takes."""

OTHERWISE: dict[tuple[str, str], Callable[[], Any]] = {
    ("nas.Store.create_search", "description"): dict,
    ("nas.Store.create_search", "name"): lambda: "third",
    ("nas.Store.claim", "description"): dict,
    ("nas.compare", "search"): lambda: "second",
    ("nas.integrations.tracker_of", "text"): lambda: "tensorboard:folder",
    ("nas.leaderboard", "problem"): lambda: None,
    ("search_spaces.Architecture.from_json", "text"): lambda: NETWORKS.plain().to_json(),
    ("search_spaces.catalog.load", "name"): lambda: "mlp",
    ("search_spaces.Signature.tagged_input", "task"): lambda: "kind",
    ("workers.problems.load", "name"): lambda: "digits",
    ("workers.tabular.Table", "space"): lambda: SPACE,
    ("workers.tabular.Table", "metrics"): lambda: ("accuracy",),
}
"""The same for one door."""

ALWAYS = ("executor", "problem", "search", "seeds", "source", "store")
"""The parameters that are given what fits, though they may be left out."""


@dataclass(frozen=True)
class Fitting:
    """What fits a parameter, to be made when the door is tried."""

    door: str
    parameter: str

    def made(self) -> Any:
        make = OTHERWISE.get((self.door, self.parameter)) or FITTING.get(self.parameter)
        return 3 if make is None else make()


def _within(value: Any) -> bool:
    """Whether a value names no place outside of where the test runs."""
    return not str(value).lstrip().startswith(("/", "~", "..", "file:")) and "/" not in str(value)[:3]


def _little(value: Any) -> bool:
    return not isinstance(value, int | float | np.number) or not value > 3


def _elsewhere(value: Any) -> bool:
    return not isinstance(value, str) or value not in ("pool", "tune")


odd_places = st.sampled_from(
    [
        "",
        "\0",
        "no\0",
        "a" * 300,
        "/dev/null/x",
        "/proc/x",
        "~nobody/x",
        "http://",
        "sqlite:///",
        "postgresql://",
    ]
)
devices = st.sampled_from(["cuda", "cuda:99", "meta", "tpu", "cpu:7", "", "\ud800", torch.device("cpu")])
known = st.sampled_from(
    ["first", "second", "accuracy", "loss", "python", "onnx", "kind", "point", "x>1", "x=", 1]
)


def any_for(parameter: str) -> st.SearchStrategy[Any]:
    """What a parameter is tried with."""
    found: st.SearchStrategy[Any] = st.one_of(values, known, st.booleans(), st.integers(0, 3))
    if parameter in WORK:
        found = found.filter(_little)
    if parameter == "executor":
        found = found.filter(_elsewhere)
    if parameter == "device":
        found = st.one_of(found, devices)
    if parameter in PLACES:
        found = st.one_of(found.filter(_within), odd_places)
    return found


@cache
def names() -> list[str]:
    abstract = {name for name, door in doors().items() if inspect.isabstract(door)}
    return [one for one, door in doors().items() if is_checked(door) and one not in STARTS_RAY | abstract]


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[Any], dict[str, Any]]:
    """A door and its arguments: those that it needs, but for up to two that may be anything."""
    name = draw(st.sampled_from(names()))
    there = parameters(doors()[name])
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    count = draw(st.sampled_from([0, 1, 1, 1, 2]))
    options = st.sampled_from([*(one.name for one in there), *ODD_NAMES])
    changed = draw(st.lists(options, min_size=count, max_size=count))
    for one in there:
        if one.kind is one.VAR_POSITIONAL:
            positional += draw(st.lists(values, max_size=2)) if one.name in changed else []
        elif one.kind is one.VAR_KEYWORD:
            keywords |= draw(st.dictionaries(texts, values, max_size=2)) if one.name in changed else {}
        elif one.name in changed:
            keywords[one.name] = draw(any_for(one.name))
        elif one.default is one.empty or one.name in ALWAYS:
            keywords[one.name] = Fitting(name, one.name)
    without = sorted(keywords.keys() - {"executor"})  # whose default starts a Ray
    if "missing" in changed and without:
        del keywords[draw(st.sampled_from(without))]
    if "nonsense" in changed:
        keywords[draw(st.sampled_from(["nonsense", "sead"]))] = 3
    return name, positional, keywords


def hold(call: tuple[str, list[Any], dict[str, Any]]) -> bool:
    """Whether a call was answered; any error is of our tree."""
    name, positional, keywords = call
    door = doors()[name]
    owner, _, method = name.rpartition(".")
    of_an_object = not inspect.isclass(door) and "self" in inspect.signature(door).parameters
    target = getattr(OWNERS[owner](), method) if of_an_object else door
    given = {name: one.made() if isinstance(one, Fitting) else one for name, one in keywords.items()}
    try:
        answer = target(*positional, **given)
        if isinstance(answer, Iterator):
            [*itertools.islice(answer, 2)]
        elif isinstance(answer, AbstractContextManager) and not isinstance(answer, Path):
            with answer:
                pass
    except NasError:
        return False
    return True


@pytest.mark.parametrize(
    "count", [pytest.param(200, marks=pytest.mark.slow), pytest.param(4000, marks=pytest.mark.soak)]
)
def test_any_call_is_answered_or_refused_by_an_error_of_ours(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answered: list[bool] = []
    assert len(names()) > 150

    @settings(max_examples=count, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(calls())
    def holds(call: tuple[str, list[Any], dict[str, Any]]) -> None:
        answered.append(hold(call))

    holds()
    assert 20 < sum(answered) < len(answered) - 20, "both ends are met"
