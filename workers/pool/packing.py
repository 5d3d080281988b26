"""How many trials share a card: a plan that follows their memory and how busy the card is."""

from __future__ import annotations

from collections import deque

from workers.remote.card_memory import CONTEXT

MOST = 16
"""Trials on one card, at most."""

_UNSEEN = 8
"""Trials on one card, at most, where nobody measures how busy it is."""

_ENOUGH = 0.9
"""The busy share from which on more trials only get into each other's way."""

_USABLE = 0.95
"""The share of a card's memory that is planned with."""

_WORKSPACE = 64 * 2**20
"""Bytes for what cuBLAS and cuDNN work in, and for what the allocator rounds up."""

_RECENT = 16
"""Trials of which the largest counts."""

WINDOW = 5.0
"""Seconds for which a card is watched before more trials are let on it."""

_STATES = {"sgd": 1, "adam": 2, "adamw": 2}
"""Numbers that an optimizer keeps for each weight."""


def estimate(
    *, num_params: float, activation_bytes: float, batch_size: int, optimizer: str, data: int = 0
) -> int:
    """Returns the bytes of a card's memory that a training's tensors are expected to take at their peak.

    Weights, their gradients and what the optimizer keeps of them, in float32; the activations of a batch; the
    problem's data, as though they lay on the card: where they are too large for that and stay in main memory
    (`workers.training.placement.place`), the peaks that are measured say so.

    Args:
        num_params: the trainable weights.
        activation_bytes: the bytes of one example's activations.
        batch_size: the examples of a batch.
        optimizer: the optimizer, as in a recipe.
        data: the bytes of the problem's data.
    """
    weights = 4 * num_params * (2 + _STATES.get(optimizer, 2))
    return int(weights + activation_bytes * batch_size) + data + _WORKSPACE


class Packing:
    """The plan for one card: how many trials may run on it at once.

    It begins with one. While the card is less than 90 % busy though all its workers are at work, that number
    is doubled, as far as memory and cores allow; without a measure of how busy it is, up to 8. Estimates of
    memory are corrected by the peaks that were measured. The number shrinks at once where less fit than was
    thought, and where a trial has run out of memory beside others; then it grows again only after a while,
    each time a longer one.

    Times are seconds of any clock that ascends.

    Args:
        most: the trials for which the card's share of cores and other resources is enough.
        memory: the bytes of the card; None: not known.
        window: the seconds for which the card is watched before the number grows.

    Attributes:
        room: how many trials may run at once.
        memory: the bytes of the card; None: not known, and no bound.
    """

    def __init__(self, most: int, memory: int | None = None, *, window: float = WINDOW) -> None:
        self.room = 1
        self.memory = memory
        self._most, self._window = max(1, min(most, MOST)), window
        self._estimates: deque[int] = deque(maxlen=_RECENT)
        self._ratios: deque[float] = deque(maxlen=_RECENT)  # of measured peaks to estimates
        self._since: float | None = None  # when the watch began
        self._busy: list[float] = []
        self._measures = False  # whether somebody can tell how busy the card is
        self._calm_until = 0.0
        self._ceiling, self._ceiling_until, self._patience = MOST, 0.0, 12 * window

    @property
    def share(self) -> float:
        """The share of the card for each trial."""
        return 1 / self.room

    @property
    def need(self) -> int:
        """The bytes that the largest of the latest trials takes, with what CUDA itself does."""
        correction = max(self._ratios, default=1.0)
        return CONTEXT + int(correction * max(self._estimates, default=0))

    @property
    def bound(self) -> int:
        """How many trials there may ever be, as things stand."""
        bounds = [self._most, self._ceiling]
        if not self._measures:
            bounds.append(_UNSEEN)
        if self.memory is not None and self._estimates:
            bounds.append(int(_USABLE * self.memory) // self.need)
        return max(1, min(bounds))

    def expect(self, estimated: int, now: float) -> None:
        """A trial is about to be sent there.

        Args:
            estimated: the bytes that its tensors are expected to take; see `estimate`.
            now: the time.
        """
        self._estimates.append(estimated)
        self._fit(now)

    def measured(self, estimated: int, peak: float, now: float) -> None:
        """A trial has ended, whose peak was measured.

        Args:
            estimated: the bytes that were expected.
            peak: the bytes that its tensors did take.
            now: the time.
        """
        if estimated > 0 and peak > 0:
            self._ratios.append(peak / estimated)
            self._fit(now)

    def ran_out(self, now: float) -> None:
        """A trial has run out of memory beside others."""
        if now < self._ceiling_until:
            self._patience *= 2
        self._ceiling, self._ceiling_until = max(1, self.room // 2), now + self._patience
        self._fit(now)

    def disturbed(self) -> None:
        """What was seen lately says nothing: a worker was lost, say."""
        self._since = None

    def observe(
        self,
        now: float,
        busy: float | None,
        at_work: bool,
        used: int | None = None,
        most: int = MOST,
    ) -> None:
        """Takes in a look at the card, and lets more trials on it where that is worth while.

        Args:
            now: the time.
            busy: the share of the time since the last look in which the card computed; None: not measured.
            at_work: whether as many trials as may were running at this look.
            used: the bytes in use on the card, by whomsoever; None: not measured.
            most: the number that is not passed now, whatever the card could do.
        """
        self._measures |= busy is not None
        if now >= self._ceiling_until and self._ceiling < MOST:
            self._ceiling, self._ceiling_until = 2 * self._ceiling, now + self._patience
        if not at_work:
            self._since = None
            return
        if self._since is None:  # what was measured so far is of an earlier time
            self._since, self._busy = now, []
            return
        if busy is not None:
            self._busy.append(busy)
        if now < max(self._since + self._window, self._calm_until):
            return
        busy = sum(self._busy) / len(self._busy) if self._busy else None
        self._since = None
        if self._measures and (busy is None or busy >= _ENOUGH):
            return
        wanted = min(2 * self.room, self.bound, most)
        if used is not None and self.memory is not None:  # others may be on the card as well
            wanted = min(wanted, self.room + max(0, int(_USABLE * self.memory) - used) // self.need)
        self.room = max(self.room, wanted)

    def _fit(self, now: float) -> None:
        """Lets no more trials on the card than there may be."""
        if self.bound < self.room:
            self.room = self.bound
            self._calm_until = now + 6 * self._window
            self._since = None
