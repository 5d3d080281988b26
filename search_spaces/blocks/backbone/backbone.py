"""The body of a multi-task and multimodal network in few words, which expand to a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from search_spaces.arguments import checked
from search_spaces.blocks.backbone.call_name import (
    ATTENTION,
    LINK,
    CallName,
    call_name,
    plain_name,
    vector_name,
)
from search_spaces.blocks.backbone.fusion import fuse
from search_spaces.blocks.backbone.links import OPERATORS
from search_spaces.blocks.backbone.patterns import PATTERNS, Extras, Taps
from search_spaces.blocks.backbone.sharing import Average, Pool, TaskAttention
from search_spaces.blocks.backbone.wiring import Wiring
from search_spaces.blocks.graph import in_order
from search_spaces.errors import SpaceError
from search_spaces.nodes import Composite, Layer, flat
from search_spaces.signature import DenseMap, Image, Retrieval, Signature, Tagging

Need = str | Sequence[str] | None
"""What a head must receive: the positions of an input (its name), two inputs' vectors, or None: anything."""


@dataclass(frozen=True)
class Backbone(Composite):
    """Streams, what the tasks share of them, and the links that join them. Use it as a layer.

    Attributes:
        streams: the encoder of each input: layers that keep the kind of what they get (a map stays a map);
            each is a stage with a tap.
        tasks: what the head of each task must receive, see `needs`.
        sharing: the pattern, ``{"kind": ...}`` with a name of
            `search_spaces.blocks.backbone.patterns.PATTERNS`, and its options.
        links: the links that join several streams, one after another. Each has ``taps`` (how far along the
            stream of each input, above 0 to 1, or None), an ``operator`` (`OPERATORS`), a ``width``, and
            maybe a ``pooling`` (``mean``, ``max`` or ``attention``). Each also joins the answer of the link
            before; the last takes the end of a stream that none tapped.
        task_attention: whether each task also looks at the features of the others.

    Raises:
        ValueError: none of these.
    """

    streams: Mapping[str, Any]
    tasks: Mapping[str, Need]
    sharing: Mapping[str, Any] = field(default_factory=lambda: {"kind": "hard"})
    links: Sequence[Mapping[str, Any]] = ()
    task_attention: bool = False

    def __post_init__(self) -> None:
        if not self.streams or not self.tasks:
            raise ValueError("expected at least one stream and one task")
        for names in (self.streams, self.tasks):
            if len(set(map(plain_name, names))) < len(names):
                raise ValueError(f"expected names that differ when . counts as _, got {', '.join(names)}")
        if LINK in self.streams:
            raise ValueError(f"expected streams of other names than {LINK!r}, which is that of links")
        if not isinstance(self.sharing, Mapping) or self.sharing.get("kind") not in PATTERNS:
            raise ValueError(f"expected sharing of a kind from {', '.join(PATTERNS)}, got {self.sharing!r}")
        for name in self.streams:
            if not self.stages(name):
                raise ValueError(f"stream {name!r}: expected at least one stage, got none")
        if len(self.streams) > 1 and not self.links:
            raise ValueError(f"expected at least one link for {len(self.streams)} streams, got none")
        for link in self.links:
            if link["operator"] not in OPERATORS:
                raise ValueError(
                    f"expected a link's operator from {', '.join(OPERATORS)}, got {link['operator']!r}"
                )
            for name, position in link["taps"].items():
                if name not in self.streams or not (position is None or 0 < position <= 1):
                    there = ", ".join(self.streams)
                    raise ValueError(f"expected taps of {there} above 0 to 1, got {name!r}: {position!r}")

    def stages(self, stream: str) -> list[Layer]:
        """The stages of a stream."""
        return list(flat([self.streams[stream]]))

    @property
    def joint(self) -> dict[str, str | None]:
        """The tasks that are served from all streams together, with what each needs; see `needs`."""
        return {task: need for task, need in self.tasks.items() if need is None or isinstance(need, str)}

    def only(self, signature: Signature) -> Backbone:
        """What is left of it for a signature with fewer inputs or tasks.

        Raises:
            ValueError: the signature has others.
        """
        for what, wanted, there in (
            ("inputs", signature.inputs, self.streams),
            ("tasks", signature.tasks, self.tasks),
        ):
            unknown = [name for name in wanted if name not in there]
            if unknown:
                raise ValueError(f"expected {what} from {', '.join(there)}, got {', '.join(unknown)}")
        inputs, tasks = signature.inputs, signature.tasks
        return replace(
            self,
            streams={name: stream for name, stream in self.streams.items() if name in inputs},
            tasks={name: need for name, need in self.tasks.items() if name in tasks},
            links=[
                {**link, "taps": {name: place for name, place in link["taps"].items() if name in inputs}}
                for link in self.links
            ],
        )

    def expand(self, signature: Signature | None = None) -> Layer:
        """The graph; for a signature with fewer inputs or tasks what they need of it."""
        return (self if signature is None else self.only(signature))._wired()

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Two backbones that expand to the same graph are the same."""
        return Backbone(**arguments).expand()

    def _wired(self) -> Layer:
        wiring, extras = Wiring(), Extras()
        tasks = list(self.tasks)
        pattern = PATTERNS[self.sharing["kind"]]
        taps = {
            name: pattern(wiring, extras, name, self.stages(name), tasks, self.sharing)
            for name in self.streams
        }
        if len(self.streams) > 1:
            features = fuse(self.links, self.joint, wiring, taps)
        else:
            (stream,) = taps.values()
            features = {task: stream[-1][task] for task in self.joint}
        if self.task_attention and len(set(features.values())) > 1:
            features = {
                task: wiring.join(
                    call_name(ATTENTION, None, task),
                    TaskAttention,
                    own,
                    *(features[other] for other in features if other != task),
                )
                for task, own in features.items()
            }
        outputs = {
            task: [features[task]] if task in features else self._pair(wiring, taps, task) for task in tasks
        }
        # The losses look at the last stages that matter to a task: to others no gradient would come from it.
        used = {name for name, _ in in_order(wiring.calls, outputs)}
        embeddings: dict[str, str] = {}
        if len(self.streams) > 1:
            for name, stages in taps.items():
                ends = [calls for stage in stages if (calls := used.intersection(stage.values()))]
                if ends:  # two streams may be all that retrieval needs
                    embeddings[name] = _embedding(wiring, name, sorted(ends[-1]))
        private = []
        for pairs in extras.private:
            ours = [pair for pair in pairs if used.issuperset(pair)]
            private += [[_vector(wiring, call) for call in pair] for pair in ours[-1:]]
        return wiring.graph(outputs, embeddings, extras.ties, private)

    def _pair(self, wiring: Wiring, taps: Mapping[str, Taps], task: str) -> list[str]:
        """The vectors of the two inputs that a task of retrieval compares."""
        return [_vector(wiring, taps[name][-1][task]) for name in self.tasks[task] or ()]


def _embedding(wiring: Wiring, stream: str, ends: Sequence[str]) -> str:
    """One vector of a stream: the mean of what its owners say."""
    vectors = [_vector(wiring, call) for call in ends]
    return (
        vectors[0]
        if len(vectors) == 1
        else wiring.join(CallName(plain_name(stream), vector=True), Average, *vectors)
    )


def _vector(wiring: Wiring, call: str) -> str:
    return wiring.join(vector_name(call), Pool, call)


@checked(SpaceError)
def needs(signature: Signature) -> dict[str, Need]:
    """What the heads of a signature's tasks must receive, as `Backbone` wants it.

    Tagging: the positions of the input that is tagged; a dense map: those of the first image; retrieval: the
    two inputs that are compared; all else: anything.
    """
    found: dict[str, Need] = {}
    for name, task in signature.tasks.items():
        found[name] = None
        if isinstance(task, Retrieval):
            found[name] = [task.query, task.gallery]
        elif isinstance(task, DenseMap):
            found[name] = next((n for n, kind in signature.inputs.items() if isinstance(kind, Image)), None)
        elif isinstance(task, Tagging):
            found[name] = signature.tagged_input(name)
    return found
