"""The head of tagging whose tags depend on one another: a conditional random field over the positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.blocks.heads.chain import Scores, best_tags, negative_log_likelihood, sum_over_tags
from search_spaces.blocks.pooling import before_last, mask_to_length, to_length
from search_spaces.errors import BuildError
from search_spaces.tasks import IGNORED, Tagging, Task


class CrfHead(nn.Module):
    """A linear map to scores of tags at each position, and learned scores of each tag after each other.

    A linear-chain conditional random field (Lafferty, McCallum and Pereira 2001; Lample et al. 2016, section
    2.2). In training mode it answers the scores of each position (logits of their own, as `Head` does); in
    evaluation mode the logarithms of the tags' marginal probabilities given the whole sequence, whose largest
    is the likeliest tag of a position. `decode` returns the likeliest sequence as a whole.

    Args:
        task: a `Tagging`.
        shape: the shape of one example's features, ``(length, features)``.
        hidden: the number of units of a layer before the last; 0: no such layer.
        dropout: the probability that a feature is left out before the last layer in training.
        length: the number of positions to answer, from the nearest ones where features have fewer; None: as
            many as the features have.

    Raises:
        BuildError: features of another shape, or a task of another kind.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        hidden: int = 0,
        dropout: float = 0.0,
        length: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(task, Tagging) or len(shape) != 2:
            raise BuildError(
                f"CrfHead: expected a Tagging task and features (length, features), got {task}, {shape}"
            )
        self.length = length
        self.before, features = before_last(shape[-1], hidden, dropout)
        self.linear = nn.Linear(features, task.tags)
        self.transitions = nn.Parameter(torch.zeros(task.tags, task.tags))
        self.start = nn.Parameter(torch.zeros(task.tags))
        self.end = nn.Parameter(torch.zeros(task.tags))

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, L', F)`` to ``(N, L, tags)``; see the class."""
        scores = self._scores(features, mask)
        if self.training:
            return scores.emissions
        marginals = sum_over_tags(scores).marginals.clamp(min=1e-30).log().float()
        return torch.where(scores.real.unsqueeze(2), marginals, scores.emissions.log_softmax(2))

    def loss(self, features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Minus the log likelihood of the tags that are known, for each of them.

        Args:
            features: the features, ``(N, L', F)``.
            target: the tags, int64 ``(N, L)``. Tags that are not known (-100) are summed over; a position
                that is not real has none, whatever stands there.
            mask: the real positions, bool ``(N, L')``; None: all are real.
        """
        scores = self._scores(features, mask)
        known = (target != IGNORED) & scores.real
        tags = torch.arange(scores.emissions.shape[2], device=target.device)
        allowed = (target.unsqueeze(2) == tags) | ~known.unsqueeze(2)
        return negative_log_likelihood(scores, allowed) / known.sum().clamp(min=1)

    def decode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """The likeliest sequence of tags: int64 ``(N, L)``, 0 where a position is not real."""
        return best_tags(self._scores(features, mask))

    def _scores(self, features: Tensor, mask: Tensor | None) -> Scores:
        emissions = to_length(self.linear(self.before(features)), self.length).float()
        real = mask_to_length(mask, self.length)
        if real is None:
            real = torch.ones(emissions.shape[:2], dtype=torch.bool, device=emissions.device)
        return Scores(emissions, self.transitions, self.start, self.end, real)
