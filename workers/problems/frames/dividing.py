"""How the rows of a frame are divided: by class, in the order of time, or so that groups stay together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from search_spaces.errors import ProblemError, nearest
from workers.problems.splitting import stratified_parts

Places = NDArray[np.int64]


def divided_rows(
    where: str,
    frame: pd.DataFrame,
    shares: Mapping[str, float],
    classes: pd.Series[Any] | None,
    *,
    ordered_by: str | None,
    grouped_by: str | None,
    seed: int,
) -> dict[str, Places]:
    """Returns the places of the rows of each part that has a share, and of ``train``, which has the rest.

    Args:
        where: the problem in words, for messages.
        frame: the rows.
        shares: the shares of the parts that are held out.
        classes: what is to be in equal proportion in every part; None: nothing.
        ordered_by: the column by which rows are ordered: the last ones are the test rows, those before them
            the validation rows. Rows of equal value stay together.
        grouped_by: the column whose values are in one part each.
        seed: the seed of the division.

    Raises:
        ProblemError: there is no such column, some of its values are missing, or too little is left to train.
    """
    if not all(share > 0 for share in shares.values()) or not sum(shares.values()) < 1:
        raise ProblemError(
            f"{where}: expected shares above 0 that leave something to train on, got {dict(shares)}"
        )
    if ordered_by is not None and grouped_by is not None:
        raise ProblemError(f"{where}: expected ordered_by or grouped_by, got both; give frames for the parts")
    if ordered_by is not None:
        found = _by_order(where, _whole(where, frame, ordered_by, "ordered_by"), shares)
    elif grouped_by is not None:
        found = _by_group(_whole(where, frame, grouped_by, "grouped_by"), shares, seed)
    else:
        codes = np.zeros(len(frame)) if classes is None else pd.factorize(classes)[0]
        parts = stratified_parts(torch.as_tensor(codes, dtype=torch.int64), list(shares.values()), seed)
        names = [*shares, "train"]
        found = {name: part.numpy() for name, part in zip(names, parts, strict=False)}
    for name in (*shares, "train"):
        if not len(found.get(name, ())):
            raise ProblemError(
                f"{where}: expected rows enough to divide by {dict(shares)}, but none is left for {name} of "
                f"{len(frame)}"
            )
    return found


def _whole(where: str, frame: pd.DataFrame, name: str, what: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise ProblemError(
            f"{where}, {what}: there is no column {name!r}{nearest(name, list(map(str, frame.columns)))}"
        )
    values = frame[name]
    if bool(values.isna().any()):
        raise ProblemError(
            f"{where}, {what}: {int(values.isna().sum())} rows have no {name!r}; leave them out: "
            f"frame.dropna(subset=[{name!r}])"
        )
    return values


def _by_order(where: str, values: pd.Series[Any], shares: Mapping[str, float]) -> dict[str, Places]:
    """The last values go to the last part; equal ones stay together, with the earlier part."""
    try:
        order = values.to_numpy().argsort(kind="stable")
    except TypeError as error:
        raise ProblemError(f"{where}, ordered_by: {values.name!r} has no order: {error}") from None
    ranked = values.to_numpy()[order]
    found, end = {}, len(order)
    for name in [part for part in ("test", "validation") if part in shares]:
        begin = max(0, end - math.ceil(shares[name] * len(order)))
        while 0 < begin < end and ranked[begin] == ranked[begin - 1]:
            begin += 1
        found[name] = order[begin:end].astype(np.int64)
        end = begin
    return found | {"train": order[:end].astype(np.int64)}


def _by_group(values: pd.Series[Any], shares: Mapping[str, float], seed: int) -> dict[str, Places]:
    """Groups in a random order, each given to the part that lacks most of its share."""
    codes, names = pd.factorize(values)
    sizes = np.bincount(codes, minlength=len(names))
    wanted = {name: share * len(codes) for name, share in shares.items()}
    wanted["train"] = len(codes) - sum(wanted.values())
    own: dict[int, str] = {}
    for group in np.random.default_rng(seed).permutation(len(names)):
        part = max(
            wanted, key=lambda name: wanted[name] / max(1e-9, shares.get(name, 1 - sum(shares.values())))
        )
        own[int(group)] = part
        wanted[part] -= int(sizes[group])
    parts = np.array([own[int(code)] for code in codes], dtype=object)
    return {name: np.flatnonzero(parts == name).astype(np.int64) for name in (*shares, "train")}
