"""A network that a search checks, trains and records is outlined once in a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas import Search
from search_spaces import Space
from search_spaces.building import outline as module
from search_spaces.building.plan import Plan


def test_a_trained_network_with_a_limit_on_its_cost_is_outlined_once(
    make: Callable[..., Search], networks: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline: Callable[..., Plan] = module.outline
    outlined: list[Any] = []

    def counting(model: Any, *arguments: Any, **options: Any) -> Plan:
        outlined.append(model)
        return outline(model, *arguments, **options)

    monkeypatch.setattr(module, "outline", counting)
    limits = [nas.at_most("num_params", 100_000)]
    board = make("random", on=networks, executor="inline", trials=4, limits=limits).run()
    assert list(board["status"]) == ["complete"] * 4
    assert board["num_params"].notna().all()
    assert len(outlined) == 4
