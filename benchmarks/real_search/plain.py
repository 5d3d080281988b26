"""The plain network of the space with the whole time: its learning rate and epochs tuned as by hand."""

from __future__ import annotations

from collections.abc import Generator

from benchmarks.real_search.ours import space_of
from benchmarks.real_search.trials import Handed, TimeIsOver, Trainer
from workers.problems import Problem
from workers.recipe import Recipe

MARGIN, ONCE = 1.05, 1.2
"""By how much a training may take longer than its epochs are expected to; and where it is the only one."""

Setting = tuple[float, int, int]
"""A learning rate, a number of epochs and a seed."""


def plain(problem: Problem, seconds: float, seed: int) -> Handed:
    """Trains the plain network again and again, as a person would; hands over the best by validation."""
    architecture = space_of(problem, pauses=False).plain()
    recipe = Recipe.of(architecture)
    trainer = Trainer(problem, seconds, seed)

    def make():  # type: ignore[no-untyped-def]
        return architecture.build(problem.signature)

    try:
        epoch = MARGIN * trainer.epoch_seconds(make, recipe)
        if trainer.left < 3 * recipe.epochs * epoch:  # one training, for as long as there is time
            longest = max(1, int(trainer.left / (ONCE * epoch)))
            asked: Generator[Setting, float | None, None] = _once(recipe.learning_rate, longest, seed)
        else:
            asked = tuned(recipe.learning_rate, recipe.epochs, seed)
        value: float | None = None
        setting = next(asked)
        while True:
            rate, epochs, own = setting
            if epochs * epoch > trainer.left and trainer.finished:
                value = None  # there is no time for it
            else:
                told = recipe.model_copy(update={"learning_rate": rate, "epochs": epochs})
                values = [*trainer.values(make, told, f"rate {rate:.3g}, {epochs} epochs, seed {own}", own)]
                value = values[-1] if len(values) == epochs else None
            setting = asked.send(value)
    except (TimeIsOver, StopIteration):
        return trainer.handed()


def _once(rate: float, epochs: int, seed: int) -> Generator[Setting, float | None, None]:
    yield rate, epochs, seed


def tuned(rate: float, epochs: int, seed: int) -> Generator[Setting, float | None, None]:
    """Settings one after another, each sent the score that it came to; None: it failed, or had no time left.

    First the learning rate by factors of two, uphill; then twice the epochs as long as that helps; then
    learning rates half as far apart; then the best setting with other seeds, with fewer epochs where there is
    no time for as many.

    Args:
        rate: the learning rate to begin with.
        epochs: the epochs to begin with.
        seed: the first seed.
    """
    scores: dict[tuple[int, int], float] = {}
    own = epochs

    def measure(place: int, epochs: int) -> Generator[Setting, float | None, float]:
        if (place, epochs) not in scores:
            value = yield rate * 2 ** (place / 2), epochs, seed
            scores[place, epochs] = -float("inf") if value is None else value
        return scores[place, epochs]

    def climb(place: int, epochs: int, step: int) -> Generator[Setting, float | None, int]:
        start, best = place, (yield from measure(place, epochs))
        for towards in (-step, step):
            while (value := (yield from measure(place + towards, epochs))) > best:
                place, best = place + towards, value
            if place != start:
                break
        return place

    place = yield from climb(0, epochs, 2)
    while (yield from measure(place, 2 * epochs)) > (yield from measure(place, epochs)):
        epochs *= 2
    place = yield from climb(place, epochs, 1)
    while epochs >= own:
        seed += 1000
        if (yield rate * 2 ** (place / 2), epochs, seed) is None:
            epochs //= 2
