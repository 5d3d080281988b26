"""The omniglot problem: drawn characters, as images and as the way that the pen took."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from search_spaces.arguments import Seed, Share, checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Classification, Image, Sequence, Signature

if TYPE_CHECKING:
    from torch import Tensor

    from workers.problems.problem import Problem

FIRST_VALIDATION_DRAWER, FIRST_TEST_DRAWER = 11, 14
"""Drawers count from 0: 0-10 train, 11-13 validation, 14-19 test. Nobody's hand is in two splits."""

STEP_SCALE = 10
"""Brings the steps of the pen to the size of its positions.

Positions alone would say the same, but are learnt from worse: alphabets by a small convolution from the pen
alone .77 without steps, .80 with them; by a small GRU .56 and .68.
"""


@checked(ProblemError)
def omniglot(
    inputs: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    label_dropout: Share = 0.0,
    modality_dropout: Share = 0.0,
    dropout_seed: Seed = 0,
) -> Problem:
    """Drawn characters, image and pen: 8 alphabets, 242 characters (2,662 / 726 / 1,452); embedded.

    Inputs ``image`` (1, 28, 28) in [0, 1], ink is 1; ``pen`` (64, 6), at 64 points of the same drawing: right
    and up in about [-1, 1], the time in [0, 1], 1 where the pen was lifted, and ten times the step from the
    point before, right and up. Tasks ``alphabet`` and ``character``. Split by drawer. A part of Omniglot
    (Lake, Salakhutdinov & Tenenbaum 2015), MIT licence, see ``data/LICENCE-omniglot.txt``.

    Args:
        inputs, tasks: the names of the inputs and tasks that stay; left out, all (`Problem.only`).
        label_dropout: the share of each task's training labels to drop (`Problem.drop`).
        modality_dropout: the share of the drawings in every split that lose each modality.
        dropout_seed: the seed of what is dropped.

    Raises:
        ProblemError: an argument is not what it should be, or a share would leave examples nothing.
    """
    import numpy as np
    import torch

    from workers.problems.problem import Problem

    path = files("workers.problems").joinpath("data/omniglot_small_av.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            images, strokes = data["image"], data["stroke"].astype(np.float32)
            labels = {
                task: torch.from_numpy(data[key].astype(np.int64))
                for task, key in (("alphabet", "alphabet"), ("character", "char"))
            }
            drawers = torch.from_numpy(data["drawer"].astype(np.int64)) - 1  # the file counts from 1
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ProblemError(f"omniglot: cannot read the embedded file {path}: {error}") from error
    # In the file paper is 255 and ink is dark; ours is ink 1 on a ground of 0, which shifting pads with.
    ink = 1 - torch.from_numpy(images).float().unsqueeze(1) / 255
    pen = _pen(torch.from_numpy(strokes))
    held, test = drawers >= FIRST_VALIDATION_DRAWER, drawers >= FIRST_TEST_DRAWER
    parts = [
        ({"image": ink[part], "pen": pen[part]}, {task: label[part] for task, label in labels.items()})
        for part in (~held, held & ~test, test)
    ]
    problem = Problem.from_tensors(
        "omniglot",
        *parts,
        signature=Signature(
            {"image": Image(1, 28, 28), "pen": Sequence(64, 6)},
            {"alphabet": Classification(8), "character": Classification(242)},
        ),
        description="Drawn characters, 242 of 8 alphabets by 20 drawers, as image and pen (Omniglot)",
        copy=False,
    )
    return problem.only(inputs, tasks).drop(label_dropout, modality_dropout, dropout_seed)


def _pen(strokes: Tensor) -> Tensor:
    """Features of trajectories ``(N, L, 4)``: right in [0, 1], up in [-1, 0], time in [0, 1], lifted."""
    import torch

    places = strokes[..., :2] * 2 + torch.tensor([-1.0, 1.0])
    steps = torch.zeros_like(places)
    steps[:, 1:] = STEP_SCALE * places.diff(dim=1)
    return torch.cat([places, strokes[..., 2:], steps], dim=2)
