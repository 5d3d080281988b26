"""Leaving out modalities at random while training, so that a network learns to do without each."""

import torch
from torch import Generator

from search_spaces.signature import Signature
from workers.problems.missing import needed
from workers.problems.split import Split
from workers.training.placement import send


def drop_modalities(batch: Split, signature: Signature, share: float, generator: Generator) -> Split:
    """Returns the batch with some of what its examples have left out: zeros, and no longer present.

    Neverova et al., ModDrop: Adaptive Multi-modal Gesture Recognition, TPAMI 2016. Each example keeps at
    least one of the modalities that it has; what it loses takes the labels of tasks along that need it.

    Args:
        batch: the batch as it is fed, with its masks on the CPU.
        signature: the signature, which says what inputs each task needs.
        share: the share of the modalities that are left out, on average (but for those that have to stay).
        generator: the generator of what is left out, on the CPU.
    """
    if not share or len(batch.inputs) == 1:
        return batch
    everywhere = torch.ones(len(batch), dtype=torch.bool)
    there = torch.stack([batch.present.get(name, everywhere) for name in batch.inputs], 1)
    drawn = torch.rand(there.shape, generator=generator)
    # What has drawn most stays in any case, of what is there.
    most = drawn.masked_fill(~there, -1).amax(1, keepdim=True)
    kept = dict(zip(batch.inputs, (there & ((drawn >= share) | (drawn == most))).unbind(1), strict=True))
    inputs = {
        name: tensor.masked_fill(send(~kept[name], tensor.device).view(-1, *[1] * (tensor.dim() - 1)), 0)
        for name, tensor in batch.inputs.items()
    }
    labelled = dict(batch.labelled)
    for task in batch.targets:
        for name in needed(signature, task):
            labelled[task] = labelled[task] & kept[name] if task in labelled else kept[name]
    return Split(inputs, batch.targets, kept, labelled, batch.domain)
