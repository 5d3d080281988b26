"""Children begin from the weights of their parents, where these are kept and fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from scripted import Scripted
from stored import trials
from torch import nn

from nas import Search
from nas.description import Description
from search_spaces import (
    Architecture,
    Classification,
    Image,
    Signature,
    Space,
    Vector,
    choice,
    integer,
    layer,
    repeat,
    sequential,
)
from search_spaces.blocks import ConvNormActivation, Residual
from search_spaces.errors import FormatError, SearchError
from search_spaces.meanings.beginning import NOTHING
from search_spaces.meanings.meaning import Kinship, kinship, meanings
from workers.job import Finished, Job, Parent
from workers.problems import Problem
from workers.trial import trial
from workers.trial.inheritance import Inheritance, inherit
from workers.weights import to_safetensors

# -- the weights -------------------------------------------------------------------------------------------

IMAGE = Signature({"image": Image(1, 8, 8)}, {"kind": Classification(3)})
POINT = Signature({"point": Vector(4)}, {"kind": Classification(3)})


def built(architecture: Architecture, signature: Signature, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = architecture.build(signature).eval()
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    return network


def bred(
    space: Space, signature: Signature, before: Any, after: Any
) -> tuple[nn.Module, nn.Module, Inheritance]:
    """The networks of two architectures, the second with what it has inherited, and how much that is."""
    old, new = (space.plain(decisions) for decisions in (before, after))
    parent, child = built(old, signature, 0), built(new, signature, 1)
    return parent, child, inherit(child, kinship(new, old, signature), to_safetensors(parent))


def test_a_wider_child_with_larger_kernels_answers_what_its_parent_did() -> None:
    space = Space(
        sequential(
            layer(ConvNormActivation, out_channels=choice(2, 5), kernel_size=choice(1, 3)),
            layer(Residual, out_channels=8, kernel_size=choice(3, 5)),
            layer(nn.AdaptiveAvgPool2d, output_size=2),
            layer(nn.Flatten),
            layer(nn.Linear, out_features=choice(4, 6)),
            layer(nn.ReLU),
        )
    )
    small = {"0.out_channels": 2, "0.kernel_size": 1, "1.kernel_size": 3, "4.out_features": 4}
    large = {"0.out_channels": 5, "0.kernel_size": 3, "1.kernel_size": 5, "4.out_features": 6}
    parent, child, got = bred(space, IMAGE, small, large)
    assert got.tensors == len(child.state_dict())
    assert 0.3 < got.share < 0.9
    example = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(child(example), parent(example))
    assert child.body[0][0].weight[2:].abs().min() > 0  # what is new begins at random


def test_a_narrower_child_has_a_part_of_its_parent() -> None:
    space = Space(layer(nn.Linear, out_features=choice(2, 5)))
    parent, child, _ = bred(space, POINT, {"out_features": 5}, {"out_features": 2})
    assert torch.equal(child.body[0].weight, parent.body[0].weight[:2])
    assert torch.equal(child.heads[0].linear.weight, parent.heads[0].linear.weight[:, :2])


def test_a_stage_more_leaves_those_around_it_theirs() -> None:
    stage = layer(ConvNormActivation, out_channels=4)
    space = Space(sequential(repeat(stage, (1, 2)), layer(nn.Conv2d, out_channels=2, kernel_size=1)))
    parent, child, got = bred(space, IMAGE, {"0.times": 1}, {"0.times": 2})
    assert got.tensors == len(parent.state_dict())
    assert torch.equal(child.body[2].weight, parent.body[1].weight)
    child.body[1][1].reset_running_stats()
    example = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(child(example), parent(example), rtol=1e-3, atol=1e-4)


def test_another_type_of_numbers_is_not_inherited() -> None:
    space = Space(layer(nn.Linear, out_features=2))
    architecture = space.plain()
    tensors = meanings(architecture, POINT)
    child = architecture.build(POINT).double()
    kin = Kinship(tensors, tensors, NOTHING)
    assert inherit(child, kin, to_safetensors(architecture.build(POINT))) == Inheritance(0, 0.0)


def test_bytes_that_are_no_weights_are_refused() -> None:
    with pytest.raises(FormatError, match="weights to begin from"):
        inherit(nn.Linear(3, 4), Kinship({}, {}, NOTHING), b"no weights")


def job(**options: Any) -> Job:
    space = {"model": layer(nn.Linear, out_features=3), "recipe": {"epochs": 1, "learning_rate": 1e-9}}
    return Job(0, Space(space).architecture({}), **{"seed": 1} | options)


def end_of(one: Job, problem: Problem) -> Finished:
    *_, end = trial.run(one, problem)
    assert isinstance(end, Finished), end
    return end


def test_a_training_begins_from_the_weights_of_its_job(problem: Problem) -> None:
    from safetensors.torch import load

    other = end_of(job(seed=2), problem)
    child = end_of(job(parent=Parent(job().architecture, other.weights.read())), problem)
    alone = end_of(job(), problem)
    theirs, own = load(other.weights.read()), load(child.weights.read())
    assert all(torch.allclose(own[name], theirs[name], atol=1e-4) for name in own)
    assert not all(torch.allclose(load(alone.weights.read())[name], theirs[name], atol=1e-4) for name in own)
    assert child.costs["inherited_tensors"] == 4  # how inputs are standardised each finds in the data
    assert child.costs["inherited_share"] == 1
    assert "begins with numbers of its parent in 4 of 4 tensors, 100% of its numbers" in child.log
    assert "inherited_tensors" not in alone.costs


def test_weights_that_cannot_be_read_cost_a_line_in_the_log(problem: Problem) -> None:
    end = end_of(job(parent=Parent(job().architecture, b"torn")), problem)
    assert end.metrics == end_of(job(), problem).metrics
    assert end.costs["inherited_tensors"] == 0
    assert "begins from nothing" in end.log


# -- the search --------------------------------------------------------------------------------------------


@pytest.fixture
def breed(make: Any) -> Any:
    """A search by evolution in which a job's weights are the id of its network."""

    def search(**options: Any) -> Search:
        return make(**{"trials": 60, "inherit_weights": True, "keep_weights": 10} | options)

    return search


@pytest.mark.parametrize(("slots", "at_once"), [(1, 1), (4, 3)])
def test_a_child_gets_the_weights_of_the_first_parent_that_has_some(
    breed: Any, slots: int, at_once: int
) -> None:
    search = breed(executor=Scripted(slots=slots, at_once=at_once, order="any"))
    search.run()
    found = {one.number: one for one in trials(search)}
    numbers = {one.architecture_id: one.number for one in found.values()}
    begun = 0
    for started in search.executor.started:
        own = found[started.number]
        if started.parent is None:
            assert own.message is None
            continue
        begun += 1
        parent = started.parent.weights.decode()
        assert parent == started.parent.architecture.id
        assert parent in own.parents
        assert own.message == f"began from the weights of trial {numbers[parent]}"
    assert begun > 5
    assert all(job.parent is None for job in search.executor.started if not found[job.number].parents)


def test_where_all_weights_are_kept_every_child_inherits(breed: Any) -> None:
    search = breed(keep_weights=60)
    search.run()
    found = {one.number: one for one in trials(search)}
    for started in search.executor.started:
        parents = found[started.number].parents
        assert (started.parent and started.parent.weights) == (parents[0].encode() if parents else None)


def test_children_inherit_with_a_fidelity_when_they_begin(breed: Any) -> None:
    search = breed(fidelity="asha", epochs=9, keep_weights=60)
    search.run()
    found = {one.number: one for one in trials(search)}
    begun = [one for one in search.executor.started if one.checkpoint is None]
    parents = [found[one.number].parents[0].encode() for one in begun if found[one.number].parents]
    assert [one.parent.weights for one in begun if one.parent is not None] == parents
    assert len(parents) > 5
    assert any(one.until != 9 for one in begun if one.parent is not None)
    assert all(one.parent is None for one in search.executor.started if one.checkpoint is not None)


def test_nothing_is_inherited_unless_that_is_wanted(breed: Any) -> None:
    search = breed(inherit_weights=False)
    search.run()
    assert all(started.parent is None for started in search.executor.started)


def test_the_proposals_are_the_same_as_after_a_driver_that_died(breed: Any) -> None:
    whole = breed(name="whole")
    whole.run()

    def press(ended: int) -> None:
        if ended == 40:
            raise KeyboardInterrupt

    cut = breed(name="cut", executor=Scripted(before=press))
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    cut.executor = Scripted()
    cut.run(resume=True)
    told = [[(t.architecture_id, t.message, t.metrics) for t in trials(one)] for one in (whole, cut)]
    assert told[0] == told[1]


def test_networks_are_bred_with_their_weights(problem: Problem, tmp_path: Path) -> None:
    activation = choice(relu=layer(nn.ReLU), tanh=layer(nn.Tanh), gelu=layer(nn.GELU))
    model = sequential(layer(nn.Linear, out_features=integer(1, 3)), activation)
    space = Space({"model": model, "recipe": {"epochs": 1, "batch_size": 16}})
    from controllers import RegularizedEvolution

    def evolution(space: Any, objectives: Any, **options: Any) -> RegularizedEvolution:
        return RegularizedEvolution(space, objectives, population=2, **options)

    search = Search(
        space, problem, evolution, trials=6, executor="inline", store=tmp_path / "s.db",
        keep_weights=6, inherit_weights=True,
    )  # fmt: skip
    board = search.run()
    children = board[board["parents"].str.len() > 0]
    assert len(children) >= 3
    assert (children["inherited_tensors"] > 0).any()  # another activation: all of it
    assert board[board["parents"].str.len() == 0]["inherited_tensors"].isna().all()


@pytest.mark.parametrize("tensors", [0.0, 3.0])
def test_a_search_says_that_its_networks_share_nothing(
    breed: Any, caplog: pytest.LogCaptureFixture, tensors: float
) -> None:
    breed(executor=Scripted(costs={"inherited_tensors": tensors}), keep_weights=60).run()
    said = "share nothing that can be inherited" in caplog.text
    assert said == (tensors == 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reuse_results": True}, "inherit_weights: not with reuse_results"),
        ({"keep_weights": 0}, "keep_weights: with inherit_weights expected 1 or more"),
    ],
)
def test_what_it_does_not_go_with(breed: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        breed(**options)


def test_results_that_depend_on_parents_are_not_taken_over(make: Any, breed: Any) -> None:
    breed(name="bred", controller="random", epochs=1, trials=5).run()
    search = make("random", name="taking", epochs=1, trials=5, reuse_results=True)
    search.run()
    assert len(search.executor.started) == 5


def test_a_search_goes_on_as_it_was(breed: Any) -> None:
    search = breed(name="mine", trials=3)
    assert Description.from_dict(search.description.to_dict()).inherit_weights
    search.run()
    with pytest.raises(SearchError, match="its inherit weights was True, now it is False"):
        breed(name="mine", inherit_weights=False).run(resume=True)
