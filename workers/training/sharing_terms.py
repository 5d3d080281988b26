"""Terms of the loss for how tasks share: copies of a stage are tied, private features are kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.training.adversary import Discriminator


def tie(groups: Sequence[Sequence[nn.Module]]) -> Tensor | None:
    """Returns the term of soft sharing: the summed squared distances of copies' parameters to their mean.

    Duong et al., Low Resource Dependency Parsing: Cross-lingual Parameter Sharing in a Neural Network Parser,
    ACL 2015 (an L2 penalty between the parameters of two networks), for any number of copies.

    Args:
        groups: groups of modules that are copies of each other. Parameters whose shapes differ are left out.

    Returns:
        A scalar; None where there is no parameter.
    """
    distances = []
    for copies in groups:
        for parameters in zip(*(copy.parameters() for copy in copies), strict=True):
            if len({parameter.shape for parameter in parameters}) == 1:
                stacked = torch.stack(parameters)
                distances.append((stacked - stacked.mean(0)).square().sum())  # Duong et al.: the L2 penalty
    return torch.stack(distances).sum() if distances else None


def overlap(shared: Tensor, private: Tensor) -> Tensor:
    """Returns what private features have in common with shared ones: 0 where they are orthogonal, at most 1.

    The squared Frobenius norm of ``shared.T @ private`` over the batch, whose vectors are brought to mean 0
    and to length 1 (the orthogonality constraints of Liu, Qiu & Huang, Adversarial Multi-task Learning for
    Text Classification, ACL 2017, scaled as Bousmalis et al. 2016 do), divided by the squared number of
    examples.

    Args:
        shared: the shared features ``(N, F)``; an example of zeros does not count, for it lacks the modality
            that these come from.
        private: the private features ``(N, G)``.
    """
    there = (shared != 0).any(1, keepdim=True)
    count = there.sum().clamp(min=1)
    some, others = (
        F.normalize((part - (part * there).sum(0) / count) * there, dim=1) for part in (shared, private)
    )
    return (some.T @ others).square().sum() / count**2  # Liu, Qiu & Huang 2017: |S^T H|_F^2


class Separation(nn.Module):
    """Orthogonality of private and shared features, and shared ones that do not show their domain.

    Args:
        pairs: the names of a shared and of a private vector each.
        sizes: the sizes of the vectors by name.
        domains: the number of domains of the examples; the second part needs two at least.
        weight: the weight of each part beside the tasks' losses.
    """

    def __init__(
        self, pairs: Sequence[tuple[str, str]], sizes: Mapping[str, int], domains: int, weight: float
    ) -> None:
        super().__init__()
        self._pairs, self._weight = list(pairs), weight
        self._shared = list(dict.fromkeys(shared for shared, _ in pairs))
        told_apart = self._shared if domains > 1 else []
        self.discriminators = nn.ModuleList(
            [Discriminator(sizes[name], domains, strength=weight) for name in told_apart]
        )

    def forward(self, taps: Mapping[str, Tensor], domain: Tensor | None) -> Tensor:
        """Returns the weighted sum of both parts.

        Args:
            taps: the vectors ``(N, F)`` by name.
            domain: the domain of each example, int64 ``(N,)``; None: there is one only.
        """
        overlaps = [overlap(taps[shared], taps[private]) for shared, private in self._pairs]
        total = self._weight * torch.stack(overlaps).mean()
        if domain is not None:
            for name, discriminator in zip(self._shared, self.discriminators, strict=False):
                total = total + discriminator(taps[name], domain)
        return total
