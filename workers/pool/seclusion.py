"""Runs that are to have a card to themselves, and the cards that are kept for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from workers.pool.member import Member, PoolCard
from workers.remote.runs import RemoteRun


class Seclusion:
    """Keeps cards for runs that did not have enough memory beside others, half of the cards at most.

    What runs on such a card goes on to its end, and nothing else begins there until the run is over.
    """

    def __init__(self) -> None:
        self._waiting: deque[RemoteRun] = deque()
        self._kept: dict[RemoteRun, PoolCard] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting or self._kept)

    def add(self, run: RemoteRun) -> None:
        """Takes a run that is to be alone; also one again that was sent in vain."""
        self.release(run)
        self._waiting.append(run)

    def release(self, run: RemoteRun) -> None:
        """Gives up the card that is kept for a run, if there is one."""
        card = self._kept.pop(run, None)
        if card is not None:
            card.secluded = False

    def forget(self, run: RemoteRun) -> bool:
        """Drops a run that waits for its card to be empty; returns whether there was one."""
        if run in self._waiting:
            self._waiting.remove(run)
            return True
        if run not in self._kept or self._is_sent(run):
            return False
        self.release(run)
        return True

    def choose(self, cards: Sequence[PoolCard]) -> list[Member]:
        """Keeps cards for runs that wait, those first on which least runs.

        Args:
            cards: the cards that there are.

        Returns:
            The workers on the cards that are kept from now on.
        """
        for run, card in list(self._kept.items()):
            if (card not in cards or card.suspected) and not self._is_sent(run):
                self.add(run)
        if not self._waiting:
            return []
        free = [card for card in cards if card.actors and not card.secluded and not card.suspected]
        free.sort(key=lambda card: card.at_work)
        chosen = []
        for card in free:
            if self._waiting and len(self._kept) < max(1, len(cards) // 2):
                self._kept[self._waiting.popleft()] = card
                card.secluded = True
                chosen += list(card.actors)
        return chosen

    def sendable(self, cards: Sequence[PoolCard]) -> list[tuple[RemoteRun, Member]]:
        """Returns the runs whose card is empty, each with a worker there."""
        return [
            (run, next(iter(card.actors)))
            for run, card in self._kept.items()
            if card in cards and card.actors and not any(member.runs for member in card.actors)
        ]

    def _is_sent(self, run: RemoteRun) -> bool:
        return any(run in member.runs for member in self._kept[run].actors)
