"""Networks as Optuna's examples have them: convolutions, an LSTM or dense layers, sized while built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.signature import Image, Input, Sequence, Signature, Tagging, Tokens
from workers.problems import Problem
from workers.problems.split import Split
from workers.training.standardisation import statistics


def standardised(problem: Problem) -> Problem:
    """The problem with its numbers standardised by the training split: inputs, and targets of regressions."""

    def changed(split: Split) -> Split:
        parts: dict[str, dict[str, Tensor]] = {}
        for part, kinds in (("inputs", problem.signature.inputs), ("targets", problem.signature.tasks)):
            parts[part] = dict(getattr(split, part))
            for name, kind in kinds.items():
                if kind.scale_shape is not None:
                    found = statistics(problem, part, name)
                    parts[part][name] = (parts[part][name] - found.mean) / found.scale
        return replace(split, **parts)

    splits = {part: changed(getattr(problem, part)) for part in ("train", "validation", "test")}
    return replace(problem, **splits, copy=False)


def drawn(trial: Any, signature: Signature) -> Callable[[], nn.Module]:
    """Sizes by the suggestions of a trial; returns what builds the network.

    Ranges are about those of Optuna's examples for PyTorch (one to three layers, 4 to 128 units, dropout up
    to a half), upwards to what our own space has.
    """
    sizes: dict[str, dict[str, Any]] = {}
    for name, kind in signature.inputs.items():
        if isinstance(kind, Image):
            count = trial.suggest_int(f"{name}.convolutions", 1, 3)
            sizes[name] = {
                "channels": [trial.suggest_int(f"{name}.channels{i}", 8, 64, log=True) for i in range(count)],
                "kernel": trial.suggest_categorical(f"{name}.kernel", [3, 5]),
            }
        elif isinstance(kind, Sequence | Tokens):
            sizes[name] = {
                "units": trial.suggest_int(f"{name}.units", 16, 128, log=True),
                "layers": trial.suggest_int(f"{name}.layers", 1, 2),
                "both_ways": trial.suggest_categorical(f"{name}.both_ways", [False, True]),
            }
            if isinstance(kind, Tokens):
                sizes[name]["embedding"] = trial.suggest_int(f"{name}.embedding", 16, 128, log=True)
        else:
            sizes[name] = {}
    count = trial.suggest_int("layers", 0, 3)
    dense = [
        (trial.suggest_int(f"units{i}", 4, 256, log=True), trial.suggest_float(f"dropout{i}", 0.0, 0.5))
        for i in range(count)
    ]
    return lambda: TypicalNetwork(signature, sizes, dense)


class TypicalNetwork(nn.Module):
    """An encoder for each input, dense layers over all of them, and a linear head for each task.

    A head of tags sees what its series' LSTM says at each position.

    Args:
        signature: what it serves: classes, numbers, and tags.
        sizes: the sizes of each input's encoder.
        dense: the units of each dense layer, and the dropout after it.
    """

    def __init__(
        self,
        signature: Signature,
        sizes: Mapping[str, Mapping[str, Any]],
        dense: list[tuple[int, float]],
    ) -> None:
        super().__init__()
        self.signature = signature
        self.encoders = nn.ModuleDict({n: _encoder(k, sizes[n]) for n, k in signature.inputs.items()})
        width = sum(_width(kind, sizes[name]) for name, kind in signature.inputs.items())
        layers: list[nn.Module] = []
        for units, dropout in dense:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
            width = units
        self.body = nn.Sequential(*layers)
        heads = {}
        for name, task in signature.tasks.items():
            source = signature.tagged_input(name) if isinstance(task, Tagging) else None
            size = width if source is None else _width(signature.inputs[source], sizes[source])
            heads[name] = nn.Linear(size, task.outputs)
        self.heads = nn.ModuleDict(heads)

    def forward(self, inputs: Tensor | dict[str, Tensor]) -> Any:
        given = dict.fromkeys(self.signature.inputs, inputs) if isinstance(inputs, Tensor) else inputs
        series, whole = {}, []
        for name, encoder in self.encoders.items():
            found = encoder(given[name])
            if isinstance(found, tuple):
                series[name], found = found
            whole.append(found)
        features = self.body(torch.cat(whole, dim=1))
        answers = {}
        for name, task in self.signature.tasks.items():
            tags = isinstance(task, Tagging)
            answers[name] = self.heads[name](series[self.signature.tagged_input(name)] if tags else features)
        return answers if len(self.signature.inputs) > 1 or len(answers) > 1 else next(iter(answers.values()))


def _encoder(kind: Input, sizes: Mapping[str, Any]) -> nn.Module:
    if isinstance(kind, Image):
        return _convolutions(kind, sizes)
    return LstmEncoder(kind, sizes) if isinstance(kind, Sequence | Tokens) else nn.Flatten()


def _width(kind: Input, sizes: Mapping[str, Any]) -> int:
    """The features that the encoder of an input gives."""
    if isinstance(kind, Sequence | Tokens):
        return int(sizes["units"]) * (2 if sizes["both_ways"] else 1)
    if not isinstance(kind, Image):
        return kind.num_values
    height, width = kind.height, kind.width
    for _ in sizes["channels"]:
        height, width = max(1, height // 2), max(1, width // 2)
    return int(sizes["channels"][-1]) * height * width


def _convolutions(image: Image, sizes: Mapping[str, Any]) -> nn.Module:
    layers: list[nn.Module] = []
    channels, height, width = image.shape
    for out in sizes["channels"]:
        layers += [nn.Conv2d(channels, out, sizes["kernel"], padding="same"), nn.ReLU()]
        window = (2 if height > 1 else 1, 2 if width > 1 else 1)
        layers.append(nn.MaxPool2d(window))
        channels, height, width = out, max(1, height // 2), max(1, width // 2)
    return nn.Sequential(*layers, nn.Flatten())


class LstmEncoder(nn.Module):
    """An LSTM over a series or a text: what it says at each position, and the greatest of that over all.

    Args:
        kind: a series, or a text, whose words are embedded first.
        sizes: its ``units``, ``layers``, whether it reads ``both_ways``, and the ``embedding`` of a word.
    """

    def __init__(self, kind: Sequence | Tokens, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        texts = isinstance(kind, Tokens)
        self.embedding = nn.Embedding(kind.vocabulary, sizes["embedding"], 0) if texts else None
        features = sizes["embedding"] if isinstance(kind, Tokens) else kind.features
        self.lstm = nn.LSTM(
            features,
            sizes["units"],
            sizes["layers"],
            batch_first=True,
            bidirectional=sizes["both_ways"],
        )

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        embedded = input if self.embedding is None else self.embedding(input)
        series, _ = self.lstm(embedded)
        if self.embedding is None:
            return series, series.amax(dim=1)
        padding = (input == 0).unsqueeze(2)
        padding = padding & ~padding.all(dim=1, keepdim=True)  # an empty text has all its padding
        return series, series.masked_fill(padding, -1.0).amax(dim=1)  # no lower than an LSTM answers
