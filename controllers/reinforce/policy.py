"""The policies: how likely each decision is, given those before it.

Decisions are drawn one at a time with numpy, on the very memory of the torch parameters (no copy to keep in
step), because torch takes several times as long for operations this small. Gradients are torch's, for a whole
batch at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

# no NDArray: from NumPy 2.5 on that is an alias, and jaxtyping takes classes alone
Floats = np.ndarray
Integers = np.ndarray


@dataclass(frozen=True, eq=False)
class PolicyRows:
    """Where the tables of a policy have the rows of each hole.

    A hole has one row per option; a continuous one has two (mean, spread).

    Attributes:
        sizes: the number of options of each hole, 0 for a continuous one.
        first: the first row of each hole.
        count: the number of rows, 1 at least.
    """

    sizes: Integers
    first: Integers
    count: int

    @classmethod
    def of(cls, sizes: Sequence[int]) -> PolicyRows:
        """Returns the rows for holes of these sizes."""
        given = np.array(sizes, dtype=np.int64)
        rows = np.where(given > 0, given, 2)
        first = np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64)
        return cls(given, first, max(int(rows.sum()), 1))


class IndependentPolicy(nn.Module):
    """One distribution per hole, whatever was decided before."""

    def __init__(self, rows: PolicyRows) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(rows.count, dtype=torch.float32))
        self._table = _shared(self.table)

    def features(self, *_: Any) -> None:
        """Returns nothing: decisions do not depend on each other."""
        return

    def logits(
        self, rows: Int[Tensor, "n options"], features: Float[Tensor, "n hidden"] | None
    ) -> Float[Tensor, "n options"]:
        """Returns the logits of rows of the table."""
        return self.table[rows]

    def start(self) -> None:
        """Returns no state."""
        return

    def decide(self, state: None, hole: int, rows: slice) -> tuple[None, Float[Floats, " options"]]:
        """Returns the logits of a hole."""
        return None, self._table[rows]

    def decided(self, state: None, row: int, slope: float | None) -> None:
        """Does nothing: no other decision depends on this one."""
        return


class RecurrentPolicy(nn.Module):
    """An LSTM that reads the last decision and the next hole, with an embedding and a head per hole."""

    def __init__(self, rows: PolicyRows, hidden: int, embedding: int, generator: torch.Generator) -> None:
        super().__init__()
        self._first_rows = rows.first
        self._discrete = rows.sizes > 0
        self._hidden = hidden
        f32 = torch.float32

        def drawn(*shape: int, spread: float) -> nn.Parameter:
            return nn.Parameter(spread * torch.randn(*shape, generator=generator, dtype=f32))

        self.decision_embedding = drawn(rows.count, embedding, spread=0.5)
        self.hole_embedding = drawn(max(len(rows.sizes), 1), embedding, spread=0.5)
        # by way of the meta device: the constructor would draw from the global generator
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True, dtype=f32, device="meta")
        self.lstm.to_empty(device="cpu")
        for parameter in self.lstm.parameters():
            parameter.uniform_(-1.0, 1.0, generator=generator).mul_(hidden**-0.5)
        # zero heads: every decision starts uniform
        self.head = nn.Parameter(torch.zeros(rows.count, hidden, dtype=f32))
        self.bias = nn.Parameter(torch.zeros(rows.count, dtype=f32))
        self._np = {name: _shared(parameter) for name, parameter in self.named_parameters()}

    def features(
        self,
        hole: Int[Integers, " n"],
        option: Int[Integers, " n"],
        unit: Float[Floats, " n"],
        episode: Int[Integers, " n"],
        time: Int[Integers, " n"],
        episodes: int,
    ) -> Float[Tensor, "n hidden"]:
        """Returns the LSTM's state at each of the n decisions of all episodes."""
        first = self._first_rows[hole]
        row, slope = first + option, np.where(self._discrete[hole], 0.0, 2.0 * unit - 1.0).astype(np.float32)
        told = self.decision_embedding[torch.from_numpy(row)]
        continuous = np.flatnonzero(~self._discrete[hole])
        if len(continuous):
            more = self.decision_embedding[torch.from_numpy(first + 1)] * torch.from_numpy(slope)[:, None]
            told = told + more
        inputs = torch.zeros(episodes, int(time.max()) + 1, told.shape[1])
        # each decision is read together with the hole that comes after it
        after = np.flatnonzero(time > 0)
        asked = self.hole_embedding[torch.from_numpy(hole)]
        asked = asked.index_add(0, torch.from_numpy(after), told[torch.from_numpy(after - 1)])
        where = (torch.from_numpy(episode), torch.from_numpy(time))
        states, _ = self.lstm(inputs.index_put(where, asked))
        return states[where]  # type: ignore[no-any-return]

    def logits(
        self, rows: Int[Tensor, "n options"], features: Float[Tensor, "n hidden"] | None
    ) -> Float[Tensor, "n options"]:
        """Returns the logits of rows of the heads at the features of the decisions."""
        assert features is not None
        heads = functional.embedding(rows, self.head)
        return (heads @ features[:, :, None])[:, :, 0] + self.bias[rows]

    def start(self) -> list[Any]:
        """Returns the state before the first decision: output, cell, embedding of the last decision."""
        zero = np.zeros(self._hidden, dtype=np.float32)
        return [zero, zero, None]

    def decide(self, state: list[Any], hole: int, rows: slice) -> tuple[list[Any], Float[Floats, " options"]]:
        """Returns the state at a hole and the logits there."""
        output, cell, last = state
        weights = self._np
        inputs = weights["hole_embedding"][hole]
        if last is not None:
            inputs = inputs + last
        gates = weights["lstm.weight_ih_l0"] @ inputs + weights["lstm.weight_hh_l0"] @ output
        gates += weights["lstm.bias_ih_l0"]
        gates += weights["lstm.bias_hh_l0"]
        size = self._hidden
        # sigmoid(x) = (1 + tanh(x / 2)) / 2 cannot overflow; torch's order of gates is i, f, g, o
        soft = 0.5 * np.tanh(0.5 * gates) + 0.5
        cell = soft[size : 2 * size] * cell + soft[:size] * np.tanh(gates[2 * size : 3 * size])
        output = soft[3 * size :] * np.tanh(cell)
        return [output, cell, last], weights["head"][rows] @ output + weights["bias"][rows]

    def decided(self, state: list[Any], row: int, slope: float | None) -> None:
        """Takes in the decision made: its row and, if continuous, its place from -1 to 1."""
        embedding = self._np["decision_embedding"]
        state[2] = embedding[row]
        if slope is not None:
            state[2] = state[2] + np.float32(slope) * embedding[row + 1]


def _shared(parameter: nn.Parameter) -> Floats:
    """Returns a view in numpy on the parameter's own memory: it follows every step of the optimizer."""
    return parameter.detach().numpy()
