"""Recipes: read from architectures, checked with errors that name the field."""

import pytest

from search_spaces import Space
from search_spaces.errors import RecipeError
from workers.recipe import Recipe


def test_an_architecture_without_a_recipe_is_trained_with_the_defaults() -> None:
    assert Recipe.of(Space({"model": 1}).architecture({})) == Recipe()


def test_a_recipe_is_read_from_the_architecture() -> None:
    found = Recipe.of(Space({"recipe": {"optimizer": "sgd", "epochs": 3}}).architecture({}))
    assert (found.optimizer, found.epochs) == ("sgd", 3)
    assert found.learning_rate > Recipe().learning_rate, "the default rate follows the optimizer"


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"optimiser": "adam"}, r"recipe\.optimiser: no such field \(there are: optimizer, "),
        ({"learning_rate": -1.0}, r"recipe\.learning_rate: .*greater than 0, got -1\.0"),
        ({"learning_rate": float("nan")}, r"recipe\.learning_rate"),
        ({"schedule": "stairs"}, r"recipe\.schedule: .*'cosine'.*got 'stairs'"),
        ({"batch_size": 0}, r"recipe\.batch_size"),
    ],
)
def test_what_is_no_recipe_is_refused_by_field(recipe: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Recipe.make(recipe)


def test_a_recipe_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(RecipeError, match="expected a dict"):
        Recipe.of(Space({"recipe": "adam"}).architecture({}))
