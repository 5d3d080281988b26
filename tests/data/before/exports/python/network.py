"""Network 958a27311dafba0d, found for the problem digit_pairs; plain torch.

Validation: loss 5.191, score 0.2132, worst 0.166, left.loss 2.233, left.accuracy 0.166, right.loss 2.19,
    right.accuracy 0.218, sum.loss 0.7682, sum.rmse 0.8764, sum.r2 0.2555, num_params 2.662e+04, num_macs
    1.295e+05, activation_bytes 1.182e+04.
Test: loss 5.21, score 0.2143, worst 0.163, left.loss 2.236, left.accuracy 0.163, right.loss 2.201,
    right.accuracy 0.221, sum.loss 0.7728, sum.rmse 0.8791, sum.r2 0.2588.
Inputs, the number of examples first: 'image': Image(channels=1, height=8, width=16).
Tasks: 'left': Classification(classes=10), 'right': Classification(classes=10), 'sum':
    Regression(outputs=1).

Use, with weights.safetensors beside this file::

    network = load()  # a torch.nn.Module in evaluation mode
    answers = network(inputs)  # inputs by name to answers by task
"""

from __future__ import annotations

import inspect
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as abc_Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ----------------------------------------------------------------------------------------------------
# The error tree of the whole house.


class NasError(Exception):
    """The root: every error of this project that is meant for people."""


class SpaceError(NasError):
    """A space is written wrongly."""


class BuildError(NasError):
    """An architecture cannot be built for a signature."""


class ProblemError(NasError):
    """Data are missing or do not fit their signature."""


# ----------------------------------------------------------------------------------------------------
# Branches side by side on one input, joined by sum or concatenation.


_AXES = {2: -1, 3: -1, 4: 1, 5: 1}
"""The axis of the features by the number of axes: vectors and series last, maps second."""


def concatenate(tensors: abc_Sequence[Tensor]) -> Tensor:
    """Tensors side by side along their features: the last axis of vectors and series, channels of maps."""
    if len(tensors) == 1:
        return tensors[0]
    return torch.cat(list(tensors), dim=_AXES[tensors[0].dim()])


# ----------------------------------------------------------------------------------------------------
# Convolutional blocks: plain, residual, bottleneck and inception blocks, and stages of them.


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "hardswish": nn.Hardswish,
    "leaky_relu": nn.LeakyReLU,
}
"""Activations by name."""


def activation_named(name: str | None) -> nn.Module:
    """A new activation module; None gives none (`nn.Identity`).

    Raises:
        ValueError: there is no activation of that name.
    """
    if name is None:
        return nn.Identity()
    if name not in ACTIVATIONS:
        raise ValueError(f"expected an activation from {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]()


class ConvNormActivation(nn.Sequential):
    """Convolution, batch normalisation, activation: the plain block.

    Args:
        in_channels, out_channels: channels of the maps that come and go.
        kernel_size: odd.
        stride: 1, or more to shrink the map.
        groups: as in `nn.Conv2d`.
        activation: a name of `ACTIVATIONS`, or None for none.

    Raises:
        ValueError: an even kernel, or an unknown activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = "relu",
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"expected an odd kernel_size, got {kernel_size}")
        modules: list[nn.Module] = [
            # the normalisation subtracts the mean, so that a bias would do nothing
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation is not None:
            modules.append(activation_named(activation))
        super().__init__(*modules)


class _Shortcut(nn.Module):
    """A body around which the input is added, projected where its number of channels or its size changes."""

    def __init__(
        self, body: nn.Module, in_channels: int, out_channels: int, stride: int, activation: str | None
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvNormActivation(in_channels, out_channels, 1, stride, activation=None)
        self.activation = activation_named(activation)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        answer: Tensor = self.activation(self.body(input) + self.shortcut(input))
        return answer


class Residual(_Shortcut):
    """The basic residual block of ResNet: two convolutions around which the input is added.

    The shortcut is projected (1 x 1 convolution) where the number of channels or the stride changes.
    He et al., Deep Residual Learning for Image Recognition, 2016, figure 2 and section 3.3 (B).

    Args:
        in_channels, out_channels: channels of the maps that come and go.
        kernel_size: odd.
        stride: of the first convolution and of the shortcut.
        activation: a name of `ACTIVATIONS`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: str | None = "relu",
    ) -> None:
        body = nn.Sequential(
            ConvNormActivation(in_channels, out_channels, kernel_size, stride, activation=activation),
            ConvNormActivation(out_channels, out_channels, kernel_size, activation=None),
        )
        super().__init__(body, in_channels, out_channels, stride, activation)


class Bottleneck(_Shortcut):
    """The bottleneck block of deeper ResNets: 1 x 1 down to a quarter, a convolution, 1 x 1 up again.

    He et al., 2016, figure 5; the stride is in the middle convolution, as in torchvision.
    Arguments as of `Residual`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: str | None = "relu",
    ) -> None:
        middle = max(1, out_channels // 4)
        body = nn.Sequential(
            ConvNormActivation(in_channels, middle, 1, activation=activation),
            ConvNormActivation(middle, middle, kernel_size, stride, activation=activation),
            ConvNormActivation(middle, out_channels, 1, activation=None),
        )
        super().__init__(body, in_channels, out_channels, stride, activation)


class Inception(nn.Module):
    """The inception block of GoogLeNet: four branches side by side, their channels concatenated.

    A 1 x 1 convolution; a 1 x 1 and a ``kernel_size`` one; a 1 x 1 and one two wider; pooling and a 1 x 1.
    Channels are shared out as in block 3a: 1/4, 1/2, 1/8 and 1/8 of ``out_channels``, at least one each; the
    1 x 1 convolutions before others have half as many channels as those, as in block 5b.
    Szegedy et al., Going Deeper with Convolutions, 2015, figure 2b and table 1.

    Args:
        in_channels: channels of the maps that come.
        out_channels: channels of the maps that go, at least 4.
        kernel_size: odd, of the smaller spatial branch.
        stride: of every branch.
        activation: a name of `ACTIVATIONS`.

    Raises:
        ValueError: fewer channels than branches.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: str | None = "relu",
    ) -> None:
        super().__init__()
        if out_channels < 4:
            raise ValueError(f"expected out_channels >= 4 for four branches, got {out_channels}")
        eighth = max(1, out_channels // 8)
        point = max(1, out_channels // 4)
        near = out_channels - point - 2 * eighth  # a half, and what division left over

        def conv(before: int, after: int, kernel: int, step: int = 1) -> ConvNormActivation:
            return ConvNormActivation(before, after, kernel, step, activation=activation)

        self.branches = nn.ModuleList(
            [
                conv(in_channels, point, 1, stride),
                nn.Sequential(
                    conv(in_channels, max(1, near // 2), 1),
                    conv(max(1, near // 2), near, kernel_size, stride),
                ),
                nn.Sequential(
                    conv(in_channels, max(1, eighth // 2), 1),
                    conv(max(1, eighth // 2), eighth, kernel_size + 2, stride),
                ),
                nn.Sequential(nn.MaxPool2d(3, stride, padding=1), conv(in_channels, eighth, 1)),
            ]
        )

    def forward(self, input: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        return concatenate([branch(input) for branch in self.branches])


BLOCKS: dict[str, type[nn.Module]] = {
    "plain": ConvNormActivation,
    "residual": Residual,
    "bottleneck": Bottleneck,
    "inception": Inception,
}
"""The blocks that a `Stage` may have, by name."""


DOWNSAMPLING: dict[str, tuple[type[nn.Module], dict[str, Any]] | None] = {
    "none": None,
    "stride": None,
    "max": (nn.MaxPool2d, {"kernel_size": 2, "ceil_mode": True}),
    "overlapping": (nn.MaxPool2d, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "average": (nn.AvgPool2d, {"kernel_size": 2, "ceil_mode": True}),
}
"""How a `Stage` may halve its input: with which pooling layer, if with one."""


MOST_BLOCKS = 1000
"""The largest depth of a `Stage`."""


class Stage(nn.Sequential):
    """Blocks of one kind at one resolution, after halving the map or not.

    Args:
        in_channels, out_channels: channels of the maps that come and go.
        block: a name of `BLOCKS`.
        depth: how many blocks, at least one.
        kernel_size: odd, of the blocks' spatial convolutions.
        downsample: ``none``; ``stride`` (of the first block, as in ResNet); or pooling before the blocks,
            ``max`` (as in VGG), ``overlapping`` (3 x 3, as in AlexNet and GoogLeNet) or ``average``.
        activation: a name of `ACTIVATIONS`.

    Raises:
        ValueError: an unknown block or downsampling, no blocks, or more than `MOST_BLOCKS`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block: str = "plain",
        depth: int = 1,
        kernel_size: int = 3,
        downsample: str = "none",
        activation: str | None = "relu",
    ) -> None:
        modules: list[nn.Module] = []
        channels = in_channels
        for factory, arguments in _stage(out_channels, block, depth, kernel_size, downsample, activation):
            if factory in BLOCKS.values():
                arguments = {"in_channels": channels, **arguments}
                channels = out_channels
            modules.append(factory(**arguments))
        super().__init__(*modules)


def _stage(
    out_channels: int, block: str, depth: int, kernel_size: int, downsample: str, activation: str | None
) -> list[tuple[type[nn.Module], dict[str, Any]]]:
    """The modules of a stage in order: class and arguments, without ``in_channels``."""
    if block not in BLOCKS:
        raise ValueError(f"expected a block from {', '.join(BLOCKS)}, got {block!r}")
    if downsample not in DOWNSAMPLING:
        raise ValueError(f"expected downsampling from {', '.join(DOWNSAMPLING)}, got {downsample!r}")
    if not 1 <= depth <= MOST_BLOCKS:
        raise ValueError(f"expected depth from 1 to {MOST_BLOCKS}, got {depth}")
    pooling = DOWNSAMPLING[downsample]
    blocks = [
        (
            BLOCKS[block],
            {
                "out_channels": out_channels,
                "kernel_size": kernel_size,
                "stride": 2 if downsample == "stride" and i == 0 else 1,
                "activation": activation,
            },
        )
        for i in range(depth)
    ]
    return [pooling, *blocks] if pooling else blocks


# ----------------------------------------------------------------------------------------------------
# Padding in sequences: positions that are not real stay zero, out of pooling and out of attention.


def shortened(mask: Tensor | None, length: int) -> Tensor | None:
    """The mask of a sequence shortened to ``length``: a position is real where anything real went into it."""
    if mask is None or mask.shape[1] == length:
        return mask
    step, real = _step(mask.shape[1], length), mask.unsqueeze(1).float()
    if step is None:
        return F.adaptive_max_pool1d(real, length).squeeze(1) > 0
    return F.max_pool1d(real, step, ceil_mode=True).squeeze(1) > 0


def of_length(sequence: Tensor, length: int) -> Tensor:
    """``(N, L, F)`` as ``(N, length, F)``, each position from the nearest one.

    Where one length is the other halved that is the position it became, or the first that became it.
    """
    came = sequence.shape[1]
    step = _step(max(came, length), min(came, length))
    if came == length:
        return sequence
    if step is None:
        return F.interpolate(sequence.transpose(1, 2), size=length).transpose(1, 2)
    if came > length:
        return sequence[:, ::step]
    return sequence.unsqueeze(2).expand(-1, -1, step, -1).flatten(1, 2)[:, :length]


def _step(length: int, shorter: int) -> int | None:
    """How many positions became one by halving, rounded up, once or more; None if it was something else.

    By these steps it does not matter how much padding follows the real positions.
    """
    step = 1
    while -(-length // step) > shorter:
        step *= 2
    return step if -(-length // step) == shorter else None


# ----------------------------------------------------------------------------------------------------
# What heads have in common: pooling over positions, a hidden layer, a change of length, full precision.


POOLINGS = ("mean", "max", "attention")
"""How positions become one vector."""


def num_features(shape: abc_Sequence[int]) -> int:
    """Features of a vector ``(F,)``, a sequence ``(L, F)`` or a map ``(C, H, W)``."""
    return shape[0] if len(shape) > 2 else shape[-1]


def as_positions(features: Tensor) -> Tensor:
    """A sequence ``(N, L, F)`` as it is; a vector, or a map in two or three dimensions, as ``(N, P, F)``."""
    if features.dim() == 2:
        return features.unsqueeze(1)
    return features if features.dim() == 3 else features.flatten(2).transpose(1, 2)


def attention(scores: Tensor, mask: Tensor | None, dim: int) -> Tensor:
    """Weights that sum to 1 over the real positions in ``dim``; 0 where none is real, and never NaN."""
    if mask is None:
        return scores.softmax(dim)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim)
    return weights.masked_fill(~mask, 0)


class Pooling(nn.Module):
    """Sequences and maps to vectors; a vector stays.

    Padding does not count, and positions of which none is real give zeros.

    Args:
        shape: of one example's features.
        pooling: ``mean``, ``max``, or ``attention``: the mean weighted by a learned score of each position.

    Raises:
        ValueError: another pooling.
    """

    def __init__(self, shape: abc_Sequence[int], pooling: str = "mean") -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"expected pooling from {', '.join(POOLINGS)}, got {pooling!r}")
        self.pooling = pooling
        self.axes = {1: (), 2: (1,)}.get(len(shape), tuple(range(2, len(shape) + 1)))
        if self.axes and pooling == "attention":
            # without a bias, which would not change a softmax
            self.score = nn.Linear(num_features(shape), 1, bias=False)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, F)``, ``(N, L, F)`` with mask ``(N, L)``, or ``(N, F, H, W)`` to ``(N, F)``."""
        if not self.axes:
            return features
        if self.pooling == "mean" and mask is None:
            return features.mean(self.axes)
        positions = as_positions(features)
        real = None if mask is None else mask.flatten(1).unsqueeze(-1)
        if self.pooling == "attention":
            return (attention(self.score(positions), real, 1) * positions).sum(1)
        if real is None:
            return positions.amax(1)
        if self.pooling == "mean":
            return positions.masked_fill(~real, 0).sum(1) / real.sum(1).clamp(min=1)
        largest = positions.masked_fill(~real, torch.finfo(positions.dtype).min).amax(1)
        return largest.masked_fill(~real.any(1), 0)


def before_last(features: int, hidden: int, dropout: float) -> tuple[nn.Module, int]:
    """What stands before the last linear map of a head, and the features that it gives.

    Args:
        features: that come.
        hidden: units of a layer with ReLU; 0: none.
        dropout: chance of a feature to be dropped.

    Raises:
        ValueError: fewer than 0 units.
    """
    if hidden < 0:
        raise ValueError(f"expected hidden units >= 0, got {hidden}")
    layers: list[nn.Module] = [nn.Linear(features, hidden), nn.ReLU()] if hidden else []
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers), hidden or features


def to_length(sequence: Tensor, length: int | None) -> Tensor:
    """``(N, L', F)`` as ``(N, length, F)``, each position from the nearest one; None: as it is."""
    return sequence if length is None else of_length(sequence, length)


# ----------------------------------------------------------------------------------------------------
# Passing a tensor on with its mask: to modules that ask for masks, through all others.


def mask_of(value: Tensor) -> Tensor | None:
    """The mask of an input: where tokens ``(N, L)`` are no padding (0); None for numbers."""
    return None if value.is_floating_point() or value.dim() != 2 else value != 0


def takes(module: nn.Module, option: str) -> bool:
    """Whether a module's ``forward`` has a parameter of that name (torch's own mean other things by it)."""
    factory: Any = getattr(module, "stands_for", type(module))
    return option in _options(factory)


@lru_cache(maxsize=4096)
def _options(factory: Any) -> frozenset[str]:
    if factory.__module__.startswith("torch."):
        return frozenset()
    return frozenset(inspect.signature(factory.forward).parameters)


def call(module: nn.Module, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What a module answers to a tensor, with the mask of the answer.

    The module sees the mask where its ``forward`` has a parameter ``mask``. Of a tuple, as recurrent layers
    answer, the first item goes on.

    Args:
        module: any.
        value: ``(N, ...)``.
        mask: bool ``(N, L)``, true at real positions; None: there are no others.
    """
    answer: Any = module(value, mask=mask) if mask is not None and takes(module, "mask") else module(value)
    answer = answer[0] if isinstance(answer, tuple) else answer
    return answer, None if mask is None else along(mask, answer)


def along(mask: Tensor | None, value: Any) -> Tensor | None:
    """The mask of what was made of a masked sequence; None where it is no sequence any more."""
    return shortened(mask, value.shape[1]) if isinstance(value, Tensor) and value.dim() == 3 else None


# ----------------------------------------------------------------------------------------------------
# The kinds of input that a model can receive: images, sequences, tokens, vectors.


def check_positive(owner: object) -> None:
    """Refuse whole numbers below 1 in the fields that hold one."""
    for f in fields(owner):
        value = getattr(owner, f.name)
        if f.type != "int":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpaceError(
                f"{type(owner).__name__}({f.name}=...): expected a whole number >= 1, got {value!r}"
            )


@dataclass(frozen=True)
class Input:
    """One modality a model receives; see its kinds `Image`, `Sequence`, `Tokens` and `Vector`."""

    def __post_init__(self) -> None:
        check_positive(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        raise NotImplementedError


@dataclass(frozen=True)
class Image(Input):
    """Images: float tensors ``(N, channels, height, width)``."""

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)


@dataclass(frozen=True)
class Sequence(Input):
    """Series of feature vectors: float tensors ``(N, length, features)``."""

    length: int
    features: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)


@dataclass(frozen=True)
class Tokens(Input):
    """Texts as token numbers: int64 tensors ``(N, length)``, values in ``[0, vocabulary)``, 0 is padding."""

    length: int
    vocabulary: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)


# ----------------------------------------------------------------------------------------------------
# The kinds of task that a model can serve: what is asked, in which form it is answered.


@dataclass(frozen=True)
class Task:
    """One thing a model must answer; see its kinds below."""

    def __post_init__(self) -> None:
        check_positive(self)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the inputs that this task speaks of: a signature must have them."""
        return ()


@dataclass(frozen=True)
class Classification(Task):
    """One of ``classes``: targets int64 ``(N,)``, a model answers logits ``(N, classes)``."""

    classes: int

    @property
    def outputs(self) -> int:
        return self.classes


@dataclass(frozen=True)
class Regression(Task):
    """``outputs`` real numbers: targets float ``(N, outputs)``, a model answers the same."""

    outputs: int = 1


@dataclass(frozen=True)
class Tagging(Task):
    """One of ``tags`` per position: targets int64 ``(N, L)`` with -100 ignored; logits ``(N, L, tags)``.

    Attributes:
        labels: the tags' names in their order; such as ``"B-artist"``, ``"I-artist"`` and ``"O"``, by which
            whole entities are counted.
        input: the input whose positions are tagged; None: the only one with a length.
    """

    tags: int
    labels: tuple[str, ...] = ()
    input: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", tuple(self.labels))
        if not all(isinstance(label, str) and label for label in self.labels):
            raise SpaceError(f"Tagging(labels=...): expected names of tags, got {self.labels!r}")
        if self.labels and len(self.labels) != self.tags:
            raise SpaceError(f"Tagging(labels=...): expected {self.tags} labels, got {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise SpaceError(f"Tagging(labels=...): expected each label once, got {self.labels!r}")

    @property
    def outputs(self) -> int:
        return self.tags

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.input is None else (self.input,)


# ----------------------------------------------------------------------------------------------------
# What a model must serve: named inputs (modalities) and named tasks, with their shapes and kinds.


@dataclass(frozen=True)
class Signature:
    """The inputs a model receives and the tasks it must serve, by name.

    Example:
        >>> Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})

    Raises:
        SpaceError: no input, no task, one of a wrong kind, or a task of an input that is not there.
    """

    inputs: Mapping[str, Input]
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, owner, members in (("input", Input, self.inputs), ("task", Task, self.tasks)):
            if not members:
                raise SpaceError(f"a signature needs at least one {kind}")
            for name, member in members.items():
                if not isinstance(name, str) or not name:
                    raise SpaceError(f"a signature's {kind} needs a name, got {name!r}")
                if not isinstance(member, owner):
                    raise SpaceError(f"{kind} {name!r}: expected a kind of {kind}, got {member!r}")
        object.__setattr__(self, "inputs", dict(self.inputs))
        object.__setattr__(self, "tasks", dict(self.tasks))
        for name, task in self.tasks.items():
            for needed in task.needs:
                if needed not in self.inputs:
                    raise SpaceError(
                        f"task {name!r} needs the input {needed!r}, the inputs are {', '.join(self.inputs)}"
                    )
            if isinstance(task, Tagging):
                self.tagged_input(name)

    def __hash__(self) -> int:
        return hash((frozenset(self.inputs.items()), frozenset(self.tasks.items())))

    def tagged_input(self, task: str) -> str:
        """Name of the input whose positions a tagging task tags.

        Raises:
            SpaceError: it names none, or one without a length, and not exactly one input has a length.
        """
        kind = self.tasks[task]
        assert isinstance(kind, Tagging), f"{task!r} is no tagging task"
        long = [name for name, input in self.inputs.items() if isinstance(input, Sequence | Tokens)]
        if kind.input in long:
            return kind.input
        if kind.input is None and len(long) == 1:
            return long[0]
        raise SpaceError(
            f"task {task!r}: expected Tagging(input=...) to name the sequence or tokens that it tags, "
            f"got {kind.input!r}; inputs with a length: {', '.join(long) or 'none'}"
        )


# ----------------------------------------------------------------------------------------------------
# Heads: from a body's features to the answer of one task.


class Head(nn.Module):
    """A linear map from features to the outputs of a classification, a regression or a tagging task.

    Features may be a vector ``(N, F)``, a sequence ``(N, L, F)`` or a map ``(N, C, H, W)``, even in three
    dimensions. Sequences and maps are pooled over their positions first, except for tagging, which answers
    every position of a sequence.

    Args:
        task: what to answer.
        shape: shape of one example's features, without the batch axis.
        pooling: ``mean``, ``max`` or ``attention``; see `Pooling`.
        hidden: units of a layer before the last; 0: none.
        dropout: before the last layer.
        length: positions that tagging answers, from the nearest ones where features have fewer; None: as
            many as the features have.

    Raises:
        BuildError: features of no such shape, or a task of another kind.
        ValueError: an option out of range.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        pooling: str = "mean",
        hidden: int = 0,
        dropout: float = 0.0,
        length: int | None = None,
    ) -> None:
        super().__init__()
        kind = type(task).__name__.lower()
        if not isinstance(task, Classification | Regression | Tagging):
            raise BuildError(f"Head serves classification, regression and tagging, got a {kind} task")
        self.tagging, self.length = isinstance(task, Tagging), length
        if not (len(shape) == 2 if self.tagging else 1 <= len(shape) <= 4):
            expected = "(length, features)" if self.tagging else "a vector, a sequence or a map"
            raise BuildError(f"the head of a {kind} task: expected {expected}, got features {shape}")
        if not self.tagging:
            self.pool = Pooling(shape, pooling)
        self.before, features = before_last(num_features(shape), hidden, dropout)
        self.linear = nn.Linear(features, task.outputs)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features to ``(N, outputs)``, or ``(N, L, outputs)`` when tagging."""
        if self.tagging:
            return to_length(self.linear(self.before(features)), self.length)
        answer: Tensor = self.linear(self.before(self.pool(features, mask)))
        return answer


# ----------------------------------------------------------------------------------------------------
# Networks of several inputs and several tasks: parts that call each other, as a graph.


Calls = Mapping[str, abc_Sequence[str]]
"""For each call its name, the part that it calls, and where that part's inputs come from."""


@dataclass(frozen=True)
class Encoding:
    """What a body makes of a batch.

    Attributes:
        features: by task what its head receives: a tensor, or two vectors ``(N, F)`` (retrieval).
        masks: by task bool ``(N, L)``, true at real positions of a sequence; None: all are.
        taps: tensors on the way, by the name of their call; none for a body without names. Of those that some
            examples lack, the outputs, embeddings and private pairs alone, zeros where there is nothing.
    """

    features: dict[str, Tensor | tuple[Tensor, Tensor]]
    masks: dict[str, Tensor | None]
    taps: dict[str, Tensor]


@dataclass(frozen=True)
class _Tap:
    """A tensor on its way: of these ``rows`` of the batch alone, None: of all; without rows no tensor."""

    value: Tensor | None
    mask: Tensor | None
    rows: Tensor | None


class Graph(nn.Module):
    """Parts, and calls of them on inputs and on what other calls gave.

    A part is any module; two calls of one part share its weights. What a part's ``forward`` has parameters
    for it receives: ``mask`` (of its lone source), ``masks`` and ``present`` (lists, for each source; bool
    ``(N, L)`` and ``(N,)``, or None).

    Where a modality is missing, the parts that only it reaches run on the other examples alone, or not at
    all; a part that joins it with others gets zeros there, and is told by ``present``. While training a
    modality that a single example of a batch has counts as missing: no normalisation can learn from it.

    Args:
        parts: modules by name (without dots). Those that are not needed are left out.
        calls: by name ``[part, source, ...]``; a source is a call or an input.
        outputs: by task the calls that its head receives, one or (retrieval) two.
        embeddings: by input the call that gives its vector ``(N, F)``, for losses that align modalities.
        ties: groups of parts that are copies of each other, which a recipe may hold together.
        private: pairs of calls, of a shared and a private vector, which a recipe may hold orthogonal.

    Raises:
        ValueError: a call of no part or without a source, or calls in a circle.
    """

    def __init__(
        self,
        parts: Mapping[str, nn.Module],
        calls: Calls,
        outputs: Mapping[str, abc_Sequence[str]],
        embeddings: Mapping[str, str] | None = None,
        ties: Iterable[abc_Sequence[str]] = (),
        private: Iterable[abc_Sequence[str]] = (),
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

    def encode(self, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Encoding:
        """Run all calls.

        Args:
            inputs: by name, ``(N, ...)``; one left out is missing in all examples.
            present: by name bool ``(N,)``: the examples that have this input; of one left out, all.
        """
        # not len(), which would fix the number of examples in an exported network
        some = next(iter(inputs.values()))
        count = some.shape[0]
        taps: dict[str, _Tap] = {}
        for name, value in inputs.items():
            taps[name] = self._input(value, None if present is None else present.get(name))
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

    def _input(self, value: Tensor, there: Tensor | None) -> _Tap:
        mask = mask_of(value)
        if there is None or bool(there.all()):
            return _Tap(value, mask, None)
        rows = there.nonzero().squeeze(1)
        if len(rows) < (2 if self.training else 1):
            return _Tap(None, None, rows[:0])
        return _Tap(value[rows], None if mask is None else mask[rows], rows)

    def _call(
        self, part: nn.Module, name: str, given: list[_Tap], sources: abc_Sequence[str], count: int
    ) -> _Tap:
        rows = given[0].rows
        together = all(tap.rows is rows for tap in given)
        if together and given[0].value is None:
            return given[0]
        if len(given) == 1:
            value, mask = call(part, given[0].value, given[0].mask)
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
        if takes(part, "masks"):
            options["masks"] = positions
        if takes(part, "present"):
            options["present"] = present
        value = part(*values, **options)
        self._remember(name, value)
        return _Tap(value, along(positions[0], value), rows)

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


def in_order(
    calls: Calls, outputs: Mapping[str, abc_Sequence[str]], more: Iterable[str] = ()
) -> Iterator[tuple[str, abc_Sequence[str]]]:
    """The calls that the outputs need, each after those it needs itself.

    Args:
        calls, outputs: of a `Graph`.
        more: other calls to keep.

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


# ----------------------------------------------------------------------------------------------------
# A network: what is built from an architecture for a signature. A body, and a head for each task.


class Chain(nn.Sequential):
    """`nn.Sequential` whose members may answer a tuple: its first item goes on (as recurrent layers do).

    Members whose ``forward`` has a parameter ``mask`` receive the mask of a padded text.
    """

    def forward(self, input: Any, mask: Tensor | None = None) -> Any:
        for module in self:
            input, mask = call(module, input, mask)
        return input


class Network(nn.Module):
    """A body (the searched model) and one head for each task.

    A mapping of inputs by name gives a mapping of answers by task; an input left out is missing. A lone
    tensor, for a network of one input, gives a lone tensor where there is one task.

    Attributes:
        body: a `Chain`, or a `Graph` for several inputs or features of the tasks' own.
        heads: in the order of the signature's tasks.
        signature: what it serves.
    """

    def __init__(self, body: nn.Module, heads: list[nn.Module], signature: Signature) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleList(heads)
        self.signature = signature

    def encode(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Encoding:
        """What the body makes of the inputs, before any head.

        Args:
            inputs: by name, one left out being missing in all examples; or the only one.
            present: by input bool ``(N,)``: the examples that have it; of one left out, all.

        Raises:
            ProblemError: no inputs, others than the signature's, or a lone tensor for several.
        """
        inputs = self._by_name(inputs)
        if not isinstance(self.body, Chain):
            encoding: Encoding = cast(Any, self.body).encode(inputs, present)
            return encoding
        (lone,) = inputs.values()
        features, mask = call(self.body, lone, mask_of(lone))
        return Encoding(
            dict.fromkeys(self.signature.tasks, features), dict.fromkeys(self.signature.tasks, mask), {}
        )

    def _by_name(self, inputs: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        names = self.signature.inputs
        if isinstance(inputs, Tensor):
            if len(names) > 1:
                raise ProblemError(f"expected inputs by name from {', '.join(names)}, got a lone tensor")
            return dict.fromkeys(names, inputs)
        if not inputs or not names.keys() >= inputs.keys():
            raise ProblemError(f"expected inputs from {', '.join(names)}, got {', '.join(inputs) or 'none'}")
        return inputs

    def forward(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Any:
        encoding = self.encode(inputs, present)
        answers = {
            task: answer_of(head, encoding.features[task], encoding.masks[task])
            for task, head in zip(self.signature.tasks, self.heads, strict=True)
        }
        if isinstance(inputs, Tensor) and len(answers) == 1:
            (answer,) = answers.values()
            return answer
        return answers


def answer_of(head: nn.Module, features: Any, mask: Tensor | None) -> Any:
    """What a head answers to features and their mask."""
    return head(features, mask=mask) if takes(head, "mask") else head(features)


# ----------------------------------------------------------------------------------------------------
# The network

ID = "958a27311dafba0d"
SIGNATURE = Signature(
    {"image": Image(channels=1, height=8, width=16)},
    {"left": Classification(classes=10), "right": Classification(classes=10), "sum": Regression(outputs=1)},
)


def build() -> Network:
    """The network with new weights."""
    body = Graph(
        parts={
            "image/1": ConvNormActivation(
                out_channels=16,
                kernel_size=3,
                stride=2,
                activation="relu",
                in_channels=1,
            ),
            "image/2": Stage(
                out_channels=16,
                block="plain",
                depth=2,
                kernel_size=5,
                downsample="max",
                activation="relu",
                in_channels=16,
            ),
            "image/3": Stage(
                out_channels=16,
                block="residual",
                depth=2,
                kernel_size=3,
                downsample="max",
                activation="relu",
                in_channels=16,
            ),
            "image/4": Stage(
                out_channels=16,
                block="inception",
                depth=1,
                kernel_size=3,
                downsample="average",
                activation="relu",
                in_channels=16,
            ),
        },
        calls={
            "image/1": ["image/1", "image"],
            "image/2": ["image/2", "image/1"],
            "image/3": ["image/3", "image/2"],
            "image/4": ["image/4", "image/3"],
        },
        outputs={"left": ["image/4"], "right": ["image/4"], "sum": ["image/4"]},
        embeddings={},
        ties=[],
        private=[],
    )
    body.shapes = {
        "image": (1, 8, 16),
        "image/1": (16, 4, 8),
        "image/2": (16, 2, 4),
        "image/3": (16, 1, 2),
        "image/4": (16, 1, 1),
    }
    heads = [
        Head(pooling="attention", hidden=128, dropout=0.3, task=SIGNATURE.tasks["left"], shape=(16, 1, 1)),
        Head(pooling="mean", hidden=0, dropout=0.0, task=SIGNATURE.tasks["right"], shape=(16, 1, 1)),
        Head(pooling="attention", hidden=0, dropout=0.0, task=SIGNATURE.tasks["sum"], shape=(16, 1, 1)),
    ]
    return Network(body, heads, SIGNATURE)


def load(weights: str | Path = Path(__file__).with_name("weights.safetensors")) -> Network:
    """The network with its trained weights, in evaluation mode."""
    network = build()
    network.load_state_dict(read_tensors(weights))
    return network.eval()


def read_tensors(file: str | Path) -> dict[str, torch.Tensor]:
    """The tensors in a file of the format safetensors, by name."""
    kinds = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
        "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
        "U8": torch.uint8, "BOOL": torch.bool,
    }
    data = bytearray(Path(file).read_bytes())
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind, piece = kinds[entry["dtype"]], data[start + begin : start + end]
            flat = torch.frombuffer(piece, dtype=kind) if piece else torch.empty(0, dtype=kind)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors
