"""Recipes: read from architectures, checked with errors that name the field."""

import math
import random

import pytest

from search_spaces import Space, real
from search_spaces.catalog import recipe
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
        (
            {"optimiser": "adam"},
            r"recipe\.optimiser: no such field; did you mean 'optimizer'\? \(there are: optimizer, ",
        ),
        ({"learning_rate": -1.0}, r"recipe\.learning_rate: .*greater than 0, got -1\.0"),
        ({"learning_rate": float("nan")}, r"recipe\.learning_rate"),
        ({"schedule": "stairs"}, r"recipe\.schedule: .*'cosine'.*got 'stairs'"),
        ({"ema_decay": 1.0}, r"recipe\.ema_decay: .*less than 1, got 1\.0"),
        ({"batch_size": 0}, r"recipe\.batch_size"),
        ({"balancing": "best"}, r"recipe\.balancing: .*'nash'.*got 'best'"),
        ({"task_weights": {"kind": 0.0}}, r"recipe\.task_weights\.kind: .*greater than 0, got 0\.0"),
        ({"sampling": "even"}, r"recipe\.sampling: .*'round_robin'.*got 'even'"),
        ({"modality_dropout": 1.0}, r"recipe\.modality_dropout: .*less than 1, got 1\.0"),
        ({"tie": -0.1}, r"recipe\.tie"),
        ({"label_smoothing": 1.0}, r"recipe\.label_smoothing: .*less than 1, got 1\.0"),
        ({"focal": -0.5}, r"recipe\.focal: .*greater than or equal to 0, got -0\.5"),
        ({"class_weights": "equal"}, r"recipe\.class_weights: .*'balanced'.*got 'equal'"),
        ({"alignment": "closer"}, r"recipe\.alignment: .*'infonce'.*got 'closer'"),
    ],
)
def test_what_is_no_recipe_is_refused_by_field(recipe: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Recipe.make(recipe)


def test_how_classes_are_weighed_is_searched_where_it_is_asked_for() -> None:
    asked = recipe(label_smoothing=(0.0, 0.1), focal=real(0.0, 3.0), class_weights=("none", "balanced"))
    assert {"label_smoothing", "focal", "class_weights"} <= set(asked.holes())
    space = Space({"model": 1, "recipe": asked})
    found = [Recipe.of(space.sample(random.Random(seed))) for seed in range(20)]
    assert {one.class_weights for one in found} == {"none", "balanced"}
    assert {one.label_smoothing for one in found} == {0.0, 0.1}
    assert not {"label_smoothing", "focal", "class_weights"} & set(recipe().holes())
    fixed = Space({"model": 1, "recipe": recipe(class_weights="balanced")})
    assert Recipe.of(Space.from_json(fixed.to_json()).plain()).class_weights == "balanced"


def test_any_pause_can_be_finished_by_a_decay_of_a_fifth_of_what_it_has_had() -> None:
    recipe = Recipe(schedule="wsd")
    for had in range(1, 300):
        end = recipe.epochs_to_finish(had)
        assert end is not None
        assert end - had == max(1, math.ceil(had / 5))
        assert recipe.stable_epochs(end) == had
        assert recipe.stable_epochs(end - 1) < had
    assert [recipe.stable_epochs(epochs) for epochs in (1, 2, 12, 30)] == [0, 1, 10, 25]


def test_the_length_of_a_training_matters_never_or_always_by_the_other_schedules() -> None:
    lengths = {
        name: (recipe.stable_epochs(9), recipe.epochs_to_finish(9))
        for name in ("constant", "cosine", "onecycle")
        if (recipe := Recipe(schedule=name))
    }
    assert lengths == {"constant": (9, 9), "cosine": (0, None), "onecycle": (0, None)}


def test_a_recipe_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(RecipeError, match="expected a dict"):
        Recipe.of(Space({"recipe": "adam"}).architecture({}))


def test_a_search_of_recipes_has_the_holes_of_one_task_unless_it_is_asked_for_more() -> None:
    plain = recipe()
    assert list(plain.holes()) == [
        "optimizer",
        "learning_rate",
        "weight_decay",
        "schedule",
        "batch_size",
        "augmentation",
    ]
    assert set(plain.sample(random.Random(0)).value) == {*plain.holes(), "epochs"}


def test_how_tasks_and_modalities_are_learned_together_is_searched_where_it_is_asked_for() -> None:
    space = recipe(
        balancing=("equal", "static", "upgrad"),
        task_weights={"kind": 2.0},
        sampling="round_robin",
        modality_dropout=(0.0, 0.3),
        tie=real(1e-4, 1.0, log=True),
        alignment=("none", "infonce"),
        alignment_weight=0.5,
        orthogonality=(0.01, 0.1),
        ema_decay=0.99,
    )
    more = set(space.holes()) - set(recipe().holes())
    assert more == {"balancing", "modality_dropout", "tie", "alignment", "orthogonality"}
    found = Recipe.make(space.sample(random.Random(0)).value)
    assert (found.task_weights, found.sampling, found.alignment_weight) == ({"kind": 2.0}, "round_robin", 0.5)
    assert found.ema_decay == 0.99
