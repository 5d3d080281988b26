"""Targets of each kind of task: what fits, what is refused, and what plain tensors suggest."""

import pytest
import torch
from torch import Tensor

from search_spaces import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    Tagging,
    Tokens,
)
from search_spaces.errors import ProblemError
from workers.problems.checks import check_split
from workers.problems.split import Split

SIGNATURE = Signature(
    {"photo": Image(1, 4, 5), "words": Tokens(6, 9), "sound": Sequence(7, 2)},
    {
        "kind": Classification(3),
        "size": Regression(2),
        "tags": Tagging(4, input="words"),
        "match": Retrieval("photo", "words"),
        "text": Generation(5, 8),
        "parts": DenseMap(3, 4, 5),
        "depth": DenseMap(2, 3, 3, discrete=False),
        "labels": MultiLabel(3),
        "grade": Ordinal(4),
        "visits": CountRegression(),
        "price": QuantileRegression(),
    },
)


def targets() -> dict[str, Tensor]:
    return {
        "kind": torch.randint(3, (8,)),
        "size": torch.randn(8, 2),
        "tags": torch.randint(4, (8, 6)),
        "match": torch.arange(8) * 1000,
        "text": torch.randint(8, (8, 5)),
        "parts": torch.randint(3, (8, 4, 5)),
        "depth": torch.randn(8, 2, 3, 3),
        "labels": torch.randint(2, (8, 3)).float(),
        "grade": torch.randint(4, (8,)),
        "visits": torch.randint(9, (8, 1)).float(),
        "price": torch.randn(8, 1),
    }


def split(**changed: Tensor) -> Split:
    inputs = {"photo": torch.zeros(8, 1, 4, 5), "words": torch.ones(8, 6, dtype=torch.int64)}
    return Split({**inputs, "sound": torch.zeros(8, 7, 2)}, {**targets(), **changed})


def test_targets_that_fit_their_tasks_pass() -> None:
    ignored = {"tags": torch.full((8, 6), -100), "parts": torch.full((8, 4, 5), -100)}
    for tensor in ignored.values():
        tensor[0, 0] = 1
    check_split("train", split(), SIGNATURE)
    check_split("train", split(**ignored), SIGNATURE)


@pytest.mark.parametrize(
    ("task", "target", "says"),
    [
        ("kind", torch.full((8,), 3), "expected a class from 0 to 2, got values from 3 to 3"),
        ("size", torch.full((8, 2), torch.nan), "expected finite numbers"),
        ("tags", torch.zeros(8, 7, dtype=torch.int64), r"expected shape \(N, 6\), got \(8, 7\)"),
        ("tags", torch.full((8, 6), 4), "expected a tag from 0 to 3"),
        ("tags", torch.full((8, 6), -100), "expected at least one tag that is not -100"),
        ("match", torch.randn(8), r"expected torch.int64, got torch.float32"),
        ("match", torch.zeros(8, 2, dtype=torch.int64), r"expected shape \(N,\)"),
        ("text", torch.zeros(8, 6, dtype=torch.int64), r"expected shape \(N, 5\)"),
        ("text", torch.full((8, 5), 8), "expected a token number from 0 to 7"),
        ("text", torch.full((8, 5), -100), "expected a token number from 0 to 7"),
        ("parts", torch.zeros(8, 5, 4, dtype=torch.int64), r"expected shape \(N, 4, 5\)"),
        ("parts", torch.full((8, 4, 5), 3), "expected a class from 0 to 2"),
        ("parts", torch.full((8, 4, 5), -100), "expected at least one point that is not -100"),
        ("depth", torch.zeros(8, 3, 3), r"expected shape \(N, 2, 3, 3\)"),
        ("depth", torch.full((8, 2, 3, 3), torch.inf), "expected finite numbers"),
        ("labels", torch.full((8, 3), 0.5), r"expected 1 where .* and 0 where not, got 0.5 \(24 of 24\)"),
        ("labels", torch.zeros(8, 3, dtype=torch.int64), "expected torch.float32, got torch.int64"),
        ("labels", torch.zeros(8, 4), r"expected shape \(N, 3\), got \(8, 4\)"),
        ("grade", torch.full((8,), 4), "expected a class from 0 to 3, got values from 4 to 4"),
        ("visits", torch.full((8, 1), -1.0), r".*whole numbers of at least 0, got -1 \(8 of 8\)"),
        ("visits", torch.full((8, 1), 2.5), r".*whole numbers of at least 0, got 2.5 .* Regression\(\)"),
        ("price", torch.zeros(8, 3), r"expected shape \(N, 1\), got \(8, 3\)"),
        ("price", torch.full((8, 1), torch.nan), "expected finite numbers"),
    ],
)
def test_targets_that_do_not_fit_are_refused(task: str, target: Tensor, says: str) -> None:
    with pytest.raises(ProblemError, match=f"train, task '{task}': {says}"):
        check_split("train", split(**{task: target}), SIGNATURE)
