"""Networks of several inputs and several tasks: parts that call each other, as a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.blocks import masks
from search_spaces.canonical import canonical

Calls = Mapping[str, Sequence[str]]
"""For each call its name, the part that it calls, and where that part's inputs come from."""


@dataclass(frozen=True)
class Encoding:
    """What a body makes of a batch.

    Attributes:
        features: what each task's head receives: a tensor, or two vectors ``(N, F)`` (retrieval).
        masks: the real positions of each task's sequence, bool ``(N, L)``; None: all are real.
        taps: the tensors on the way, by the name of their call; none for a body without names. Where some
            examples lack an input, only outputs, embeddings and private pairs, with zeros for nothing.
    """

    features: dict[str, Tensor | tuple[Tensor, Tensor]]
    masks: dict[str, Tensor | None]
    taps: dict[str, Tensor]


@dataclass(frozen=True)
class _Tap:
    """A tensor on its way: only that of some ``rows`` of the batch, None: of all; without rows no tensor."""

    value: Tensor | None
    mask: Tensor | None
    rows: Tensor | None


class Graph(nn.Module):
    """Parts, and calls of them on inputs and on the answers of other calls.

    A part is any module; two calls of one part share its weights. What a part's ``forward`` has parameters
    for it receives: ``mask`` (of its lone source), ``masks`` and ``present`` (lists, for each source; bool
    ``(N, L)`` and ``(N,)``, or None).

    Where a modality is missing, the parts that only it reaches run on the other examples, or not at all; a
    part that joins it with others gets zeros there, and is told by ``present``. While training a modality
    that a single example of a batch has counts as missing: no normalisation can learn from it.

    Args:
        parts: the modules by name (without dots). Those that are not needed are left out.
        calls: the calls by name, each ``[part, source, ...]``; a source is a call or an input.
        outputs: the calls that each task's head receives, one or (retrieval) two.
        embeddings: the call whose answer is an input's vector ``(N, F)``, for losses that align modalities.
        ties: the groups of parts that are copies of each other, which a recipe may hold together.
        private: the pairs of calls, of a shared and a private vector, which a recipe may hold orthogonal.

    Raises:
        ValueError: a call of no part or without a source, or calls in a circle.
    """

    def __init__(
        self,
        parts: Mapping[str, nn.Module],
        calls: Calls,
        outputs: Mapping[str, Sequence[str]],
        embeddings: Mapping[str, str] | None = None,
        ties: Iterable[Sequence[str]] = (),
        private: Iterable[Sequence[str]] = (),
    ) -> None:
        super().__init__()
        self.outputs = {task: tuple(names) for task, names in outputs.items()}
        self.embeddings = dict(embeddings or {})
        self.ties = [list(group) for group in ties]
        self.private = [(shared, own) for shared, own in private]
        beside = [*self.embeddings.values(), *(name for pair in self.private for name in pair)]
        self.calls = {name: (part, tuple(s)) for name, (part, *s) in in_order(calls, outputs, beside)}
        for name, (part, sources) in self.calls.items():
            if part not in parts or not sources:
                raise ValueError(f"call {name!r}: expected a part and its sources, got {[part, *sources]}")
        used = {part for part, _ in self.calls.values()}
        known = (source for _, sources in self.calls.values() for source in sources)
        self.inputs = tuple(dict.fromkeys(source for source in known if source not in self.calls))
        self.parts = nn.ModuleDict({name: part for name, part in parts.items() if name in used})
        self._asked = {*beside, *(name for names in self.outputs.values() for name in names)}
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Of one example of each input and call, as far as they were seen."""

    def forward(self, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Any:
        """The features by task; see `encode`."""
        return self.encode(inputs, present).features

    def encode(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        real: Mapping[str, Tensor | None] | None = None,
    ) -> Encoding:
        """Runs all calls.

        Args:
            inputs: the tensors ``(N, ...)`` by name; an input left out is missing in all examples.
            present: the examples that have an input, bool ``(N,)`` by name; all have one that is left out.
                What follows from masks on the CPU is known without waiting for a device.
            real: the real positions of each input, bool ``(N, L)`` by name, or None where all are; None:
                padding is that of tokens alone.
        """
        # not len(), which would fix the number of examples in an exported network
        some = next(iter(inputs.values()))
        count = some.shape[0]
        taps: dict[str, _Tap] = {}
        for name, value in inputs.items():
            mask = masks.mask_of(value) if real is None else real[name]
            taps[name] = self._input(value, mask, None if present is None else present.get(name))
            self._remember(name, value)
        for name in self.inputs:
            if name not in taps:
                taps[name] = _Tap(None, None, some.new_zeros(0, dtype=torch.long))
        for name, (part, sources) in self.calls.items():
            given = [taps[source] for source in sources]
            taps[name] = self._call(self.parts[part], name, given, sources, count)
        shown = (name for name in self.calls if taps[name].rows is None or name in self._asked)
        whole = {name: self._whole(taps[name], name, count) for name in shown}
        features, positions = {}, {}
        for task, names in self.outputs.items():
            first = whole[names[0]]
            features[task] = first if len(names) == 1 else (first, whole[names[1]])
            positions[task] = self._mask(taps[names[0]], count) if len(names) == 1 else None
        return Encoding(features, positions, whole)

    def _input(self, value: Tensor, mask: Tensor | None, there: Tensor | None) -> _Tap:
        if there is None or bool(there.all()):
            return _Tap(value, mask, None)
        rows = there.nonzero().squeeze(1).to(value.device, non_blocking=True)
        if len(rows) < (2 if self.training else 1):
            return _Tap(None, None, rows[:0])
        return _Tap(value[rows], None if mask is None else mask[rows], rows)

    def _call(
        self, part: nn.Module, name: str, given: list[_Tap], sources: Sequence[str], count: int
    ) -> _Tap:
        rows = given[0].rows
        together = all(tap.rows is rows for tap in given)
        if together and given[0].value is None:
            return given[0]
        if len(given) == 1:
            value, mask = masks.call(part, given[0].value, given[0].mask)  # type: ignore[arg-type]
            self._remember(name, value)
            return _Tap(value, mask, rows)
        if together:
            values = [tap.value for tap in given]
            positions = [tap.mask for tap in given]
            present: list[Tensor | None] = [None] * len(given)
        else:
            rows = None
            values = [self._whole(tap, source, count) for tap, source in zip(given, sources, strict=True)]
            positions = [self._mask(tap, count) for tap in given]
            present = [self._there(tap, count) for tap in given]
        options: dict[str, Any] = {}
        if masks.takes(part, "masks"):
            options["masks"] = positions
        if masks.takes(part, "present"):
            options["present"] = present
        value = part(*values, **options)
        self._remember(name, value)
        return _Tap(value, masks.along(positions[0], value), rows)

    def _remember(self, name: str, value: Tensor) -> None:
        if name not in self.shapes:
            self.shapes[name] = tuple(value.shape[1:])

    def _whole(self, tap: _Tap, name: str, count: int) -> Tensor:
        """A tap's tensor for the whole batch, zeros where there is nothing."""
        if tap.rows is None:
            assert tap.value is not None
            return tap.value
        if tap.value is None:
            some = next(self.parameters())
            return torch.zeros(count, *self.shapes[name], device=some.device, dtype=some.dtype)
        empty = tap.value.new_zeros(count, *tap.value.shape[1:])
        return empty.index_copy(0, tap.rows, tap.value)

    def _mask(self, tap: _Tap, count: int) -> Tensor | None:
        if tap.rows is None or tap.mask is None:
            return tap.mask
        return tap.mask.new_zeros(count, tap.mask.shape[1]).index_copy(0, tap.rows, tap.mask)

    def _there(self, tap: _Tap, count: int) -> Tensor | None:
        if tap.rows is None:
            return None
        there = torch.zeros(count, dtype=torch.bool, device=tap.rows.device)
        return there.index_fill(0, tap.rows, True)

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Any:
        """Calls that reach an output, numbered as the outputs meet them; names do not count."""
        outputs = dict(sorted(arguments["outputs"].items()))
        embeddings = dict(sorted((arguments.get("embeddings") or {}).items()))
        ties, private = (arguments.get(name, ()) for name in ("ties", "private"))
        numbers: dict[str, int] = {}
        parts: dict[str, int] = {}
        form: list[Any] = []
        beside = [*embeddings.values(), *(name for pair in private for name in pair)]
        for name, (part, *sources) in in_order(arguments["calls"], outputs, beside):
            new = part not in parts
            number = parts.setdefault(part, len(parts))
            what = canonical(arguments["parts"][part]) if new else None
            form.append([number, what, [numbers.get(source, source) for source in sources]])
            numbers[name] = len(form) - 1
        return {
            "$graph": form,
            "outputs": {task: [numbers[name] for name in names] for task, names in outputs.items()},
            "embeddings": {input: numbers[name] for input, name in embeddings.items()},
            "ties": [sorted(parts[part] for part in group) for group in ties],
            "private": [[numbers[name] for name in pair] for pair in private],
        }


def in_order(
    calls: Calls, outputs: Mapping[str, Sequence[str]], more: Iterable[str] = ()
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields the calls that the outputs need, each after those it needs itself.

    Args:
        calls, outputs: the arguments of a `Graph`.
        more: more calls to keep.

    Raises:
        ValueError: calls in a circle, or an output that is no call.
    """
    done: set[str] = set()
    for root in (*(name for names in outputs.values() for name in names), *more):
        if root not in calls:
            raise ValueError(f"expected outputs from the calls, got {root!r}")
        path: list[tuple[str, Iterator[str]]] = [(root, iter(calls[root][1:]))]
        open_names = {root}
        while path:
            name, rest = path[-1]
            source = next((s for s in rest if s in calls and s not in done), None)
            if source is not None:
                if source in open_names:
                    raise ValueError(f"call {source!r} waits for itself")
                open_names.add(source)
                path.append((source, iter(calls[source][1:])))
                continue
            path.pop()
            if name not in done:
                done.add(name)
                yield name, calls[name]
