"""Names of the calls of a backbone's graph: what is called, at which stage, and for which tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

LINK, ATTENTION = "link", "attention"
"""What stands in place of a stream in the names of links and of task attention."""

_STAGE = re.compile(
    r"(?P<stream>.+?)/(?P<place>0|[1-9][0-9]*)(/expert-(?P<expert>0|[1-9][0-9]*))?(@(?P<owners>.+?))?"
    r"(/(?P<join>stitch|mask|route|beside))?(?P<vector>/vector)?"
)
_ATTENTION = re.compile(rf"(?P<stream>{ATTENTION})@(?P<owners>.+)")
_STREAM = re.compile(r"(?P<stream>.*?)(?P<vector>/vector)?")


@dataclass(frozen=True)
class CallName:
    """The name of a call, such as ``image/2@a+b/mask``. As text it is a key of weights: it never changes.

    ``str`` writes it and `parse` reads it.

    Attributes:
        stream: the input whose stream it is, or `LINK` or `ATTENTION`.
        place: the number of the stage or link, from 1; None for what has no number.
        owners: the tasks that own what is called; none: all tasks do.
        expert: the number of the expert, from 1, of a stage that has several.
        join: what joins owners at a stage: ``stitch``, ``mask``, ``route`` or ``beside``.
        vector: whether it is the vector that the call of this name is pooled to.
    """

    stream: str
    place: int | None = None
    owners: tuple[str, ...] = ()
    expert: int | None = None
    join: str | None = None
    vector: bool = False

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> CallName:
        """The name that is written ``text``; one of another form is a stream's."""
        match = _ATTENTION.fullmatch(text) or _STAGE.fullmatch(text) or _STREAM.fullmatch(text)
        parts = {} if match is None else match.groupdict()
        place, expert, owners = (parts.get(name) for name in ("place", "expert", "owners"))
        return CallName(
            parts.get("stream", text),
            None if place is None else int(place),
            () if owners is None else tuple(owners.split("+")),
            None if expert is None else int(expert),
            parts.get("join"),
            parts.get("vector") is not None,
        )

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        text = self.stream
        if self.place is not None:
            text += f"/{self.place}"
        if self.expert is not None:
            text += f"/expert-{self.expert}"
        if self.owners:
            text += "@" + "+".join(self.owners)
        if self.join is not None:
            text += f"/{self.join}"
        return f"{text}/vector" if self.vector else text


# Naming an architecture wires its backbone: the same few names every time.


@lru_cache(maxsize=4096)
def call_name(
    stream: str, place: int | None = None, *owners: str, expert: int | None = None, join: str | None = None
) -> CallName:
    """The name of a call for an input's stream and for tasks, whatever these are named; see `CallName`."""
    return CallName(plain_name(stream), place, tuple(map(plain_name, owners)), expert, join)


@lru_cache(maxsize=4096)
def vector_name(call: str) -> CallName:
    """The name of the vector that a call is pooled to."""
    return replace(CallName.parse(call), vector=True)


def plain_name(name: str) -> str:
    """A name that a module may have: torch reads dots as paths."""
    return name.replace(".", "_")
