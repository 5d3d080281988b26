"""Which operators of torch make features, which move them, and which take one with another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.meanings.flow import flow_of
from search_spaces.meanings.notes import Axis, Notes, Tag, features_of, put, spread, tag_of

_AS_OTHER = {"expand_as": "expand", "view_as": "view", "reshape_as": "reshape"}
_TAKES_APART = frozenset(("view", "reshape", "unflatten", "chunk", "split", "tensor_split", "unbind"))
_KEEPS_ALL = frozenset(("contiguous", "clone", "detach"))
_TURNS = frozenset(
    ("permute", "transpose", "t", "T", "mT", "swapaxes", "swapdims", "movedim", "moveaxis", "flip")
)
_SPREADS = frozenset(
    ("expand", "broadcast_to", "repeat", "tile", "repeat_interleave", "squeeze", "unsqueeze")
)
_CHOOSES = frozenset(("narrow", "select", "__getitem__", "roll", "flatten", "stack"))
_MOVES = _TAKES_APART | _KEEPS_ALL | _TURNS | _SPREADS | _CHOOSES
"""What puts numbers elsewhere, as they are."""
_POOLS = ("max", "avg", "adaptive_avg", "adaptive_max", "lp")
_RESAMPLES = frozenset(
    (*(f"{kind}_pool{dims}d" for kind in _POOLS for dims in "123"), "interpolate", "boolean_dispatch")
)
"""What keeps the features of maps and series ``(N, C, ...)``, at other positions."""
_REDUCES = frozenset(("mean", "sum", "amax", "amin", "max", "min", "prod", "logsumexp"))
_WEIGHTS = frozenset(("softmax", "log_softmax"))
"""What makes shares of features, which are none themselves."""
_PRODUCTS = frozenset(("matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm"))


def follow(notes: Notes, name: str, args: Sequence[Any], kwargs: dict[str, Any], answer: Any) -> None:
    """Tags the answer of an operator, and notes what parameters have met in it.

    Args:
        notes: where it is noted.
        name: the name of the operator.
        args, kwargs: what it was given.
        answer: what it has answered.
    """
    name = name.lstrip("_") if name.lstrip("_") in _RESAMPLES else name
    rule = _RULES.get(name)
    if rule is not None:
        rule(notes, args, kwargs, answer)
    elif name in _AS_OTHER:
        _move(notes, _AS_OTHER[name], (args[0], answer.shape), {}, answer)
    elif name in _MOVES:
        _move(notes, name, args, kwargs, answer)
    elif name in _RESAMPLES:
        _resample(args, kwargs, answer)
    elif name in _REDUCES:
        _reduce(notes, args, kwargs, answer)
    elif name in _WEIGHTS:
        put(answer, Tag())
    elif name in _PRODUCTS:
        _product(notes, args, answer)
    elif isinstance(answer, Tensor):
        _elementwise(notes, [*args, *kwargs.values()], answer)


# ---- what makes features


def _linear(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    input, weight, bias = _given(args, kwargs, "input", "weight", "bias")
    came = _along(input, -1)
    _take(notes, came, tag_of(weight), 1)
    _make(notes, tag_of(weight), 0, tag_of(bias), answer, answer.dim() - 1, came=came)


def _convolve(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    input, weight, bias, stride, _, dilation, groups = _given(
        args, kwargs, "input", "weight", "bias", "stride", "padding", "dilation", "groups"
    )
    tag, dims, groups = tag_of(weight), weight.dim() - 2, groups or 1
    channels = answer.dim() - dims - 1
    came = _along(input, channels)
    strides, dilations = _each(stride or 1, dims), _each(dilation or 1, dims)
    for dim, (size, step, apart) in enumerate(zip(weight.shape[2:], strides, dilations, strict=True), 2):
        if size == 1 or step < size:  # where in the input it looks, in halves of a step from its middle
            notes.fix(tag, dim, [("tap", (2 * i - size + 1) * apart) for i in range(size)])
    if groups == 1:
        _take(notes, came, tag, 1)
        _make(notes, tag, 0, tag_of(bias), answer, channels, came=came)
    elif groups == weight.shape[0] == input.shape[channels]:
        notes.fix(tag, 1, ["own"])
        if came is not None:
            _pass(notes, [tag, tag_of(bias)], came, answer, channels)
    else:
        _make(notes, tag, 0, tag_of(bias), answer, channels, whole=True)


def _transposed(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups")
    input, weight, bias, *_, groups = _given(args, kwargs, *names)
    channels = answer.dim() - weight.dim() + 1
    if (groups or 1) == 1:
        _take(notes, _along(input, channels), tag_of(weight), 0)
        _make(notes, tag_of(weight), 1, tag_of(bias), answer, channels)


def _embed(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    _, weight = _given(args, kwargs, "input", "weight")
    _make(notes, tag_of(weight), 1, None, answer, answer.dim() - 1)


def _make(
    notes: Notes,
    tag: Tag | None,
    dim: int,
    bias: Tag | None,
    answer: Tensor,
    axis: int,
    *,
    whole: bool = False,
    came: Tensor | None = None,
) -> None:
    """New features along an axis of the answer, made along a dimension of a parameter.

    Where it is an identity at first they are those that came, as many as there are.
    """
    if tag is None or not tag.axes:
        return
    (name, _), *_ = tag.axes
    made = notes.produce(name, answer.shape[axis], whole=whole)
    if came is not None and tag.name in notes.identities:
        made = torch.cat([came, made[len(came) :]])[: len(made)]
    if tag.name is not None:
        notes.makes[tag.name] = dim
    notes.meet_along(tag, dim, made)
    notes.meet(bias, made)
    put(answer, Tag(spread(made, answer.shape, axis)))


def _take(notes: Notes, labels: Tensor | None, tag: Tag | None, dim: int) -> None:
    if labels is not None and tag is not None:
        notes.meet_along(tag, dim, labels)


def _pass(notes: Notes, tags: Sequence[Tag | None], labels: Tensor, answer: Tensor, axis: int) -> None:
    """The features of the input, each with its own numbers of parameters."""
    for tag in tags:
        notes.meet_along(tag, 0, labels)
    put(answer, Tag(spread(labels, answer.shape, axis)))


# ---- what takes each feature for itself


def _normalise(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    """Normalisations whose parameters lie along the channels, the second axis."""
    labels = _along(args[0], 1)
    if labels is None:
        return
    tags = [tag_of(value) for value in (*args[1:], *kwargs.values())]
    _pass(notes, [tag for tag in tags if tag and len(tag.axes) == 1], labels, answer, 1)


def _attend(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    _, _, values = _given(args, kwargs, "query", "key", "value")
    _of_last(values, answer)


def _of_last(values: Any, answer: Tensor) -> None:
    """Each answer is a mixture of values at several positions, the last axis being that of features."""
    labels = features_of(values)
    if labels is not None and answer.shape[-1] == labels.shape[-1]:
        mixed = labels.amax(-2, keepdim=True)
        if not _spreads(mixed.shape, answer.shape):
            mixed = labels.flatten(0, -2).amax(0)
        put(answer, Tag(mixed.expand(answer.shape)))


def _product(notes: Notes, args: Sequence[Any], answer: Any) -> None:
    if not isinstance(answer, Tensor) or len(args) < 2 or not isinstance(args[1], Tensor):
        return
    first, second, tag = args[0], args[1], tag_of(args[1])
    if tag is not None and tag.axes and second.dim() > 1:  # with more axes there are several matrices
        _take(notes, _along(first, -1), tag, second.dim() - 2)
        _make(notes, tag, second.dim() - 1, None, answer, answer.dim() - 1)
    elif second.dim() > 1:
        _of_last(second, answer)


def _multiply(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Any) -> None:
    """Each number times a vector of a parameter makes new features along the last axis; else as elsewhere."""
    pair = [value for value in args[:2] if isinstance(value, Tensor)]
    for value, other in (pair, pair[::-1]) if len(pair) == 2 else ():
        labels, tag = features_of(value), tag_of(other)
        if labels is None or tag is None or tag.name is None or not tag.axes or other.dim() < 2:
            continue
        if labels.shape[-1] == 1 < other.shape[-1] == answer.shape[-1]:
            _make(notes, tag, other.dim() - 1, None, answer, answer.dim() - 1)
            return
    _elementwise(notes, [*args, *kwargs.values()], answer)


def _elementwise(notes: Notes, given: Sequence[Any], answer: Tensor) -> None:
    tags = [tag for value in given if (tag := tag_of(value)) is not None]
    known = [tag.features for tag in tags if tag.features is not None]
    fitting = [labels for labels in known if _spreads(labels.shape, answer.shape)]
    if fitting:
        chosen = next((one for one in fitting if one.shape == answer.shape), fitting[0]).expand(answer.shape)
        put(answer, Tag(chosen))
        some = chosen[:1] if chosen.dim() > 1 else chosen
        for other in fitting if len(fitting) > 1 else ():
            notes.labels.join(other.expand(answer.shape)[: len(some)], some)
        for tag in tags:
            if tag.axes and all(_spreads(ids.shape, some.shape) for ids in tag.axes.values()):
                notes.meet(tag, some)
    else:
        axes = {
            axis: ids.expand(answer.shape)
            for tag in tags
            for axis, ids in tag.axes.items()
            if _spreads(ids.shape, answer.shape)
        }
        if axes:
            put(answer, Tag(None, axes))


# ---- what puts features elsewhere


def _beside(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    pieces = args[0] if args else kwargs["tensors"]
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))) % answer.dim()
    labels = [features_of(piece) for piece in pieces]
    known = [one for one in labels if one is not None]
    if not known:
        return
    varies = any(bool((one != one.narrow(dim, 0, 1)).any()) for one in known if one.shape[dim])
    if not varies and all(one.shape[dim] == one.unique().numel() == 1 for one in known):  # type: ignore[no-untyped-call]
        varies = len({int(one.max()) for one in known}) > 1  # each is a single feature
    if not varies:  # one after another, or example after example
        like = known[0].narrow(dim, 0, 1) if known[0].shape[dim] else known[0]
        put(answer, Tag(like.expand(answer.shape)))
    elif len(known) == len(pieces):
        there = known if len(known) == 1 else _with_places(notes, known, pieces)
        put(answer, Tag(torch.cat(there, dim)))


def _with_places(notes: Notes, labels: list[Tensor], pieces: Sequence[Any]) -> list[Tensor]:
    """The labels of features that are put beside each other, with their places there.

    Where all but one are new (`search_spaces.meanings.flow`) the other network has that one alone, with
    nothing beside it: it is what it was.
    """
    there = notes.labels.beside(labels)
    old = [place for place, one in enumerate(pieces) if (flow := flow_of(one)) is None or not flow.fresh]
    if len(old) == 1:
        there[old[0]] = labels[old[0]]
    return there


def _move(notes: Notes, name: str, args: Sequence[Any], kwargs: dict[str, Any], answer: Any) -> None:
    tag = next((tag for value in _flat(args) if (tag := tag_of(value)) is not None), None)
    if tag is None:
        return
    try:
        features = None if tag.features is None else _moved(name, args, kwargs, lambda one: one.features)
        axes = {axis: _moved(name, args, kwargs, _ids_of(axis)) for axis in tag.axes}
    except _UnknownError:
        if isinstance(answer, Tensor):
            _elementwise(notes, args, answer)
        return
    several = isinstance(answer, list | tuple)
    for place, one in enumerate(answer if several else [answer]):
        own = features[place] if several and features is not None else features
        ids = {axis: found[place] if several else found for axis, found in axes.items()}
        put(one, Tag(own, ids, tag.name if name in _KEEPS_ALL else None))
        if own is not None and tag.features is not None and name in _TAKES_APART:
            _check_whole(notes, tag.features, own)


def _ids_of(axis: Axis) -> Callable[[Tag], Tensor | None]:
    return lambda tag: tag.axes.get(axis)


def _moved(
    name: str, args: Sequence[Any], kwargs: dict[str, Any], what: Callable[[Tag], Tensor | None]
) -> Any:
    """What goes beside the tensors, moved as they are.

    Raises:
        _UnknownError: some tensor has nothing beside it, or it cannot be moved so.
    """

    def beside(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(map(beside, value))
        if not isinstance(value, Tensor):
            return value
        tag = tag_of(value)
        found = None if tag is None else what(tag)
        if found is None:
            raise _UnknownError
        return found

    given = [beside(value) for value in args]
    options = {key: beside(value) for key, value in kwargs.items()}
    if name in ("T", "mT"):
        return getattr(given[0], name)
    try:
        return (torch.stack if name == "stack" else getattr(Tensor, name))(*given, **options)
    except (TypeError, RuntimeError, IndexError):
        raise _UnknownError from None


class _UnknownError(Exception):
    """It is not known where numbers go, for they follow those of another tensor."""


def _check_whole(notes: Notes, before: Tensor, after: Tensor) -> None:
    """Notes that features were taken apart, where they do not lie along one axis any more."""
    there, here = before.unique(), after.unique()  # type: ignore[no-untyped-call]
    along = [dim for dim in range(after.dim()) if bool((after != after.narrow(dim, 0, 1)).any())]
    was = [dim for dim in range(before.dim()) if bool((before != before.narrow(dim, 0, 1)).any())]
    if len(there) > 1 and len(was) == 1 and (len(along) != 1 or len(here) < len(there)):
        notes.labels.take_apart(before)


def _pad(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Tensor) -> None:
    input, amounts = _given(args, kwargs, "input", "pad")
    labels = features_of(input)
    if labels is not None:
        put(answer, Tag(F.pad(labels, list(amounts))))


def _resample(args: Sequence[Any], kwargs: dict[str, Any], answer: Any) -> None:
    labels = features_of(args[0] if args else kwargs.get("input"))
    first = answer[0] if isinstance(answer, tuple) else answer
    if labels is not None and labels.dim() > 2 and first.shape[:2] == labels.shape[:2]:
        here = labels.flatten(2).amax(2)
        put(first, Tag(here.view(*here.shape, *[1] * (first.dim() - 2)).expand(first.shape)))


def _reduce(notes: Notes, args: Sequence[Any], kwargs: dict[str, Any], answer: Any) -> None:
    input, *rest = args
    dim = kwargs.get("dim", kwargs.get("axis", rest[0] if rest else None))
    if isinstance(dim, Tensor):  # the larger of two
        _elementwise(notes, args, answer)
        return
    labels = features_of(input)
    first = answer[0] if isinstance(answer, tuple) else answer
    if labels is None or dim is None or not isinstance(first, Tensor):
        return
    keeps = kwargs.get("keepdim", rest[1] if len(rest) > 1 else False)
    dims = tuple(dim) if isinstance(dim, list | tuple) else dim
    found = labels.amax(dims, keepdim=True)
    notes.labels.join(labels[:1], found.expand(labels.shape)[:1])  # what is added up is one feature
    found = found if keeps else labels.amax(dims)
    if found.shape == first.shape:
        put(first, Tag(found))


_RULES: dict[str, Callable[[Notes, Sequence[Any], dict[str, Any], Any], None]] = {
    "linear": _linear,
    **{f"conv{dims}d": _convolve for dims in "123"},
    **{f"conv_transpose{dims}d": _transposed for dims in "123"},
    "embedding": _embed,
    "batch_norm": _normalise,
    "instance_norm": _normalise,
    "group_norm": _normalise,
    "prelu": _normalise,
    **dict.fromkeys(("mul", "multiply", "__mul__", "__rmul__"), _multiply),
    "scaled_dot_product_attention": _attend,
    "cat": _beside,
    "concat": _beside,
    "concatenate": _beside,
    "pad": _pad,
}


# ---- helpers


def _given(args: Sequence[Any], kwargs: dict[str, Any], *names: str) -> list[Any]:
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]


def _each(value: Any, dims: int) -> Sequence[int]:
    return [value] * dims if isinstance(value, int) else [*value] * (dims if len(value) == 1 else 1)


def _along(value: Any, axis: int) -> Tensor | None:
    """The labels along an axis, whatever the position."""
    labels = features_of(value)
    return None if labels is None else labels.movedim(axis, 0).flatten(1).amax(1)


def _spreads(shape: Sequence[int], over: Sequence[int]) -> bool:
    return len(shape) <= len(over) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(over), strict=False)
    )


def _flat(values: Sequence[Any]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list | tuple) else [value])]
