"""Which networks train a bank."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from torch import nn

from search_spaces import Space, choice, integer, layer, sequential
from search_spaces.architecture import Architecture
from workers.bank.paths import group_size, in_turn, paths, plainly_trained

SPACE = Space(
    {
        "model": sequential(
            layer(nn.Linear, out_features=integer(2, 65)),
            choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh), gelu=layer(nn.GELU)),
            choice(none=None, more=layer(nn.Linear, out_features=choice(4, 8))),
        ),
        "recipe": {"learning_rate": choice(0.1, 0.01, 0.001, 0.0001)},
    }
)
ACTIVATION, OPTIONAL, RATE = "model.1", "model.2", "recipe.learning_rate"


def test_in_a_fair_group_each_option_of_a_choice_comes_as_often_as_any_other() -> None:
    few = plainly_trained(SPACE)
    assert group_size(few, "fair") == 3
    for group in paths(few, "fair", 30, seed=1):
        seen = Counter(one.decisions[ACTIVATION] for one in group)
        assert set(seen.values()) == {1}
        assert len(seen) == 3
        optional = Counter(one.decisions[OPTIONAL] for one in group)
        assert sorted(optional.values()) == [1, 2]


def test_without_the_choices_of_its_recipe_a_space_has_that_of_the_plain_network() -> None:
    space = plainly_trained(SPACE)
    assert space.holes().keys() == SPACE.holes().keys() - {RATE}
    assert space.plain().value == SPACE.plain().value
    assert plainly_trained(space) is space
    bare = Space({"model": sequential(layer(nn.Linear, out_features=choice(1, 2, 3)))})
    assert plainly_trained(bare) is bare


def test_uniform_networks_are_different_ones_by_their_identity() -> None:
    groups = paths(SPACE, "uniform", 20, seed=0)
    assert [len(group) for group in groups] == [1] * 20
    assert len({group[0].id for group in groups}) == 20


def test_a_space_with_fewer_networks_gives_all_it_has() -> None:
    few = Space({"model": sequential(layer(nn.Linear, out_features=choice(1, 2, 3)))})
    assert len(paths(few, "uniform", 50, seed=0)) == 3


def test_a_sandwich_has_the_largest_and_the_smallest_network_by_its_numbers() -> None:
    space = plainly_trained(SPACE)
    for group in paths(space, "sandwich", 12, seed=1):
        assert len(group) == group_size(space, "sandwich") == 4
        widths = [one.decisions["model.0.out_features"] for one in group]
        assert (widths[0], widths[1]) == (65, 2)


def test_the_same_seed_draws_the_same_networks() -> None:
    def ids(seed: int) -> list[list[str]]:
        return [[one.id for one in group] for group in paths(SPACE, "fair", 12, seed)]

    assert ids(4) == ids(4)
    assert ids(4) != ids(5)


def test_whoever_goes_on_gets_the_groups_that_come_next() -> None:
    groups = paths(SPACE, "uniform", 5, seed=0)

    def ids(found: list[list[Architecture]]) -> list[str]:
        return [one[0].id for one in found]

    whole = ids(list(islice(in_turn(groups, 3), 14)))
    assert ids(list(islice(in_turn(groups, 3, begun=8), 6))) == whole[8:]
    assert sorted(whole[:5]) == sorted(whole[5:10])
    assert whole[:5] != whole[5:10]


def test_where_even_the_first_round_has_an_order_of_its_own_each_seed_has_another() -> None:
    groups = paths(SPACE, "uniform", 8, seed=0)
    first, second = (list(islice(in_turn(groups, seed, shuffled=True), 8)) for seed in (1, 2))
    assert first != groups
    assert first != second
    assert {id(one) for one in first} == {id(one) for one in groups}
