"""Ensembles: the best networks of a search answer together, those that do well together chosen greedily.

Caruana et al., Ensemble Selection from Libraries of Models, 2004: forward selection with replacement on the
validation split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.reuse.found import Found
from nas.reuse.load import found_of, kept_trials
from nas.reuse.predict import answers_to, predictions
from nas.reuse.rebuild import other_code, problem_of, rebuilt, space_of
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Count, checked
from search_spaces.errors import ProblemError, SearchError, StoreError
from search_spaces.signature import (
    DenseMap,
    Generation,
    MultiLabel,
    Ordinal,
    Retrieval,
    Signature,
    Task,
)
from workers.problems.checks import check_input
from workers.problems.measures import direction
from workers.training.metrics import Evaluation, evaluate
from workers.training.standardisation import target_scales

if TYPE_CHECKING:
    from workers.problems import Problem
    from workers.problems.split import Split

ROUNDS = 20
"""The most members of an ensemble, repetitions counted."""

_BATCH = 256
"""The number of examples that a network answers at once."""


class AveragedNetworks(nn.Module):
    """Networks for one signature that answer together.

    For classes, tags and discrete maps the answer is the logarithm of their mean probabilities, for several
    labels and classes with an order the logit of these, for numbers their mean. For retrieval it is their
    embeddings side by side, so that two items are as alike as they are in the mean.

    Args:
        networks: the networks, none of which has a task of generation.
        counts: how often each counts.
        signature: the signature that they all serve.
    """

    def __init__(self, networks: Sequence[nn.Module], counts: Sequence[int], signature: Signature) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.counts, self.signature = tuple(counts), signature

    def forward(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Any:
        """Answers as a `Network`: from inputs by name to answers by task, or from one tensor to one."""
        given = {next(iter(self.signature.inputs)): inputs} if isinstance(inputs, Tensor) else inputs
        answers = [network(given, present) for network in self.networks]
        joined = {
            name: averaged(task, [plain(task, answer[name]) for answer in answers], self.counts)
            for name, task in self.signature.tasks.items()
        }
        return next(iter(joined.values())) if isinstance(inputs, Tensor) and len(joined) == 1 else joined


def plain(task: Task, answer: Tensor) -> Tensor:
    """Returns an answer in the form in which it is averaged: probabilities, or numbers as they are."""
    if task.numeric or isinstance(task, Retrieval):
        return answer
    if isinstance(task, MultiLabel | Ordinal):
        return answer.sigmoid()
    return answer.softmax(1 if isinstance(task, DenseMap) else -1)


def averaged(task: Task, answers: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """Returns the answer of several networks together; see `AveragedNetworks`.

    Args:
        task: the task that is answered.
        answers: the answer of each network as `plain` returns it, each ``(N, ...)``.
        counts: how often each counts; 0: not at all.
    """
    weighed = [(answer, count / sum(counts)) for answer, count in zip(answers, counts, strict=True) if count]
    if isinstance(task, Retrieval):
        return torch.cat([answer * weight**0.5 for answer, weight in weighed], 2)
    whole = torch.zeros_like(answers[0])
    for answer, weight in weighed:
        whole += answer * weight
    if isinstance(task, MultiLabel | Ordinal):
        return whole.logit(torch.finfo(whole.dtype).eps)
    return whole if task.numeric else whole.clamp(min=torch.finfo(whole.dtype).tiny).log()


@checked(SearchError, elsewhere=("metrics", "test_metrics"))  # which may be NaN
@dataclass(frozen=True)
class Ensemble:
    """Networks of a search that answer together. Call it as a network: ``ensemble(inputs)``.

    Attributes:
        members: the networks, each once.
        counts: how often each was chosen; its weight is its share of them.
        metric: the metric of the validation split that the members were chosen by.
        metrics, test_metrics: the metrics of the ensemble, by name.
        best: the one network that is best by the same metric.
        network: the members as one module, in evaluation mode.
    """

    members: tuple[Found, ...]
    counts: tuple[int, ...]
    metric: str
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    best: Found
    network: AveragedNetworks = field(repr=False, compare=False)

    @checked(SearchError)
    def __call__(self, inputs: Tensor | Mapping[str, Tensor]) -> Any:
        """Returns their answer together, without gradients; see `AveragedNetworks`.

        Raises:
            SearchError: there are no such inputs, or some are missing.
            ProblemError: an input has not the shape, the dtype or the range of its kind.
        """
        kinds = self.network.signature.inputs
        given = {next(iter(kinds)): inputs} if isinstance(inputs, Tensor) else inputs
        if given.keys() != kinds.keys():
            raise SearchError(f"inputs: expected {', '.join(kinds)}, got {', '.join(given) or 'none'}")
        for name, kind in kinds.items():
            check_input(f"ensemble, input {name!r}", given[name], kind)
        with torch.inference_mode():
            return self.network(inputs)

    @checked(ProblemError)
    def predict(
        self,
        inputs: Any,
        *,
        tasks: Sequence[str] | None = None,
        batch_size: Count = _BATCH,
        device: torch.device | str | None = None,
    ) -> Any:
        """Returns their answer together in the words of the data; see `nas.reuse.found.Found.predict`.

        The networks stay on the ``device``; None: where they are.
        """
        return predictions(
            self.network,
            self.network.signature,
            inputs,
            tasks=tasks,
            batch_size=batch_size,
            device=device,
            preprocessing=self.members[0].preprocessing,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Returns the rows to show: the ensemble, then each member with its share and its own metrics."""
        total = sum(self.counts)
        shown = [("ensemble", 1.0, self.metrics, self.test_metrics)]
        shown += [
            (one.architecture.id, count / total, one.metrics, one.test_metrics)
            for one, count in zip(self.members, self.counts, strict=True)
        ]
        return [
            {
                "id": id,
                "share": share,
                **{name: metrics.get(name) for name in self.metrics},
                **{f"test_{name}": test.get(name) for name in self.test_metrics},
            }
            for id, share, metrics, test in shown
        ]


@checked(SearchError)
def ensemble(
    store: Store | str | Path = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    top: Count = 10,
    metric: str | None = None,
    rounds: Count = ROUNDS,
    problem: Problem | None = None,
    space: Any = None,
) -> Ensemble:
    """Chooses among the best networks of a search those that do best together.

    Beginning with the best one, the network is added, as often as that helps, with which the validation
    metric of all together is best; it ends after the round where it was best. The test split plays no part
    in that. Networks whose weights were not kept are left out.

    Args:
        store: the store that keeps the search.
        search: the name or number of the search; left out: the latest.
        top: how many of its best networks are chosen from.
        metric: the metric to choose by; left out: the search's first objective if it is a metric of answers,
            or else the problem's own.
        rounds: the most members, repetitions counted.
        problem: the search's problem, where it is not one of the catalog.
        space: the search's space, where it holds modules of your own.

    Raises:
        StoreError, UnknownNameError: there is no such store or search, or no weights were kept.
        SearchError: an argument is not what it should be; the problem or the space is needed, or is another
            one's; a metric that there is not; a task of generation, whose answers have no average.
    """
    with open_store(store) as opened:
        record = opened.search(search)
        description = record.description
        for task, kind in description.signature.tasks.items():
            if isinstance(kind, Generation):
                raise SearchError(f"task {task!r}: texts that several networks write have no average")
        trials = kept_trials(opened, record.id)[:top]
        if not trials:
            raise StoreError(
                f"search {record.name!r}: no weights were kept; a search keeps those of its best networks "
                "(keep_weights=)"
            )
        space = space_of(record, space)
        changed = other_code(record, space)
        found = [
            found_of(record, trial, rebuilt(space, trial), opened.weights(record.id, trial.number), changed)
            for trial in trials
        ]
    data = problem_of(description, record.name, problem)
    if metric is None:
        first = description.objectives[0].metric
        metric = first if first in data.metrics else data.objective[0]
    elif metric not in data.metrics:
        raise SearchError(f"metric: expected one of {', '.join(data.metrics)}, got {metric!r}")
    return _selected(found, data, metric, rounds)


def _selected(found: Sequence[Found], data: Problem, metric: str, rounds: int) -> Ensemble:
    """Chooses some of these networks, and returns them as an ensemble."""
    tasks, validation = data.signature.tasks, data.validation
    networks = [one.build() for one in found]
    answers = [_answers(network, validation, tasks) for network in networks]
    scales = target_scales(networks[0])  # of all: they were trained on the same data

    def score(counts: Sequence[int]) -> tuple[float, float]:
        """Returns the metric, then the loss for what is equal on a small split; more is better."""
        scores = Evaluation(tasks, validation.device, scales)
        scores.add(
            {name: averaged(task, [one[name] for one in answers], counts) for name, task in tasks.items()},
            validation,
        )
        values = scores.result()
        value = values[metric]
        return (value if direction(metric) == "maximize" else -value), -values["loss"]

    counts, begun = [0] * len(found), 0
    best: tuple[tuple[float, float], list[int]] | None = None
    for _ in range(rounds):
        candidates = [[n + (i == added) for i, n in enumerate(counts)] for added in range(len(found))]
        scored = [score(candidate) for candidate in candidates]
        added = scored.index(max(scored))
        counts = candidates[added]
        if best is None:
            begun = added
        if best is None or scored[added] > best[0]:
            best = scored[added], counts
    assert best is not None
    places = [place for place, count in enumerate(best[1]) if count]
    members, shares = [found[place] for place in places], [best[1][place] for place in places]
    network = AveragedNetworks([networks[place] for place in places], shares, data.signature).eval()
    metrics, test_metrics = (
        evaluate(lambda batch: network(batch.inputs, batch.present), network, split, tasks, scales=scales)
        for split in (validation, data.test)
    )
    return Ensemble(tuple(members), tuple(shares), metric, metrics, test_metrics, found[begun], network)


def _answers(network: nn.Module, split: Split, tasks: Mapping[str, Task]) -> dict[str, Tensor]:
    """Returns what a network answers to a split, in the form in which that is averaged."""
    raw = answers_to(split, network, tasks, _BATCH)
    return {name: plain(tasks[name], answer) for name, answer in raw.items()}
