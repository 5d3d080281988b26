"""Convolutional blocks: shapes, shortcuts, channels."""

import pytest
import torch

from search_spaces.blocks import Bottleneck, ConvNormActivation, Inception, Residual, Stage, ToVector
from search_spaces.blocks.convolution import ACTIVATIONS, BLOCKS, DOWNSAMPLING


@pytest.mark.parametrize("block", [ConvNormActivation, Residual, Bottleneck, Inception])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_blocks_keep_the_map_or_halve_it_rounded_up(block: type, stride: int, size: int) -> None:
    module = block(3, 10, kernel_size=5, stride=stride, activation="gelu")
    expected = -(-size // stride)
    assert module(torch.randn(2, 3, size, size)).shape == (2, 10, expected, expected)


@pytest.mark.parametrize("block", list(BLOCKS))
@pytest.mark.parametrize("downsample", list(DOWNSAMPLING))
def test_stages_of_every_kind_halve_the_map_once_at_most(block: str, downsample: str) -> None:
    module = Stage(3, 8, block=block, depth=3, downsample=downsample)
    for size in (1, 7, 8):
        expected = size if downsample == "none" else (size + 1) // 2
        assert module(torch.randn(2, 3, size, size)).shape == (2, 8, expected, expected)


def test_the_shortcut_is_projected_only_where_shapes_change() -> None:
    assert not list(Residual(8, 8).shortcut.parameters())
    assert len(list(Residual(8, 16).shortcut.parameters())) == 3
    assert len(list(Residual(8, 8, stride=2).shortcut.parameters())) == 3


@pytest.mark.parametrize("channels", [4, 5, 7, 8, 30, 256])
def test_an_inception_block_gives_all_the_channels_asked_for(channels: int) -> None:
    assert Inception(3, channels)(torch.zeros(2, 3, 4, 4)).shape[1] == channels


def test_tokens_are_averaged_without_padding() -> None:
    module = ToVector(vocabulary=5, embedding_dim=3)
    short, padded = torch.tensor([[1, 2]]), torch.tensor([[1, 2, 0, 0]])
    torch.testing.assert_close(module(short), module(padded))
    assert bool(module(torch.zeros(1, 4, dtype=torch.int64)).isfinite().all())
    assert ToVector(5, 3, join="flatten")(padded).shape == (1, 12)
    assert ToVector()(torch.zeros(2, 3, 4)).shape == (2, 12)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ConvNormActivation(1, 2, kernel_size=2), "odd"),
        (lambda: ConvNormActivation(1, 2, activation="selu!"), "activation from relu"),
        (lambda: Inception(1, 3), "out_channels >= 4"),
        (lambda: Stage(1, 8, block="dense"), "block from plain"),
        (lambda: Stage(1, 8, downsample="half"), "downsampling from none"),
        (lambda: Stage(1, 8, depth=0), "depth from 1"),
        (lambda: ToVector(join="sum"), "'mean' or 'flatten'"),
    ],
)
def test_blocks_written_wrongly_are_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("name", [*ACTIVATIONS, None])
def test_every_activation_has_a_name(name: str | None) -> None:
    assert ConvNormActivation(1, 2, activation=name)(torch.zeros(2, 1, 3, 3)).shape == (2, 2, 3, 3)
