"""Feeding: each example in its turn, what a batch says of itself, and which domain comes when."""

import itertools
from collections import Counter

import pytest
import torch
from torch import Tensor

from search_spaces import Classification, Image, Signature, Tokens, Vector
from workers.problems.split import Split
from workers.training import batches
from workers.training.batches import Feed, steps_per_epoch
from workers.training.sampling import POLICIES, Sampling

SIGNATURE = Signature({"x": Vector(1)}, {"y": Classification(1000)})
ONE_DOMAIN_AT_A_TIME: tuple[Sampling, ...] = tuple(p for p in POLICIES if p != "mixed")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(*sizes: int) -> Split:
    """Examples that are numbers, from domains of these sizes, which take turns as long as they last."""
    domain = torch.tensor([d for turn in itertools.zip_longest(*([d] * n for d, n in enumerate(sizes)))
                           for d in turn if d is not None])  # fmt: skip
    numbers = torch.arange(len(domain))
    return Split({"x": numbers.float().unsqueeze(1)}, {"y": numbers}, domain=domain)


def numbers(given: list[Split]) -> Tensor:
    return torch.cat([batch.targets["y"] for batch in given])


@pytest.mark.parametrize("examples", [1, 2, 7, 8, 9, 10, 33])
def test_an_epoch_gives_each_example_once_but_for_a_last_batch_of_one(
    examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(batches.PIECE_BYTES, "cpu", 200)  # several pieces
    split = Split({"x": torch.arange(examples).float().unsqueeze(1)}, {"y": torch.arange(examples)})
    feed = Feed(split, SIGNATURE, batch_size=8)
    given = list(feed.epoch(1, rng()))
    seen = numbers(given)
    for batch in given:
        assert torch.equal(batch.inputs["x"].squeeze(1).long(), batch.targets["y"])
    assert len(given) == feed.steps == steps_per_epoch(examples, 8)
    assert len(seen.unique()) == len(seen) == (examples - 1 if examples in (9, 33) else examples)


def test_pieces_change_the_cost_of_an_epoch_not_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    for piece in (1, 200, 10**6):
        monkeypatch.setitem(batches.PIECE_BYTES, "cpu", piece)
        given.append(list(Feed(numbered(33), SIGNATURE, batch_size=4).epoch(1, rng())))
    for some in given[1:]:
        for one, other in zip(given[0], some, strict=True):
            assert torch.equal(one.targets["y"], other.targets["y"])


# ---- what is missing


def gappy(examples: int = 60) -> tuple[Split, Signature]:
    generator = rng(7)
    image = torch.rand(examples, 1, 4, 4, generator=generator) + 0.5
    text = torch.randint(1, 9, (examples, 3), generator=generator)
    there = torch.arange(examples) % 3 != 0
    image[~there] = 0
    text[there] = 0
    labelled = {"a": torch.arange(examples) % 20 == 0, "b": torch.ones(examples).bool()}
    targets = {"a": torch.arange(examples) % 5, "b": torch.arange(examples)}
    present = {"image": there, "text": ~there}
    signature = Signature(
        {"image": Image(1, 4, 4), "text": Tokens(3, 9)},
        {"a": Classification(5), "b": Classification(examples)},
    )
    return Split({"image": image, "text": text}, targets, present, labelled), signature


def test_masks_travel_with_their_examples() -> None:
    split, signature = gappy()
    for batch in Feed(split, signature, batch_size=7).epoch(1, rng()):
        whose = batch.targets["b"]
        for name in ("image", "text"):
            there = batch.present.get(name, torch.ones(len(batch)).bool())
            assert torch.equal(there, split.present[name][whose])
            assert torch.equal(batch.inputs[name], split.inputs[name][whose])
        if "a" in batch.targets:
            assert torch.equal(batch.targets["a"], split.targets["a"][whose])


def test_a_batch_leaves_out_a_task_that_nobody_labels_and_masks_of_what_all_have() -> None:
    split, signature = gappy()
    seen = Counter[str]()
    for batch in Feed(split, signature, batch_size=4).epoch(1, rng()):
        whose = batch.targets["b"]
        labels = int(split.labelled["a"][whose].sum())
        assert ("a" in batch.targets) == (labels > 0)
        assert ("a" in batch.labelled) == (0 < labels < len(batch))
        assert "b" not in batch.labelled, "all have this label"
        for name in ("image", "text"):
            assert (name in batch.present) == (not bool(split.present[name][whose].all()))
        seen["absent" if labels == 0 else "there"] += 1
    assert seen["absent"], "a batch without any label of a task was tried"
    assert seen["there"]
    assert set(split.targets) == {"a", "b"}, "the split itself keeps what its batches leave out"


@pytest.mark.parametrize("augmentation", ["shift", "cutout"])
def test_a_missing_image_stays_zeros_when_images_are_augmented(augmentation: str) -> None:
    split, signature = gappy()
    feed = Feed(split, signature, batch_size=10, augmentation=augmentation)
    changed = 0
    for batch in feed.epoch(1, rng()):
        there = batch.present["image"]
        assert not batch.inputs["image"][~there].any()
        changed += int((batch.inputs["image"] != split.inputs["image"][batch.targets["b"]]).any())
    assert changed == feed.steps


# ---- domains


@pytest.mark.parametrize("sampling", POLICIES)
@pytest.mark.parametrize("sizes", [(100, 50), (30, 8, 9), (5, 64), (3, 3, 3)])
def test_every_policy_makes_as_many_steps_as_the_domains_have(
    sampling: Sampling, sizes: tuple[int, ...]
) -> None:
    feed = Feed(numbered(*sizes), SIGNATURE, batch_size=8, sampling=sampling)
    expected = sum(steps_per_epoch(size, 8) for size in sizes)
    assert feed.steps == expected
    for epoch in (1, 2):
        given = list(feed.epoch(epoch, rng(epoch)))
        assert len(given) == expected
        assert all(2 <= len(batch) <= 8 for batch in given)


def test_mixed_gives_every_example_of_all_domains_once_in_even_batches() -> None:
    given = list(Feed(numbered(100, 50), SIGNATURE, batch_size=32).epoch(1, rng()))
    assert torch.equal(numbers(given).sort().values, torch.arange(150))
    assert {len(batch) for batch in given} == {25}
    assert all(len(batch.domain.unique()) == 2 for batch in given if batch.domain is not None)


@pytest.mark.parametrize("sampling", ONE_DOMAIN_AT_A_TIME)
def test_a_batch_of_the_other_policies_has_one_domain_only(sampling: Sampling) -> None:
    split = numbered(40, 20, 10)
    for batch in Feed(split, SIGNATURE, batch_size=8, sampling=sampling).epoch(1, rng()):
        assert batch.domain is not None
        assert len(batch.domain.unique()) == 1
        assert split.domain is not None
        assert torch.equal(batch.domain, split.domain[batch.targets["y"]])


def domains(given: list[Split]) -> list[int]:
    return [int(batch.domain[0]) for batch in given if batch.domain is not None]


def test_proportional_gives_each_domains_examples_once_in_random_order() -> None:
    feed = Feed(numbered(40, 16), SIGNATURE, batch_size=8, sampling="proportional")
    given = list(feed.epoch(1, rng()))
    assert torch.equal(numbers(given).sort().values, torch.arange(56))
    assert Counter(domains(given)) == {0: 5, 1: 2}
    orders = {tuple(domains(list(feed.epoch(1, rng(seed))))) for seed in range(8)}
    assert len(orders) > 3


def test_round_robin_takes_the_domains_in_turn_and_starts_short_ones_over_reshuffled() -> None:
    feed = Feed(numbered(40, 16), SIGNATURE, batch_size=8, sampling="round_robin")
    first, second = (list(feed.epoch(epoch, rng(epoch))) for epoch in (1, 2))
    assert domains(first) == [0, 1, 0, 1, 0, 1, 0]
    assert domains(second) == [1, 0, 1, 0, 1, 0, 1], "an epoch goes on where the last one ended"
    short = [batch.targets["y"] for batch, domain in zip(second, domains(second), strict=True) if domain]
    once, again = torch.cat(short[:2]), torch.cat(short[2:])
    assert torch.equal(once.sort().values, again.sort().values), "all of it before any of it again"
    assert not torch.equal(once, again)


def test_alternate_gives_each_epoch_one_domain() -> None:
    feed = Feed(numbered(40, 16, 8), SIGNATURE, batch_size=8, sampling="alternate")
    assert [set(domains(list(feed.epoch(epoch, rng())))) for epoch in (1, 2, 3, 4)] == [{0}, {1}, {2}, {0}]


def test_uncertainty_draws_more_of_what_is_learnt_slowly() -> None:
    feed = Feed(numbered(80, 80), SIGNATURE, batch_size=4, sampling="uncertainty")
    drawn: Counter[int] = Counter()
    for epoch in range(1, 21):
        for step, batch in enumerate(feed.epoch(epoch, rng(epoch))):
            (domain,) = set(domains([batch]))
            # Domain 0 falls to a quarter of its first loss; domain 1, ten times as large, stays.
            feed.told(torch.tensor(10.0 if domain else (1.0 if epoch == 1 and step < 8 else 0.25)))
            drawn[domain] += epoch > 5
    assert 0.15 < drawn[0] / drawn.total() < 0.25, "one to four, so a fifth"


def test_uncertainty_goes_on_the_same_from_its_state() -> None:
    def run(feed: Feed, epochs: range) -> list[int]:
        given = []
        for epoch in epochs:
            for batch in feed.epoch(epoch, rng(epoch)):
                given.append(domains([batch])[0])
                feed.told(float(batch.targets["y"].float().mean()) / epoch)
        return given

    whole, first, second = (
        Feed(numbered(30, 30, 50), SIGNATURE, batch_size=4, sampling="uncertainty") for _ in range(3)
    )
    expected = run(whole, range(1, 7))
    begun = run(first, range(1, 4))
    for name, tensor in second.state().items():
        tensor.copy_(first.state()[name])
    assert begun + run(second, range(4, 7)) == expected
    assert not torch.equal(first.state()["running"], second.state()["running"])


@pytest.mark.parametrize("sampling", [p for p in POLICIES if p != "uncertainty"])
def test_the_other_policies_remember_nothing(sampling: Sampling) -> None:
    feed = Feed(numbered(30, 9), SIGNATURE, batch_size=4, sampling=sampling)
    fresh = Feed(numbered(30, 9), SIGNATURE, batch_size=4, sampling=sampling)
    for _ in feed.epoch(1, rng(1)):
        feed.told(float("nan"))
    assert feed.state() == {}
    one, other = (numbers(list(f.epoch(2, rng(2)))) for f in (feed, fresh))
    assert torch.equal(one, other)


def test_a_loss_that_is_no_number_leaves_the_ending_of_the_trial_to_its_training() -> None:
    feed = Feed(numbered(80, 80), SIGNATURE, batch_size=2, sampling="uncertainty")
    for _ in feed.epoch(1, rng()):
        feed.told(float("nan"))
    assert len(list(feed.epoch(2, rng()))) == feed.steps


@pytest.mark.parametrize("sampling", POLICIES)
def test_with_one_domain_every_policy_is_the_same(sampling: Sampling) -> None:
    plain = numbers(list(Feed(numbered(33), SIGNATURE, batch_size=8).epoch(3, rng())))
    given = numbers(list(Feed(numbered(33), SIGNATURE, batch_size=8, sampling=sampling).epoch(3, rng())))
    assert torch.equal(plain, given)
