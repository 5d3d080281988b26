"""The model card that goes with an exported network."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from nas.description import PEAK_MEMORY
from nas.escaping import fenced, for_markdown
from nas.reuse.export.exportable import Exportable
from nas.reuse.export.graphs import is_lone, output_names
from nas.version import __version__
from search_spaces.signature import (
    CountRegression,
    Input,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Sequence,
    Tagging,
    Task,
)
from search_spaces.tasks import ClassTask
from workers.problems import catalog
from workers.recipe import Recipe

_UNITS = {
    "num_params": ("parameters", ""),
    "num_macs": ("multiply-adds for one example", ""),
    "activation_bytes": ("activations of one example in training", " bytes"),
    PEAK_MEMORY: ("memory that the training took at the most", " bytes"),
}
"""What each cost is, and its unit."""


def card(found: Exportable, format: str = "safetensors", several: bool = True) -> str:
    """Returns the model card in Markdown: what the network is, how it was found and trained, how it does.

    Args:
        found: the network.
        format: the format of the export.
        several: whether the export takes any number of examples, not one alone.
    """
    came = found.provenance
    problem, epochs = (for_markdown(came.get(name, "?")) for name in ("problem", "epochs"))
    costs = {name: value for name, value in found.metrics.items() if name in _UNITS}
    measured = {name: value for name, value in found.metrics.items() if name not in _UNITS}
    parts = [
        f"# Network {for_markdown(found.architecture.id)}",
        f"Found by a neural architecture search for the problem **{problem}**.",
        "## Data",
        *_data(found),
        "## Metrics",
        _table(("", "validation", "test"), _metrics(measured, found.test_metrics)),
        "The network was chosen by its validation metrics; the test metrics were not looked at. "
        + _runs(came),
        f"Objectives: {for_markdown(', '.join(map(str, came.get('objectives', []))) or 'none')}. "
        f"Limits: {for_markdown(', '.join(map(str, came.get('limits', []))) or 'none')}.",
        "## Costs",
        _table(("cost", "value"), _costs(costs)) if costs else "Not measured.",
        "## Architecture",
        fenced(found.architecture.draw(found.signature)),
        "## Training",
        f"{epochs} epochs in {_fixed(came.get('seconds') or 0.0, 1)} s, by this recipe:",
        _table(("setting", "value"), _recipe(found)),
        "## Provenance",
        _table(("what", "value"), [*_provenance(came), ("exported by", _versions())]),
        "## Use",
        _use(found, format, several),
    ]
    return "\n\n".join(parts) + "\n"


def _data(found: Exportable) -> list[str]:
    came = found.provenance
    about = [f"**{for_markdown(came.get('problem', '?'))}**: {for_markdown(_origin(came))}."]
    rows = [("input", name, _kind(kind)) for name, kind in found.signature.inputs.items()]
    rows += [("task", name, _kind(kind)) for name, kind in found.signature.tasks.items()]
    units = ["Numbers go in, and come out, in the units of these data: the network standardises them itself."]
    told = [*units * _standardises(found), *_lengths(found), *_labels(found), *_answers(found)]
    return [*about, _table(("", "name", "kind"), rows), *told]


def _lengths(found: Exportable) -> Iterable[str]:
    """Yields how series of different lengths go in, of each input that has such."""
    for name, kind in found.signature.inputs.items():
        if isinstance(kind, Sequence) and kind.padded:
            yield (
                f"Series of **{for_markdown(name)}** have up to {kind.length} steps; after the last one of a "
                "shorter series come steps of NaN."
            )


def _labels(found: Exportable) -> Iterable[str]:
    """Yields what the numbers of classes and tags stand for, of each task where they have names."""
    for name, kind in found.signature.tasks.items():
        if isinstance(kind, ClassTask | Tagging) and kind.labels:
            named = ", ".join(f"{number}: {for_markdown(one)}" for number, one in enumerate(kind.labels))
            yield f"What the numbers in the answers to **{for_markdown(name)}** stand for: {named}."


def _answers(found: Exportable) -> Iterable[str]:
    """Yields what the network's answers are, of each task where that does not go without saying."""
    for name, kind in found.signature.tasks.items():
        task = f"The answer to **{for_markdown(name)}** is"
        if isinstance(kind, MultiLabel):
            yield f"{task} a logit for each label: an example has those of at least 0."
        elif isinstance(kind, Ordinal):
            yield f"{task} a logit for each class but the highest: an example is above those of more than 0."
        elif isinstance(kind, CountRegression):
            yield f"{task} the count that is to be expected."
        elif isinstance(kind, QuantileRegression):
            yield f"{task} the quantiles {', '.join(map(str, kind.quantiles))}, in this order."


def _standardises(found: Exportable) -> bool:
    """Whether the network standardises what it was trained on."""
    return bool(found.provenance.get("standardise")) and Recipe.of(found.architecture).standardise


def _origin(came: Mapping[str, Any]) -> str:
    """Returns where the data come from, as far as that is known."""
    name, options = str(came.get("problem")), came.get("problem_options") or {}
    if name not in catalog:
        return "data of the user's own"
    said = catalog.describe(name).rstrip(".")
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return f"{said}" + (f" (loaded with {given})" if given else "")


def _kind(kind: Input | Task) -> str:
    if isinstance(kind, ClassTask | Tagging):
        kind = replace(kind, labels=())  # they are listed below
    return f"{kind!r:.200}"


def _metrics(found: Mapping[str, float], test: Mapping[str, float]) -> Iterable[tuple[str, ...]]:
    for name in dict.fromkeys([*found, *test]):
        if name not in _UNITS:
            yield name, _number(found.get(name)), _number(test.get(name))


def _runs(came: Mapping[str, Any]) -> str:
    """Says how sure the metrics are."""
    retrained = came.get("retrained")
    if not retrained:
        again = came.get("training")
        best = f", the best of several: number {for_markdown(again)} after the search's own" if again else ""
        return f"They are of one training{best}: another seed gives others."
    means = ", ".join(
        f"{for_markdown(name)} {_fixed(entry['mean'])}"
        + ("" if entry["std"] is None else f" ± {_fixed(entry['std'])}")
        for name, entry in retrained["test_metrics"].items()
    )
    data = "training and validation data" if retrained["all_data"] else "the training data"
    return (
        f"It was trained again on {data} with {for_markdown(retrained['runs'])} seeds, of which this is one; "
        f"on the test data, mean and standard deviation: {means}."
    )


def _costs(costs: Mapping[str, float]) -> Iterable[tuple[str, ...]]:
    for name, value in costs.items():
        what, unit = _UNITS[name]
        yield what, f"{value:,.0f}{unit}"


def _recipe(found: Exportable) -> Iterable[tuple[str, ...]]:
    """Yields the settings, those left at their defaults too."""
    own = found.architecture.recipe or {}
    for name, value in Recipe.of(found.architecture).model_dump().items():
        if name == "standardise" and not found.provenance.get("standardise"):
            continue  # a search that an older version began, or nothing to be standardised
        if name != "epochs":  # a search may train for others
            yield name, f"{value}" + ("" if name in own else " (default)")


def _provenance(came: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    told = {
        "code",
        "problem",
        "problem_options",
        "objectives",
        "limits",
        "epochs",
        "seconds",
        "retrained",
        "standardise",
    }
    for name, value in came.items():
        if name not in told and value not in (None, [], {}):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            if isinstance(value, Mapping):
                shown = ", ".join(f"{key} {one}" for key, one in value.items())
            yield name.replace("_", " "), shown


def _versions() -> str:
    return f"nasforge {__version__}, torch {torch.__version__}, Python {platform.python_version()}"


def _use(found: Exportable, format: str, several: bool) -> str:
    lone = is_lone(found.signature)
    words = {name: re.sub(r"\W|^(?=\d)", "_", name) for name in found.signature.inputs}
    inputs = ", ".join(f"{json.dumps(name)}: {word}" for name, word in words.items())
    given = next(iter(words.values())) if lone else f"{{{inputs}}}"
    answer = "answer" if lone else "answers"
    notes = []
    if not several:
        notes.append("It takes one example at a time: the network's own code fixes that number.")
    if format in ("torch-export", "onnx") and len(found.signature.inputs) > 1:
        notes.append("Every example must have all inputs: of missing ones only the network itself knows.")
    note = "".join(f"\n\n{one}" for one in notes)
    if format == "torch-export":
        lines = (
            f'import torch\n\nnetwork = torch.export.load("model.pt2").module()\n{answer} = network({given})'
        )
    elif format == "onnx":
        names = ", ".join(output_names(found.signature).values())
        lines = (
            "import onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("model.onnx")\n'
            f"answers = session.run(None, {{{inputs}}})  # NumPy arrays; answers: {names}"
        )
    elif format == "python":
        lines = (
            "from network import load  # the file beside this one: plain torch\n\n"
            f"network = load()  # a torch.nn.Module, in evaluation mode\n{answer} = network({given})"
        )
    else:
        lines = (
            "import nas\n\n"
            'found = nas.load("this folder")\n'
            f"found.predict({given})  # NumPy arrays, in the words of the data\n"
            "network = found.build()  # a torch.nn.Module, in evaluation mode\n"
            f"{answer} = network({given})"
        )
    return fenced(lines, "python") + note


def _fixed(value: Any, digits: int = 4) -> str:
    """Returns a number with so many digits; what a folder may say in place of one, as it is."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else for_markdown(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(for_markdown, line)) + " |" for line in lines)
