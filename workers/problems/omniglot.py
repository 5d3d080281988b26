"""The omniglot problem: which of eight alphabets a drawn character belongs to; embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.problems.problem import Problem

FIRST_VALIDATION_DRAWER, FIRST_TEST_DRAWER = 11, 14
"""Drawers count from 0: 0-10 train, 11-13 validation, 14-19 test. Nobody's hand is in two splits."""


def omniglot() -> Problem:
    """Drawn characters, 28x28 pixels, 8 alphabets, split by drawer (2,662 / 726 / 1,452); embedded.

    Input ``image`` (1, 28, 28) in [0, 1], ink is 1; task ``alphabet``. A part of Omniglot (Lake,
    Salakhutdinov & Tenenbaum 2015), MIT licence, see ``data/LICENCE-omniglot.txt``.
    """
    from importlib.resources import files
    from zipfile import BadZipFile

    import numpy as np
    import torch

    from search_spaces.errors import ProblemError
    from search_spaces.signature import Classification, Image, Signature
    from workers.problems.problem import Problem

    path = files("workers.problems").joinpath("data/omniglot_small_av.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            images, alphabets = data["image"], data["alphabet"].astype(np.int64)
            drawers = torch.from_numpy(data["drawer"].astype(np.int64)) - 1  # the file counts from 1
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ProblemError(f"omniglot: cannot read the embedded file {path}: {error}") from error
    # In the file paper is 255 and ink is dark; ours is ink 1 on a ground of 0, which shifting pads with.
    ink = 1 - torch.from_numpy(images).float().unsqueeze(1) / 255
    targets = torch.from_numpy(alphabets)
    held, test = drawers >= FIRST_VALIDATION_DRAWER, drawers >= FIRST_TEST_DRAWER
    return Problem.from_tensors(
        "omniglot",
        (ink[~held], targets[~held]),
        (ink[held & ~test], targets[held & ~test]),
        (ink[test], targets[test]),
        signature=Signature({"image": Image(1, 28, 28)}, {"alphabet": Classification(8)}),
        description="The alphabet of a drawn character, 242 characters by 20 drawers (Omniglot)",
    )
