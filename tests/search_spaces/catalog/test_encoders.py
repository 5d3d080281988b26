"""Stages of encoders: what they compute, how they treat padding, and who of them are the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Space, layer, sequential
from search_spaces.blocks import (
    Dense,
    MapNorm,
    MapTransformerLayer,
    NgramEmbedding,
    PatchEmbedding,
    PyramidBlock,
    Recurrent,
    SequenceConvolution,
    TokenEmbedding,
    TransformerLayer,
)
from search_spaces.blocks.dense import NORMALISATIONS
from search_spaces.blocks.masks import halved, reversal, shortened
from search_spaces.building.dry_run import dry_run
from search_spaces.nodes import Layer

STAGES: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: Recurrent(8, 6, bidirectional=False, dropout=0.1),
    "bilstm": lambda: Recurrent(8, 7),
    "bigru": lambda: Recurrent(8, 6, cell="gru"),
    "convolution": lambda: SequenceConvolution(8, 6, dilation=2, normalisation="layer"),
    "batch norm": lambda: SequenceConvolution(8, 6, kernel_size=5),
    "residual": lambda: SequenceConvolution(8, 8, residual=True, dropout=0.1),
    "projected": lambda: SequenceConvolution(8, 6, normalisation="none", activation=None, residual=True),
    "max pooling": lambda: SequenceConvolution(8, 6, pooling="max"),
    "average pooling": lambda: SequenceConvolution(8, 6, pooling="average"),
    "pyramid": lambda: PyramidBlock(8),
    "pyramid's first": lambda: PyramidBlock(8, pooling="none", dropout=0.1),
    "averaging pyramid": lambda: PyramidBlock(8, pooling="average"),
    "transformer": lambda: TransformerLayer(8, heads=2, dropout=0.1),
    "norm first": lambda: TransformerLayer(8, heads=4, norm_first=True),
    "attention": lambda: TransformerLayer(8, heads=1, mlp_ratio=0),
}
stages = pytest.mark.parametrize("name", list(STAGES))


def _padded(batch: int = 3, length: int = 8, real: int = 4) -> tuple[Tensor, Tensor]:
    """Sequences whose positions after the first ``real`` ones are noise, and their mask."""
    mask = (torch.arange(length) < real).expand(batch, length)
    return torch.randn(batch, length, 8), mask


# -- stages over sequences ---------------------------------------------------------------------------------


@stages
@pytest.mark.parametrize("length", [1, 2, 5, 8])
def test_a_stage_keeps_the_length_or_halves_it_rounded_up(name: str, length: int) -> None:
    module = STAGES[name]()
    expected = -(-length // 2) if getattr(module, "pooling", "none") != "none" else length
    for mask in (None, torch.ones(2, length, dtype=torch.bool)):
        answer = module(torch.randn(2, length, 8), mask=mask)
        assert answer.shape[:2] == (2, expected)
        answer.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@stages
def test_without_padding_a_mask_changes_nothing(name: str) -> None:
    module, sequence = STAGES[name]().eval(), torch.randn(2, 6, 8)
    masked = module(sequence, mask=torch.ones(2, 6, dtype=torch.bool))
    torch.testing.assert_close(masked, module(sequence))


@stages
def test_padding_does_not_change_what_is_answered_and_is_answered_by_zeros(name: str) -> None:
    module = STAGES[name]().eval()
    sequence, mask = _padded()
    answer, alone = module(sequence, mask=mask), module(sequence[:, :4])
    torch.testing.assert_close(answer[:, : alone.shape[1]], alone)
    assert not bool(answer[:, alone.shape[1] :].any())


@stages
def test_a_sequence_of_padding_alone_gives_zeros_and_finite_gradients(name: str) -> None:
    module = STAGES[name]()
    sequence, mask = _padded()
    mask = mask & torch.tensor([[True], [False], [True]])
    answer = module(sequence.requires_grad_(), mask=mask)
    assert not bool(answer[1].any())
    answer.square().sum().backward()
    assert sequence.grad is not None
    tensors = [answer, sequence.grad, *(parameter.grad for parameter in module.parameters())]
    assert all(bool(tensor.isfinite().all()) for tensor in tensors)


@stages
def test_a_stage_runs_without_numbers(name: str) -> None:
    for mask in (None, torch.ones(2, 7, dtype=torch.bool, device="meta")):
        with dry_run():
            shape = STAGES[name]()(torch.zeros(2, 7, 8), mask=mask).shape
        assert shape == STAGES[name]()(torch.zeros(2, 7, 8)).shape


# -- what they compute -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_two_directions_are_torchs_own_on_packed_sequences(cell: str) -> None:
    ours = Recurrent(8, 10, cell=cell)
    torchs = (nn.LSTM if cell == "lstm" else nn.GRU)(8, 5, batch_first=True, bidirectional=True)
    weights = {f"{name}": value for name, value in ours.ahead.state_dict().items()}
    assert ours.back is not None
    weights |= {f"{name}_reverse": value for name, value in ours.back.state_dict().items()}
    torchs.load_state_dict(weights)
    sequence, lengths = torch.randn(4, 6, 8), torch.tensor([6, 1, 4, 3])
    packed = nn.utils.rnn.pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(torchs(packed)[0], batch_first=True)
    mask = torch.arange(6) < lengths.unsqueeze(1)
    torch.testing.assert_close(ours(sequence, mask=mask), expected)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_layer_is_torchs_own(norm_first: bool) -> None:
    ours = TransformerLayer(8, heads=2, mlp_ratio=3, norm_first=norm_first)
    torchs = nn.TransformerEncoderLayer(8, 2, 24, 0.0, "gelu", batch_first=True, norm_first=norm_first)
    names = {
        "attention.project.": "self_attn.in_proj_",
        "attention.join.": "self_attn.out_proj.",
        "attention_norm.": "norm1.",
        "mlp_norm.": "norm2.",
        "mlp.0.": "linear1.",
        "mlp.3.": "linear2.",
    }
    weights = {}
    for key, value in ours.state_dict().items():
        (prefix,) = (prefix for prefix in names if key.startswith(prefix))
        weights[names[prefix] + key.removeprefix(prefix)] = torch.nn.init.normal_(value)
    torchs.load_state_dict(weights)
    sequence, mask = _padded()
    expected = torchs(sequence, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(sequence, mask=mask), expected * mask.unsqueeze(-1))


def test_a_pyramid_block_adds_what_is_pooled_to_two_convolutions_of_activations() -> None:
    module, sequence = PyramidBlock(8), torch.randn(2, 7, 8)
    signal = sequence.transpose(1, 2)
    pooled = nn.functional.max_pool1d(signal, 3, 2, 1)
    for convolution in (module.first, module.second):
        signal = nn.functional.conv1d(
            (pooled if convolution is module.first else signal).relu(),
            convolution.weight, convolution.bias, padding=1,
        )  # fmt: skip
    torch.testing.assert_close(module(sequence), (signal + pooled).transpose(1, 2))


@pytest.mark.parametrize("normalisation", list(NORMALISATIONS))
def test_a_dense_layer_works_on_the_last_axis(normalisation: str) -> None:
    module = Dense(3, 5, normalisation, "tanh")
    vectors = torch.randn(6, 3)
    torch.testing.assert_close(module(vectors.view(2, 3, 3)), module(vectors).view(2, 3, 5))
    assert module(vectors[:2]).shape == (2, 5)
    assert Dense(3, 4, dropout=1.0)(vectors).count_nonzero() == 0


def test_a_wide_layer_hands_on_its_input_beside_what_it_makes_of_it() -> None:
    module, vectors = Dense(3, 5, wide=True), torch.randn(2, 4, 3)
    answer = module(vectors)
    assert torch.equal(answer[..., 5:], vectors)
    assert torch.equal(answer[..., :5], nn.Sequential(*module)(vectors))


def test_patches_are_mapped_on_their_own_and_know_where_they_stand() -> None:
    module = PatchEmbedding(3, 5, ((3, 9, 4),), patch_size=4)
    image = torch.randn(2, 3, 9, 4)
    answer = module(image)
    assert answer.shape == (2, 5, 3, 1)
    kernel, bias = module.patches.weight.flatten(1), module.patches.bias
    second = image[:, :, 4:8].flatten(1) @ kernel.T + bias + module.positions[:, 1, 0]
    torch.testing.assert_close(answer[:, :, 1, 0], second)
    assert module.positions.std() > 0


def test_a_layer_over_a_map_is_one_over_its_positions() -> None:
    module, image = MapTransformerLayer(8, heads=2), torch.randn(2, 8, 3, 5)
    positions = image.flatten(2).transpose(1, 2)
    torch.testing.assert_close(module(image).flatten(2).transpose(1, 2), module.layer(positions))
    assert module.layer.norm_first
    torch.testing.assert_close(MapNorm(8)(image), nn.LayerNorm(8)(image.movedim(1, -1)).movedim(-1, 1))


@pytest.mark.parametrize("positions", [False, True])
def test_tokens_are_embedded_and_padding_as_zeros(positions: bool) -> None:
    module = TokenEmbedding(9, ((4,),), 6, positions=positions)
    answer = module(torch.tensor([[3, 3, 5, 0], [0, 0, 0, 0]]))
    assert answer.shape == (2, 4, 6)
    assert not bool(answer[0, 3].any() or answer[1].any())
    assert torch.equal(answer[0, 0], answer[0, 1]) != positions
    answer.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_n_grams_are_embedded_with_their_last_token_and_what_begins_before_the_text_is_none() -> None:
    module = NgramEmbedding(9, 6, ngrams=3, buckets=50)
    texts = torch.tensor([[3, 5, 7, 0, 0], [5, 7, 3, 5, 7], [5, 3, 7, 0, 0]])
    answer = module(texts)
    torch.testing.assert_close(answer[0, 0], module.tokens.weight[3])
    torch.testing.assert_close(answer[1, 4], answer[0, 2])  # 3 5 7, wherever it stands
    assert not torch.allclose(answer[0, 1], answer[1, 0])  # 3 5 and 5 alone
    assert not torch.allclose(answer[0].sum(0), answer[2].sum(0))  # the order counts
    assert not bool(answer[0, 3:].any())
    torch.testing.assert_close(module(texts[:1, :3]), answer[:1, :3])
    plain = NgramEmbedding(9, 6, ngrams=1)
    assert torch.equal(plain(texts), plain.tokens(texts))
    with pytest.raises(ValueError, match=">= 1, got 0 and 8192"):
        NgramEmbedding(9, 6, ngrams=0)


# -- padding -----------------------------------------------------------------------------------------------


def test_to_reverse_twice_is_to_do_nothing_and_padding_keeps_its_place() -> None:
    sequence = torch.arange(10.0).view(2, 5, 1)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    once = sequence.gather(1, reversal(sequence, mask))
    assert once.flatten().tolist() == [2, 1, 0, 3, 4, 9, 8, 7, 6, 5]
    assert torch.equal(once.gather(1, reversal(sequence, mask)), sequence)
    assert sequence.gather(1, reversal(sequence, None)).flatten().tolist() == [4, 3, 2, 1, 0, 9, 8, 7, 6, 5]


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_pooling_leaves_padding_out(kernel_size: int) -> None:
    sequence = torch.tensor([-4.0, -2.0, -6.0, 100.0, 100.0]).view(1, 5, 1)
    mask = torch.tensor([[True, True, True, False, False]])
    largest = {2: [-2.0, -6.0, 0.0], 3: [-2.0, -2.0, 0.0]}[kernel_size]
    mean = {2: [-3.0, -6.0, 0.0], 3: [-3.0, -4.0, 0.0]}[kernel_size]
    assert halved(sequence, mask, "max", kernel_size).flatten().tolist() == largest
    assert halved(sequence, mask, "average", kernel_size).flatten().tolist() == mean
    assert shortened(mask, 3) is not None
    assert shortened(torch.tensor([[True, False, False, False]]), 2).tolist() == [[True, False]]  # type: ignore
    assert shortened(None, 2) is None


# -- identity and errors -----------------------------------------------------------------------------------


def _id(parts: list[Layer]) -> str:
    return Space(sequential(*parts)).architecture({}).id


SAME = {
    "a dense layer and torch's layers": (
        [layer(Dense, out_features=4, normalisation="layer", activation="gelu", dropout=0.2)],
        [layer(nn.Linear, out_features=4), layer(nn.LayerNorm), layer(nn.GELU), layer(nn.Dropout, p=0.2)],
    ),
    "a linear layer": ([layer(Dense, out_features=4, activation=None)], [layer(nn.Linear, out_features=4)]),
    "a kernel of one position and its dilation": (
        [layer(SequenceConvolution, out_features=4, kernel_size=1, dilation=4)],
        [layer(SequenceConvolution, out_features=4, kernel_size=1)],
    ),
    "no linear layers and their activation": (
        [layer(TransformerLayer, mlp_ratio=0.0, activation="relu")],
        [layer(TransformerLayer, mlp_ratio=0)],
    ),
    "none over maps either": (
        [layer(MapTransformerLayer, mlp_ratio=0.0, activation="relu")],
        [layer(MapTransformerLayer, mlp_ratio=0)],
    ),
    "defaults": ([layer(Recurrent, out_features=4, cell="lstm")], [layer(Recurrent, out_features=4)]),
}

OTHER = {
    # on sequences torch's normalisation takes positions for features
    "batch normalisation of the last axis": (
        [layer(Dense, out_features=4, normalisation="batch")],
        [layer(nn.Linear, out_features=4, bias=False), layer(nn.BatchNorm1d), layer(nn.ReLU)],
    ),
    "dilation": (
        [layer(SequenceConvolution, out_features=4, dilation=2)],
        [layer(SequenceConvolution, out_features=4)],
    ),
    "activation": (
        [layer(TransformerLayer, activation="relu")],
        [layer(TransformerLayer)],
    ),
    "sequences and maps": ([layer(MapTransformerLayer)], [layer(TransformerLayer)]),
    "direction": (
        [layer(Recurrent, out_features=4, bidirectional=False)],
        [layer(Recurrent, out_features=4)],
    ),
}


@pytest.mark.parametrize("what", list(SAME))
def test_two_ways_to_write_the_same_stage_have_one_identity(what: str) -> None:
    one, other = SAME[what]
    assert _id(one) == _id(other)


@pytest.mark.parametrize("what", list(OTHER))
def test_different_stages_have_different_identities(what: str) -> None:
    one, other = OTHER[what]
    assert _id(one) != _id(other)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dense(1, 2, normalisation="group"), "normalisation from none, batch, layer, got 'group'"),
        (lambda: Recurrent(1, 2, cell="rnn"), "cell from lstm, gru, got 'rnn'"),
        (lambda: Recurrent(1, 1), "a feature for each direction, got out_features=1"),
        (lambda: SequenceConvolution(1, 2, kernel_size=4), "odd kernel_size, got 4"),
        (lambda: SequenceConvolution(1, 2, pooling="sum"), "pooling from none, max, average, got 'sum'"),
        (lambda: PyramidBlock(1, pooling="sum"), "pooling from none, max, average, got 'sum'"),
        (lambda: TransformerLayer(6, heads=4), "heads that divide d_model=6, got 4"),
        (lambda: PatchEmbedding(1, 2, ((1, 4, 4),), patch_size=0), "patch_size >= 1, got 0"),
    ],
)
def test_stages_written_wrongly_are_refused(make: Callable[[], nn.Module], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
