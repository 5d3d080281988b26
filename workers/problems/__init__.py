"""Problems: data with a signature. The catalog of ready-made ones, and `Problem` for your own.

- ``catalog``, `load`: the problems by name, each a function in a file of its own (``digits``,
  ``digit_pairs``, ``omniglot``, ``snips``, ``fashion_mnist``; ``own_data``: files of your own)
- ``frames``: problems from frames of pandas
- ``problem``, ``split``: `Problem`, and `Split`, the examples of one of its parts
- ``reading``, ``splitting``, ``joining``, ``dropping``: how a problem is made of a person's data, divided,
  joined with others, and made to miss labels and modalities
- ``describing``, ``concerns``: what a problem is in words, and what is odd about its data
- ``seen``, ``kinds``, ``conversion``: what plain arrays show, what they are by it, and how they take the form
  of their kind without loss
- ``items``, ``arrays``, ``lengths``, ``precision``, ``copying``, ``devices``: data sets item by item, one
  array, series of different lengths, 64 bits in 32, what is copied, and where it is
- ``checks``, ``missing``: whether data fit their signature
- ``measures``: what is measured of each kind of task

Importing this package is cheap: torch and the data are loaded when a problem is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError
from search_spaces.plugins import Catalog
from workers.problems.digit_pairs import digit_pairs as _digit_pairs
from workers.problems.digits import digits as _digits
from workers.problems.fashion_mnist import fashion_mnist as _fashion_mnist
from workers.problems.omniglot import omniglot as _omniglot
from workers.problems.own_data import own_data as _own_data
from workers.problems.snips import snips as _snips

if TYPE_CHECKING:
    from workers.problems.problem import Problem
    from workers.problems.split import Split

__all__ = ["Problem", "Split", "catalog", "load"]

catalog: Catalog[Callable[..., Problem]] = Catalog(
    "problem",
    {
        "digits": _digits,
        "digit_pairs": _digit_pairs,
        "omniglot": _omniglot,
        "snips": _snips,
        "fashion_mnist": _fashion_mnist,
        "data": _own_data,
    },
    group="nasforge.problems",
    wanted="a function that returns a workers.problems.Problem",
)
"""The functions that load a problem, by name; the first line of each one's docstring describes it."""


@checked(ProblemError, only=())
def load(name: str, **options: Any) -> Problem:
    """Loads a problem of the catalog.

    Args:
        name: a name of the `catalog`.
        options: the arguments of its loader, such as ``folder=`` for ``fashion_mnist``.

    Raises:
        UnknownNameError: there is no such problem.
        PluginError: a plug-in that offers it cannot be used.
        ProblemError: it has no such option, or its data are missing or broken.
    """
    loader = catalog.find(name)
    known = inspect.signature(loader).parameters
    for option in options:
        if option not in known:
            there = ", ".join(known) or "none"
            raise ProblemError(f"problem {name!r} has no option {option!r} (there are: {there})")
    return loader(**options)


def __getattr__(name: str) -> Any:
    # PEP 562: these need torch, so they are imported when first asked for.
    if name == "Problem":
        from workers.problems.problem import Problem

        return Problem
    if name == "Split":
        from workers.problems.split import Split

        return Split
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
