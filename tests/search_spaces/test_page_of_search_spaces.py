"""The page of the package says what is so."""

import doctest
import pkgutil
import re

import search_spaces


def test_the_example_on_the_page_runs() -> None:
    results = doctest.testmod(search_spaces)
    assert results.attempted >= 8
    assert results.failed == 0


def test_the_page_names_every_room() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(search_spaces.__path__)}
    listed = re.findall(r"^- (.+?):", search_spaces.__doc__ or "", re.MULTILINE)
    assert rooms <= set(re.findall(r"`(\w+)`", search_spaces.__doc__ or ""))
    assert len(listed) >= 12
