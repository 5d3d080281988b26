"""AlexNet, VGG, GoogLeNet and ResNet are points of the `cnn` space: small on digits, and in full size."""

import pytest
import torch

from search_spaces import Architecture, Classification, Image, Signature, Space
from search_spaces.catalog import cnn
from search_spaces.holes import Value

DIGITS = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})
IMAGENET = Signature({"image": Image(3, 224, 224)}, {"class": Classification(1000)})

FULL_SIZE = cnn(
    stages=5,
    depth=5,
    widths=(64, 128, 192, 256, 384, 480, 512, 832, 1024),
    kernels=(3, 5),
    stem_kernels=(3, 7, 11),
    stem_strides=(1, 2, 4),
    dense_grids=(6, 7),
    dense_widths=(4096,),
)

Stage = tuple[str, int, int, int, str]
"""Block, depth, width, kernel, downsampling."""


def _point(
    space: Space,
    stem: dict[str, int],
    stages: list[Stage],
    grid: int | None = None,
    dense: tuple[int, ...] = (),
) -> Architecture:
    """The space's architecture of that shape."""
    decisions: dict[str, Value] = {f"0.{key}": value for key, value in stem.items()}
    decisions["1.times"] = len(stages)
    for i, values in enumerate(stages):
        names = ("block", "depth", "out_channels", "kernel_size", "downsample")
        decisions |= {f"1.{i}.{name}": value for name, value in zip(names, values, strict=True)}
    decisions["2"] = "dense" if dense else "average"
    if dense:
        decisions |= {"2.dense.0.output_size": grid, "2.dense.2.times": len(dense)}
        for i, width in enumerate(dense):
            decisions |= {f"2.dense.2.{i}.0.out_features": width, f"2.dense.2.{i}.2.p": 0.5}
    # what has one option only is no decision
    return space.architecture({path: value for path, value in decisions.items() if path in space.holes()})


def alexnet() -> Architecture:
    """An 11 x 11 stem, overlapping pooling, one 5 x 5 and three 3 x 3 convolutions, two dense layers."""
    return _point(
        FULL_SIZE,
        {"out_channels": 64, "kernel_size": 11, "stride": 4},
        [
            ("plain", 1, 192, 5, "overlapping"),
            ("plain", 1, 384, 3, "overlapping"),
            ("plain", 2, 256, 3, "none"),
        ],
        grid=6,
        dense=(4096, 4096),
    )


def vgg16() -> Architecture:
    """13 convolutions of 3 x 3 with max pooling between five widths, two dense layers."""
    return _point(
        FULL_SIZE,
        {"out_channels": 64, "kernel_size": 3, "stride": 1},
        [
            ("plain", 1, 64, 3, "none"),
            ("plain", 2, 128, 3, "max"),
            ("plain", 3, 256, 3, "max"),
            ("plain", 3, 512, 3, "max"),
            ("plain", 3, 512, 3, "max"),
        ],
        grid=7,
        dense=(4096, 4096),
    )


def googlenet() -> Architecture:
    """A 7 x 7 stem, then 2, 5 and 2 inception blocks after pooling, averaged."""
    return _point(
        FULL_SIZE,
        {"out_channels": 64, "kernel_size": 7, "stride": 2},
        [
            ("plain", 1, 192, 3, "overlapping"),
            ("inception", 2, 480, 3, "overlapping"),
            ("inception", 5, 512, 3, "overlapping"),
            ("inception", 2, 832, 3, "overlapping"),
        ],
    )


def resnet18() -> Architecture:
    """A 7 x 7 stem, pooling, four stages of two residual blocks, averaged."""
    return _point(
        FULL_SIZE,
        {"out_channels": 64, "kernel_size": 7, "stride": 2},
        [
            ("residual", 2, 64, 3, "overlapping"),
            ("residual", 2, 128, 3, "stride"),
            ("residual", 2, 256, 3, "stride"),
            ("residual", 2, 512, 3, "stride"),
        ],
    )


def test_resnet_18_has_the_published_parameters_and_work() -> None:
    cost = resnet18().cost(IMAGENET)
    assert cost.num_params == 11_689_512  # torchvision's resnet18
    assert cost.num_macs == 1_814_073_344  # 1.8 billion multiply-adds, as in the paper's table 1


def test_vgg_16_has_the_published_parameters_but_for_biases_before_normalisation() -> None:
    biases = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    assert vgg16().cost(IMAGENET).num_params == 138_365_992 - biases  # torchvision's vgg16_bn


def test_alexnet_and_googlenet_have_about_the_published_size() -> None:
    assert alexnet().cost(IMAGENET).num_params == pytest.approx(61_100_840, rel=0.05)
    assert googlenet().cost(IMAGENET).num_params == pytest.approx(6_624_904, rel=0.2)


def test_their_small_likes_are_in_the_default_space_and_run_on_digits() -> None:
    stem = {"out_channels": 16, "kernel_size": 3}
    likes = [
        _point(
            cnn(), {"out_channels": 16, "kernel_size": 7}, [("plain", 1, 32, 5, "overlapping")], 2, (128, 128)
        ),
        _point(cnn(), stem, [("plain", 1, 16, 3, "none"), ("plain", 2, 32, 3, "max")], 2, (64, 64)),
        _point(cnn(), stem, [("inception", 2, 32, 3, "overlapping"), ("inception", 2, 64, 3, "overlapping")]),
        _point(cnn(), stem, [("residual", 2, 16, 3, "none"), ("residual", 2, 32, 3, "stride")]),
    ]
    assert len({like.id for like in likes}) == 4
    for like in likes:
        assert like.build(DIGITS)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
