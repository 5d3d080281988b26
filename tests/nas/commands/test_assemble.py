"""A search from names: what its space has that its other options ask for."""

from pathlib import Path

import pytest

from nas.commands.assemble import assemble, read_fidelity
from search_spaces.space import Space


def space_of(fidelity: str | None, folder: Path) -> Space:
    names = {"maximize": [], "minimize": [], "limits": []}
    store = folder / "nas.db"
    found = read_fidelity(fidelity, 9, None)
    return assemble("digits", "mlp", "random", fidelity=found, executor="inline", store=store, **names).space


@pytest.mark.parametrize("fidelity", ["asha", "hyperband"])
def test_trials_that_pause_have_a_schedule_that_can_stop_and_averaged_weights(
    fidelity: str, tmp_path: Path
) -> None:
    space = space_of(fidelity, tmp_path)
    recipe = space.plain().value["recipe"]
    assert (recipe["schedule"], recipe["ema_decay"]) == ("wsd", 0.999)
    assert "recipe.schedule" not in space.holes()


@pytest.mark.parametrize("fidelity", [None, "full"])
def test_the_schedule_of_whole_trainings_is_searched(fidelity: str | None, tmp_path: Path) -> None:
    space = space_of(fidelity, tmp_path)
    assert "recipe.schedule" in space.holes()
    assert "ema_decay" not in space.plain().value["recipe"]
