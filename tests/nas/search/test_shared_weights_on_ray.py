"""A bank that two workers of a pool train is the one that they would train in this process."""

from __future__ import annotations

import pytest
from torch import nn

from nas import Search, Store
from search_spaces import Space, choice, integer, layer, sequential
from workers.bank.paths import Sampling
from workers.executor import Executor
from workers.inline import Inline
from workers.pool import Pool
from workers.testing.jobs import points

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(2, 40)), choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh))
        ),
        "recipe": {"epochs": 1, "batch_size": 16},
    }
)


class InTurn(Inline):
    """Two jobs may be in flight; they run one after the other."""

    @property
    def slots(self) -> int:
        return 2


def losses(executor: Executor, paths: str) -> list[float]:
    with Store("sqlite://", create=True) as store:
        Search(
            SPACE,
            points(),
            "reinforce",
            executor=executor,
            store=store,
            trials=2,
            weights="shared",
            paths=paths,
        ).run()
        (bank,) = [one for one in store.choices(1) if one.part == "bank"]
        assert bank.value["workers"] == 2
        return [one.train_loss for one in store.bank_epochs(1)]


@pytest.mark.parametrize("paths", ["uniform", pytest.param("controller", marks=pytest.mark.soak)])
def test_two_workers_of_a_pool_train_the_bank_that_they_would_train_in_this_process(
    ray_cluster: None, paths: Sampling
) -> None:
    assert losses(Pool(workers=2), paths) == losses(InTurn(), paths)
