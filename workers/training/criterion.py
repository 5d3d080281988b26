"""From a network and a batch to what training minimises: the tasks' losses, and terms beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from search_spaces.blocks.graph import Encoding, Graph
from search_spaces.building.network import Network, answer_of
from search_spaces.signature import Signature, Task
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.alignment import ModalityAlignment
from workers.training.balancing import loss_balance
from workers.training.class_losses import class_losses
from workers.training.metrics import counted, task_loss
from workers.training.placement import send
from workers.training.sharing_terms import Separation, tie

Forward = Callable[[Split], Mapping[str, Tensor]]
"""Runs a network on a batch and returns its answers by task."""

Precision = Callable[[], AbstractContextManager[object]]
"""Makes a context in which a network computes, in some precision."""

TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one task, from answers and targets."""

Shares = Mapping[str, Float[Tensor, ""] | float]
"""By task, what the loss that a process has of its own rows counts for; see `shares`."""


class Losses(NamedTuple):
    """The losses of a batch.

    Attributes:
        total: what training minimises; None where the batch has neither a label nor another term.
        tasks: the tasks' own losses, where the batch has labels: the mean over what the task counts.
        auxiliary: the other terms together, as far as they are in ``total``; None: there is none.
    """

    total: Float[Tensor, ""] | None
    tasks: dict[str, Float[Tensor, ""]]
    auxiliary: Float[Tensor, ""] | None


class Criterion(nn.Module):
    """The tasks' losses, their balance and the terms beside them, with what these learn themselves.

    Its parameters are trained with the network's and are kept in checkpoints, but are no part of a network's
    weights. The terms are the tie of copies that are shared softly, the separation of private from shared
    features, and the alignment of modalities. Each is there where the recipe weighs it and the network has
    what it is about.

    Args:
        network: the network, on its device; the sizes of its features are found by a first input.
        signature: the signature that it serves.
        recipe: the recipe, which has the terms' weights.
        domains: the number of sources that the examples come from.
        weights: the weights of classes by task; see `workers.training.class_losses.class_weights`.

    Raises:
        RecipeError: the recipe has a static weight for a task that there is not.
    """

    def __init__(
        self,
        network: nn.Module,
        signature: Signature,
        recipe: Recipe,
        domains: int = 1,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.balance = loss_balance(recipe, signature.tasks)
        changed = class_losses(signature.tasks, recipe, weights or {})
        self._class_losses = nn.ModuleList(changed.values())  # a name of a task may be none of a module
        self.task_losses: dict[str, TaskLoss] = {
            name: changed.get(name, partial(task_loss, task)) for name, task in signature.tasks.items()
        }
        self.alignment: ModalityAlignment | None = None
        self.separation: Separation | None = None
        self._tie = 0.0
        self._embeddings: dict[str, str] = {}
        self._private: list[tuple[str, str]] = []
        if not isinstance(network, Network) or not isinstance(network.body, Graph):
            return
        body = network.body
        if body.ties:
            self._tie = recipe.tie
        if recipe.alignment != "none" and recipe.alignment_weight and len(body.embeddings) > 1:
            self._embeddings = body.embeddings
            sizes = _sizes(network, body, body.embeddings.values())
            by_modality = {name: sizes[call] for name, call in body.embeddings.items()}
            self.alignment = ModalityAlignment(recipe.alignment, by_modality, recipe.alignment_weight)
        if recipe.orthogonality and body.private:
            sizes = _sizes(network, body, (call for pair in body.private for call in pair))
            self._private = body.private
            self.separation = Separation(body.private, sizes, domains, recipe.orthogonality)

    @property
    def has_terms(self) -> bool:
        """Whether there is anything beside the tasks' losses."""
        return bool(self._tie) or self.alignment is not None or self.separation is not None

    def terms(self, network: Network, taps: Mapping[str, Tensor], batch: Split) -> Float[Tensor, ""] | None:
        """Returns the terms beside the tasks' losses, weighted and added; None where there is none.

        They are computed in full precision, whatever the network computes in.
        """
        terms: list[Tensor | None] = []
        if self._tie:
            body = network.body
            assert isinstance(body, Graph)
            held = tie([[body.parts[name] for name in group] for group in body.ties])
            terms.append(None if held is None else self._tie * held)
        if self.alignment is not None:
            embeddings = {name: _whole(taps[call]) for name, call in self._embeddings.items()}
            terms.append(self.alignment(embeddings, batch.present))
        if self.separation is not None:
            whole = {call: _whole(taps[call]) for pair in self._private for call in pair}
            terms.append(self.separation(whole, batch.domain))
        there = [term for term in terms if term is not None]
        return torch.stack(there).sum() if there else None


class TrainingLoss(nn.Module):
    """A network together with its criterion, as one module.

    Args:
        network: a `Network`; or any module that answers by task to inputs by name, or where there is one of
            each, a tensor to a tensor.
        criterion: the criterion made for the network.
        signature: the signature that the network serves.
        precision: the context in which the network computes.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        signature: Signature,
        precision: Precision = nullcontext,
    ) -> None:
        super().__init__()
        self.network, self.criterion = network, criterion
        self._tasks, self._precision = signature.tasks, precision
        self._forward = adapt(network, signature, precision)
        heads = network.heads if isinstance(network, Network) else ()
        units = network.target_standardisations if isinstance(network, Network) else ()
        # Looked up once: asking a module for its members takes as long as a small one's computing.
        self._heads = [
            (name, criterion.task_losses[name], head, getattr(head, "loss", None), unit)
            for name, head, unit in zip(signature.tasks, heads, units, strict=False)
        ]

    def trained(self) -> list[nn.Parameter]:
        """Returns the trained parameters but for those of the balance, which are numbers and no weights."""
        kept = {id(parameter) for parameter in self.criterion.balance.parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in kept]

    def forward(self, batch: Split, shares: Shares | None = None) -> Losses:
        """Returns the losses of a batch, each over the rows that are labelled.

        Args:
            batch: the examples; ``targets`` names the tasks that some of them have labels for. Its masks are
                on the CPU, where what follows from them is known without waiting for the device.
            shares: the shares of a process that has a part of the batch only (see `shares`): a task's loss is
                multiplied by its share, and is 0 where none of its rows are here. None: the batch is whole.
        """
        network, criterion = self.network, self.criterion
        auxiliary: Tensor | None = None
        made: Mapping[str, Tensor | tuple[Tensor, Tensor]]
        if isinstance(network, Network):
            with self._precision():
                encoding = network.encode(batch.inputs, batch.present)
                made, losses = encoding.features, self._of_features(encoding, batch)
            if criterion.has_terms:
                auxiliary = criterion.terms(network, encoding.taps, batch)
        else:
            answers = self._forward(batch)
            made, losses = answers, self._of_answers(answers, batch)
        if shares is not None:
            # Sums of nothing, so that the processes agree on what there is, and all take part.
            losses = {
                n: losses[n] * share if n in losses else _nothing(made[n]) for n, share in shares.items()
            }
            if auxiliary is None and (criterion.has_terms or not losses):
                auxiliary = _nothing(next(iter(made.values())))
        if not losses:
            return Losses(auxiliary, losses, auxiliary)
        total = criterion.balance(losses) if len(self._tasks) > 1 else losses[next(iter(losses))]
        return Losses(total if auxiliary is None else total + auxiliary, losses, auxiliary)

    def _of_features(self, encoding: Encoding, batch: Split) -> dict[str, Float[Tensor, ""]]:
        losses = {}
        for name, loss, head, own, unit in self._heads:
            rows, target = _asked(name, batch)
            if target is None:
                continue  # its head is not run, so that nothing moves it
            target = unit(target)
            features, mask = encoding.features[name], encoding.masks[name]
            if rows is not None:
                if isinstance(features, tuple):
                    features = features[0].index_select(0, rows), features[1].index_select(0, rows)
                else:
                    features = features.index_select(0, rows)
                mask = None if mask is None else mask.index_select(0, rows)
            if own is not None:
                losses[name] = own(features, target, mask=mask)
            else:
                losses[name] = loss(answer_of(head, features, mask).float(), target)
        return losses

    def _of_answers(self, answers: Mapping[str, Tensor], batch: Split) -> dict[str, Float[Tensor, ""]]:
        losses = {}
        for name, loss in self.criterion.task_losses.items():
            rows, target = _asked(name, batch)
            if target is not None:
                answer = answers[name] if rows is None else answers[name].index_select(0, rows)
                losses[name] = loss(answer, target)
        return losses


def adapt(network: nn.Module, signature: Signature, precision: Precision = nullcontext) -> Forward:
    """Returns a function that runs a network on a batch and returns its answers by task.

    One input and one task go without names, so that any plain module will do. A module that is no `Network`
    is not told what is missing, it gets zeros there.

    Args:
        network: the network, or any module.
        signature: the signature that it serves.
        precision: the context in which it computes; the answers are of full precision all the same.
    """

    def ask(batch: Split) -> Mapping[str, Tensor]:
        answers: Mapping[str, Tensor]
        if isinstance(network, Network):
            answers = network(batch.inputs, batch.present)
        elif len(signature.inputs) == 1 and len(signature.tasks) == 1:
            (source,), (task,) = signature.inputs, signature.tasks
            answers = {task: network(batch.inputs[source])}
        else:
            answers = network(batch.inputs)
        return answers

    if precision is nullcontext:
        return ask

    def cast(batch: Split) -> Mapping[str, Tensor]:
        with precision():
            answers = ask(batch)
        return {name: answer.float() for name, answer in answers.items()}

    return cast


def _asked(
    name: str, batch: Split
) -> tuple[Int64[Tensor, " rows"] | None, Shaped[Tensor, "rows ..."] | None]:
    """Returns the rows with a label for a task (None: all) and their targets (None: there is no such row)."""
    target, labelled = batch.targets.get(name), batch.labelled.get(name)
    if target is None or labelled is None:
        return None, target
    rows = labelled.nonzero().squeeze(1)
    if not len(rows):
        return None, None
    rows = send(rows, target.device)
    return rows, target.index_select(0, rows)


def shares(
    tasks: Mapping[str, Task], batch: Split, own: slice, processes: int = 1
) -> dict[str, Float[Tensor, ""] | float]:
    """Returns what the losses of one process count for, so that the mean over all is that of the whole batch.

    Args:
        tasks: the tasks by name.
        batch: the whole batch.
        own: the examples of this process.
        processes: the number of processes that divide the batch.

    Returns:
        The shares by task, where the whole batch has rows: the number of processes times the part of what the
        task counts that is here.
    """
    found: dict[str, Float[Tensor, ""] | float] = {}
    for name, task in tasks.items():
        if name not in batch.targets:
            continue
        target, rows = batch.targets[name], batch.labelled.get(name)
        if rows is None:
            found[name] = processes * counted(task, target[own]) / counted(task, target)
        elif bool(rows.any()):
            everywhere, mine = (
                part[0].index_select(0, send(part[1].nonzero().squeeze(1), target.device))
                for part in ((target, rows), (target[own], rows[own]))
            )
            found[name] = processes * counted(task, mine) / counted(task, everywhere) if len(mine) else 0.0
    return found


def _nothing(made: Tensor | tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    """Returns 0 as a function of what a network made."""
    return (made.sum() if isinstance(made, Tensor) else made[0].sum() + made[1].sum()) * 0


def _whole(tensor: Tensor) -> Tensor:
    """Returns a tensor in full precision: what autocast has halved as float32."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _sizes(network: Network, body: Graph, calls: Iterable[str]) -> dict[str, int]:
    """Returns the sizes of the vectors that calls make; found by a first input where there was none yet."""
    wanted = set(calls)
    if not wanted <= body.shapes.keys():
        training, device = network.training, str(next(network.parameters()).device)
        with torch.no_grad():
            network.eval().encode(network.signature.example(2, device))
        network.train(training)
    return {call: body.shapes[call][0] for call in wanted}
