"""The error tree of the whole house.

Every error that a person can cause or can act on is one of these, so that ``except NasError`` catches
them all and the command line can answer each with one line::

    NasError
    ├── SpaceError          a space is written wrongly (duplicate options, low > high, ...)
    │   └── DecisionError   decisions do not fit their space: where, what was expected, what came
    ├── BuildError          an architecture cannot be built for a signature: which layer, which shape
    ├── FormatError         text or a file is not what it says it is (JSON, weights)
    ├── UnknownNameError    no such space, problem, controller, metric, search, architecture
    ├── ControllerError     a controller was told something that it cannot use
    ├── ProblemError        data are missing or do not fit their signature
    ├── RecipeError         a recipe has an unknown key or a value out of range
    ├── TrainingFailure     a candidate network failed; data for the search, see ``reason``
    ├── ZeroCostError       a score of networks that are not trained is not defined for one
    ├── ExecutorError       trials cannot be run at all (no cluster, no resources)
    ├── StoreError          a result store is missing, locked or of another version
    ├── SearchError         a search is described or continued wrongly
    │   └── UnmetLimitsError    no network was found that keeps the limits of a search
    ├── ExportError         a network cannot be exported, or what was exported answers otherwise
    └── PluginError         what an installed package offers cannot be loaded, or has a name that is taken
"""

from collections.abc import Iterable
from difflib import get_close_matches


class NasError(Exception):
    """The root: every error of this project that is meant for people."""


class SpaceError(NasError):
    """A space is written wrongly."""


class DecisionError(SpaceError):
    """Decisions do not fit their space.

    Attributes:
        path: where in the space.
        expected: what would have fitted, in words.
        came: what came instead (any object).
    """

    def __init__(self, path: str, expected: str, came: object) -> None:
        self.path, self.expected, self.came = path, expected, came
        super().__init__(f"decision {path!r}: expected {expected}, got {_shown(came)}")

    def __reduce__(self) -> tuple[type["DecisionError"], tuple[str, str, object]]:
        return DecisionError, (self.path, self.expected, self.came)


class BuildError(NasError):
    """An architecture cannot be built for a signature."""


class FormatError(NasError):
    """Text or a file is not what it says it is."""


class UnknownNameError(NasError):
    """There is no thing of that name; the message offers the nearest known ones.

    Attributes:
        kind: what was looked for ("space", "problem", ...).
        name: the name that came.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        there = ", ".join(self.known[:20]) or "none"
        super().__init__(f"no {kind} named {name!r:.200}{nearest(name, self.known)} (there are: {there})")

    def __reduce__(self) -> tuple[type["UnknownNameError"], tuple[str, str, tuple[str, ...]]]:
        return UnknownNameError, (self.kind, self.name, self.known)


class ControllerError(NasError):
    """A controller was told something that it cannot use."""


class ProblemError(NasError):
    """Data are missing or do not fit their signature."""


class RecipeError(NasError):
    """A recipe has an unknown key or a value out of range."""


class TrainingFailure(NasError):  # noqa: N818 - a failure of the candidate, not an error of the program
    """A candidate network failed while it was trained; for a search this is a result.

    Attributes:
        reason: one word for the store: ``exception``, ``not_finite``, ``out_of_memory``,
            ``timeout`` or ``limit``.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[type["TrainingFailure"], tuple[str, str]]:
        return TrainingFailure, (self.reason, str(self))


class ZeroCostError(NasError):
    """A zero-cost score is not defined for a network, or is asked for wrongly."""


class ExecutorError(NasError):
    """Trials cannot be run at all."""


class StoreError(NasError):
    """A result store is missing, locked, or of another version."""


class SearchError(NasError):
    """A search is described or continued wrongly."""


class UnmetLimitsError(SearchError):
    """No network was found that keeps the limits of a search, as far as it has looked."""


class ExportError(NasError):
    """A network cannot be exported in a format, or what was exported does not answer as it does."""


class PluginError(NasError):
    """What an installed package offers by name cannot be used."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns the end of a message that offers the known name nearest to one; empty where none is near."""
    near = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    """``value`` as it is shown in a message: short, with nothing for a decision that is absent."""
    if value is MISSING:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class _Missing:
    """The type of ``MISSING``: what came where nothing came."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = _Missing()
