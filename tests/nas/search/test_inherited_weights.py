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
from search_spaces import Space, choice, integer, layer, sequential
from search_spaces.errors import FormatError, SearchError
from workers.job import Finished, Job
from workers.problems import Problem
from workers.trial import trial
from workers.trial.weights import inherit, to_safetensors

# -- the weights -------------------------------------------------------------------------------------------


def test_what_matches_in_name_shape_and_type_is_inherited_and_the_rest_stays() -> None:
    parent = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    child = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 5), nn.Linear(5, 2).double())
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    with torch.no_grad():
        parent[1].running_mean += 3
    assert inherit(child, to_safetensors(parent)) == 7  # a linear layer of 2 and a normalisation of 5
    after, theirs = child.state_dict(), parent.state_dict()
    for name, tensor in after.items():
        inherited = name[0] in "01"
        assert torch.equal(tensor, theirs[name] if inherited else before[name])


def test_another_type_of_numbers_is_not_inherited() -> None:
    child = nn.Linear(3, 4).double()
    assert inherit(child, to_safetensors(nn.Linear(3, 4))) == 0


def test_bytes_that_are_no_weights_are_refused() -> None:
    with pytest.raises(FormatError, match="weights to begin from"):
        inherit(nn.Linear(3, 4), b"no weights")


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
    child = end_of(job(initial=other.weights.read()), problem)
    alone = end_of(job(), problem)
    theirs, own = load(other.weights.read()), load(child.weights.read())
    assert all(torch.allclose(own[name], theirs[name], atol=1e-4) for name in own)
    assert not all(torch.allclose(load(alone.weights.read())[name], theirs[name], atol=1e-4) for name in own)
    assert child.costs["inherited_tensors"] == len(own)
    assert f"begins with {len(own)} of {len(own)} tensors of its parent" in child.log
    assert "inherited_tensors" not in alone.costs


def test_weights_that_cannot_be_read_cost_a_line_in_the_log(problem: Problem) -> None:
    end = end_of(job(initial=b"torn"), problem)
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
        if started.initial is None:
            assert own.message is None
            continue
        begun += 1
        parent = started.initial.decode()
        assert parent in own.parents
        assert own.message == f"began from the weights of trial {numbers[parent]}"
    assert begun > 5
    assert all(job.initial is None for job in search.executor.started if not found[job.number].parents)


def test_where_all_weights_are_kept_every_child_inherits(breed: Any) -> None:
    search = breed(keep_weights=60)
    search.run()
    found = {one.number: one for one in trials(search)}
    for started in search.executor.started:
        parents = found[started.number].parents
        assert started.initial == (parents[0].encode() if parents else None)


def test_nothing_is_inherited_unless_that_is_wanted(breed: Any) -> None:
    search = breed(inherit_weights=False)
    search.run()
    assert all(started.initial is None for started in search.executor.started)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fidelity": "asha", "epochs": 9}, "inherit_weights: not with a fidelity"),
        ({"reuse_results": True}, "inherit_weights: not with reuse_results"),
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
