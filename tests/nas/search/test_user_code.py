"""The code of a search's own modules counts: what it says and uses, not how it is written down."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from scripted import Scripted
from torch import nn
from typer.testing import CliRunner

from nas import Search
from nas.cli import app
from nas.description import Description
from nas.search.user_code import PROBLEM, code_of
from nas.store.store import Store
from search_spaces import Space, choice, integer, layer, sequential
from search_spaces.errors import SearchError
from workers.problems import Problem
from workers.tabular import Answer, Simulated, Table

BLOCK = """
import functools, math, os
from collections import OrderedDict
import torch
from torch import nn
import {helpers}
from {helpers} import scaled as stretched, WIDTHS

GAIN = 1.0
TABLE = {{"gain": 2.0}}
CALLS = []
COUNT = 0
OFFSET = torch.zeros(3)


def named(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


class Base(nn.Module):
    shift = 0.5

    def moved(self, x):
        return x + self.shift


class Block(Base):
    '''A block.'''

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.linear = nn.LazyLinear(width)  # the width

    @named
    def forward(self, x):
        global COUNT
        COUNT += 1
        CALLS.append(x.shape)
        y = {helpers}.halved(self.linear(x)) * GAIN + TABLE["gain"]
        return self.moved(stretched(y)) * math.sqrt(WIDTHS[0]) + OFFSET.sum() + self.size

    @property
    def size(self):
        return constant()

    @staticmethod
    def unused():
        return os.sep


def constant():
    return 1.0


def elsewhere():
    return 2.0
"""
HELPERS = """
WIDTHS = [3, 4]
FACTOR = 0.5


def halved(x):
    return deeper(x)


def deeper(x):
    return x * FACTOR


def scaled(x, by=2.0):
    return x * by


def elsewhere(x):
    return x
"""
_numbers = itertools.count()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Writes the two files of a user, after replacements in their text, and imports the first."""
    number = next(_numbers)
    block, helpers = f"block_{number}", f"helpers_{number}"
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(*changes: tuple[str, str]) -> ModuleType:
        texts = {f"{block}.py": BLOCK.format(helpers=helpers), f"{helpers}.py": HELPERS}
        for old, new in changes:
            assert any(old in text for text in texts.values()), old
            texts = {file: text.replace(old, new) for file, text in texts.items()}
        for file, text in texts.items():
            (tmp_path / file).write_text(text)
        for name in (block, helpers):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return importlib.import_module(block)
        finally:
            sys.dont_write_bytecode = before

    return write


def code(*factories: Any, problem: Any = None) -> dict[str, str]:
    space = Space({"model": sequential(choice(*(layer(one) for one in factories), None)), "a": integer(1, 3)})
    return code_of(space, problem or PLAIN)


PLAIN = Problem.from_tensors("larger", (torch.rand(40, 2), torch.arange(40) % 2))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The names, without their modules, whose code is not the same."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return {name.partition(".")[2] for name in names}


# -- what counts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("* GAIN +", "* GAIN -"), {"Block", "Block.forward"}),
        (("width: int = 3", "width: int = 4"), {"Block"}),
        (("shift = 0.5", "shift = 0.6"), {"Base"}),
        (("return x + self.shift", "return x - self.shift"), {"Base"}),
        (("GAIN = 1.0", "GAIN = 1.5"), {"Block", "Block.forward"}),
        (('{"gain": 2.0}', '{"gain": 3.0}'), {"Block", "Block.forward"}),
        (("torch.zeros(3)", "torch.ones(3)"), {"Block", "Block.forward"}),
        (("WIDTHS = [3, 4]", "WIDTHS = [5, 4]"), {"Block", "Block.forward"}),
        (("FACTOR = 0.5", "FACTOR = 0.25"), {"deeper"}),
        (("return x * FACTOR", "return x + FACTOR"), {"deeper"}),
        (("by=2.0", "by=3.0"), {"scaled"}),
        (("return function(*args)", "return -function(*args)"), {"named"}),
        (("return 1.0", "return 1.5"), {"constant"}),
    ],
)
def test_what_a_network_is_made_with_counts_wherever_it_is_written(
    written: Callable[..., ModuleType], change: tuple[str, str], where: set[str]
) -> None:
    before = code(written().Block)
    after = changed(before, code(written(change).Block))
    assert after
    assert after <= where | {"Block", "Block.forward"}
    assert after & where


@pytest.mark.parametrize(
    "change",
    [
        ("  # the width", ""),
        ("'''A block.'''", "'''Another text of it.'''"),
        ("GAIN = 1.0", "GAIN = (1.0)\n\n\n# a gain"),
        ("return 2.0", "return 3.0"),  # of what nobody uses
        ("def elsewhere(x):\n    return x", "def elsewhere(x):\n    return -x"),
        ("COUNT = 0", "COUNT = 0\nOTHER = 7"),
    ],
)
def test_how_it_is_written_and_what_is_not_used_do_not(
    written: Callable[..., ModuleType], change: tuple[str, str]
) -> None:
    before = code(written().Block)
    assert code(written(change).Block) == before


def test_what_a_training_leaves_in_a_module_makes_no_other_code(written: Callable[..., ModuleType]) -> None:
    module = written()
    before = code(module.Block)
    module.Block()(torch.rand(2, 3))
    assert (module.COUNT, len(module.CALLS)) == (1, 1)
    assert code(module.Block) == before


def test_nothing_of_ours_of_torch_or_of_python_counts() -> None:
    assert code(nn.Linear, nn.ReLU) == {}
    import search_spaces.catalog

    space = search_spaces.catalog.load("cnn")
    assert code_of(space, PLAIN) == {}


def test_names_are_those_of_where_the_code_is(written: Callable[..., ModuleType]) -> None:
    module = written()
    found = code(module.Block)
    helpers = module.Block.forward.__wrapped__.__globals__["stretched"].__module__
    wanted = {f"{module.__name__}.{name}" for name in ("Block", "Base", "constant")}
    assert wanted | {f"{helpers}.{name}" for name in ("halved", "deeper", "scaled")} <= found.keys()
    assert not any(name.endswith("elsewhere") for name in found)


def even(number: int) -> bool:
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    return number != 0 and even(number - 1)


def test_where_reading_begins_makes_no_difference() -> None:
    first, second = code(made(3, even)), code(made(3, odd))
    mine = f"{__name__}.{{}}".format
    assert {mine("even"), mine("odd")} <= first.keys() & second.keys()
    assert all(first[mine(name)] == second[mine(name)] for name in ("even", "odd"))


def made(width: int, act: Any = torch.relu, weights: Any = None) -> type[nn.Module]:
    """A class that has what it needs from around it."""

    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.LazyLinear(width)

        def forward(self, x: torch.Tensor) -> Any:
            return act(self.linear(x)) + (0 if weights is None else weights.sum())

    return Made


STABLE = """
import enum, functools, json, sys, threading
from collections import namedtuple
from dataclasses import dataclass
import torch
from torch import nn
from nas.search.user_code import code_of
from search_spaces import Space, layer, sequential
from workers.problems import Problem


@dataclass(frozen=True)
class Settings:
    width: int = 3


class Mode(enum.Enum):
    FAST = 1


Pair = namedtuple("Pair", "one two")
NAMES = {"a", "b", "c", "d", "e"}
FIXED = frozenset(NAMES)
LOCK = threading.Lock()
SETTINGS = Settings(5)
clamped = functools.partial(torch.clamp, min=0.1)


@functools.lru_cache
def doubled(number):
    return number * 2


class Block(nn.Module):
    settings, mode = Settings(4), Mode.FAST

    @torch.no_grad()
    def halved(self, x):
        return x / 2

    def forward(self, x, pair=Pair(1, 2)):
        with LOCK:
            x = clamped(x) if self.mode is Mode.FAST and "a" in FIXED else x
            return self.halved(x) * SETTINGS.width + doubled(3) + len(NAMES) + self.again(x)

    def again(self, x):
        return Block().again(x) if even(3) else x


def even(number):
    return number == 0 or odd(number - 1)


def odd(number):
    return number != 0 and even(number - 1)


problem = Problem.from_tensors("p", (torch.rand(40, 2), torch.arange(40) % 2))
print(json.dumps(code_of(Space(sequential(layer(Block))), problem)))
"""


@pytest.mark.slow
def test_another_process_finds_the_same_code_the_same(tmp_path: Path) -> None:
    file = tmp_path / "stable.py"
    file.write_text(STABLE)
    importing = tmp_path / "importing.py"
    importing.write_text("import stable\n")
    found = set()
    for seed, script in (("1", file), ("2", file), ("3", importing)):
        done = subprocess.run(
            [sys.executable, str(script)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout.splitlines()[-1])
    (only,) = found
    names = ("Block", "Settings", "Mode", "doubled", "even", "odd")
    assert json.loads(only).keys() >= {f"stable.{name}" for name in names}


def test_the_values_of_closures_count() -> None:
    assert code(made(3)) == code(made(3)) != code(made(4))
    assert code(made(3, torch.relu)) != code(made(3, torch.tanh))
    assert code(made(3, lambda x: x + 1)) != code(made(3, lambda x: x + 2))
    first, second, third = (lambda x: [(lambda: x)()]), (lambda x: -x), (lambda x: [(lambda: x)()])
    assert code(made(3, first)) == code(made(3, third)) != code(made(3, second))
    one, other = torch.zeros(1000, 7), torch.zeros(1000, 7)
    assert code(made(3, weights=one)) == code(made(3, weights=other))
    other[501, 3] = 1
    assert code(made(3, weights=one)) != code(made(3, weights=other))
    assert code(made(3, weights=one.numpy())) != code(made(3, weights=other.numpy()))
    assert code(made(3), made(4)) != code(made(3))


class Hostile:
    """What fails whenever it is looked at."""

    __slots__ = ("one",)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise ValueError("no text")

    def __array__(self) -> Any:
        raise TypeError("no array")


class LazyModule(ModuleType):
    """A module that imports what it is asked for, in vain."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError(name)


def test_values_that_cannot_be_looked_at_stand_in_nobodys_way() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    odd_ones: list[Any] = [
        Hostile(), Hostile, LazyModule("lazy"), cycle, (number for number in range(3)), memoryview(b"x"),
        torch.rand(3).to_sparse(), torch.rand(2, dtype=torch.bfloat16), torch.empty(0, 3), torch.tensor(3.0),
        torch.empty(3, device="meta"), torch.rand(3, requires_grad=True), nn.Linear(2, 2), nn.LazyLinear(3),
        open, sys, int, float("nan"), {Hostile: {3: Hostile()}}, object(),
    ]  # fmt: skip
    assert code(made(3, weights=odd_ones))
    assert code(made(3, weights=torch.ones(3).to_sparse())) != code(
        made(3, weights=torch.zeros(3).to_sparse())
    )


def test_code_without_source_counts_by_its_instructions() -> None:
    def block(by: str) -> Any:
        names: dict[str, Any] = {"__name__": "__main__", "nn": nn}
        exec(f"class Typed(nn.Module):\n    def forward(self, x):\n        return x * {by}\n", names)
        return names["Typed"]

    assert code(block("2")) == code(block("2")) != code(block("3"))


def test_the_answers_of_a_table_count_by_their_code() -> None:
    space = Space({"a": integer(1, 9)})

    def table(by: float) -> Table:
        def answer(architecture: Any) -> Answer:
            return Answer({"accuracy": by * float(architecture.decisions["a"])}, 1.0)

        return Table("mine", space, PLAIN.signature, answer)

    found = code_of(space, table(0.1))
    assert PROBLEM in found
    assert found == code_of(space, table(0.1)) != code_of(space, table(0.2))


# -- what it is for -----------------------------------------------------------------------------------------


@pytest.fixture
def searching(written: Callable[..., ModuleType], tmp_path: Path) -> Callable[..., Search]:
    """A search of networks with the user's block, after changes of its code; nothing is trained."""

    def search(name: str, *changes: tuple[str, str], executor: Any = None, **options: Any) -> Search:
        block = layer(written(*changes).Block, width=integer(1, 9))
        space = Space({"model": sequential(block), "recipe": {"epochs": 1}})
        options = {"trials": 4, "epochs": 1} | options
        executor = executor or Scripted()
        return Search(
            space, PLAIN, "random", store=tmp_path / "s.db", name=name, executor=executor, **options
        )

    return search


OTHER = ("return x * FACTOR", "return x + FACTOR")


def started(search: Search) -> int:
    return len(search.executor.started)  # type: ignore[union-attr]


def test_the_identity_of_a_network_says_nothing_of_code(searching: Callable[..., Search]) -> None:
    decisions = {"model.0.width": 3}
    one, other = searching("one"), searching("other", OTHER)
    assert one.space.architecture(decisions).id == other.space.architecture(decisions).id
    assert one.description.code != other.description.code


def test_results_of_other_code_are_not_taken_over(searching: Callable[..., Search]) -> None:
    searching("first").run()
    same = searching("same", reuse_results=True)
    same.run()
    assert started(same) == 1
    other = searching("other", OTHER, reuse_results=True)
    other.run()
    assert started(other) == 4


def test_results_are_taken_over_from_what_has_more_code_beside(
    written: Callable[..., ModuleType], tmp_path: Path
) -> None:
    module = written()
    wide = choice(layer(module.Block, width=3), layer(made(5)))
    options: dict[str, Any] = {"store": tmp_path / "s.db", "epochs": 1}
    first = Search({"model": sequential(wide)}, PLAIN, "random", executor=Scripted(), trials=2, **options)
    first.run()
    narrow = {"model": sequential(choice(layer(module.Block, width=3), layer(module.Block, width=4)))}
    second = Search(narrow, PLAIN, "random", executor=Scripted(), trials=2, reuse_results=True, **options)
    assert second.description.same_training(first.description)


def test_a_search_goes_on_with_other_code_only_if_that_is_said(
    searching: Callable[..., Search], tmp_path: Path
) -> None:
    searching("mine").run()
    with pytest.raises(
        SearchError, match=r"'mine' cannot go on: the code of helpers_\d+\.deeper is not what"
    ):
        searching("mine", OTHER, trials=6).run(resume=True)
    for name in ("mine", None):  # nor is another one taken
        with pytest.raises(SearchError, match=r"--accept-code$"):
            searching(name, OTHER, trials=6).run(resume=True)
    assert len(searching("mine", trials=5).run(resume=True)) == 5
    assert len(searching("mine", OTHER, trials=6).run(resume=True, accept_code=True)) == 6
    assert len(searching("mine", OTHER, trials=7).run(resume=True)) == 7
    with pytest.raises(SearchError, match="is not what it was"):
        searching("mine", trials=8).run(resume=True)
    with Store(tmp_path / "s.db") as store:
        assert store.search("mine").description.mixed_code
    # nobody knows which of its results are of which code
    for changes in ((), (OTHER,)):
        taking = searching(f"taking {len(changes)}", *changes, reuse_results=True)
        taking.run()
        assert started(taking) == 4


def test_the_one_with_the_same_code_goes_on_where_none_is_named(searching: Callable[..., Search]) -> None:
    searching("first").run()
    searching("second", OTHER).run()
    search = searching(None, trials=5)
    search.run(resume=True)
    assert search.name == "first"


def test_values_of_other_code_are_not_learnt_from(searching: Callable[..., Search]) -> None:
    first, other = searching("first"), searching("other", OTHER)
    assert first.description.comparable(searching("same").description)
    assert not first.description.comparable(other.description)


def test_accepting_code_is_for_going_on(searching: Callable[..., Search]) -> None:
    with pytest.raises(SearchError, match="accept_code: only with resume=True"):
        searching("mine").run(accept_code=True)


def test_a_search_of_an_older_version_goes_on_with_a_warning(
    searching: Callable[..., Search], tmp_path: Path, first_warnings: pytest.LogCaptureFixture
) -> None:
    old = searching("old")
    old.description = replace(old.description, code=None)
    old.run()
    assert not first_warnings.messages
    assert len(searching("old", trials=5).run(resume=True)) == 5
    taking = searching("new", reuse_results=True)
    taking.run()
    assert started(taking) == 1
    assert len(first_warnings.messages) == 1
    assert "did not keep the code of modules of your own" in first_warnings.messages[0]
    with Store(tmp_path / "s.db") as store:
        assert store.search("old").description.code is None


def test_where_nobody_has_code_of_his_own_there_is_nothing_to_warn_of(
    make: Any, first_warnings: pytest.LogCaptureFixture
) -> None:
    described: Description = make(executor=Simulated()).description
    older = replace(described, code=None)
    assert described.code == {}
    assert described.same_training(older)
    assert described.continues(older)
    assert not first_warnings.messages


SCRIPT = """
from nas import Search
from search_spaces import Space, integer, layer, sequential
import torch
from torch import nn
from workers.problems import Problem

BY = 2.0


class Scaled(nn.Module):
    def forward(self, x):
        return x * BY


inputs = torch.arange(120.0).view(60, 2) / 120
problem = Problem.from_tensors("halves", (inputs, (torch.arange(60) > 30).long()))
model = sequential(layer(nn.Linear, out_features=integer(1, 9)), layer(Scaled))
space = Space({"model": model, "recipe": {"epochs": 1}})
search = Search(space, problem, "random", trials=2, executor="inline", name="mine")
"""


def test_the_command_says_what_has_changed_and_goes_on_if_told_to(tmp_path: Path) -> None:
    file = tmp_path / f"script_{next(_numbers)}.py"
    store = f"--store={tmp_path / 's.db'}"

    def command(verb: str, *options: str, by: str = "2.0") -> Any:
        sys.modules.pop(file.stem, None)
        file.write_text(SCRIPT.replace("BY = 2.0", f"BY = {by}"))
        return CliRunner().invoke(app, [verb, str(file), store, *options])

    begun = command("search")
    assert begun.exit_code == 0, begun.output
    assert command("resume", "--name=mine", "--trials=3").exit_code == 0
    refused = command("resume", "--name=mine", "--trials=4", by="3.0")
    assert refused.exit_code != 0
    told = str(refused.exception or "") + refused.output
    assert f"the code of {file.stem}.Scaled" in told
    assert "--accept-code" in told
    accepted = command("resume", "--name=mine", "--trials=4", "--accept-code", by="3.0")
    assert accepted.exit_code == 0, accepted.output
    extended = command("extend", "--name=mine", "--trials=1", by="4.0")
    assert extended.exit_code != 0
    assert command("extend", "--name=mine", "--trials=1", "--accept-code", by="4.0").exit_code == 0
