"""The page of the package: its example runs, and it names every room."""

import doctest
import pkgutil

import controllers


def test_the_example_of_the_page_runs_as_it_says() -> None:
    results = doctest.testmod(controllers)
    assert results.attempted > 5
    assert not results.failed


def test_the_page_names_every_room() -> None:
    assert controllers.__doc__
    rooms = [module.name for module in pkgutil.iter_modules(controllers.__path__)]
    assert [room for room in rooms if f"`{room}`" not in controllers.__doc__] == []
