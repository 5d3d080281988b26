"""Feeding a network: examples in random order, gathered a piece at a time, batches as slices of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Generator, Tensor

from search_spaces.signature import Image, Sequence, Signature
from workers.problems.split import Split
from workers.recipe import Sampling
from workers.training.augmentation import augment
from workers.training.placement import Lane, send
from workers.training.sampling import Sampler

PIECE_BYTES = {"cpu": 2**20, "cuda": 2**26}
"""Gathered at once. On a CPU a piece stays in the cache until it is used; a GPU likes few, large calls."""


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches in an epoch. A last batch of one is left out: batch normalisation cannot learn from it."""
    whole, rest = divmod(examples, batch_size)
    return whole + (rest > 1) if whole else 1


def in_order(split: Split, size: int, device: torch.device) -> Iterator[Split]:
    """Yields the examples of a split in their order, as batches on a device; masks are on the CPU.

    Args:
        split: the examples, on any device.
        size: the examples in each batch but the last.
        device: the device of the batches.
    """
    bare, present, labelled = _unmasked(split)
    for start in range(0, len(split), size):
        part = slice(start, start + size)
        yield replace(
            bare.take(part).map(lambda tensor: send(tensor, device)),
            present={name: mask[part] for name, mask in present.items()},
            labelled={name: mask[part] for name, mask in labelled.items()},
        )


class Feed:
    """The batches of a training, epoch by epoch.

    What a `DataLoader` does for each example (index, collate) is done here by one gather for each piece; a
    batch is a view of it. So is augmentation, for all examples of a piece together.

    A batch is a `Split` that says what is known of it without asking the device: ``targets`` leaves out a
    task that none of its examples has a label for; ``labelled`` and ``present`` leave out what all have, and
    their masks are on the CPU, wherever the rest is.

    Examples that lie on another device than networks train on are sent there a piece ahead of its use.

    Args:
        split: the examples, on any device.
        signature: says which inputs are images and series.
        batch_size: the examples in each batch but a domain's last.
        augmentation: the kind of augmentation; see `workers.training.augmentation.augment`.
        channels_last: whether to lay images out as convolutions like them best.
        device: the device of the batches; None: that of the examples.
        sampling: how the domains are drawn, where there are several. ``mixed``: all examples once, shuffled
            together. Otherwise each batch is of one domain, and a domain that runs out starts over,
            reshuffled; see `workers.training.sampling.Sampler`.
        grounds: what augmentation takes for nothing by input, where that is not 0; to be broadcast against
            the examples.

    Attributes:
        steps: the batches in each epoch: as many as the domains have by themselves, whatever the sampling.

    Example:
        >>> feed = Feed(problem.train, problem.signature, batch_size=32)
        >>> for batch in feed.epoch(1, torch.Generator().manual_seed(0)):
        ...     feed.told(loss_of(batch).detach())
    """

    def __init__(
        self,
        split: Split,
        signature: Signature,
        *,
        batch_size: int,
        augmentation: str = "off",
        channels_last: bool = False,
        sampling: Sampling = "mixed",
        device: torch.device | None = None,
        grounds: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._device = split.device if device is None else device
        self._split, self._present, self._labelled = _unmasked(split)
        self._lane = (
            Lane(self._device) if split.device.type == "cpu" and self._device.type == "cuda" else None
        )
        self._changed = {
            name: isinstance(kind, Sequence) and kind.padded
            for name, kind in signature.inputs.items()
            if isinstance(kind, Image | Sequence)
        }
        self._grounds = {name: ground.to(self._device) for name, ground in (grounds or {}).items()}
        self._batch_size, self._augmentation = batch_size, augmentation
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        per_example = sum(t[0].nbytes for t in (*split.inputs.values(), *split.targets.values()))
        piece_bytes = PIECE_BYTES.get(self._device.type, PIECE_BYTES["cuda"])
        self._piece = max(1, piece_bytes // max(1, per_example * batch_size))
        domain = torch.zeros(len(split), dtype=torch.int64) if split.domain is None else split.domain.cpu()
        self._members = [(domain == number).nonzero().squeeze(1) for number in range(split.num_domains)]
        steps = [steps_per_epoch(len(members), batch_size) for members in self._members]
        self.steps = sum(steps)
        self._domain = 0  # of the batch that was yielded last
        self._sampler = Sampler(sampling, steps) if sampling != "mixed" and len(steps) > 1 else None

    def epoch(self, number: int, generator: Generator) -> Iterator[Split]:
        """Yields the batches of one epoch.

        Args:
            number: the number of the epoch, from 1.
            generator: the generator of order, augmentation and sampling, on the CPU.
        """
        if self._sampler is None:
            order = torch.randperm(len(self._split), generator=generator)
            yield from self._batches(order, self._mixed_sizes(), generator)
            return
        streams = [self._stream(members, generator) for members in self._members]
        for domain in self._sampler.epoch(number, generator):
            self._domain = domain
            yield next(streams[domain])

    def told(self, loss: Tensor | float) -> None:
        """Takes the training loss of the batch yielded last; it is the same in all processes of a trial."""
        if self._sampler is not None:
            self._sampler.told(self._domain, loss)

    def state(self) -> dict[str, Tensor]:
        """What it keeps from epoch to epoch, by name; to be copied into where a training goes on."""
        return {} if self._sampler is None else self._sampler.state()

    def _mixed_sizes(self) -> list[int]:
        """Sizes of the batches of all domains together."""
        count = len(self._split)
        if len(self._members) == 1:
            return _sizes(count, self._batch_size)
        # The domains' own last batches make more steps than one after the other would: as even as can be.
        size, larger = divmod(count, self.steps)
        return [size + 1] * larger + [size] * (self.steps - larger)

    def _stream(self, members: Tensor, generator: Generator) -> Iterator[Split]:
        """The batches of a domain, reshuffled each time that it is through."""
        while True:
            order = members[torch.randperm(len(members), generator=generator)]
            yield from self._batches(order, _sizes(len(members), self._batch_size), generator)

    def _batches(self, order: Tensor, sizes: list[int], generator: Generator) -> Iterator[Split]:
        """Batches of these sizes of the examples in this order."""
        for indices, ends, gathered in self._pieces(order, sizes):
            self._change(gathered, generator)
            has_label, has_input = (
                {name: mask[indices] for name, mask in masks.items()}
                for masks in (self._labelled, self._present)
            )
            for begin, end in itertools.pairwise(ends):
                batch = gathered.take(slice(begin, end))
                for name, mask in has_label.items():
                    if not mask[begin:end].any():
                        del batch.targets[name]
                    elif not mask[begin:end].all():
                        batch.labelled[name] = mask[begin:end]
                for name, mask in has_input.items():
                    if not mask[begin:end].all():
                        batch.present[name] = mask[begin:end]
                yield batch

    def _pieces(self, order: Tensor, sizes: list[int]) -> Iterator[tuple[Tensor, list[int], Split]]:
        """The pieces of an epoch: their examples' indices, where their batches end, and the examples."""
        start, waiting = 0, None
        for first in range(0, len(sizes), self._piece):
            ends = list(itertools.accumulate(sizes[first : first + self._piece], initial=0))
            indices = order[start : start + ends[-1]]
            start += ends[-1]
            if self._lane is None:
                yield indices, ends, self._split.select(send(indices, self._split.device)).to(self._device)
                continue
            sent = self._lane.send(self._split.select(indices))
            if waiting is not None:
                yield *waiting[:2], self._lane.take(*waiting[2])
            waiting = indices, ends, sent
        if self._lane is not None and waiting is not None:
            yield *waiting[:2], self._lane.take(*waiting[2])

    def _change(self, gathered: Split, generator: Generator) -> None:
        """Augments a piece and lays it out, in place."""
        for name, padded in self._changed.items():
            # What is missing is zeros, which augmentation only moves and adds to.
            values, ground = gathered.inputs[name], self._grounds.get(name)
            if ground is None:
                values = augment(values, self._augmentation, generator, padded)
            else:
                values = augment(values - ground, self._augmentation, generator, padded) + ground
            layout = self._layout if values.dim() == 4 else torch.contiguous_format
            gathered.inputs[name] = values.contiguous(memory_format=layout)


def _unmasked(split: Split) -> tuple[Split, dict[str, Tensor], dict[str, Tensor]]:
    """A split without its masks; and these, of inputs and of targets, on the CPU: what a batch has is known
    there without waiting."""
    present, labelled = (
        {name: mask.cpu() for name, mask in masks.items()} for masks in (split.present, split.labelled)
    )
    return Split(split.inputs, split.targets, domain=split.domain), present, labelled


def _sizes(examples: int, batch_size: int) -> list[int]:
    """Sizes of the batches of one domain."""
    return [
        min(batch_size, examples - step * batch_size) for step in range(steps_per_epoch(examples, batch_size))
    ]
