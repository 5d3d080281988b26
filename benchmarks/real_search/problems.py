"""The problems of the comparison, each a function from a seed that draws its three splits anew."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.real_search.generated import table, text_pairs
from search_spaces import Classification, Image, Signature, Vector
from workers.problems import Problem, load
from workers.problems.digit_pairs import PAIRS, SUM_MEAN, SUM_SCALE
from workers.problems.measures import main_metric
from workers.problems.omniglot import FIRST_TEST_DRAWER, FIRST_VALIDATION_DRAWER, STEP_SCALE
from workers.problems.snips import UNKNOWN
from workers.problems.split import Split
from workers.problems.splitting import stratified_parts

Draw = Callable[[int], Problem]
"""Makes a problem of the seed of its splits."""

PARTS = ("train", "validation", "test")
FASHION = {"train": 10_000, "validation": 2_000, "test": 5_000}
MNIST = {"train": 1_800, "validation": 400, "test": 800}


def main_score(problem: Problem) -> str:
    """The metric that methods are compared by, at most 1: of several tasks the mean of their main metrics."""
    tasks = [*problem.signature.tasks.values()]
    return "score" if len(tasks) > 1 else main_metric(tasks[0])


def pooled(problem: Problem) -> Split:
    """All examples of a problem, those of its training split first."""
    splits = [getattr(problem, part) for part in PARTS]

    def together(what: str) -> dict[str, Tensor]:
        return {
            name: torch.cat([getattr(one, what)[name] for one in splits]) for name in getattr(splits[0], what)
        }

    return Split(together("inputs"), together("targets"))


def divided(problem: Problem, examples: Split, parts: Sequence[Tensor]) -> Problem:
    """The problem with these examples in its splits: in training, validation and test."""
    splits = {name: examples.select(part) for name, part in zip(PARTS, parts, strict=True)}
    return replace(problem, **splits, copy=False)


def redrawn(problem: Problem, seed: int, task: str) -> Problem:
    """The problem with splits of the same sizes, drawn anew, each with the same share of a task's classes."""
    examples = pooled(problem)
    count = len(examples)
    shares = [len(problem.test) / count, len(problem.validation) / count]
    test, validation, train = stratified_parts(examples.targets[task], shares, seed)
    return divided(problem, examples, (train, validation, test))


def digits_image(seed: int) -> Problem:
    """Handwritten digits of 8x8 pixels."""
    return replace(redrawn(load("digits"), seed, "digit"), name="digits_image", copy=False)


def digits_vectors(seed: int) -> Problem:
    """The same digits as 64 numbers."""
    digits = digits_image(seed)

    def flat(split: Split) -> Split:
        return replace(split, inputs={"point": split.inputs["image"].flatten(1)})

    signature = Signature({"point": Vector(64)}, digits.signature.tasks)
    return Problem("digits_vectors", signature, **{part: flat(getattr(digits, part)) for part in PARTS})


BLUR = 0.002
"""The noise of the pen's places, which reach from -1 to 1."""


def blurred(pen: Tensor) -> Tensor:
    """Pens ``(N, 64, 6)`` with a little noise in their places, and the steps that follow.

    Without it trees know an alphabet by the grid that its drawings were rounded to: by the lengths of the
    steps alone, in no order, .88 are right; with this noise in the steps trees have .71 of all of it.
    """
    generator = torch.Generator().manual_seed(0)
    places = pen[..., :2] + BLUR * torch.randn(pen[..., :2].shape, generator=generator)
    steps = torch.zeros_like(places)
    steps[:, 1:] = STEP_SCALE * places.diff(dim=1)
    return torch.cat([places, pen[..., 2:4], steps], dim=2)


def omniglot(
    seed: int, *, name: str, inputs: Sequence[str] | None = None, tasks: Sequence[str] | None = None
) -> Problem:
    """Drawn characters: eleven drawers to train on, three to validate, six to test, drawn anew."""
    whole = load("omniglot")
    examples = pooled(whole)
    examples.inputs["pen"] = blurred(examples.inputs["pen"])
    path = files("workers.problems").joinpath("data/omniglot_small_av.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        drawer = torch.from_numpy(data["drawer"].astype(np.int64)) - 1
    # the catalog's splits are by drawer, each in the order of the file
    held, test = drawer >= FIRST_VALIDATION_DRAWER, drawer >= FIRST_TEST_DRAWER
    drawer = torch.cat([drawer[part] for part in (~held, held & ~test, test)])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    parts = [torch.isin(drawer, some).nonzero().squeeze(1) for some in order.split([11, 3, 6])]
    return replace(divided(whole, examples, parts).only(inputs, tasks), name=name, copy=False)


def snips(seed: int, *, name: str, tasks: Sequence[str] | None = None) -> Problem:
    """Sentences to a voice assistant; words that are rare in the new training split are unknown."""
    problem = redrawn(load("snips"), seed, "intent")
    vocabulary = problem.signature.inputs["tokens"].vocabulary  # type: ignore[attr-defined]
    counts = problem.train.inputs["tokens"].flatten().bincount(minlength=vocabulary)
    number = torch.where(counts > 1, torch.arange(vocabulary), UNKNOWN)
    number[0] = 0

    def known(split: Split) -> Split:
        return replace(split, inputs={"tokens": number[split.inputs["tokens"]]})

    splits = {part: known(getattr(problem, part)) for part in PARTS}
    return replace(replace(problem, **splits, copy=False).only(tasks=tasks), name=name, copy=False)


def digit_pairs(seed: int) -> Problem:
    """Two digits side by side: left, right and their sum; no digit is in two splits."""
    single = digits_image(seed)
    splits = {}
    for place, part in enumerate(PARTS):
        split: Split = getattr(single, part)
        generator = torch.Generator().manual_seed(3 * seed + place)
        chosen = torch.randint(len(split), (2, PAIRS[part]), generator=generator)
        left, right = split.targets["digit"][chosen]
        images = split.inputs["image"]
        total = (left + right - SUM_MEAN).float().unsqueeze(1) / SUM_SCALE
        splits[part] = Split(
            {"image": torch.cat([images[chosen[0]], images[chosen[1]]], dim=3)},
            {"left": left, "right": right, "sum": total},
        )
    return Problem("digit_pairs", load("digit_pairs").signature, **splits)


def pictures(seed: int, *, file: Path, arrays: Sequence[tuple[str, str]], sizes: dict[str, int]) -> Problem:
    """Pictures of 28x28 pixels in ten classes from a file of arrays, as many as wanted of all its parts.

    Args:
        seed: the seed of the splits.
        file: the file, in NumPy's format.
        arrays: the names of images and labels in it, one pair for each of its parts.
        sizes: the number of examples of each split.
    """
    with np.load(file, allow_pickle=False) as data:
        images = np.concatenate([data[image] for image, _ in arrays])
        labels = np.concatenate([data[label] for _, label in arrays]).astype(np.int64)
    shares = [size / len(labels) for size in sizes.values()]
    parts = stratified_parts(torch.from_numpy(labels), shares, seed)[: len(sizes)]
    splits = {
        name: Split(
            {"image": torch.from_numpy(images[part.numpy()]).float().unsqueeze(1) / 255},
            {"class": torch.from_numpy(labels[part.numpy()])},
        )
        for name, part in zip(sizes, parts, strict=True)
    }
    return Problem(file.stem, Signature({"image": Image(1, 28, 28)}, {"class": Classification(10)}), **splits)


PROBLEMS: dict[str, Draw] = {
    "digits_vectors": digits_vectors,
    "digit_pairs": digit_pairs,
    "omniglot_image": partial(omniglot, name="omniglot_image", inputs=["image"], tasks=["alphabet"]),
    "omniglot_pen": partial(omniglot, name="omniglot_pen", inputs=["pen"], tasks=["alphabet"]),
    "omniglot_both": partial(omniglot, name="omniglot_both"),
    "snips_both": partial(snips, name="snips_both"),
    "table": table,
    "text_pairs": text_pairs,
    "digits_image": digits_image,
    "snips_intent": partial(snips, name="snips_intent", tasks=["intent"]),
}
"""The embedded ones."""

SHORT = (*[*PROBLEMS][:8],)
"""Those that are run unless others are named, for the first number of seconds."""

LONG = ("omniglot_image", "omniglot_pen", "omniglot_both", "snips_both")
"""Those of them that are run for the other numbers of seconds, too."""


def in_folder(folder: Path | None) -> dict[str, Draw]:
    """The problems whose files are in a folder, by name."""
    if folder is None:
        return {}
    fashion = partial(
        pictures,
        file=folder / "fashion_mnist.npz",
        arrays=[("x_train", "y_train"), ("x_test", "y_test")],
        sizes=FASHION,
    )
    mnist = partial(
        pictures,
        file=folder / "mnist_small.npz",
        arrays=[("image_train", "digit_train"), ("image_test", "digit_test")],
        sizes=MNIST,
    )
    found = {"fashion_mnist": fashion, "mnist_small": mnist}
    return {name: draw for name, draw in found.items() if draw.keywords["file"].is_file()}


def draw_of(name: str, folder: Path | None = None) -> Draw:
    """The function of a problem: one of ours by its name, or ``FILE.py:FUNCTION``.

    Raises:
        SystemExit: there is none.
    """
    known = PROBLEMS | in_folder(folder)
    if name in known:
        return known[name]
    file, _, function = name.rpartition(":")
    if not file.endswith(".py") or not Path(file).is_file():
        raise SystemExit(f"{name}: expected FILE.py:FUNCTION or one of {', '.join(known)}")
    spec = importlib.util.spec_from_file_location(Path(file).stem, Path(file).resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    draw: Draw = getattr(module, function)
    return draw
