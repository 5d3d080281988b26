"""What joins streams and tasks: each operator against a second way to write it."""

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.blocks.backbone.links import OPERATORS, Attend, Concat, Gate, Link, LowRank, Sum
from search_spaces.blocks.backbone.sharing import Beside, Pool, Route, Stitch, TaskAttention, TaskMask
from search_spaces.blocks.masks import of_length

COUNT, WIDTH = 4, 6
SHAPES = ((3,), (5, 2), (4, 3, 3))
"""Of a vector, a sequence and a map."""
MASK = torch.arange(5) < torch.tensor([[5], [2], [1], [0]])
THERE = torch.tensor([True, False, True, False])

operators = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


def _values(shapes: Any = SHAPES) -> list[Tensor]:
    return [torch.randn(COUNT, *shape) for shape in shapes]


def _vectors(values: list[Tensor]) -> list[Tensor]:
    """The means over the positions, of the sequence over those of `MASK`."""
    vector, sequence, image = values
    real = MASK.unsqueeze(2)
    return [vector, (sequence * real).sum(1) / real.sum(1).clamp(min=1), image.mean((2, 3))]


def _after(link: Link, joined: Tensor) -> Tensor:
    """What each link does with what its operator gives."""
    return F.gelu(F.layer_norm(joined, (WIDTH,), link.norm.weight, link.norm.bias))


def _zeroed(value: Tensor, there: Tensor = THERE) -> Tensor:
    return value * there.view(-1, *[1] * (value.dim() - 1))


# -- operators ---------------------------------------------------------------------------------------------


def _sum(link: Sum, vectors: list[Tensor], weights: list[float]) -> Tensor:
    return torch.stack([m(x) * w for m, x, w in zip(link.maps, vectors, weights, strict=True)]).sum(0)


def _concat(link: Concat, vectors: list[Tensor], weights: list[float]) -> Tensor:
    whole: Tensor = link.map(torch.cat([x * w for x, w in zip(vectors, weights, strict=True)], 1))
    return whole


def _gate(link: Gate, vectors: list[Tensor], weights: list[float]) -> Tensor:
    scores = link.gate(torch.cat(vectors, 1)).chunk(len(vectors), 1)
    shares = [score.exp() * weight for score, weight in zip(scores, weights, strict=True)]
    parts = [s * torch.tanh(m(x)) for m, x, s in zip(link.maps, vectors, shares, strict=True)]
    return torch.stack(parts).sum(0) / torch.stack(shares).sum(0)


def _lowrank(link: LowRank, vectors: list[Tensor], weights: list[float]) -> Tensor:
    """The whole tensor of three sources, and the outer product of the sources with ones behind."""
    cores = []
    for factor, weight in zip(link.factors, weights, strict=True):
        core = torch.cat([factor.weight, factor.bias.unsqueeze(1)], 1).view(link.rank, WIDTH, -1)  # type: ignore[operator]
        if not weight:  # a source that is not there is the 1 alone, and its factor 1
            core = torch.zeros_like(core)
            core[:, :, -1] = 1
        cores.append(core)
    tensor = torch.einsum("r,roi,roj,rok->oijk", link.mix, *cores)
    with_ones = [torch.cat([vector, torch.ones(len(vector), 1)], 1) for vector in vectors]
    return torch.einsum("oijk,ni,nj,nk->no", tensor, *with_ones) + link.bias


REFERENCES: dict[type[Link], Any] = {Sum: _sum, Concat: _concat, Gate: _gate, LowRank: _lowrank}


@pytest.mark.parametrize("operator", REFERENCES)
def test_operators_on_vectors_are_what_their_papers_say(operator: type[Link]) -> None:
    link, values = operator(SHAPES, WIDTH), _values()
    expected = REFERENCES[operator](link, _vectors(values), [1, 1, 1])
    answer = link(*values, masks=[None, MASK, None])
    assert answer.shape == (COUNT, WIDTH)
    assert torch.allclose(answer, _after(link, expected), atol=1e-5)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("operator", REFERENCES)
def test_an_example_without_a_source_is_joined_from_the_others(operator: type[Link], missing: int) -> None:
    link, values = operator(SHAPES, WIDTH), _values()
    present: list[Tensor | None] = [None, None, None]
    present[missing], values[missing] = THERE, _zeroed(values[missing])
    answer = link(*values, masks=[None, MASK, None], present=present)
    whole = REFERENCES[operator](link, _vectors(values), [1, 1, 1])
    others = REFERENCES[operator](link, _vectors(values), [float(i != missing) for i in range(3)])
    expected = torch.where(THERE.unsqueeze(1), whole, others)
    assert torch.allclose(answer, _after(link, expected), atol=1e-5)
    assert not torch.allclose(whole, others, atol=1e-3)


def _attend(link: Attend, values: list[Tensor], seen: Tensor) -> Tensor:
    """torch's own attention, of the first source's mean over all positions of the others and over nothing."""
    vectors = _vectors(values)
    positions = [values[1], values[2].flatten(2).transpose(1, 2)]
    pairs = [embed(value) for embed, value in zip(link.keys, positions, strict=True)]
    key, value = torch.cat([link.nothing.expand(COUNT, 1, -1), *pairs], 1).transpose(0, 1).chunk(2, 2)
    mixed, _ = F.multi_head_attention_forward(
        link.query(vectors[0]).unsqueeze(0),
        key,
        value,
        WIDTH,
        link.heads,
        torch.eye(WIDTH).repeat(3, 1),
        None,
        None,
        None,
        False,
        0.0,
        link.out.weight,
        link.out.bias,
        key_padding_mask=~seen,
    )
    own: Tensor = link.own(vectors[0])
    return own + mixed.squeeze(0)


def test_cross_attention_is_torchs_attention_over_the_real_positions() -> None:
    link, values = Attend(SHAPES, WIDTH), _values()
    assert link.heads == 3  # the largest number up to 4 that divides 6
    seen = torch.cat([torch.ones(COUNT, 1, dtype=torch.bool), MASK, torch.ones(COUNT, 9) > 0], 1)
    answer = link(*values, masks=[None, MASK, None])
    assert torch.allclose(answer, _after(link, _attend(link, values, seen)), atol=1e-5)
    seen[:, 6:] &= THERE.unsqueeze(1)
    answer = link(*values, masks=[None, MASK, None], present=[None, None, THERE])
    assert torch.allclose(answer, _after(link, _attend(link, values, seen)), atol=1e-5)
    # what is not attended to may be anything
    values[2] = torch.where(THERE.view(-1, 1, 1, 1), values[2], torch.randn_like(values[2]))
    assert torch.allclose(answer, link(*values, masks=[None, MASK, None], present=[None, None, THERE]))


@operators
def test_a_link_of_one_source_is_a_layer_of_it(operator: type[Link]) -> None:
    for shape in SHAPES:
        link = operator((shape,), WIDTH)
        value = torch.randn(COUNT, *shape)
        answer = link(value)
        assert answer.shape == (COUNT, WIDTH)
        answer.square().sum().backward()
        assert all(parameter.grad is not None for parameter in link.parameters())
        mean = value if value.dim() == 2 else value.mean(1) if value.dim() == 3 else value.mean((2, 3))
        plain = operator((mean.shape[1:],), WIDTH)
        plain.load_state_dict(link.state_dict())
        assert torch.allclose(answer, plain(mean), atol=1e-6)


@operators
def test_examples_without_any_source_are_answered_alike(operator: type[Link]) -> None:
    link = operator(SHAPES, WIDTH)
    nothing = torch.zeros(COUNT, dtype=torch.bool)
    zeros = [torch.zeros_like(value) for value in _values()]
    answer = link(*zeros, masks=[None, MASK & False, None], present=[nothing] * 3)
    assert answer.isfinite().all()
    assert torch.allclose(answer, answer[:1].expand_as(answer), atol=1e-6)


@operators
def test_a_position_that_is_kept_is_joined_as_a_vector_is(operator: type[Link]) -> None:
    for first, others in ((1, (0, 2)), (2, (0, 1))):
        values = _values()
        shapes = [SHAPES[i] for i in (first, *others)]
        given = [values[i] for i in (first, *others)]
        keeping = operator(shapes, WIDTH, keep=1)
        joining = operator([(shapes[0][-1] if first == 1 else shapes[0][0],), *shapes[1:]], WIDTH)
        joining.load_state_dict(keeping.state_dict())
        answer = keeping(*given)
        assert answer.shape == ((COUNT, 5, WIDTH) if first == 1 else (COUNT, WIDTH, 3, 3))
        for row, column in product(range(5 if first == 1 else 3), range(1 if first == 1 else 3)):
            at = given[0][:, row] if first == 1 else given[0][:, :, row, column]
            here = answer[:, row] if first == 1 else answer[:, :, row, column]
            assert torch.allclose(here, joining(at, *given[1:]), atol=1e-5)


@pytest.mark.parametrize("operator", REFERENCES)
def test_further_sources_that_keep_positions_are_resized_to_those_of_the_first(operator: type[Link]) -> None:
    link = operator([(5, 2), (3, 4), (7,)], WIDTH, keep=2)
    first, second, third = torch.randn(COUNT, 5, 2), torch.randn(COUNT, 3, 4), torch.randn(COUNT, 7)
    answer = link(first, second, third)
    nearest = second[:, [0, 0, 1, 1, 2]]
    assert torch.equal(of_length(second, 5), nearest)
    joining = operator([(2,), (4,), (7,)], WIDTH)
    joining.load_state_dict(link.state_dict())
    for place in range(5):
        expected = joining(first[:, place], nearest[:, place], third)
        assert torch.allclose(answer[:, place], expected, atol=1e-5)
    maps = operator([(2, 4, 4), (3, 2, 2)], WIDTH, keep=2)
    large, small = torch.randn(COUNT, 2, 4, 4), torch.randn(COUNT, 3, 2, 2)
    doubled = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(maps(large, small), maps(large, doubled), atol=1e-6)


@operators
def test_positions_cannot_be_kept_of_vectors_or_of_two_kinds(operator: type[Link]) -> None:
    for shapes, keep in (([(3,)], 1), ([(5, 2), (3,)], 2), ([(5, 2), (4, 3, 3)], 2)):
        with pytest.raises(ValueError, match="expected sequences or maps to keep the positions of"):
            operator(shapes, WIDTH, keep)


def test_lengths_that_are_no_halves_take_the_nearest_position() -> None:
    sequence = torch.arange(10.0).view(1, 10, 1)
    assert of_length(sequence, 10) is sequence
    assert of_length(sequence, 5).flatten().tolist() == [0, 2, 4, 6, 8]
    assert of_length(sequence, 3).flatten().tolist() == [0, 4, 8]
    assert of_length(sequence, 4).flatten().tolist() == [0, 2, 5, 7]
    assert of_length(sequence[:, :4], 6).flatten().tolist() == [0, 0, 1, 2, 2, 3]


# -- what joins tasks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cross_stitch_unit_mixes_the_streams_feature_by_feature(shape: tuple[int, ...]) -> None:
    unit, values = Stitch((shape,) * 3, own=0.8), _values((shape,) * 3)
    expected = 0.8 * values[0] + 0.1 * values[1] + 0.1 * values[2]
    assert torch.allclose(unit(*values), expected, atol=1e-6)
    axis = 1 if len(shape) == 3 else -1
    torch.nn.init.normal_(unit.weights)
    by_feature = [value.movedim(axis, -1) * row for value, row in zip(values, unit.weights, strict=True)]
    assert torch.allclose(unit(*values).movedim(axis, -1), torch.stack(by_feature).sum(0), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_task_mask_scales_the_shared_feature_position_by_position(shape: tuple[int, ...]) -> None:
    before = (*shape[:-2], *(2 * n for n in shape[-2:])) if len(shape) == 3 else shape
    unit = TaskMask((shape, before))
    shared, earlier = torch.randn(COUNT, *shape), torch.randn(COUNT, *before)
    answer = unit(shared, earlier)
    assert answer.shape == shared.shape
    if len(shape) == 3:
        earlier = earlier[:, :, ::2, ::2]
    axis = 1 if len(shape) == 3 else -1
    last = torch.cat([shared.movedim(axis, -1), earlier.movedim(axis, -1)], -1)
    share = torch.sigmoid(unit.outer(F.relu(unit.norm(unit.inner(last)))))
    assert torch.allclose(answer.movedim(axis, -1), shared.movedim(axis, -1) * share, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_route_is_a_mixture_of_experts_that_its_input_decides(shape: tuple[int, ...]) -> None:
    unit, (value, *answers) = Route((SHAPES[1], shape, shape)), _values((SHAPES[1], shape, shape))
    mean = _vectors([value[:, 0], value, torch.zeros(COUNT, 1, 1, 1)])[1]
    shares = unit.gate(mean).softmax(1)
    found = unit(value, *answers, masks=[MASK, None, None])
    expected = (shares.unsqueeze(1) @ torch.stack(answers, 1).flatten(2)).squeeze(1)
    assert torch.allclose(found.flatten(1), expected, atol=1e-5)


def test_task_attention_adds_what_a_task_finds_in_the_features_of_all() -> None:
    shapes = (SHAPES[1], SHAPES[0], SHAPES[2])
    unit, values = TaskAttention(shapes), _values(shapes)
    answer = unit(*values, masks=[MASK, None, None])
    own, *others = _vectors([values[1], values[0], values[2]])[1], values[1], values[2].mean((2, 3))
    pairs = [embed(vector).chunk(2, 1) for embed, vector in zip(unit.keys, (own, *others), strict=True)]
    scores = torch.stack([(unit.query(own) * key).sum(1) / 2**0.5 for key, _ in pairs], 1).softmax(1)
    found = sum(scores[:, i : i + 1] * content for i, (_, content) in enumerate(pairs))
    assert torch.allclose(answer, values[0] + found.unsqueeze(1), atol=1e-5)  # type: ignore[union-attr]


def test_shared_and_private_features_lie_side_by_side() -> None:
    for value in _values():
        beside = Beside()(value, 2 * value)
        axis = 1 if value.dim() == 4 else -1
        assert torch.equal(beside, torch.cat([value, 2 * value], axis))


def test_pooling_is_the_mean_over_real_positions() -> None:
    values = _values()
    for i, expected in enumerate(_vectors(values)):
        assert torch.allclose(Pool()(values[i], mask=MASK if i == 1 else None), expected, atol=1e-6)
    assert not Pool()(values[1], mask=MASK)[3].any()
