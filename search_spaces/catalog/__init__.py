"""Ready-made spaces by name. Importing this does not import torch; making a space does.

``mlp``, ``cnn``, ``cell``, ``vit``, ``series``, ``text`` and ``table`` make spaces of models, ``multitask``
and ``multimodal`` such a space for a signature, `recipe` one of how to train::

    Space({"model": cnn(), "recipe": recipe()})
    Space({"model": multimodal(signature), "recipe": recipe()})
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from search_spaces.arguments import checked
from search_spaces.catalog.cell import cell
from search_spaces.catalog.cnn import cnn
from search_spaces.catalog.encoders import encoder
from search_spaces.catalog.fitting import model_for, recipe_for
from search_spaces.catalog.mlp import mlp
from search_spaces.catalog.multimodal import multimodal
from search_spaces.catalog.multitask import multitask
from search_spaces.catalog.recipe import recipe
from search_spaces.catalog.series import series
from search_spaces.catalog.table import table
from search_spaces.catalog.text import text
from search_spaces.catalog.vit import vit
from search_spaces.errors import SpaceError
from search_spaces.plugins import Catalog
from search_spaces.space import Space

catalog: Catalog[Callable[..., Space]] = Catalog(
    "space",
    {
        "cnn": cnn,
        "mlp": mlp,
        "cell": cell,
        "vit": vit,
        "series": series,
        "text": text,
        "table": table,
        "multitask": multitask,
        "multimodal": multimodal,
    },
    group="nasforge.spaces",
    wanted="a function that returns a Space",
)
"""The functions that make spaces of models, by name, those of plug-ins included; those that have a parameter
``signature`` are given the signature to serve."""


@checked(SpaceError, only=())
def load(name: str, **options: object) -> Space:
    """Returns the catalog's space of that name.

    Args:
        name: a key of `catalog`.
        options: the arguments of its function.

    Raises:
        UnknownNameError: there is none.
        PluginError: a plug-in that offers it cannot be used.
        SpaceError: an option that it does not take.
    """
    make = catalog.find(name)
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        raise SpaceError(f"{name}(): {error}") from None
    return make(**options)


def descriptions() -> dict[str, str]:
    """Returns one line on each space of the catalog, by name."""
    return {name: catalog.describe(name) for name in catalog}


__all__ = [
    "catalog",
    "cell",
    "cnn",
    "descriptions",
    "encoder",
    "load",
    "mlp",
    "model_for",
    "multimodal",
    "multitask",
    "recipe",
    "recipe_for",
    "series",
    "table",
    "text",
    "vit",
]
