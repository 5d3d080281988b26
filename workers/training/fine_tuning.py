"""Training of networks whose body is trained already: gradual unfreezing, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from search_spaces.arguments import Count, Positive, Seed, checked
from search_spaces.blocks.graph import Graph
from search_spaces.building.network import Network
from search_spaces.errors import ExecutorError, RecipeError
from workers.training.gradient_balancing import METHODS
from workers.training.training import train

if TYPE_CHECKING:
    from workers.job import Report
    from workers.problems import Problem
    from workers.recipe import Recipe
    from workers.training.learning import Learning


@checked(ExecutorError)
def stages(network: nn.Module) -> list[list[nn.Module]]:
    """The modules of a network that have parameters, in groups from the heads back to where inputs come in.

    Of a graph those are together that are as many calls away from the heads; what feeds a part always comes
    in a later group than the part.

    Args:
        network: a `Network`; or any module, whose children are taken to follow one another.
    """
    groups: list[list[nn.Module]]
    if not isinstance(network, Network):
        groups = [[child] for child in reversed([*network.children()])]
    elif isinstance(network.body, Graph):
        groups = [[*network.heads], *_by_distance(network.body)]
    else:
        groups = [[*network.heads], *([child] for child in reversed([*network.body.children()]))]
    kept = [[module for module in group if next(module.parameters(), None) is not None] for group in groups]
    return [group for group in kept if group]


def _by_distance(graph: Graph) -> list[list[nn.Module]]:
    distance = dict.fromkeys(graph.calls, 0)
    for name, (_, sources) in reversed(graph.calls.items()):
        for source in sources:
            if source in distance:
                distance[source] = max(distance[source], distance[name] + 1)
    furthest: dict[str, int] = {}
    for name, (part, _) in graph.calls.items():
        furthest[part] = max(furthest.get(part, 0), distance[name])
    groups: list[list[nn.Module]] = [[] for _ in range(max(furthest.values()) + 1)]
    for part, far in furthest.items():
        groups[far].append(graph.parts[part])
    return groups


@checked(ExecutorError)
def fine_tune(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: Seed,
    every: Count = 1,
    seconds: Positive | None = None,
) -> Iterator[Report]:
    """Trains a network whose body is trained already: first the heads alone, then more stage by stage.

    Gradual unfreezing: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
    section 3.3. A stage that is frozen is in evaluation mode: its running statistics stay.

    Args:
        network: the network, such as `Found.for_signature` returns.
        problem: the problem, with its data on the device to train on.
        recipe: how to train; a tenth of the learning rate of training from scratch is often enough.
        seed: the seed of order, augmentation and dropout.
        every: the epochs from one stage to the next; see `stages`.
        seconds: the time limit on training and validation together.

    Yields:
        A report after each epoch, with the metrics on the validation split.

    Raises:
        ExecutorError: an argument is not what it should be.
        RecipeError: the recipe balances gradients, which takes all parameters.
        TrainingFailure: the training failed; see `workers.training.train`.
    """
    if recipe.balancing in METHODS and len(problem.signature.tasks) > 1:
        raise RecipeError(
            f"balancing: expected one of losses while stages are frozen, got {recipe.balancing!r}"
        )
    groups = stages(network)
    frozen: dict[nn.Module, RemovableHandle] = {}

    def begin(learning: Learning) -> int:
        # after the optimizer has looked at what there is to be trained
        for group in groups[1:]:
            for module in group:
                module.requires_grad_(False)
                frozen[module] = module.register_forward_pre_hook(_to_evaluation)
        return 0

    try:
        for report in train(network, problem, recipe, seed=seed, seconds=seconds, begin=begin):
            yield report
            if report.epoch % every == 0:
                _thaw(groups[report.epoch // every : report.epoch // every + 1], frozen)
    finally:
        _thaw(groups, frozen)


def _to_evaluation(module: nn.Module, inputs: Any) -> None:
    module.eval()


def _thaw(groups: Sequence[Sequence[nn.Module]], frozen: dict[nn.Module, RemovableHandle]) -> None:
    for group in groups:
        for module in group:
            handle = frozen.pop(module, None)
            if handle is not None:
                handle.remove()
                module.requires_grad_(True)
