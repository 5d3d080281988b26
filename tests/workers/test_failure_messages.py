"""What is said of a failure: its kind, its words, and where in a user's code it arose."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from search_spaces.errors import BuildError
from workers.failures import MESSAGE_LENGTH, message_of, place_of


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises((ValueError, RuntimeError)) as found:
        call()
    return found.value


def at(line: int, function: str) -> str:
    here = Path(__file__)
    name = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return f"{name}, line {line}, in {function}"


def line_of(function: Callable[..., object], words: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if words in line)


def ask_torch() -> None:
    nn.Linear(2, 3)(torch.zeros(1, 5))


def ask_json() -> None:
    json.loads("{")


@pytest.mark.parametrize(("call", "words"), [(ask_torch, "nn.Linear"), (ask_json, "json.loads")])
def test_the_innermost_line_of_a_users_own_code_is_named(call: Callable[[], None], words: str) -> None:
    error = raised(call)
    place = at(line_of(call, words), call.__name__)
    assert place_of(error) == place
    assert message_of(error).startswith(f"{type(error).__name__}: ")
    assert message_of(error).endswith(f" ({place})")


def test_what_an_error_of_ours_arose_from_is_looked_at_where_it_has_no_such_line_itself() -> None:
    cause = raised(ask_json)
    error = BuildError("cannot be built")
    error.__cause__ = cause
    assert message_of(error) == f"cannot be built ({at(line_of(ask_json, 'json.loads'), 'ask_json')})"
    again = BuildError(message_of(error))
    again.__cause__ = error
    assert message_of(again) == message_of(error)  # said once


def test_an_error_in_nobodys_code_has_no_such_line() -> None:
    assert place_of(ValueError("never raised")) == ""
    assert message_of(ValueError("never raised")) == "ValueError: never raised"


def test_code_that_was_generated_is_not_a_users() -> None:
    made: dict[str, Callable[[], None]] = {}
    exec(compile("def fail(): raise ValueError('no')", "<string>", "exec"), made)
    error = raised(made["fail"])
    while error.__traceback__ is not None and error.__traceback__.tb_next is not None:
        error.__traceback__ = error.__traceback__.tb_next
    assert place_of(error) == ""


def test_a_long_message_keeps_the_line() -> None:
    def fail() -> None:
        raise ValueError("x" * 5000)

    found = message_of(raised(fail))
    assert len(found) == MESSAGE_LENGTH
    assert found.endswith(", in fail)")
