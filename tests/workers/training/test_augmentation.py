"""Augmentation: each image in its own way, and no more than it says."""

import pytest
import torch

from search_spaces import Sequence
from workers.training.augmentation import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shift_moves_each_image_by_up_to_an_eighth_with_zeros_coming_in() -> None:
    images = torch.rand(64, 3, 16, 24) + 1
    shifted = augment(images, "shift", generator())
    assert shifted.shape == images.shape
    seen = set()
    for before, after in zip(images, shifted, strict=True):
        filled = after[0].nonzero()
        (top, left), (bottom, right) = filled.min(0).values.tolist(), filled.max(0).values.tolist()
        down, across = (top or bottom - 15), (left or right - 23)
        assert abs(down) <= 2
        assert abs(across) <= 3
        moved = torch.zeros_like(before)
        rows, columns = 16 - abs(down), 24 - abs(across)
        moved[:, top : top + rows, left : left + columns] = before[
            :, max(-down, 0) : max(-down, 0) + rows, max(-across, 0) : max(-across, 0) + columns
        ]
        assert torch.equal(after, moved)
        seen.add((down, across))
    assert len(seen) > 10


def test_cutout_zeroes_one_square_of_a_quarter_of_the_side_in_all_channels() -> None:
    images = torch.ones(200, 2, 16, 16)
    cut = augment(images, "cutout", generator())
    holes = (cut == 0).all(1)
    assert torch.equal(holes, (cut == 0).any(1))
    sizes = holes.flatten(1).sum(1)
    assert int(sizes.max()) == 16
    assert int(sizes.min()) >= 4, "at a corner a quarter of it is left"
    for hole in holes:
        rows, columns = hole.any(1), hole.any(0)
        assert int(hole.sum()) == int(rows.sum()) * int(columns.sum())
    assert len({tuple(hole.nonzero()[0].tolist()) for hole in holes}) > 50


def test_the_same_seed_gives_the_same_and_the_originals_stay() -> None:
    images = torch.rand(8, 1, 8, 8)
    kept = images.clone()
    for kind in ("shift", "cutout"):
        assert torch.equal(augment(images, kind, generator(1)), augment(images, kind, generator(1)))
        assert not torch.equal(augment(images, kind, generator(1)), augment(images, kind, generator(2)))
    assert torch.equal(images, kept)
    assert augment(images, "off", generator()) is images


def test_series_are_scaled_and_shifted_feature_by_feature_and_zeros_stay() -> None:
    series = torch.rand(64, 20, 3) + 1
    series[:, :, 2] = 0
    changed = augment(series, "shift", generator())
    assert torch.equal(changed[:, :, 2], series[:, :, 2])
    for before, after in zip(series[:, :, :2].unbind(2), changed[:, :, :2].unbind(2), strict=True):
        factors = after.std(1) / before.std(1)
        assert 0.05 < float(factors.std()) < 0.2
        was, now = ((x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True) for x in (before, after))
        assert torch.allclose(was, now, atol=1e-3)


def test_cutout_of_a_series_zeroes_one_span_of_a_quarter() -> None:
    cut = augment(torch.ones(200, 16, 2), "cutout", generator())
    gone = (cut == 0).all(2)
    assert torch.equal(gone, (cut == 0).any(2))
    lengths = gone.sum(1)
    assert set(lengths.tolist()) <= {2, 3, 4}
    assert int((lengths == 4).sum()) > 100
    for row in gone:
        first = int(row.nonzero()[0])
        assert bool(row[first : first + int(row.sum())].all())
    assert len({int(row.nonzero()[0]) for row in gone}) > 8


@pytest.mark.parametrize("kind", ["shift", "cutout"])
def test_padding_of_series_stays_and_says_nothing_of_how_the_rest_is_changed(kind: str) -> None:
    kinds, lengths = Sequence(20, 2, padded=True), torch.arange(200) % 21
    series = kinds.cut(torch.rand(200, 20, 2) + 1, lengths)
    changed = augment(series, kind, generator(), padded=True)
    assert torch.equal(changed.isnan(), series.isnan())
    assert not torch.equal(changed.nan_to_num(), series.nan_to_num())
    if kind == "cutout":
        gone = (changed == 0).all(2).sum(1)
        assert bool((gone[lengths > 0] > 0).all())
        assert bool((gone <= (lengths // 4).clamp(min=1)).all())
    shorter = augment(series[:, :12].contiguous(), kind, generator(), padded=True)
    fit = lengths <= 12
    assert torch.allclose(changed[fit, :12], shorter[fit], equal_nan=True)
