"""The head of generation: a recurrent decoder writes a text, token by token, looking at the features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.blocks.pooling import Pooling, as_positions, attention, num_features
from search_spaces.errors import BuildError
from search_spaces.signature import Generation, Task


def written(target: Tensor) -> Tensor:
    """Which tokens of texts ``(N, length)`` count: all up to the first 0, which ends the text; bool."""
    ended = (target == 0).cumsum(1)
    return (ended - (target == 0).long()) == 0


def text_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy of the tokens `written`.

    Args:
        logits: the logits of each token, ``(N, length, vocabulary)``.
        target: the texts, int64 ``(N, length)``.
    """
    counts = written(target)
    losses = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none")
    return (losses * counts.flatten()).sum() / counts.sum().clamp(min=1)


class GenerationHead(nn.Module):
    """A GRU that begins with what the features say and attends to their positions, if they have any.

    The attention is Luong et al. 2015, "global" with the score "general". Its answer is greedy: each token is
    the likeliest after those before it, which are fed back.

    Args:
        task: a `Generation`.
        shape: the shape of one example's features: a vector, a sequence or a map.
        hidden: the number of units of the GRU, and of features of an embedded token.
        dropout: the probability that a feature is left out before the last layer in training.

    Raises:
        BuildError: a task of another kind, or features of no such shape.
    """

    def __init__(self, task: Task, shape: tuple[int, ...], hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        if not isinstance(task, Generation) or not 1 <= len(shape) <= 4:
            raise BuildError(
                f"GenerationHead: expected a Generation task and a vector, a sequence or a map, got {task}, "
                f"{shape}"
            )
        features = num_features(shape)
        self.length = task.length
        self.pool = Pooling(shape)
        self.first_state = nn.Linear(features, hidden)
        self.embedding = nn.Embedding(task.vocabulary, hidden)
        self.begin = nn.Parameter(torch.randn(hidden))
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.memory: nn.Linear | None = None
        if len(shape) > 1:
            self.memory = nn.Linear(features, hidden, bias=False)
            self.join = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, task.vocabulary)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(N, F)``, ``(N, L, F)`` or ``(N, C, H, W)`` to ``(N, length, vocabulary)``, written greedily."""
        state, memory, real = self._begin(features, mask)
        token = self.begin.expand(features.shape[0], 1, -1)
        answers = []
        for _ in range(self.length):
            logits, state = self._decode(token, state, memory, real)
            answers.append(logits)
            token = self.embedding(logits.argmax(2))
        return torch.cat(answers, 1)

    def loss(self, features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """`text_loss`, each token told those of the target before it (teacher forcing)."""
        state, memory, real = self._begin(features, mask)
        before = torch.cat([self.begin.expand(features.shape[0], 1, -1), self.embedding(target[:, :-1])], 1)
        logits, _ = self._decode(before, state, memory, real)
        return text_loss(logits, target)

    def _begin(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The GRU's first state ``(1, N, hidden)``, what to attend to, and which of it is real."""
        state = torch.tanh(self.first_state(self.pool(features, mask))).unsqueeze(0)
        if self.memory is None:
            return state, None, None
        real = None if mask is None else mask.flatten(1).unsqueeze(1)
        return state, self.memory(as_positions(features)), real

    def _decode(
        self, tokens: Tensor, state: Tensor, memory: Tensor | None, real: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits after each of some embedded tokens ``(N, S, hidden)``, and the state after the last."""
        output, state = self.gru(tokens, state)
        if memory is not None:
            context = attention(output @ memory.transpose(1, 2), real, 2) @ memory
            output = torch.tanh(self.join(torch.cat([output, context], 2)))
        return self.linear(self.dropout(output)), state
