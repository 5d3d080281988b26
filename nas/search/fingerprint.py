"""What tells the data of one problem from that of another."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from workers.tabular import Table

if TYPE_CHECKING:
    from workers.problems import Problem

_ROWS = 64
"""The number of rows of each tensor, or of answers of a table, that are looked at."""


def fingerprint(problem: Problem | Table) -> str:
    """Returns 16 hex digits that tell the data of a problem from others.

    They depend on the shapes and on some rows of each tensor; of a table, on some of its answers. Masks and
    domains count whole: what is dropped from the same examples makes another problem.
    """
    digest = hashlib.sha256()
    if isinstance(problem, Table):
        for number in range(_ROWS):
            answer = problem.answer(problem.space.sample(random.Random(number)))
            digest.update(repr(answer and (dict(answer.metrics), answer.seconds)).encode())
        return digest.hexdigest()[:16]
    for part in (problem.train, problem.validation, problem.test):
        for name, tensor in (*part.inputs.items(), *part.targets.items()):
            rows = tensor[:: max(1, len(tensor) // _ROWS)][:_ROWS].cpu().contiguous().numpy()
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(rows.tobytes())
        for what, masks in (("present", part.present), ("labelled", part.labelled)):
            for name, mask in masks.items():
                digest.update(f"{what} {name}".encode() + mask.cpu().numpy().tobytes())
        if part.domain is not None:
            digest.update(b"domain" + part.domain.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
