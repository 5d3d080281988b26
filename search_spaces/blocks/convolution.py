"""Convolutional blocks: plain, residual, bottleneck and inception blocks, and stages of them.

Every block keeps height and width at stride 1 and halves them, rounded up, at stride 2; so no stack of them
ever shrinks an image below 1 x 1. All map ``(N, C, H, W)`` to ``(N, C, H, W)``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.parallel import concatenate
from search_spaces.nodes import Layer, Sequential

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
    """Returns a new activation module; for None one that does nothing (`nn.Identity`).

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
        in_channels, out_channels: the channels of the map before and after.
        kernel_size: the height and width of the kernel, odd.
        stride: the stride, 1 or more.
        groups: the number of groups, see `nn.Conv2d`.
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
        in_channels, out_channels: the channels of the map before and after.
        kernel_size: the height and width of the kernels, odd.
        stride: the stride of the first convolution and of the shortcut.
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
    Its arguments are those of `Residual`.
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
        in_channels: the channels of the map before.
        out_channels: the channels of the map after, at least 4.
        kernel_size: the height and width of the kernel of the smaller spatial branch, odd.
        stride: the stride of every branch.
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
        in_channels, out_channels: the channels of the map before and after.
        block: a name of `BLOCKS`.
        depth: the number of blocks, at least one.
        kernel_size: the height and width of the kernels of the blocks' spatial convolutions, odd.
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

    @staticmethod
    def canonical(arguments: dict[str, Any]) -> Sequential:
        """The same stage as its blocks in a row: two stages of one block are one of two."""
        known = {name: value for name, value in arguments.items() if name != "in_channels"}
        return Sequential(tuple(Layer(factory, inner) for factory, inner in _stage(**known)))


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
