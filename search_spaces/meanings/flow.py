"""What flows through a network that begins from another one: what is new in it, and how it can do nothing.

A value is *old* where the other network has it, too, and *fresh* where tensors have made it that only this
one has. A fresh value can be an old one if all that is new on its way hands on what it gets: linear layers
and convolutions as identities (T. Chen, I. Goodfellow and J. Shlens, "Net2Net", ICLR 2016, section 2.4), and
where it is added to something, with zeros in the last tensor of the branch (P. Goyal et al., "Accurate, Large
Minibatch SGD", 2017, section 5.1), which learns all the same: its gradient is not zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.meanings.beginning import NOTHING, Beginning
from search_spaces.meanings.operators import (
    ADDS,
    CONSTANTS,
    DIVIDES,
    DROPS,
    HAS_ONE_SIGN,
    JOINS,
    KEEPS,
    MULTIPLIES,
    NORMALISES,
    PASSES_THROUGH_ZERO,
    is_centred,
)

_FLOW = "_nas_flow"
Maker = int
"""What has made a value, apart from what only hands it on: equal ones have made the same in two networks."""


@dataclass(frozen=True)
class Flow:
    """What goes beside a tensor.

    Attributes:
        maker: what has made it.
        fresh: whether something new has made it.
        begins: how what is new on its way begins, so that it is an old value; None: it cannot be one.
        zeros: the new tensors that make it zero where they are, by name, and learn from there; None: none do.
        positive: whether it has no number below 0, if all begins so.
        name: the parameter or buffer that it is, as it stands in the network.
        is_weight: whether it is one, turned or cut maybe, and no value.
    """

    maker: Maker
    fresh: bool = False
    begins: Beginning | None = NOTHING
    zeros: frozenset[str] | None = None
    positive: bool = False
    name: str | None = None
    is_weight: bool = False


@dataclass
class Flows:
    """What flows through a network.

    Args:
        keys: the key of each tensor of the network, by its name.
        modules: the modules of the network, by name.
        known: the keys of the other network's tensors; None: there is no other one, and all is old.
        joined: what is added up or joined in the other network.

    Attributes:
        joins: what is added up or joined in this network.
        beginning: how what is new begins, as far as something old takes it.
    """

    keys: Mapping[str, str]
    modules: Mapping[str, nn.Module]
    known: Collection[str] | None = None
    joined: Collection[Maker] = ()
    joins: set[Maker] = field(default_factory=set)
    beginning: Beginning = NOTHING

    def begin(self, tensors: Iterable[tuple[str, Tensor]], inputs: Mapping[str, Tensor]) -> None:
        """Lets something go beside the tensors of a network, and its inputs."""
        for name, tensor in tensors:
            fresh = self.known is not None and self.keys[name] not in self.known
            owner = self.modules.get(name.rpartition(".")[0])
            if fresh and not tensor.requires_grad and not isinstance(owner, _BatchNorm):
                # what is fixed is what its module needs it to be: it never begins as something else
                put(tensor, Flow(hash(self.keys[name]), True, None, None, False, None, True))
                continue
            zeros, begins = (frozenset({name}), None) if fresh else (None, NOTHING)
            put(tensor, Flow(hash(self.keys[name]), fresh, begins, zeros, False, name, True))
        for name, value in inputs.items():
            put(value, Flow(hash(("input", name))))

    def follow(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], answer: Any) -> None:
        """Lets something go beside the answer of an operator.

        Args:
            name: the name of the operator.
            args, kwargs: what it was given.
            answer: what it has answered.
        """
        given = [flow for value in _flat([*args, *kwargs.values()]) if (flow := flow_of(value)) is not None]
        if not given or name in CONSTANTS:
            return
        found = self._answer(name, args, kwargs, given)
        for place, one in enumerate(answer) if isinstance(answer, list | tuple) else [(0, answer)]:
            if isinstance(one, Tensor):
                put(one, replace(found, maker=hash((found.maker, place))) if place else found)

    def take(self, given: Iterable[Flow], weights: Iterable[Flow]) -> Flow:
        """Returns what goes beside an answer that is made of values with weights.

        Args:
            given: what goes beside the values.
            weights: what goes beside the weights.
        """
        made_with = list(weights)
        known = [one for one in made_with if not one.fresh]
        if not known:
            return Flow(hash(tuple(one.maker for one in made_with)), True, None)
        for one in given:
            self.end(one)
        return Flow(hash(tuple(one.maker for one in known)))

    def end(self, flow: Flow | None) -> None:
        """Notes that something old takes a value, which has to be the old one."""
        if flow is not None and flow.begins is not None:
            self.beginning |= flow.begins

    def _answer(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], given: Sequence[Flow]
    ) -> Flow:
        values = [one for one in given if not one.is_weight]
        weights = [one for one in given if one.is_weight]
        if name in KEEPS and len(given) == 1:
            return replace(given[0], name=None)
        if name in DROPS and values:
            return values[0]
        if name in ADDS and len(given) == 2 and any(one.fresh or not one.is_weight for one in given):
            return self._added(given[0], given[1])
        if name in JOINS and not weights:
            return self._joined(values)
        if weights:
            made = self._made(name, args, kwargs, values)
            return self.take(values, weights) if made is None else made
        if len(values) == 1:
            masked = name in MULTIPLIES | DIVIDES and _has_constant(args)
            return values[0] if masked else _changed(name, values[0])
        fresh = any(one.fresh for one in values)
        begins = None if fresh else _union(values)
        zeros = _product_zeros(name, args, kwargs) if fresh else None
        return Flow(hash((name, *(one.maker for one in values))), fresh, begins, zeros)

    def _made(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], values: Sequence[Flow]
    ) -> Flow | None:
        """What is made with new weights in a way that is known; None: there is another rule for it."""
        names = _WEIGHTS.get(name)
        if name in MULTIPLIES and not names:
            zeros, made = _product_zeros(name, args, kwargs), self.take(values, _weights(args, kwargs))
            return replace(made, zeros=zeros) if made.fresh else made
        if names is None:
            return None
        weight, bias = (flow_of(_argument(args, kwargs, *one)) for one in names)
        if weight is None:
            return None
        if not weight.fresh:
            if bias is not None and bias.fresh and bias.zeros:
                self.beginning |= Beginning(zeros=bias.zeros)
            return None
        last = weight.zeros
        zeros = last if bias is None else None if bias.zeros is None or last is None else last | bias.zeros
        flow = Flow(weight.maker, True, None, zeros)
        before = values[0] if values else None
        passes = (
            None if before is None or before.begins is None else self._passing(name, args, kwargs, weight)
        )
        if before is None or before.begins is None or passes is None:
            return flow
        beside = frozenset() if bias is None or bias.zeros is None or passes.norms else bias.zeros
        begins = before.begins | passes | Beginning(zeros=beside)
        return replace(flow, maker=before.maker, begins=begins, positive=before.positive)

    def _passing(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], weight: Flow
    ) -> Beginning | None:
        """How a layer begins that hands on what it gets; None: it cannot."""
        if weight.name is None:
            return None
        if name in NORMALISES:
            module = weight.name.rpartition(".")[0]
            known = isinstance(self.modules.get(module), _BatchNorm | nn.LayerNorm)
            return Beginning(norms=frozenset({module})) if known else None
        if name == "linear" or is_centred(name, args, kwargs):
            return Beginning(identities=frozenset({weight.name}))
        return None

    def _added(self, first: Flow, second: Flow) -> Flow:
        """A sum: with what is new beside what was there, the new one begins as zeros."""
        maker = hash(("add", *sorted((first.maker, second.maker))))
        both = (first, second)
        zeros = None if first.zeros is None or second.zeros is None else first.zeros | second.zeros
        positive = first.positive and second.positive
        if any(one.is_weight and not one.fresh for one in both):
            return self.take(
                [one for one in both if not one.is_weight], [one for one in both if one.is_weight]
            )
        fresh = first.fresh or second.fresh
        if not fresh or (maker in self.joined and all(one.begins is not None for one in both)):
            self.joins.add(maker)
            return Flow(maker, False, _union(both), None, positive)
        pairs = [(first, second), (second, first)]
        ways = [
            (kept, other)
            for kept, other in pairs
            if kept.begins is not None and other.zeros and not other.zeros & _needed(kept)
        ]
        if ways:
            kept, other = min(ways, key=lambda way: (way[0].fresh, len(way[0].begins or ())))
            begins = (kept.begins or NOTHING) | Beginning(zeros=other.zeros or frozenset())
            return Flow(kept.maker, kept.fresh, begins, zeros, kept.positive)
        old = [one for one in both if not one.fresh]
        return Flow(maker, not old, _union(old) if old else None, zeros, positive)

    def _joined(self, values: Sequence[Flow]) -> Flow:
        """Features beside each other: where the other network joins the same, what is new hands it on."""
        maker = hash(("join", *(one.maker for one in values)))
        fresh = any(one.fresh for one in values)
        known = [one.zeros for one in values if one.zeros is not None]
        zeros = frozenset[str]().union(*known) if len(known) == len(values) else None
        positive = all(one.positive for one in values)
        if not fresh or (maker in self.joined and all(one.begins is not None for one in values)):
            self.joins.add(maker)
            return Flow(maker, False, _union(values), None, positive)
        old = [one for one in values if not one.fresh]
        return Flow(maker, not old, _union(old) if old else None, zeros, positive)


def _needed(flow: Flow) -> frozenset[str]:
    """The tensors by which a value is what it is: with zeros there it would be nothing."""
    begins = flow.begins or NOTHING
    norms = {f"{module}.{name}" for module in begins.norms for name in ("weight", "bias")}
    return (flow.zeros or frozenset()) | begins.identities | begins.zeros | norms


def flow_of(value: Any) -> Flow | None:
    """Returns what goes beside a tensor."""
    return getattr(value, _FLOW, None) if isinstance(value, Tensor) else None


def put(value: Tensor, flow: Flow) -> None:
    """Lets something go beside a tensor."""
    setattr(value, _FLOW, flow)


def _changed(name: str, flow: Flow) -> Flow:
    """What goes beside the answer of an operator that changes each number, such as an activation."""
    begins, zeros = flow.begins, flow.zeros
    if flow.fresh and not (name in ("relu", "relu_") and flow.positive):
        begins = None
    if name not in PASSES_THROUGH_ZERO | MULTIPLIES | DIVIDES:
        zeros = None  # it is not zero there, or nothing is learnt there
    return Flow(flow.maker, flow.fresh, begins, zeros, name in HAS_ONE_SIGN)


def _has_constant(args: Sequence[Any]) -> bool:
    """Whether there is a tensor that does not follow the others: a mask, or how many are not masked."""
    return any(isinstance(value, Tensor) and flow_of(value) is None for value in args)


def _union(flows: Iterable[Flow]) -> Beginning | None:
    found = NOTHING
    for flow in flows:
        if flow.begins is None:
            return None
        found |= flow.begins
    return found


def _product_zeros(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> frozenset[str] | None:
    """The tensors that make a product zero: those of one factor, for with two nothing would be learnt."""
    if name == "scaled_dot_product_attention":
        flow = flow_of(_argument(args, kwargs, 2, "value"))
        return None if flow is None else flow.zeros
    if name not in MULTIPLIES:
        return None
    flows = [flow for value in (*args, *kwargs.values()) if (flow := flow_of(value)) is not None]
    known = [flow for flow in flows if flow.zeros is not None]
    return min(known, key=lambda flow: not flow.is_weight).zeros if known else None


def _weights(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Flow]:
    flows = (flow_of(value) for value in (*args, *kwargs.values()))
    return [flow for flow in flows if flow is not None and flow.is_weight]


_Argument = tuple[int, str]
_WEIGHTS: dict[str, tuple[_Argument, _Argument]] = {
    "linear": ((1, "weight"), (2, "bias")),
    **{f"conv{dims}d": ((1, "weight"), (2, "bias")) for dims in "123"},
    **{f"conv_transpose{dims}d": ((1, "weight"), (2, "bias")) for dims in "123"},
    "embedding": ((1, "weight"), (99, "bias")),
    "batch_norm": ((3, "weight"), (4, "bias")),
    "instance_norm": ((3, "weight"), (4, "bias")),
    "layer_norm": ((2, "weight"), (3, "bias")),
    "group_norm": ((2, "weight"), (3, "bias")),
    "rms_norm": ((2, "weight"), (99, "bias")),
    "multi_head_attention_forward": ((11, "out_proj_weight"), (12, "out_proj_bias")),
}
"""Where the operators of torch take the weight and the bias that come last in them."""


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str) -> Any:
    return args[place] if place < len(args) else kwargs.get(name)


def _flat(values: Iterable[Any]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list | tuple) else [value])]
