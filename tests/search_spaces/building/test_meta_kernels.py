"""What stands for torch's layers in a dry run costs what they cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.building.counters import Counters
from search_spaces.building.dry_run import dry_run


class Attention(nn.Module):
    """Queries, keys and values of the input itself, in two heads."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 24)
        self.masked = masked

    def forward(self, input: Tensor) -> Tensor:
        query, key, value = self.linear(input).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mask = torch.ones(len(input), 1, 1, input.shape[1], dtype=torch.bool) if self.masked else None
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(8, 5),
    "linear without bias": lambda: nn.Linear(8, 5, bias=False),
    "a frozen linear layer": lambda: nn.Sequential(nn.Linear(8, 5), nn.Linear(5, 7).requires_grad_(False)),
    "gelu": lambda: nn.Sequential(nn.Linear(8, 5), nn.GELU(), nn.Linear(5, 5)),
    "lstm": lambda: nn.LSTM(8, 5, batch_first=True),
    "lstm without bias": lambda: nn.LSTM(8, 5, bias=False),
    "deep bidirectional lstm": lambda: nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True),
    "lstm with projection": lambda: nn.LSTM(8, 5, proj_size=3, batch_first=True),
    "deep bidirectional gru": lambda: nn.GRU(8, 5, num_layers=2, bidirectional=True, batch_first=True),
    "rnn": lambda: nn.RNN(8, 5, batch_first=True),
    "attention": Attention,
    "masked attention": lambda: Attention(masked=True),
}


def _measured(make: Callable[[], nn.Module]) -> tuple[list[tuple[int, ...]], int, int]:
    """Shapes of the answers, multiply-adds and bytes held, on the device that is the default."""
    module, counters = make(), Counters()
    with counters.watch():
        answer = module(torch.zeros(2, 6, 8))
    answers = answer if isinstance(answer, tuple) else (answer,)
    flat = [t for item in answers for t in (item if isinstance(item, tuple) else (item,))]
    return [tuple(t.shape) for t in flat], counters.num_macs(), counters.held_bytes(module.parameters())


@pytest.mark.parametrize("name", list(LAYERS))
def test_a_layer_costs_as_much_as_where_torch_outlines_it(name: str) -> None:
    with dry_run():
        shapes, macs, held = _measured(LAYERS[name])
    with torch.device("meta"):
        expected_shapes, expected_macs, expected_held = _measured(LAYERS[name])
    assert (shapes, macs) == (expected_shapes, expected_macs)
    if "attention" not in name:
        assert held == expected_held


@pytest.mark.parametrize("name", ["attention", "masked attention"])
def test_attention_holds_what_the_fused_kernel_holds(name: str) -> None:
    with dry_run():
        _, _, held = _measured(LAYERS[name])
    _, _, on_cpu = _measured(LAYERS[name])
    assert held <= on_cpu <= 1.5 * held


def _attend_wrongly(input: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(input, input[..., :4], input)


WRONG: dict[str, Callable[[], Callable[[Tensor], object]]] = {
    "linear": lambda: nn.Linear(7, 2),
    "lstm": lambda: nn.LSTM(7, 2),
    "gru": lambda: nn.GRU(7, 2, batch_first=True),
    "attention": lambda: _attend_wrongly,
}


@pytest.mark.parametrize("name", list(WRONG))
def test_torch_says_what_is_wrong_with_sizes(name: str) -> None:
    with dry_run(), pytest.raises((RuntimeError, ValueError), match=r"7|size|shape|dim"):
        WRONG[name]()(torch.zeros(2, 6, 8))
