"""A table of curves on simulated workers, whose driver can be killed."""

from __future__ import annotations

import random

from search_spaces import Classification, Signature, Space, Vector, integer
from search_spaces.architecture import Architecture
from workers.job import Event
from workers.tabular import Answer, Simulated, Table


class Killed(BaseException):
    """Stands for the end of the process."""


class Mortal(Simulated):
    """Simulated workers whose driver is killed after so many looks for events."""

    def __init__(self, workers: int, looks: int) -> None:
        super().__init__(workers)
        self.looks = looks

    def events(self, timeout: float | None = None) -> list[Event]:
        self.looks -= 1
        if self.looks < 0:
            raise Killed
        return super().events(timeout)


def _learns(architecture: Architecture) -> Answer:
    """A power law; an epoch takes from one to three seconds."""
    a, b = architecture.value["a"], architecture.value["b"]
    end, speed, seconds = a / 100, 0.2 + b / 50, 1.0 + b / 25
    curve = tuple(({"accuracy": end * (1 - (t + 1) ** -speed)}, seconds * t) for t in range(1, 28))
    return Answer(curve[-1][0], curve[-1][1], {"accuracy": curve[-1][0]["accuracy"]}, epochs=curve)


def curves() -> Table:
    """A table of 5,000 networks with 27 epochs each."""
    space = Space({"a": integer(0, 99), "b": integer(0, 49)})
    return Table("curves", space, Signature({"row": Vector(1)}, {"kind": Classification(2)}), _learns)


def seeded_curves(noise: float) -> Table:
    """The same table, with answers that depend on the seed.

    Args:
        noise: the standard deviation of the accuracy from seed to seed.
    """

    def answer(architecture: Architecture, seed: int) -> Answer:
        found = _learns(architecture)
        luck = random.Random(f"{architecture.id} {seed}").gauss(0, noise)
        curve = tuple(({"accuracy": values["accuracy"] + luck}, seconds) for values, seconds in found.epochs)
        return Answer(curve[-1][0], found.seconds, found.test_metrics, epochs=curve)

    known = curves()
    return Table(known.name, known.space, known.signature, answer, seeded=True)
