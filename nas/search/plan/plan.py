"""The choices of a search: made by its parts, stored before they act, and read where the search goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.planner import Planner
from nas.ranking import Ranked, Ranking
from nas.records import PlanChoice
from nas.search.flights import Flight
from nas.search.reruns import RerunFlight


@dataclass(frozen=True)
class Standing:
    """How a search stands when its plan is asked.

    Attributes:
        elapsed: the seconds of the search so far.
        left: the seconds to the end of its budget, infinite where it has no such end.
        workers: the number of trials that are in training at once.
        running: the flights in training.
        paused: the flights that have paused, by number.
        ranking: what trials are judged by.
        planner: who proposes, and for how long trials train.
        trains: whether trials are trained by their recipes (`workers.executor.Executor.trains`).
        holds: what the workers hold together (`workers.executor.Executor.holds`).
        seeded: whether a training depends on its seed (`workers.executor.Executor.seeded`).
        ended: the trials that came to their ends within the limits, by number, as they were judged.
        repeats: the networks that are in training again, with other seeds.
        late: whether no network that was proposed lately comes to its end in time.
        slots: the number of trainings that are worth having in flight; 0: as many as workers.
        epoch_of: the function that says how many seconds one more epoch of a flight takes; None: unknown.
        paces: the function that measures the seconds of an epoch of the plain network by the number of
            threads, for so many seconds at the most (`workers.executor.Executor.paces`).
    """

    elapsed: float
    left: float
    workers: int
    running: Collection[Flight]
    paused: Mapping[int, Flight]
    ranking: Ranking
    planner: Planner
    trains: bool
    holds: Mapping[str, float] = field(default_factory=dict)
    seeded: bool = False
    ended: Mapping[int, Ranked] = field(default_factory=dict)
    repeats: Collection[RerunFlight] = ()
    late: bool = False
    slots: int = 0
    epoch_of: Callable[[Flight], float | None] = lambda flight: flight.epoch_seconds
    paces: Callable[[float], Mapping[int, float]] = lambda seconds: {}

    @property
    def promising(self) -> list[Flight]:
        """The flights that have paused, but for those of scores that turned out to be worth nothing."""
        inherited = self.planner.inherited
        distrusted = inherited is not None and not inherited.trusted
        return [one for one in self.paused.values() if not (distrusted and one.trial.inherited)]

    @property
    def busy(self) -> int:
        """The number of trainings, repeats included."""
        return len(self.running) + len(self.repeats)


class Part(ABC):
    """A part of a plan: it chooses when it is time to, and acts once its choice is stored.

    Only `choose` may look at the clock. What follows from a choice follows from its value alone: a new driver
    is brought to the same place by the stored ones.

    Attributes:
        name: the word for the part, under which its choices are stored.
    """

    name: str

    @abstractmethod
    def choose(self, standing: Standing) -> tuple[Any, str] | None:
        """Returns what is chosen now, plain data, and the reason for people; None: nothing is."""

    def waits(self, planner: Planner) -> bool:
        """Whether no more than one trial may be begun before it has chosen."""
        return False

    @abstractmethod
    def act(self, value: Any, planner: Planner) -> None:
        """Does what was chosen."""


class SearchPlan:
    """What a search chooses while it runs.

    Args:
        parts: the parts, in the order in which they are asked.
        planner: who proposes, and for how long trials train.

    Attributes:
        choices: all that was chosen so far, in that order.
    """

    def __init__(self, parts: Sequence[Part], planner: Planner) -> None:
        self._parts = {part.name: part for part in parts}
        self._planner = planner
        self.choices: list[PlanChoice] = []

    def draft(self, standing: Standing) -> tuple[str, Any, str] | None:
        """Returns the next choice: its part, its value and the reason; None: there is none for now."""
        for name, part in self._parts.items():
            chosen = part.choose(standing)
            if chosen is not None:
                return name, *chosen
        return None

    @property
    def waits(self) -> bool:
        """Whether no more than one trial may be begun for now."""
        return any(part.waits(self._planner) for part in self._parts.values())

    def take(self, choice: PlanChoice) -> None:
        """Lets a choice act that is stored, or is in the same transaction as all that follows from it."""
        self.choices.append(choice)
        if (part := self._parts.get(choice.part)) is not None:
            part.act(choice.value, self._planner)
