"""Scikit-learn's best of linear models and gradient boosting: the line that no search should fall below."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor

from benchmarks.real_search.problems import PARTS, main_score
from benchmarks.real_search.trials import Handed
from search_spaces.signature import Classification, Regression, Tagging, Task, Tokens
from search_spaces.tasks import IGNORED
from workers.problems import Problem
from workers.problems.measures import main_metric
from workers.problems.split import Split
from workers.training.metrics import Evaluation

MOST_BOOSTED = 20
"""So many classes are boosted at the most: each round grows a tree for each class."""

COMPONENTS = 100
"""The directions of the words of texts that trees see."""

Model = tuple[str, Callable[[], Any], bool]
"""A model in words, what makes it, and whether it is one of trees, which take dense features."""


def sanity(problem: Problem, seconds: float, seed: int) -> Handed:
    """For each task the best by validation of a few models; it takes as long as it takes, mostly less."""
    warnings.simplefilter("ignore")  # of models that have not converged
    began = time.perf_counter()
    wide, narrow = _features(problem, seed)
    answers: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    words, tried = [], 0
    for name, task in problem.signature.tasks.items():
        best = -np.inf
        if isinstance(task, Tagging):
            found: Iterator[tuple[str, dict[str, Tensor]]] = _tags(problem, name, task, seed)
        else:
            found = _fitted(problem, name, task, wide, narrow, seed)
        for model, own in found:
            tried += 1
            value = _scores(problem, "validation", {name: own["validation"]})[name]
            if value > best:
                best, word = value, f"{name}: {model}"
                for part in PARTS:
                    answers[part][name] = own[part]
        words.append(word)
    took = time.perf_counter() - began
    whole = {part: _scores(problem, part, answers[part])[main_score(problem)] for part in PARTS[1:]}
    return Handed(whole["test"], whole["validation"], True, tried, tried, took, "; ".join(words))


def _scores(problem: Problem, part: str, answers: dict[str, Tensor]) -> dict[str, float]:
    """The main metric of each task, and of the problem, as networks are scored."""
    tasks = {name: problem.signature.tasks[name] for name in answers}
    split: Split = getattr(problem, part)
    evaluation = Evaluation(tasks, torch.device("cpu"))
    evaluation.add(answers, split)
    metrics = evaluation.result()
    if len(tasks) == 1:
        (name,) = tasks
        main = metrics[main_metric(tasks[name])]
        return {name: main, main_score(problem): main}
    return {name: metrics[f"{name}.{main_metric(task)}"] for name, task in tasks.items()} | metrics


def _features(problem: Problem, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs of each split side by side: as linear models take them, and as trees do."""
    wide: dict[str, list[Any]] = {part: [] for part in PARTS}
    narrow: dict[str, list[Any]] = {part: [] for part in PARTS}
    for name, kind in problem.signature.inputs.items():
        raw = {part: getattr(problem, part).inputs[name].flatten(1).numpy() for part in PARTS}
        if isinstance(kind, Tokens):
            texts = {part: [[str(n) for n in row if n] for row in rows] for part, rows in raw.items()}
            words = TfidfVectorizer(analyzer=_words, min_df=2, sublinear_tf=True).fit(texts["train"])
            made = {part: words.transform(rows) for part, rows in texts.items()}
            directions = TruncatedSVD(min(COMPONENTS, made["train"].shape[1] - 1), random_state=seed)
            directions.fit(made["train"])
            less = {part: directions.transform(rows) for part, rows in made.items()}
        else:
            scaler = StandardScaler().fit(raw["train"])
            made = less = {part: scaler.transform(rows) for part, rows in raw.items()}
        for part in PARTS:
            wide[part].append(made[part])
            narrow[part].append(less[part])
    join = sparse.hstack if any(map(sparse.issparse, wide["train"])) else np.hstack
    together = {part: join(columns) for part, columns in wide.items()}
    if join is sparse.hstack:
        together = {part: columns.tocsr() for part, columns in together.items()}
    return together, {part: np.hstack(columns) for part, columns in narrow.items()}


def _words(text: list[str]) -> list[str]:
    """The words of a text and its pairs of words."""
    return [*text, *(" ".join(pair) for pair in pairwise(text))]


def _fitted(
    problem: Problem, name: str, task: Task, wide: dict[str, Any], narrow: dict[str, Any], seed: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Fits models to a task of classes or numbers; yields each in words, with its answers to every split."""
    target = problem.train.targets[name].numpy()
    for words, make, trees in _models(task, seed):
        inputs = narrow if trees else wide
        model = make().fit(inputs["train"], target)
        said = {part: model.predict(inputs[part]) for part in PARTS}
        if isinstance(task, Classification):
            yield words, {part: _one_hot(numbers, task.classes) for part, numbers in said.items()}
        else:
            shape = (-1, *problem.train.targets[name].shape[1:])
            yield (
                words,
                {part: torch.from_numpy(numbers).float().reshape(shape) for part, numbers in said.items()},
            )


def _models(task: Task, seed: int) -> Iterator[Model]:
    if isinstance(task, Classification):
        for strength in (0.01, 0.1, 1.0, 10.0):
            yield (
                f"logistic regression, C {strength:g}",
                lambda c=strength: LogisticRegression(C=c, max_iter=300),  # type: ignore[misc]
                False,
            )
        if task.classes <= MOST_BOOSTED:
            yield (
                "gradient boosting",
                lambda: HistGradientBoostingClassifier(early_stopping=True, max_iter=300, random_state=seed),
                True,
            )
    elif isinstance(task, Regression):
        for weight in (0.1, 10.0, 1000.0):
            yield f"ridge, {weight:g}", lambda w=weight: Ridge(w), False  # type: ignore[misc]
        yield (
            "gradient boosting",
            lambda: MultiOutputRegressor(
                HistGradientBoostingRegressor(early_stopping=True, max_iter=300, random_state=seed)
            ),
            True,
        )
    else:
        raise SystemExit(f"sanity: expected classes, numbers or tags, got {task}")


def _tags(problem: Problem, name: str, task: Tagging, seed: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """A linear model of a word and its two neighbours on each side."""
    source = problem.signature.tagged_input(name)
    windows, counts = {}, {}
    for part in PARTS:
        rows = getattr(problem, part).inputs[source].numpy()
        padded = np.pad(rows, ((0, 0), (2, 2)))
        near = np.stack([padded[:, shift : shift + rows.shape[1]] for shift in range(5)], axis=2)
        windows[part] = near.reshape(-1, 5)
        counts[part] = rows.shape
    encoder = OneHotEncoder(handle_unknown="ignore").fit(windows["train"])
    target = problem.train.targets[name].flatten().numpy()
    there = target != IGNORED
    for alpha in (1e-6, 1e-5):
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=10, random_state=seed)
        model.fit(encoder.transform(windows["train"][there]), target[there])
        answers = {}
        for part in PARTS:
            said = model.predict(encoder.transform(windows[part]))
            answers[part] = _one_hot(said, task.outputs).reshape(*counts[part], task.outputs)
        yield f"linear, of five words, alpha {alpha:g}", answers


def _one_hot(numbers: Any, classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(np.asarray(numbers)).long(), classes).float()
