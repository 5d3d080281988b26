"""Whether all that a space says is heard by a search: what would be ignored is refused when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from search_spaces.errors import SearchError, nearest
from search_spaces.holes import Choice, Hole, is_plain
from search_spaces.model import graph_of, head_fault
from search_spaces.nodes import (
    Composite,
    Layer,
    Repeat,
    Sequential,
    children,
    join,
    unwrapped,
)
from search_spaces.ranges import Integer, Real
from search_spaces.signature import Signature
from search_spaces.space import Space
from workers.tabular import Table

if TYPE_CHECKING:
    from workers.problems import Problem

_PARTS = ("model", "recipe")
"""What a space says, beside a model alone."""

_GRAPH = "search_spaces.blocks.graph"
"""The module of the class of bodies that take several inputs."""


def check_space(space: Space, problem: Problem | Table) -> None:
    """Refuses a space of which a training would ignore a part, or that builds no network at all.

    Args:
        space: the space of a search.
        problem: what its networks are trained on; a table trains none, and takes any space.

    Raises:
        SearchError: keys beside ``model`` and ``recipe``, heads of tasks that are not there or that are plain
            modules, no model, one that takes fewer inputs than there are, or a module that wants to be
            trained by Lightning.
        RecipeError: a recipe has a field that there is not, or a value that is none for it.
    """
    if isinstance(problem, Table):
        return
    signature = problem.signature
    for value in _alternatives(space.value):
        if not isinstance(value, Mapping) or (value.keys() & {"body", "heads"} and "model" not in value):
            _check_model(value, "the space", signature)
            continue
        _check_keys(value, _PARTS, "the space")
        if "model" not in value:
            raise SearchError(
                "space: it builds no network: expected layers, or a dict with them under 'model', got a dict "
                f"with {', '.join(map(repr, value)) or 'nothing'}"
            )
        for model in _alternatives(value["model"]):
            _check_model(model, "model", signature)
        for recipe in _alternatives(value.get("recipe", {})):
            _check_recipe(recipe)
    _check_lightning(space.value, "", set())


def _alternatives(node: Any) -> Iterator[Any]:
    """Yields what a part may become: the options of a choice, and of choices among them."""
    node = unwrapped(node)
    if isinstance(node, Choice):
        for option in node.options:
            yield from _alternatives(option)
    else:
        yield node


def _check_keys(value: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in value:
        if key not in known:
            there = ", ".join(map(repr, known))
            raise SearchError(
                f"{where}: {key!r} would be ignored{nearest(key, known)} (what is looked at: {there})"
            )


def _check_model(model: Any, where: str, signature: Signature) -> None:
    bodies = [model]
    if isinstance(model, Mapping):
        _check_keys(model, ("body", "heads"), where)
        if "body" not in model:
            raise SearchError(f"{where}: expected layers under 'body' beside its heads, got none")
        bodies = list(_alternatives(model["body"]))
        for heads in _alternatives(model.get("heads") or {}):
            _check_heads(heads, where, signature)
    for body in bodies:
        if not isinstance(body, Layer | Sequential | Repeat | list | tuple):
            raise SearchError(
                f"{where}: it builds no network: expected a layer or a sequential of layers, got {body!r:.80}"
            )
    graphs = [isinstance(body, Layer) and _is_graph(body) for body in bodies]
    if len(signature.inputs) > 1 and not any(graphs):
        body = bodies[0] if isinstance(bodies[0], Layer | Sequential) else Sequential(())
        raise SearchError(
            f"{where}: it takes one input, the problem has {', '.join(signature.inputs)}: expected "
            f"{graph_of(body, signature)}, or a space of the catalog that joins them (multimodal)"
        )


def _check_heads(heads: Any, where: str, signature: Signature) -> None:
    if not isinstance(heads, Mapping):
        raise SearchError(f"{where}: heads: expected a dict from tasks to layers, got {heads!r:.80}")
    for task, head in heads.items():
        if task not in signature.tasks:
            there = ", ".join(map(repr, signature.tasks))
            raise SearchError(
                f"{where}: the head of {task!r} would be ignored: the problem has no such task"
                f"{nearest(task, signature.tasks)} (there are: {there})"
            )
        for one in _alternatives(head):
            fault = head_fault(one) if isinstance(one, Layer) else f"expected a layer, got {one!r:.80}"
            if fault is not None:
                raise SearchError(f"{where}: the head of {task!r}: {fault}")


def _is_graph(body: Layer) -> bool:
    """Whether a body takes several inputs: a graph, or what is written out as one."""
    factory = body.factory
    if isinstance(factory, type) and issubclass(factory, Composite):
        return True
    return factory.__module__ == _GRAPH and factory.__name__ == "Graph"


def _check_recipe(recipe: Any) -> None:
    """Refuses a recipe with a field or a value that would fail every trial that has it."""
    from workers.recipe import Recipe

    if not isinstance(recipe, Mapping):
        raise SearchError(f"recipe: expected a dict of fields, got {recipe!r:.80}")
    for name, node in recipe.items():
        for value in _values(node):
            Recipe.make({name: value})


def _values(node: Any) -> Iterator[Any]:
    """Yields values that a field of a recipe may have: all options, and the ends of numbers."""
    for value in _alternatives(node):
        if isinstance(value, Integer | Real):
            yield from (value.low, value.high)
        elif _is_data(value):
            yield value


def _is_data(value: Any) -> bool:
    """Whether a value has no holes."""
    if isinstance(value, dict):
        return all(_is_data(member) for member in value.values())
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return not isinstance(value, Hole | Repeat)


def _check_lightning(node: Any, path: str, seen: set[int]) -> None:
    """Refuses modules that want to be trained by Lightning: nothing would call what they define for it."""
    node = unwrapped(node)
    if is_plain(node) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, Layer):
        base = next((one for one in node.factory.__mro__ if one.__name__ == "LightningModule"), None)  # type: ignore[attr-defined]
        if base is not None:
            raise SearchError(
                f"{path or 'the space'}: {node.label} is a LightningModule, and its training_step and "
                "configure_optimizers would never be called: a search trains by its own loop. Expected the "
                "plain module that it trains, such as layer(Net, ...); its loss is that of the problem's "
                "tasks, its optimizer belongs under 'recipe'"
            )
    if isinstance(node, Repeat):
        _check_lightning(node.block, join(path, 0), seen)
        return
    for step, child in children(node):
        _check_lightning(child, join(path, step), seen)
