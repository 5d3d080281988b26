"""What every `workers.Problem` must keep, as a test class."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from search_spaces import Signature, Space
from search_spaces.catalog import catalog as spaces
from search_spaces.catalog import model_for
from workers.job import Finished, Job, Reported
from workers.problems.checks import check_split
from workers.problems.measures import direction
from workers.problems.problem import PARTS, Problem
from workers.problems.split import Split
from workers.remote.runners import pack, unpack
from workers.trial import trial


def tensors(problem: Problem) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a problem, with where it is."""
    for part, split in problem.splits.items():
        for kind in ("inputs", "targets", "present", "labelled"):
            for name, tensor in sorted(getattr(split, kind).items()):
                yield f"{part}.{kind}[{name!r}]", tensor
        if split.domain is not None:
            yield f"{part}.domain", split.domain


def assert_same(first: Problem, second: Problem) -> None:
    """Asserts that two problems have the same name, signature, options and data."""
    assert (second.name, second.signature) == (first.name, first.signature)
    assert second.options == first.options
    ours, theirs = dict(tensors(first)), dict(tensors(second))
    assert theirs.keys() == ours.keys()
    for where, tensor in ours.items():
        assert torch.equal(tensor, theirs[where]), where


class ProblemContract:
    """What every problem must keep; a dozen tests, one of which trains a network for an epoch.

    A subclass whose name begins with ``Test`` defines the fixture ``load``, of scope ``class`` or wider: the
    function that loads the problem, whose options it takes as arguments.

    Attributes:
        max_overlap: the share of the examples of a split that may look like examples of another one. Above 0
            only where examples that differ may look alike, such as sentences whose words are unknown.
        examples: the number of examples of each split with which the network is trained and tested; None: all
            of them, where labels are so rare that few examples may have none.

    Example:
        >>> class TestWine(ProblemContract):
        ...     @pytest.fixture(scope="class")
        ...     @classmethod
        ...     def load(cls):
        ...         return wine
    """

    max_overlap: float = 0.0
    examples: int | None = 256

    @pytest.fixture(scope="class")
    @classmethod
    def problem(cls, load: Callable[..., Problem]) -> Problem:
        return load()

    def test_it_says_what_it_is(self, problem: Problem) -> None:
        assert problem.name.strip() == problem.name != ""
        assert problem.description.strip(), "one sentence for the reports"
        assert "\n" not in problem.description

    def test_its_objective_is_one_of_its_metrics(self, problem: Problem) -> None:
        metric, wanted = problem.objective
        assert metric in problem.metrics
        assert wanted == direction(metric)

    @pytest.mark.parametrize("part", PARTS)
    def test_every_split_has_examples_that_fit_the_signature(self, problem: Problem, part: str) -> None:
        split = _split(problem, part)
        assert len(split) > 0
        check_split(part, split, problem.signature)

    @pytest.mark.parametrize(
        ("part", "other"), [("validation", "train"), ("test", "train"), ("test", "validation")]
    )
    def test_no_example_is_in_two_splits(self, problem: Problem, part: str, other: str) -> None:
        ours, theirs = _examples(_split(problem, part)), _examples(_split(problem, other))
        shared = len(ours & theirs)
        assert shared <= self.max_overlap * len(ours), f"{shared} examples of {part} are in {other}, too"

    def test_it_is_the_same_each_time_that_it_is_loaded(
        self, load: Callable[..., Problem], problem: Problem
    ) -> None:
        assert_same(problem, load())

    def test_its_options_survive_json_and_load_it_again(
        self, load: Callable[..., Problem], problem: Problem
    ) -> None:
        kept = json.loads(json.dumps(problem.options))
        assert kept == problem.options
        assert_same(problem, load(**kept))

    def test_it_reaches_a_worker_whole(self, problem: Problem) -> None:
        assert_same(problem, unpack(pickle.loads(pickle.dumps(pack(problem)))))

    def test_a_network_trains_on_it_for_an_epoch_with_finite_metrics(self, problem: Problem) -> None:
        part = problem if self.examples is None else _fewer(problem, self.examples)
        network = Space({"model": _model(problem.signature)}).plain()
        *reports, finished = trial.run(Job(0, network, seed=0, epochs=1), part)
        assert isinstance(finished, Finished), finished
        assert [event.report.epoch for event in reports if isinstance(event, Reported)] == [1]
        tested = [] if problem.test is None else [finished.test_metrics]
        for measured in (finished.metrics, *tested):
            assert set(measured) == set(problem.metrics)
            assert all(math.isfinite(value) for value in measured.values()), measured


def _model(signature: Signature) -> Space:
    """A space of the catalog that fits a signature."""
    make = spaces[model_for(signature)]
    return make(signature=signature) if "signature" in inspect.signature(make).parameters else make()


def _split(problem: Problem, part: str) -> Split:
    """A part of a problem; that there are no test examples is skipped."""
    if part not in problem.splits:
        pytest.skip(f"it has no {part} examples")
    return problem.splits[part]


def _examples(split: Split) -> set[bytes]:
    """The inputs of each example."""
    inputs = [tensor.cpu().flatten(1).numpy() for tensor in split.inputs.values()]
    return {b"".join(rows[index].tobytes() for rows in inputs) for index in range(len(split))}


def _fewer(problem: Problem, count: int) -> Problem:
    """The same problem with no more than so many examples in each split, drawn at random."""
    splits: dict[str, Any] = {}
    for part, split in problem.splits.items():
        chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:count]
        splits[part] = split.select(chosen)
    return dataclasses.replace(problem, **splits)
