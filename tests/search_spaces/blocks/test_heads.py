"""Tests of heads: shapes, padding, gradients, losses; chains of tags against all sequences of tags."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Tagging,
)
from search_spaces.blocks import CrfHead, DenseHead, GenerationHead, Head, RetrievalHead, default_head
from search_spaces.blocks.heads.chain import Scores, best_tags, negative_log_likelihood, sum_over_tags
from search_spaces.blocks.heads.generation import text_loss, written
from search_spaces.blocks.heads.retrieval import contrastive_loss
from search_spaces.building.dry_run import dry_run
from search_spaces.errors import BuildError
from search_spaces.tasks import Task

MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] + [False] * 5, [False] * 6])
"""Of four sequences: whole, padded, of one position, of none."""

CASES = [
    *[(Head, Classification(3), shape, {"pooling": pooling, "hidden": hidden})
      for shape in [(5,), (6, 5), (5, 2, 3), (5, 2, 2, 2)]
      for pooling, hidden in [("mean", 0), ("max", 7), ("attention", 0)]],
    (Head, Regression(2), (6, 5), {"dropout": 0.5}),
    (Head, MultiLabel(7), (6, 5), {"hidden": 3}),
    (Head, Ordinal(5), (5,), {"hidden": 3}),
    (Head, CountRegression(2), (5, 2, 3), {"dropout": 0.1}),
    (Head, QuantileRegression((0.1, 0.2, 0.5, 0.9)), (6, 5), {"pooling": "max"}),
    (Head, Tagging(4), (6, 5), {"hidden": 3}),
    (Head, Tagging(4), (6, 5), {"length": 13}),
    (CrfHead, Tagging(4), (6, 5), {"hidden": 3, "dropout": 0.1}),
    (CrfHead, Tagging(4), (6, 5), {"length": 13}),
    (RetrievalHead, Retrieval("a", "b", 9), ((5,), (3,)), {}),
    (RetrievalHead, Retrieval("a", "b", 9), ((5,), (3,)), {"hidden": 4, "dropout": 0.1}),
    (GenerationHead, Generation(7, 11), (5,), {}),
    (GenerationHead, Generation(7, 11), (6, 5), {"hidden": 8, "dropout": 0.1}),
    (GenerationHead, Generation(1, 11), (5, 2, 3), {"hidden": 8}),
    (DenseHead, DenseMap(4, 8, 9), (5, 8, 9), {}),
    (DenseHead, DenseMap(4, 8, 9, discrete=False), (5, 2, 3), {"hidden": 6, "dropout": 0.1}),
]  # fmt: skip
ANSWERS = {
    Classification: (3,),
    Regression: (2,),
    MultiLabel: (7,),
    Ordinal: (4,),
    CountRegression: (2,),
    QuantileRegression: (4,),
    Retrieval: (2, 9),
    DenseMap: (4, 8, 9),
}


def answer_shape(task: Task, options: dict[str, object]) -> tuple[object, ...]:
    if isinstance(task, Tagging):
        return (options.get("length", 6), task.tags)
    if isinstance(task, Generation):
        return (task.length, task.vocabulary)
    return ANSWERS[type(task)]


def features_of(shape: tuple[object, ...], count: int = 4) -> object:
    if isinstance(shape[0], tuple):
        return tuple(torch.randn(count, *one, requires_grad=True) for one in shape)
    return torch.randn(count, *shape, requires_grad=True)


def target_of(task: Task, answer: Tensor) -> Tensor:
    if isinstance(task, Tagging):
        return torch.randint(task.tags, answer.shape[:2])
    if isinstance(task, Generation):
        return torch.randint(task.vocabulary, (len(answer), task.length))
    return torch.tensor([0, 1, 1, 2]) if isinstance(task, Retrieval) else torch.randn(answer.shape)


@pytest.mark.parametrize(("kind", "task", "shape", "options"), CASES)
def test_every_head_answers_in_its_tasks_form_and_every_parameter_learns(
    kind: type[nn.Module], task: Task, shape: tuple[object, ...], options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    for mask in [None, MASK] if len(shape) == 2 and kind is not RetrievalHead else [None]:
        head, features = kind(task, shape, **options), features_of(shape)
        answer = head(features, mask)
        assert (tuple(answer.shape), answer.dtype) == ((4, *answer_shape(task, options)), torch.float32)
        target = target_of(task, answer)
        loss = head.loss(features, target, mask) if hasattr(head, "loss") else (answer - 1).square().sum()
        loss.backward()
        assert loss.ndim == 0
        assert bool(loss.isfinite())
        for name, parameter in head.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
            unused = task == Generation(1, 11) and name == "embedding.weight"
            assert unused or float(parameter.grad.abs().max()) > 0, name
        one = features if isinstance(features, Tensor) else features[0]
        assert one.grad is not None
        assert bool(one.grad.isfinite().all())
        assert bool(head.eval()(features, mask).isfinite().all())


@pytest.mark.parametrize(("kind", "task", "shape", "options"), CASES)
def test_every_head_has_an_outline_without_numbers(
    kind: type[nn.Module], task: Task, shape: tuple[object, ...], options: dict[str, object]
) -> None:
    with dry_run():
        head = kind(task, shape, **options)
        features = features_of(shape)
        for mask in [None, torch.ones(4, 6, dtype=torch.bool)] if len(shape) == 2 else [None]:
            for mode in (True, False):
                answer = head.train(mode)(features, mask)
                assert (tuple(answer.shape[1:]), answer.is_meta) == (answer_shape(task, options), True)


def test_a_plain_head_is_one_linear_map_of_the_mean() -> None:
    head = Head(Classification(3), (5, 2, 3))
    assert list(head.state_dict()) == ["linear.weight", "linear.bias"]
    features = torch.randn(4, 5, 2, 3)
    assert torch.equal(head(features), head.linear(features.mean((2, 3))))
    tags = Head(Tagging(3), (6, 5))
    series = torch.randn(4, 6, 5)
    assert torch.equal(tags(series, MASK), tags.linear(series))


def test_links_keep_to_answers_that_a_task_can_have() -> None:
    features = 30 * torch.randn(200, 5)
    assert bool((Head(CountRegression(3), (5,))(features) > 0).all())
    quantiles = Head(QuantileRegression((0.1, 0.3, 0.5, 0.9)), (5,))(features)
    assert bool((quantiles.diff(dim=1) >= 0).all())
    ranks = Head(Ordinal(6), (5,))
    assert list(ranks.state_dict()) == ["linear.weight", "link.biases"]
    answers = ranks(features)
    assert bool((answers.diff(dim=1) < 0).all())  # who is above a class is above those below it, even more so
    assert torch.allclose(answers - answers[:1], (answers - answers[:1])[:, :1].expand(-1, 5), atol=1e-4)


def test_classes_with_an_order_are_equally_likely_at_first() -> None:
    biases = Head(Ordinal(4), (5,)).link(torch.zeros(1, 1))
    above = torch.cat([torch.ones(1, 1), biases.sigmoid(), torch.zeros(1, 1)], 1)
    assert torch.allclose(-above.diff(dim=1), torch.full((1, 4), 0.25), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_pooling_leaves_padding_out(pooling: str) -> None:
    head = Head(Classification(3), (6, 5), pooling=pooling)
    features = torch.randn(4, 6, 5)
    answer = head(features, MASK)
    assert torch.allclose(answer[:1], head(features[:1]), atol=1e-6)
    assert torch.allclose(answer[1:2], head(features[1:2, :4]), atol=1e-6)
    assert torch.allclose(answer[3], head.linear.bias)
    spoilt = features.masked_fill(~MASK.unsqueeze(2), math.nan if pooling == "mean" else 1e6)
    assert torch.allclose(head(spoilt, MASK), answer)


def test_tags_of_a_shortened_sequence_come_from_the_nearest_position() -> None:
    head, features = Head(Tagging(3), (3, 5), length=7), torch.randn(2, 3, 5)
    assert torch.equal(head(features), head.linear(features)[:, [0, 0, 0, 1, 1, 2, 2]])
    crf = CrfHead(Tagging(3), (3, 5), length=6)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    paths = crf.decode(features, mask)
    assert paths.shape == (2, 6)
    target = torch.randint(3, (2, 6))
    beyond = target.clone()
    beyond[0, 4:] = beyond[1, 2:] = -100
    assert torch.equal(crf.loss(features, target, mask), crf.loss(features, beyond, mask))


def test_defaults_and_what_heads_refuse() -> None:
    tasks = [Classification(2), Regression(), Tagging(2)]
    assert {default_head(task) for task in tasks} == {Head}
    assert default_head(Retrieval("a", "b")) is RetrievalHead
    assert default_head(Generation(3, 4)) is GenerationHead
    assert default_head(DenseMap(1, 2, 2)) is DenseHead
    with pytest.raises(BuildError, match=r"tagging task: expected \(length, features\), got features \(5,\)"):
        Head(Tagging(2), (5,))
    with pytest.raises(BuildError, match="got a generation task"):
        Head(Generation(3, 4), (5,))
    for kind, task, shape in [(CrfHead, Classification(2), (6, 5)), (CrfHead, Tagging(2), (5,)),
                              (RetrievalHead, Retrieval("a", "b"), (5,)),
                              (DenseHead, DenseMap(1, 2, 2), (6, 5)),
                              (RetrievalHead, Retrieval("a", "b"), ((5,), (6, 5))),
                              (GenerationHead, Tagging(2), (6, 5))]:  # fmt: skip
        with pytest.raises(BuildError, match=f"{kind.__name__}: expected"):
            kind(task, shape)
    with pytest.raises(ValueError, match="expected pooling from mean, max, attention, got 'min'"):
        Head(Classification(2), (6, 5), pooling="min")


# ---- chains


def chain(mask: Tensor, tags: int = 3, scale: float = 1.0) -> Scores:
    count, length = mask.shape
    parts = [torch.randn(shape) * scale for shape in [(count, length, tags), (tags, tags), (tags,), (tags,)]]
    return Scores(parts[0], parts[1], parts[2], parts[3], mask)


def all_scores(scores: Scores, row: int) -> dict[tuple[int, ...], float]:
    """The score of each sequence of tags at the real positions of one example."""
    emissions = scores.emissions[row][scores.real[row]].double()
    found = {}
    for path in itertools.product(range(emissions.shape[1]), repeat=len(emissions)):
        total = sum(float(emissions[t, tag]) for t, tag in enumerate(path))
        total += sum(float(scores.transitions[a, b]) for a, b in itertools.pairwise(path))
        found[path] = total + float(scores.start[path[0]] + scores.end[path[-1]]) if path else 0.0
    return found


HOLES = torch.tensor([[True, False, True, True, False, True], [False, False, True, False, True, False]])


@pytest.mark.parametrize("mask", [MASK, HOLES])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_chains_agree_with_all_sequences_of_tags(mask: Tensor, scale: float) -> None:
    torch.manual_seed(int(scale))
    scores = chain(mask, scale=scale)
    sums, best = sum_over_tags(scores), best_tags(scores)
    pairs = torch.zeros(3, 3, dtype=torch.float64)
    for row in range(len(mask)):
        each = all_scores(scores, row)
        logs = torch.tensor(list(each.values()), dtype=torch.float64)
        assert float(sums.log_partition[row]) == pytest.approx(float(logs.logsumexp(0)), rel=1e-5, abs=1e-5)
        marginals = torch.zeros(6, 3, dtype=torch.float64)
        places = mask[row].nonzero().squeeze(1).tolist()
        for path, chance in zip(each, logs.softmax(0), strict=True):
            for place, tag in zip(places, path, strict=True):
                marginals[place, tag] += chance
            for a, b in itertools.pairwise(path):
                pairs[a, b] += chance
        assert torch.allclose(sums.marginals[row].double(), marginals, atol=1e-5)
        likeliest = max(each, key=lambda path: each[path])
        assert tuple(best[row][mask[row]].tolist()) == likeliest
        assert not best[row][~mask[row]].any()
    assert torch.allclose(sums.pairs.double(), pairs, atol=1e-4)


def test_the_likelihood_sums_over_tags_that_are_not_known() -> None:
    torch.manual_seed(3)
    scores = chain(MASK)
    allowed = torch.rand(4, 6, 3) < 0.5
    allowed[torch.arange(4).unsqueeze(1), torch.arange(6), torch.randint(3, (4, 6))] = True
    expected = 0.0
    for row in range(4):
        each = all_scores(scores, row)
        fits = [s for path, s in each.items() if all(allowed[row, t, tag] for t, tag in enumerate(path))]
        every = torch.tensor(list(each.values())).logsumexp(0)
        expected += float(every - torch.tensor(fits).logsumexp(0))
    assert float(negative_log_likelihood(scores, allowed)) == pytest.approx(expected, rel=1e-4)


def recursion(scores: Scores) -> Tensor:
    """The summed log partition functions, by a recursion that torch differentiates."""
    state = scores.start + scores.emissions[:, 0]
    for t in range(1, scores.emissions.shape[1]):
        moved = (state.unsqueeze(2) + scores.transitions).logsumexp(1) + scores.emissions[:, t]
        state = torch.where(scores.real[:, t : t + 1], moved, state)
    return (state + scores.end).logsumexp(1).sum()


def test_the_likelihoods_derivatives_are_those_of_a_plain_recursion() -> None:
    torch.manual_seed(4)
    mask = torch.arange(9) < torch.tensor([[9], [5], [1]])
    scores = chain(mask, tags=5)
    inputs = [scores.emissions, scores.transitions, scores.start, scores.end]
    for tensor in inputs:
        tensor.requires_grad_()
    tags = torch.randint(5, (3, 9))
    tags[0, 3] = -100
    allowed = (tags.unsqueeze(2) == torch.arange(5)) | (tags == -100).unsqueeze(2)
    only = Scores(scores.emissions.masked_fill(~allowed, -1e4), *inputs[1:], mask)
    plain = recursion(scores) - recursion(only)
    ours = negative_log_likelihood(scores, allowed)
    assert torch.allclose(ours, plain, rtol=1e-5)
    for first, second in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * plain, inputs), strict=True
    ):
        assert torch.allclose(first, second, atol=1e-5)


def test_a_field_answers_emissions_in_training_and_log_marginals_in_evaluation() -> None:
    torch.manual_seed(5)
    head, features = CrfHead(Tagging(3), (6, 5)), torch.randn(4, 6, 5)
    nn.init.normal_(head.transitions)
    scores = Scores(head.linear(features), head.transitions, head.start, head.end, MASK)
    assert torch.equal(head(features, MASK), scores.emissions)
    answer = head.eval()(features, MASK)
    assert torch.allclose(answer.exp()[MASK], sum_over_tags(scores).marginals[MASK], atol=1e-6)
    assert torch.allclose(answer.exp().sum(2), torch.ones(4, 6), atol=1e-5)
    assert torch.equal(head.decode(features, MASK), best_tags(scores))


def test_a_field_with_no_known_tag_has_loss_zero() -> None:
    head, features = CrfHead(Tagging(3), (6, 5)), torch.randn(4, 6, 5)
    loss = head.loss(features, torch.full((4, 6), -100), MASK)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    assert float(head.linear.weight.grad.abs().max()) < 1e-5
    nothing = head.loss(features, torch.zeros(4, 6, dtype=torch.int64), torch.zeros_like(MASK))
    assert float(nothing.detach()) == 0


def test_a_field_without_transitions_loses_what_a_plain_head_loses() -> None:
    head, features = CrfHead(Tagging(3), (6, 5)), torch.randn(4, 6, 5)
    target = torch.randint(3, (4, 6)).masked_fill(~MASK, -100)
    plain = F.cross_entropy(head.linear(features).flatten(0, 1), target.flatten())
    assert float(head.loss(features, target, MASK)) == pytest.approx(float(plain), rel=1e-5)


def test_contradicting_scores_give_finite_chains() -> None:
    scores = chain(torch.ones(1, 30, dtype=torch.bool), scale=200.0)
    allowed = F.one_hot(torch.randint(3, (1, 30)), 3) > 0
    for tensor in (scores.emissions, scores.transitions):
        tensor.requires_grad_()
    loss = negative_log_likelihood(scores, allowed)
    gradients = torch.autograd.grad(loss, [scores.emissions, scores.transitions])
    assert all(
        bool(tensor.isfinite().all()) for tensor in (loss, *gradients, sum_over_tags(scores).marginals)
    )


def test_a_field_learns_an_order_that_single_positions_do_not_show() -> None:
    """Tags alternate, and only the first position tells with which one they begin."""
    torch.manual_seed(6)
    begins = torch.randint(2, (64,))
    target = (begins.unsqueeze(1) + torch.arange(8)) % 2
    features = torch.zeros(64, 8, 2)
    features[:, 0] = F.one_hot(begins, 2).float()
    head = CrfHead(Tagging(2), (8, 2))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(features, target).backward()
        optimizer.step()
    assert torch.equal(head.eval()(features).argmax(2), target)


# ---- retrieval and generation


def test_the_contrastive_loss_is_cross_entropy_where_each_row_is_an_item_of_its_own() -> None:
    query, gallery = (F.normalize(torch.randn(6, 4), dim=1) for _ in range(2))
    scores = query @ gallery.T / 0.1
    rows = torch.arange(6)
    expected = (F.cross_entropy(scores, rows) + F.cross_entropy(scores.T, rows)) / 2
    assert float(contrastive_loss(query, gallery, rows + 3, 10.0)) == pytest.approx(float(expected), rel=1e-5)
    same = contrastive_loss(query, gallery, torch.zeros(6, dtype=torch.int64), 10.0)
    uniform = -(scores.log_softmax(1).mean() + scores.log_softmax(0).mean()) / 2
    assert float(same) == pytest.approx(float(uniform), rel=1e-5)


def test_embeddings_have_length_one_and_matching_ones_come_together() -> None:
    torch.manual_seed(7)
    head = RetrievalHead(Retrieval("a", "b", 16), ((12,), (20,)))
    items = torch.arange(24) % 12
    features = (F.one_hot(items, 12).float(), F.one_hot((items * 5) % 12, 20).float())
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(features, items).backward()
        optimizer.step()
    answer = head(features)
    assert torch.allclose(answer.norm(dim=2), torch.ones(24, 2), atol=1e-5)
    nearest = (answer[:, 0] @ answer[:, 1].T).argmax(1)
    assert torch.equal(items[nearest], items)


def test_a_texts_tokens_count_up_to_its_end() -> None:
    target = torch.tensor([[3, 4, 0, 0], [3, 0, 5, 6], [1, 2, 3, 4], [0, 0, 0, 0]])
    expected = [[True, True, True, False], [True, True, False, False], [True] * 4, [True] + [False] * 3]
    assert written(target).tolist() == expected
    logits = torch.randn(4, 4, 7)
    counts = written(target)
    mean = F.cross_entropy(logits[counts], target[counts])
    assert float(text_loss(logits, target)) == pytest.approx(float(mean), rel=1e-5)


def test_generation_learns_to_copy_a_sequence_and_to_end() -> None:
    torch.manual_seed(8)
    target = torch.randint(1, 5, (48, 4))
    mask = torch.arange(4) < torch.randint(1, 5, (48, 1))
    target = target * mask
    places = torch.eye(4).expand(48, 4, 4)
    features = torch.cat([F.one_hot(target, 5).float(), places], 2)
    head = GenerationHead(Generation(4, 5), (4, 9), hidden=32)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = head.loss(features, target, mask)
        loss.backward()
        optimizer.step()
    answer = head.eval()(features, mask).argmax(2)
    counts = written(target)
    assert torch.equal(answer[counts], target[counts])
    spoilt = features.masked_fill(~mask.unsqueeze(2), 9.0)
    assert torch.equal(head(spoilt, mask), head(features, mask))


def test_told_the_right_tokens_the_loss_is_that_of_the_greedy_answer() -> None:
    torch.manual_seed(9)
    head, features = GenerationHead(Generation(5, 7), (6, 3), hidden=8).eval(), torch.randn(4, 6, 3)
    answer = head(features, MASK)
    greedy = answer.argmax(2)
    assert float(head.loss(features, greedy, MASK)) == pytest.approx(
        float(text_loss(answer, greedy)), rel=1e-4
    )


def test_a_dense_answer_is_interpolated_to_its_size() -> None:
    head, features = DenseHead(DenseMap(2, 8, 8), (3, 4, 4)), torch.randn(2, 3, 4, 4)
    expected = F.interpolate(head.last(features), scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(head(features), expected)
