"""What a search is given wrongly is refused when it is made, by one line that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from controllers import RandomSearch, at_least, at_most, maximize
from nas import Search
from search_spaces import Classification, Signature, Space, Vector, choice, integer, layer, real, sequential
from search_spaces.blocks import Head
from search_spaces.errors import ControllerError, ExecutorError, NasError, RecipeError, SearchError
from workers.executors import catalog as executors
from workers.inline import Inline
from workers.pool import Pool
from workers.problems import Problem, Split
from workers.recipe import Recipe
from workers.tabular import Simulated
from workers.tune import Tune

BODY = sequential(layer(nn.Linear, out_features=choice(2, 3)), layer(nn.ReLU))


class LightningModule(nn.Module):
    """As the library's class is called."""


class Lit(LightningModule):
    def training_step(self, batch: Any) -> None: ...


class Two(nn.Module):
    def forward(self, left: Any, right: Any) -> Any:
        return left + right


def problem(*inputs: str) -> Problem:
    """A problem of a dozen rows."""
    names = inputs or ("x",)
    rows = {name: torch.arange(48.0).reshape(12, 4) for name in names}
    labels = {"y": torch.arange(12) % 2}
    signature = Signature({name: Vector(4) for name in names}, {"y": Classification(2)})
    split = Split(rows, labels)
    return Problem("dozen", signature, split, split, split)


def search(space: Any, *inputs: str, **options: Any) -> Search:
    options = {"executor": Inline(), "store": "sqlite://", "trials": 2, "epochs": 1} | options
    return Search(space, problem(*inputs), RandomSearch, **options)


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"model": BODY, "recepie": {"epochs": 1}}, r"'recepie' would be ignored; did you mean 'recipe'\?"),
        ({"model": BODY, "learning_rate": 0.1}, "'learning_rate' would be ignored"),
        ({"body": BODY, "head": {}}, r"'head' would be ignored; did you mean 'heads'\?"),
        ({"model": BODY, "recipe": {"epoch": 1}}, r"epoch: no such field; did you mean 'epochs'\?"),
        ({"model": BODY, "recipe": choice(a={"lr": 1}, b={})}, "lr: no such field"),
        ({"model": BODY, "recipe": {"optimizer": choice("adam", "adamm")}}, "optimizer: .*got 'adamm'"),
        ({"model": BODY, "recipe": {"learning_rate": real(0, 1)}}, "learning_rate: .*got 0.0"),
        ({"model": BODY, "recipe": {"batch_size": "32"}}, "batch_size: .*got '32'"),
        ({"model": BODY, "recipe": {"epochs": 10**23}}, "epochs: .*1000000"),
        ({"model": BODY, "recipe": 3}, "recipe: expected a dict"),
        ({"model": {"body": BODY, "heads": {"Y": layer(Head)}}}, r"head of 'Y' would be ignored.*'y'"),
        ({"model": {"body": BODY, "heads": {"y": layer(nn.Linear)}}}, "Linear is a plain module"),
        ({"model": {"body": BODY, "heads": {"y": 3}}}, "expected a layer, got 3"),
        ({"model": {"heads": {}}}, "expected layers under 'body'"),
        ({"width": choice(1, 2)}, "'width' would be ignored"),
        ({"recipe": {}}, "builds no network"),
        ({"model": 3}, "builds no network"),
        (choice(1, 2), "builds no network"),
        (None, "space: expected a Space"),
        (nn.Linear(4, 2), "space: expected a Space"),
        (nn.Linear, "space: expected a Space"),
        (layer(Lit), "LightningModule, and its training_step"),
        ({"model": sequential(choice(a=layer(Lit), b=layer(nn.ReLU)))}, "model.0.a: Lit is"),
    ],
)  # fmt: skip
def test_what_a_training_would_ignore_is_refused(space: Any, says: str) -> None:
    with pytest.raises((SearchError, RecipeError), match=says):
        search(space)


def test_a_model_of_one_input_for_two_is_told_of_graphs() -> None:
    with pytest.raises(SearchError, match=r"layer\(Graph, parts=\{'all': layer\(Two\)\}.*'left', 'right'"):
        search(layer(Two), "left", "right")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reuse_results": "no"}, "reuse_results: expected True or False, got 'no'"),
        ({"store": object()}, "store: expected text or a path or Store"),
        ({"store": ""}, "store: expected a path"),
        ({"store": 3}, "store: expected"),
        ({"seed": "a"}, "seed: expected a whole number of 64 bits, got 'a'"),
        ({"seed": 2**70}, "seed: expected a whole number of 64 bits"),
        ({"trials": True}, "trials: expected a whole number above 0, got True"),
        ({"trials": "3"}, "trials: expected"),
        ({"trials": 2.0}, "trials: expected"),
        ({"epochs": 10**23}, "epochs: expected"),
        ({"trial_memory": float("inf")}, "trial_memory: expected"),
        ({"seconds": float("inf")}, "seconds: expected a number above 0"),
        ({"keep_weights": -1}, "keep_weights: expected a whole number of at least 0, got -1"),
        ({"executor": 3}, "executor: expected text or Executor"),
        ({"callbacks": 3}, "callbacks"),
        ({"start_from": 1.5}, "start_from"),
        ({"first": 3}, "first: expected"),
        ({"checkpoints": 3}, "checkpoints: expected text or a path"),
        ({"trails": 3}, r"no argument 'trails'; did you mean 'trials'\?"),
        ({"limits": at_most("num_params", -1)}, "no network meets num_params <= -1"),
        ({"limits": [at_most("num_params", 5), at_least("num_params", 6)]}, "no network meets both"),
        ({"limits": at_least("y/accuracy", float("inf"))}, "no network meets"),
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_is_refused(
    options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SearchError, match=says):
        search(BODY, **options)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers_everywhere() -> None:
    found = search(
        BODY,
        seed=np.int64(3),
        trials=np.int32(2),
        epochs=np.int64(1),
        limits=at_most("num_params", np.int64(90)),
    )
    assert (found.seed, type(found.seed)) == (3, int)
    assert len(found.run()) == 2
    assert Recipe(epochs=np.int64(3), learning_rate=np.float32(0.5)).epochs == 3
    assert type(Recipe(epochs=np.int64(3)).epochs) is int


@pytest.mark.parametrize("kind", [Pool, Tune, Inline, Simulated])
@pytest.mark.parametrize(
    "options",
    [{"workers": ""}, {"cpus": 1.5}, {"cpus": "1"}, {"gpus": float("nan")}, {"cpu": 1}, {"queued": -1}],
)
def test_an_executor_refuses_what_it_does_not_take(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ExecutorError, match=next(iter(options))):
        kind(**options)


@pytest.mark.parametrize("values", [{"epochs": True}, {"epochs": "3"}, {"momentum": float("nan")}, {"lr": 1}])
def test_a_recipe_made_directly_is_checked_as_any(values: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"recipe.{next(iter(values))}"):
        Recipe(**values)


@pytest.mark.parametrize(
    "options", [{"seed": "a"}, {"seed": True}, {"population": 2.5}, {"repeats": "yes"}, {"populaton": 3}]
)
def test_a_controller_refuses_what_it_does_not_take(options: dict[str, Any]) -> None:
    from controllers import RegularizedEvolution

    with pytest.raises(ControllerError, match=next(iter(options))):
        RegularizedEvolution(Space(choice(1, 2)), maximize("a"), **options)


@pytest.mark.parametrize("width", [choice(30, 40), integer(30, 10**6)])
def test_limits_that_no_network_meets_end_with_the_nearest(width: Any) -> None:
    body = sequential(layer(nn.Linear, out_features=width))
    with pytest.raises(SearchError, match=r"the nearest network is [0-9a-f]{8} with num_params"):
        search(body, limits=at_most("num_params", 10), trials=100, rejections=20).run()


def test_what_a_search_is_told_later_is_held_against_its_type_too() -> None:
    found = search(BODY)
    with pytest.raises(SearchError, match="run: resume: expected True or False, got 'no'"):
        found.run(resume="no")  # type: ignore[arg-type]
    with pytest.raises(SearchError, match=r"extend\(\) takes no argument 'trails'; did you mean 'trials'\?"):
        found.extend(trails=3)  # type: ignore[call-arg]
    with pytest.raises(SearchError, match="from_store: store: expected text or a path or Store"):
        Search.from_store(3)  # type: ignore[arg-type]


def test_every_executor_of_the_catalog_says_what_it_does_not_take() -> None:
    for name in executors:
        with pytest.raises(NasError, match="no argument 'nonsense'"):
            executors[name](nonsense=1)  # type: ignore[call-arg]
