"""Lineages of networks, each trained from nothing and from the one before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.curves.problems import problem_of, space_of
from benchmarks.trial_seconds import cpu_clock
from controllers.moves import Moves
from search_spaces import Architecture, Space
from workers.job import Finished, Job, Parent, Reported
from workers.problems.problem import Problem
from workers.trial import trial

CHILDREN = 3
"""Networks of a lineage after its first."""

LARGEST = 4.0
"""Networks that do more than so many times the multiply-adds of the plain one are passed over."""

DEPTHS = ("times", "depth", "layers", "cells")
WIDTHS = ("out_features", "out_channels", "embedding_dim", "mlp_ratio")
KERNELS = ("kernel_size", "dilation")


def kind_of(parent: Architecture, child: Architecture) -> tuple[str, str]:
    """What a mutation did: deeper, wider, smaller, another kernel, another recipe, other; and the path."""
    both = [path for path in parent.decisions if path in child.decisions]
    moved = [path for path in both if parent.decisions[path] != child.decisions[path]]
    path = moved[0] if moved else ""
    name, before, after = path.rsplit(".", 1)[-1], parent.decisions[path], child.decisions[path]
    if path.startswith("recipe"):
        return "recipe", path
    if name in KERNELS:
        return "kernel", path
    if name in DEPTHS + WIDTHS and isinstance(before, int | float) and isinstance(after, int | float):
        return "smaller" if after < before else "deeper" if name in DEPTHS else "wider", path
    return "other", path


def trained(job: Job, problem: Problem) -> tuple[list[float], float, Finished | None]:
    """The validation scores after each epoch, the CPU seconds, and the end; no scores where it failed."""
    metric, _ = problem.objective
    scores, end = [], None
    with cpu_clock():
        for event in trial.run(job, problem):
            if isinstance(event, Reported):
                scores.append(event.report.metrics[metric])
            elif isinstance(event, Finished):
                end = event
    return (scores, end.seconds, end) if end is not None else ([], 0.0, None)


def first_of(space: Space, problem: Problem, rng: random.Random) -> Architecture:
    """The first network of a lineage: every other one a few mutations from the plain one, else any."""
    moves, architecture = Moves(space), space.plain()
    if rng.random() < 0.5:
        return space.sample(rng)
    for _ in range(rng.randint(0, 3)):
        architecture = moves.mutate(architecture, rng)
    return architecture


def lineage(name: str, seed: int, epochs: int, children: int = CHILDREN) -> Iterator[dict[str, Any]]:
    """Yields the rows of a lineage, one for each child; it ends where a training fails.

    Args:
        name: the problem.
        seed: which lineage.
        epochs: the epochs of each training.
        children: the number of children, each of the one before.
    """
    problem = problem_of(name, None)
    space, rng = space_of(name, problem.signature), random.Random(seed)
    most = LARGEST * space.plain().cost(problem.signature).num_macs
    moves = Moves(space)

    def fits(one: Architecture) -> bool:
        return one.cost(problem.signature).num_macs <= most

    parent = first_of(space, problem, rng)
    while not fits(parent):
        parent = first_of(space, problem, rng)
    scores, _, end = trained(Job(0, parent, seed=seed, epochs=epochs), problem)
    for generation in range(1, children + 1):
        if end is None:
            return
        child = moves.mutate(parent, rng)
        while child.id == parent.id or not fits(child):
            child = moves.mutate(parent, rng)
        kind, path = kind_of(parent, child)
        job = Job(generation, child, seed=1000 * seed + generation, epochs=epochs)
        alone, alone_seconds, _ = trained(job, problem)
        inherits = replace(job, parent=Parent(parent, end.weights.read()))
        after, seconds, end = trained(inherits, problem)
        yield {
            "what": "pair",
            "problem": name,
            "lineage": seed,
            "generation": generation,
            "kind": kind,
            "path": path,
            "parent": scores[-1],
            "nothing": alone,
            "inherits": after,
            "nothing_seconds": alone_seconds,
            "inherits_seconds": seconds,
            "share": None if end is None else end.costs["inherited_share"],
            "num_params": None if end is None else end.costs["num_params"],
        }
        parent, scores = child, after
