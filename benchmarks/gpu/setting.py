"""What a part of the benchmark is told, and what it returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import Target


@dataclass
class Setting:
    """What a part is told.

    Attributes:
        device: ``cuda`` or ``cpu``.
        quick: whether few and small cases are enough, as in tests.
        folder: the folder of Fashion-MNIST; None: pictures are generated.
        seconds: the time for the part, from the moment at which this was made.
    """

    device: str
    quick: bool
    folder: Path | None
    seconds: float
    _began: float = field(default_factory=time.monotonic)

    @property
    def on_card(self) -> bool:
        """Whether the device is a card."""
        return self.device == "cuda"

    def left(self) -> float:
        """Seconds that are left for the part."""
        return self._began + self.seconds - time.monotonic()

    def judged(self, value: float | None) -> float | None:
        """The value where it is one that targets speak of: that of a card, measured in full."""
        return value if self.on_card and not self.quick else None


@dataclass
class Measured:
    """What a part has measured.

    Attributes:
        figures: by name; plain data for JSON.
        targets: the claims.
        skipped: what was left out, each with why.
    """

    figures: dict[str, Any]
    targets: Sequence[Target] = ()
    skipped: Sequence[str] = ()


def say(text: str) -> None:
    """Prints a line at once, so that a cut loses none."""
    print(text, flush=True)


def missing_package(error: BaseException) -> str | None:
    """The name of the package, none of ours, that an error says is missing; None: it says something else."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    return (
        name
        if name and name not in ("benchmarks", "controllers", "nas", "search_spaces", "workers")
        else None
    )
