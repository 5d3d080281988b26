"""The controller that draws the networks of lessons: it learns, and is restored by what it was told."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from controllers import RegularizedEvolution, Reinforce, at_most, catalog, maximize
from nas import Search
from nas.records import PathScore
from nas.search.lesson_networks import LessonNetworks
from search_spaces import Space, choice, layer, sequential
from workers.testing.jobs import points

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=choice(4, 8, 16, 32)),
            choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh), gelu=layer(nn.GELU)),
        )
    }
)
WIDTH = "model.0.out_features"
COUNT = 20


def made(**options: Any) -> LessonNetworks:
    return LessonNetworks(Reinforce(SPACE, maximize("accuracy"), learning_rate=0.1, **options))


def wide(drawn: tuple[Any, ...]) -> list[dict[str, float]]:
    """Scores that are the better the wider a network is."""
    return [{"accuracy": one[WIDTH] / 32, "num_params": float(one[WIDTH])} for one in drawn]


def test_the_networks_of_a_lesson_are_the_same_until_it_is_over() -> None:
    networks = made()
    first = networks.draw(COUNT)
    assert len(first) == COUNT
    assert networks.draw(COUNT) == first
    networks.learn(wide(first))
    assert networks.draw(COUNT) != first


def test_later_lessons_have_more_of_what_did_well() -> None:
    networks, means = made(), []
    for _ in range(10):
        drawn = networks.draw(COUNT)
        means.append(sum(one[WIDTH] for one in drawn) / len(drawn))
        networks.learn(wide(drawn))
    assert means[-1] > means[0] + 5


@pytest.mark.parametrize("lessons", [1, 3])
def test_what_is_restored_draws_what_it_would_have_drawn(lessons: int) -> None:
    networks, kept = made(), list[tuple[PathScore, ...]]()
    for _ in range(lessons):
        scored: list[Any] = wide(networks.draw(COUNT))
        scored[2] = None
        kept.append(networks.learn(scored[:15]))
    again = made()
    again.restore(kept)
    assert again.draw(COUNT) == networks.draw(COUNT)
    assert again.earlier == networks.earlier
    assert [one.metrics for one in kept[0][15:]] == [{}] * 5


def test_what_was_recorded_counts_where_another_controller_would_have_drawn_something_else() -> None:
    networks = made()
    kept = networks.learn(wide(networks.draw(COUNT)))
    other = made(seed=1)
    other.restore([kept])
    assert len(other.draw(COUNT)) == COUNT


@pytest.mark.parametrize("name", catalog)
def test_every_controller_learns_from_networks_that_come_again_with_other_scores(name: str) -> None:
    networks, kept = LessonNetworks(catalog[name](SPACE, maximize("accuracy"))), list[tuple[PathScore, ...]]()
    for number in range(3):
        scored = [{"accuracy": one["accuracy"] + number / 9} for one in wide(networks.draw(COUNT))]
        kept.append(networks.learn(scored))
    again = LessonNetworks(catalog[name](SPACE, maximize("accuracy")))
    again.restore(kept)
    assert again.draw(COUNT) == networks.draw(COUNT)


def search_with(controller: Any) -> LessonNetworks:
    search = Search(
        SPACE, points(), controller, executor="inline", weights="shared", paths="controller",
        limits=at_most("num_params", 10_000), trials=4, store="sqlite://",
    )  # fmt: skip
    return LessonNetworks.of(search.description, search.controller)


def test_the_controller_is_of_the_kind_of_the_searchs_and_a_policy_where_that_is_chosen_later() -> None:
    kinds = [type(search_with(controller)._controller) for controller in ("evolution", "reinforce", "auto")]
    assert kinds == [RegularizedEvolution, Reinforce, Reinforce]
    found = search_with(Reinforce(SPACE, maximize("accuracy"), limits=at_most("num_params", 10_000), batch=3))
    assert found._controller.settings["batch"] == 3
    assert found._controller.limits == (at_most("num_params", 10_000),)


def test_its_seed_is_its_own() -> None:
    search = Search(
        SPACE,
        points(),
        "reinforce",
        executor="inline",
        weights="shared",
        paths="controller",
        store="sqlite://",
    )
    drawn = LessonNetworks.of(search.description, search.controller).draw(COUNT)
    asked = [dict(search.controller.ask().architecture.decisions) for _ in range(COUNT)]
    assert list(drawn) != asked
