"""The digits problem: 1,797 handwritten digits of 8x8 pixels, embedded in scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image, Signature

if TYPE_CHECKING:
    from workers.problems.problem import Problem

SPLIT_SEED = 0
"""The seed of the fixed division: 1,077 train, 360 validation, 360 test, each digit in proportion."""


@checked(ProblemError)
def digits() -> Problem:
    """Handwritten digits, 8x8 pixels, 10 classes (1,077 / 360 / 360); embedded, trains in seconds.

    Input ``image`` (1, 8, 8) in [0, 1]; task ``digit``. The test part of the UCI set "Optical Recognition of
    Handwritten Digits" (Alpaydin & Kaynak 1998), as scikit-learn embeds it.
    """
    import torch
    from sklearn.datasets import load_digits

    from workers.problems.problem import Problem

    data = load_digits()
    images = torch.from_numpy(data.images).float().unsqueeze(1) / 16
    return Problem.from_tensors(
        "digits",
        (images, torch.from_numpy(data.target)),
        validation=0.2,
        test=0.2,
        signature=Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)}),
        seed=SPLIT_SEED,
        description="Handwritten digits of 8x8 pixels (UCI, by way of scikit-learn)",
        copy=False,
    )
