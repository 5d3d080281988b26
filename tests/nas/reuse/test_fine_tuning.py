"""Trained bodies serve as feature extractors and with other heads, and are thawed stage by stage."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from joined_networks import SIGNATURE as JOINED
from joined_networks import architecture, problem
from torch import nn

import nas
from nas.reuse.export.checking import random_inputs
from nas.reuse.found import Found
from search_spaces import Classification, Image, Regression, Retrieval, Signature, Space, Tagging, layer
from search_spaces.blocks import CrfHead, Graph, Head, Stage
from search_spaces.building.transfer import FeatureExtractor
from search_spaces.errors import BuildError, RecipeError, UnknownNameError
from workers.problems import Problem
from workers.recipe import Recipe
from workers.training.fine_tuning import stages
from workers.weights import to_safetensors

IMAGES = Signature({"image": Image(1, 8, 8)}, {"digit": Classification(10)})


def found(arch: Any, signature: Signature) -> Found:
    torch.manual_seed(3)
    network = arch.build(signature).train()
    network(random_inputs(signature, 8))  # so that running statistics are not those of a new network
    return Found(arch, signature, to_safetensors(network), {}, {}, {})


@pytest.fixture
def convolutional() -> Found:
    model = [
        layer(Stage, out_channels=8, block="residual", downsample="stride"),
        layer(nn.Dropout, p=0.5),
        layer(Stage, out_channels=12, downsample="max"),
    ]
    return found(Space({"model": model}).architecture({}), IMAGES)


@pytest.fixture
def joined() -> Found:
    return found(architecture(JOINED), JOINED)


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before: dict[str, torch.Tensor], module: nn.Module) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)}


# -- features ----------------------------------------------------------------------------------------------


def test_a_feature_extractor_gives_what_the_heads_receive(convolutional: Found, joined: Found) -> None:
    network, inputs = convolutional.build(), random_inputs(IMAGES, 3)
    maps = network.body(inputs["image"])
    whole, vectors = convolutional.features(pooled=False), convolutional.features()
    assert torch.equal(whole(inputs)["digit"], maps)
    assert torch.equal(whole(inputs["image"]), maps)
    assert torch.equal(vectors(inputs["image"]), maps.flatten(2).mean(2))
    assert vectors(inputs["image"]).shape == (3, 12)

    inputs = random_inputs(JOINED, 3)
    features, encoding = joined.features()(inputs), joined.build().encode(inputs)
    torch.testing.assert_close(features["kind"], encoding.features["kind"].mean(1))
    assert features["tags"].shape == (3, 8)
    torch.testing.assert_close(features["tags"], encoding.features["tags"].mean(1))
    assert [tensor.shape for tensor in features["match"]] == [(3, 8), (3, 8)]


def test_a_feature_extractor_stays_as_it_is_in_training(convolutional: Found) -> None:
    extractor = convolutional.features()
    model = nn.Sequential(extractor, nn.Linear(12, 2)).train()
    before, inputs = state(extractor), random_inputs(IMAGES, 16)["image"]
    assert not any(module.training for module in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    for _ in range(2):
        model(inputs).square().sum().backward()
        optimizer.step()
    assert changed(before, extractor) == set()
    assert torch.equal(model.train()[0](inputs), model.eval()[0](inputs))


# -- other heads -------------------------------------------------------------------------------------------


def test_new_tasks_have_new_heads_on_the_trained_body(convolutional: Found) -> None:
    other = Signature(IMAGES.inputs, {"odd": Classification(2), "size": Regression(1)})
    network, old = convolutional.for_signature(other), convolutional.build()
    inputs = random_inputs(IMAGES, 4)
    assert {task: answer.shape for task, answer in network(inputs).items()} == {"odd": (4, 2), "size": (4, 1)}
    assert not network.training
    assert torch.equal(network.encode(inputs).features["odd"], old.encode(inputs).features["digit"])
    assert {f"body.{name}" for name in old.body.state_dict()} == {
        name for name in network.state_dict() if name.startswith("body")
    }


def test_tasks_that_stay_keep_their_heads(joined: Found) -> None:
    tasks = {"size": JOINED.tasks["size"], "kind": Classification(5), "match": JOINED.tasks["match"]}
    network, old = joined.for_signature(Signature(JOINED.inputs, tasks)), joined.build()
    inputs = random_inputs(JOINED, 4)
    with torch.inference_mode():
        ours, theirs = network(inputs), old(inputs)
    assert torch.equal(ours["size"], theirs["size"])
    assert torch.equal(ours["match"], theirs["match"])
    assert ours["kind"].shape == (4, 5)
    assert not isinstance(network.body, Graph) or set(network.body.outputs) == set(tasks)


def test_a_task_takes_the_features_that_suit_it_or_those_it_is_told(joined: Found) -> None:
    old, inputs = joined.build(), random_inputs(JOINED, 4)
    tasks = {
        "slots": Tagging(4, input="steps"),
        "mood": Classification(2),
        "again": Retrieval("steps", "point", features=5),
    }
    signature = Signature(JOINED.inputs, tasks)
    network = joined.for_signature(signature, heads={"slots": layer(CrfHead), "mood": layer(Head, hidden=6)})
    taken, given = network.encode(inputs).features, old.encode(inputs)
    assert torch.equal(taken["slots"], given.features["tags"])
    assert torch.equal(taken["mood"], given.features["kind"])
    assert torch.equal(taken["again"][0], given.taps[old.body.embeddings["steps"]])
    assert isinstance(network.head("slots"), CrfHead)
    assert network.head("mood").before[0].out_features == 6
    assert [tuple(answer.shape) for answer in network(inputs).values()] == [(4, 6, 4), (4, 2), (4, 2, 5)]

    told = joined.for_signature(Signature(JOINED.inputs, {"mood": Classification(2)}), like={"mood": "tags"})
    assert torch.equal(told.encode(inputs).features["mood"], given.features["tags"])


def test_fewer_inputs_keep_the_weights_of_their_streams(joined: Found) -> None:
    signature = Signature(
        {"steps": JOINED.inputs["steps"]}, {"kind": Classification(3), "mood": Regression(2)}
    )
    network, old = joined.for_signature(signature), joined.build().state_dict()
    kept = [name for name in network.state_dict() if name.startswith("body.parts.steps")]
    assert kept
    assert all(torch.equal(network.state_dict()[name], old[name]) for name in kept)
    assert not any("point" in name for name in network.state_dict())
    answers = network(random_inputs(signature, 3)["steps"])
    assert {task: tuple(answer.shape) for task, answer in answers.items()} == {"kind": (3, 3), "mood": (3, 2)}


def test_fewer_inputs_keep_the_heads_of_their_tasks_and_all_units() -> None:
    given = {"steps": JOINED.inputs["steps"], "point": JOINED.inputs["point"]}
    pair = {"match": Retrieval("steps", "point", 5), "size": Regression(2), "mood": Regression(2)}
    signature = Signature(given, pair)
    arch = architecture(signature)
    torch.manual_seed(3)
    trained = arch.build(signature)
    for place, one in enumerate((*trained.input_standardisations, *trained.target_standardisations)):
        if one.is_open:
            one.set(torch.full(one.shape, float(place)), torch.full(one.shape, 2.0 + place))
    one = Found(arch, signature, to_safetensors(trained), {}, {}, {})
    left = {"mood": Regression(2), "age": Regression(1)}
    network = one.for_signature(Signature({"steps": JOINED.inputs["steps"]}, left))
    assert torch.equal(network.head("mood").linear.weight, trained.head("mood").linear.weight)
    assert torch.equal(
        network.input_standardisation("steps").mean, trained.input_standardisation("steps").mean
    )
    assert torch.equal(
        network.target_standardisation("mood").mean, trained.target_standardisation("mood").mean
    )
    assert network.target_standardisation("age").is_open


@pytest.mark.parametrize("sharing", ["hard", "soft", "stitch", "private", "routed"])
def test_fewer_tasks_leave_only_what_has_a_gradient(sharing: str) -> None:
    one = found(architecture(JOINED, sharing), JOINED)
    tasks = {"size": JOINED.tasks["size"], "mood": Classification(2)}
    network = one.for_signature(Signature(JOINED.inputs, tasks)).train()
    sum(answer.square().sum() for answer in network(random_inputs(JOINED, 6)).values()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    assert all(part in network.body.parts for group in network.body.ties for part in group)


def test_what_does_not_fit_is_named(convolutional: Found, joined: Found) -> None:
    with pytest.raises(BuildError, match=r"expected inputs out of image: Image\(channels=1, .*, got image"):
        convolutional.for_signature(Signature({"image": Image(3, 8, 8)}, IMAGES.tasks))
    with pytest.raises(BuildError, match="expected inputs out of"):
        convolutional.for_signature(Signature({"pen": Image(1, 8, 8)}, IMAGES.tasks))
    words, kind = Signature(JOINED.inputs, {"slots": Tagging(4, input="steps")}), JOINED.only(tasks=["kind"])
    one = found(architecture(kind), kind)
    with pytest.raises(
        BuildError, match=r"no features of the network suit task 'slots': .* got features \(8,"
    ):
        one.for_signature(words)
    with pytest.raises(UnknownNameError, match="no task named 'knd'; did you mean 'kind'"):
        joined.for_signature(JOINED, like={"size": "knd"})


# -- stages ------------------------------------------------------------------------------------------------


def test_stages_go_from_the_heads_to_where_inputs_come_in(convolutional: Found, joined: Found) -> None:
    network = convolutional.build()
    assert stages(network) == [[network.heads[0]], [network.body[2]], [network.body[0]]]
    network = joined.build()
    groups = stages(network)
    assert groups[0] == [*network.heads]
    places = {module: i for i, group in enumerate(groups) for module in group}
    assert sum(map(len, groups)) == len(places)
    assert set().union(*(module.parameters() for module in places)) == set(network.parameters())
    for part, sources in network.body.calls.values():
        for source in sources:
            feeding = network.body.calls.get(source)
            if feeding and {network.body.parts[feeding[0]], network.body.parts[part]} <= places.keys():
                assert places[network.body.parts[feeding[0]]] > places[network.body.parts[part]]
    plain = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert stages(plain) == [[plain[2]], [plain[0]]]


def test_fine_tuning_moves_a_stage_more_each_time(convolutional: Found) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(48, 1, 8, 8, generator=generator)
    data = Problem.from_tensors("bright", ({"image": images}, {"odd": (images.mean((1, 2, 3)) > 0).long()}))
    network = convolutional.for_signature(data.signature)
    first, last = network.body[0], network.body[2]
    moved, before = [], state(network)
    for report in nas.fine_tune(network, data, Recipe(epochs=5, batch_size=16), seed=0, every=2):
        now = changed(before, network)
        parts = (("heads", "heads."), ("last", "body.2."), ("first", "body.0."))
        moved.append({name for name, prefix in parts if any(one.startswith(prefix) for one in now)})
        before = state(network)
        assert report.epoch == len(moved)
    assert moved == [{"heads"}, {"heads"}, {"heads", "last"}, {"heads", "last"}, {"heads", "last", "first"}]
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not first._forward_pre_hooks
    assert not last._forward_pre_hooks


def test_a_fine_tuning_that_is_left_leaves_nothing_frozen(convolutional: Found) -> None:
    images = torch.randn(30, 1, 8, 8)
    data = Problem.from_tensors("any", ({"image": images}, {"odd": torch.arange(30) % 2}))
    network = convolutional.for_signature(data.signature)
    reports = nas.fine_tune(network, data, Recipe(epochs=3), seed=0)
    next(reports)
    assert not all(parameter.requires_grad for parameter in network.parameters())
    reports.close()
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_several_tasks_are_fine_tuned_but_not_with_balanced_gradients(joined: Found) -> None:
    network, data = joined.for_signature(JOINED), problem(60)
    with pytest.raises(RecipeError, match="expected one of losses while stages are frozen, got 'pcgrad'"):
        next(nas.fine_tune(network, data, Recipe(balancing="pcgrad"), seed=0))
    before = state(network)
    reports = [*nas.fine_tune(network, data, Recipe(epochs=2, batch_size=16), seed=0)]
    assert len(reports) == 2
    assert changed(before, network)


def test_what_a_found_network_gives_is_of_its_type(convolutional: Found) -> None:
    assert isinstance(convolutional.features(), FeatureExtractor)
