"""Problems whose examples lack modalities or labels: marked, checked, dropped, chosen from and joined."""

import dataclasses
from typing import Any

import pytest
import torch
from items_of_data import Items
from torch import Tensor

from nas.search.fingerprint import fingerprint
from search_spaces import Classification, Image, Regression, Signature, Tagging, Tokens, Vector
from search_spaces.errors import ProblemError, SpaceError
from workers.problems import Problem, Split
from workers.remote.runners import pack, unpack

SIGNATURE = Signature(
    {"image": Image(1, 2, 2), "words": Tokens(3, 5)},
    {"kind": Classification(3), "size": Regression(1), "tags": Tagging(4, input="words")},
)
PARTS = ("train", "validation", "test")


def examples(count: int = 60) -> Split:
    """All with everything."""
    numbers = torch.arange(count)
    words = numbers[:, None] % 4 + 1 + torch.zeros(3, dtype=torch.int64)
    return Split(
        {"image": numbers.float().view(-1, 1, 1, 1) + torch.ones(1, 2, 2), "words": words},
        {"kind": numbers % 3, "size": numbers.float().unsqueeze(1), "tags": words - 1},
    )


def problem(**changes: Any) -> Problem:
    whole = examples()
    return Problem("mine", SIGNATURE, dataclasses.replace(whole, **changes), whole, whole)


def mask(count: int, *missing: int) -> Tensor:
    there = torch.ones(count, dtype=torch.bool)
    there[list(missing)] = False
    return there


def blank(inputs: dict[str, Tensor], name: str, rows: list[int]) -> dict[str, Tensor]:
    tensor = inputs[name].clone()
    tensor[rows] = 0
    return {**inputs, name: tensor}


# ---- checks


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"present": {"sound": mask(60)}}, r"train, present: expected names out of .* got 'sound'"),
        ({"labelled": {"age": mask(60)}}, r"labelled: expected names out of .* got 'age'"),
        ({"present": {"image": mask(59)}}, r"present 'image': expected torch.bool of shape \(60,\).*\(59,\)"),
        ({"present": {"image": torch.ones(60)}}, "present 'image': expected torch.bool .* got torch.float32"),
        ({"labelled": {"kind": mask(60).unsqueeze(1)}}, r"labelled 'kind': .* shape \(60, 1\)"),
        ({"domain": torch.zeros(60)}, "domain: expected torch.int64 .* got torch.float32"),
        ({"domain": torch.arange(60) % 2 - 1}, "domain: expected numbers from 0 up, got -1"),
        (
            {"domain": torch.arange(60) % 2 * 2},
            r"train, domain: expected every number from 0, got \[0, 2\]",
        ),
        ({"present": {"image": mask(60, 5)}}, "train, input 'image': expected zeros where it is missing"),
        (
            {"labelled": {"kind": mask(60, *range(60))}},
            "train, task 'kind': expected at least one label, got none",
        ),
        (
            {"inputs": blank(examples().inputs, "words", [1, 2]), "present": {"words": mask(60, 1, 2)}},
            r"task 'tags': expected no label where input 'words' is missing, got 2 without \(numbers 1, 2\)",
        ),
    ],
)
def test_masks_that_do_not_fit_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        problem(**changes)


def test_an_example_with_no_modality_is_refused() -> None:
    inputs = blank(blank(examples().inputs, "words", [4]), "image", [4])
    with pytest.raises(ProblemError, match=r"at least one modality in each example, got 1 .*numbers 4\)"):
        problem(
            inputs=inputs,
            present={"image": mask(60, 4), "words": mask(60, 4)},
            labelled={"tags": mask(60, 4)},
        )


def test_an_input_that_nobody_has_is_refused_in_train_and_accepted_in_test() -> None:
    nobody = mask(60, *range(60))
    inputs = blank(examples().inputs, "image", list(range(60)))
    blind = dataclasses.replace(examples(), inputs=inputs, present={"image": nobody})
    with pytest.raises(ProblemError, match="train, input 'image': expected an example that has it"):
        Problem("mine", SIGNATURE, blind, examples(), examples())
    assert len(Problem("mine", SIGNATURE, examples(), examples(), blind).test) == 60


def test_a_task_needs_a_label_in_every_split_and_a_domain_of_train() -> None:
    unlabelled = dataclasses.replace(examples(), labelled={"size": mask(60, *range(60))})
    with pytest.raises(ProblemError, match="validation, task 'size': expected at least one label"):
        Problem("mine", SIGNATURE, examples(), unlabelled, examples())
    elsewhere = dataclasses.replace(examples(), domain=torch.ones(60).long())
    with pytest.raises(ProblemError, match=r"test, domain: expected numbers below 1, .* got up to 1"):
        Problem("mine", SIGNATURE, examples(), examples(), elsewhere)


def test_classes_are_checked_where_there_is_a_label_only() -> None:
    wrong = {**examples().targets, "kind": torch.full((60,), 9).index_fill(0, torch.arange(50), 1)}
    with pytest.raises(ProblemError, match="'kind': expected a class from 0 to 2, got values from 1 to 9"):
        problem(targets=wrong, labelled={"kind": mask(60, 51)})
    assert problem(targets=wrong, labelled={"kind": mask(60, *range(50, 60))})
    nowhere = {
        **examples().targets,
        "size": torch.full((60, 1), torch.nan).index_fill(0, torch.arange(50), 1),
    }
    with pytest.raises(ProblemError, match="task 'size': expected finite numbers where there is no label"):
        problem(targets=nowhere, labelled={"size": mask(60, *range(50, 60))})


# ---- one's own


def test_whatever_stands_where_something_is_missing_becomes_zeros() -> None:
    split = examples()
    split.inputs["image"][:20] = torch.nan
    split.targets["size"][30:] = torch.inf
    split.present["image"] = mask(60, *range(20))
    split.labelled["size"] = mask(60, *range(30, 60))
    split = dataclasses.replace(split, domain=torch.arange(60) % 2)
    mine = Problem.from_tensors("mine", split, signature=SIGNATURE)
    assert [len(getattr(mine, part)) for part in PARTS] == [36, 12, 12]
    for part in PARTS:
        found: Split = getattr(mine, part)
        assert not found.inputs["image"][~found.present["image"]].any()
        assert not found.targets["size"][~found.labelled["size"]].any()
        assert found.inputs["image"][found.present["image"]].all()
        assert found.domain is not None
        assert found.domain.float().mean() == 0.5, "the division keeps the domains in proportion"


def test_items_of_a_data_set_that_leave_names_out_lack_them() -> None:
    items: list[Any] = []
    for index in range(40):
        inputs = {"x": torch.full((2,), float(index)), "w": torch.tensor([1, 2])}
        del inputs["x" if index % 4 == 1 else "w"]
        items.append((inputs, {"y": index % 2} | ({"z": 0.5 * index} if index % 3 else {}), index % 2))
    signature = Signature({"x": Vector(2), "w": Tokens(2, 3)}, {"y": Classification(2), "z": Regression(1)})
    mine = Problem.from_dataset("mine", Items(items), signature=signature, domain=True)
    assert mine.signature == signature
    train = mine.train
    assert set(train.present) == {"x", "w"}
    assert set(train.labelled) == {"z"}
    assert torch.equal(train.present["x"], ~train.present["w"])
    assert train.domain is not None
    assert torch.equal(train.domain, train.targets["y"])
    assert not train.inputs["w"][train.present["x"]].any()
    with pytest.raises(ProblemError, match=r"train\[1\]: expected a triple .*domain\), got 2 members"):
        Problem.from_dataset("mine", Items([items[0], items[2][:2]]), domain=True)


def test_what_is_missing_travels_to_workers_and_devices() -> None:
    mine = joined()
    for other in (unpack(pack(mine)), mine.to("cpu")):
        for part in PARTS:
            one, two = getattr(mine, part), getattr(other, part)
            for kind in ("inputs", "targets", "present", "labelled"):
                assert getattr(one, kind).keys() == getattr(two, kind).keys()
                assert all(torch.equal(t, getattr(two, kind)[n]) for n, t in getattr(one, kind).items())
            assert torch.equal(one.domain, two.domain)


# ---- fewer inputs, fewer tasks


def test_only_some_inputs_and_tasks_make_a_smaller_problem() -> None:
    small = problem().only(inputs=["words"], tasks=["tags", "kind"])
    assert small.signature == Signature(
        {"words": SIGNATURE.inputs["words"]}, {name: SIGNATURE.tasks[name] for name in ("kind", "tags")}
    )
    assert small.options == {"inputs": ["words"], "tasks": ["kind", "tags"]}
    assert torch.equal(small.train.targets["kind"], examples().targets["kind"])
    assert small.only(tasks=["kind"]).options == {"inputs": ["words"], "tasks": ["kind"]}
    assert problem().only(inputs=["words", "image"]).options == {}, "that is all"
    with pytest.raises(SpaceError, match="there is no task 'color'"):
        problem().only(tasks=["color"])
    with pytest.raises(SpaceError, match="'tags' needs the input 'words'"):
        problem().only(inputs=["image"])


def test_examples_that_have_nothing_of_what_stays_are_left_out() -> None:
    whole = joined()
    words = whole.only(inputs=["words"], tasks=["tags"])
    assert [len(getattr(words, part)) for part in PARTS] == [60, 60, 60]
    assert not words.train.present
    assert not words.train.labelled
    assert words.train.domain is None, "one source is left"
    points = whole.only(tasks=["side", "kind"])
    assert torch.equal(points.train.domain, whole.train.domain)


# ---- dropping


def test_labels_are_dropped_from_train_and_every_example_keeps_one() -> None:
    big = Problem("mine", SIGNATURE, examples(900), examples(), examples())
    for share in (0.3, 0.6):
        dropped = big.drop(labels=share)
        there = torch.stack([dropped.train.labelled[name] for name in SIGNATURE.tasks])
        assert [int(row.sum()) for row in there] == [900 - round(share * 900)] * 3
        assert bool(there.any(0).all())
        assert len(there.unique(dim=1).T) == 7, "every pattern but none at all"
        assert not dropped.validation.labelled
        assert not dropped.train.present
        assert not dropped.train.targets["size"][~dropped.train.labelled["size"]].any()


def test_modalities_are_dropped_from_every_split_with_the_labels_that_need_them() -> None:
    dropped = problem().drop(modalities=0.4, seed=3)
    for part in PARTS:
        split: Split = getattr(dropped, part)
        assert [int((~split.present[name]).sum()) for name in SIGNATURE.inputs] == [24, 24]
        assert not split.inputs["words"][~split.present["words"]].any()
        assert bool((split.present["words"] | split.present["image"]).all())
        assert torch.equal(split.labelled["tags"], split.present["words"])
    assert not torch.equal(dropped.train.present["image"], dropped.test.present["image"])


def test_dropping_is_the_same_for_a_seed_and_another_for_another() -> None:
    def masks(seed: int, **shares: float) -> Tensor:
        dropped = problem().drop(**shares, seed=seed)  # type: ignore[arg-type]
        return torch.stack([*dropped.train.present.values(), *dropped.train.labelled.values()])

    for shares in ({"labels": 0.5}, {"modalities": 0.5}, {"labels": 0.2, "modalities": 0.3}):
        assert torch.equal(masks(1, **shares), masks(1, **shares))
        assert not torch.equal(masks(1, **shares), masks(2, **shares))


def test_examples_that_have_one_label_only_keep_it() -> None:
    dropped = joined().drop(modalities=0.4)
    side = dropped.train.domain == 1
    assert bool(dropped.train.present["point"][side].all())


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"labels": 0.7}, r"drop\(labels=0.7\): expected a share from 0 to 0.667, so that .* one of 3"),
        ({"modalities": 0.6}, r"drop\(modalities=0.6\): expected a share from 0 to 0.5"),
        ({"labels": -0.1}, r"drop\(labels=-0.1\)"),
    ],
)
def test_a_share_that_leaves_examples_nothing_is_refused(shares: dict[str, float], words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        problem().drop(**shares)  # type: ignore[arg-type]


def test_dropping_comes_last_and_once() -> None:
    dropped = problem().drop(labels=0.2)
    assert dropped.options == {"label_dropout": 0.2}
    for again in (lambda: dropped.only(tasks=["kind"]), lambda: dropped.drop(modalities=0.1)):
        with pytest.raises(ProblemError, match="expected drop last, and once"):
            again()


# ---- joining


def joined() -> Problem:
    tagged = Problem(
        "tagged",
        Signature({"words": Tokens(3, 5)}, {"tags": Tagging(4), "kind": Classification(3)}),
        *[Split({"words": e.inputs["words"]}, {"tags": e.targets["tags"], "kind": e.targets["kind"]})
          for e in [examples()] * 3],
    )  # fmt: skip
    points = torch.arange(40.0).view(20, 2) + 1
    side = Split({"point": points}, {"side": torch.arange(20) % 2, "kind": torch.arange(20) % 3})
    sided = Problem(
        "sided",
        Signature({"point": Vector(2)}, {"side": Classification(2), "kind": Classification(3)}),
        side,
        side,
        side,
    )
    return Problem.join("both", tagged, sided)


def test_joined_problems_have_all_inputs_and_tasks_and_mark_what_each_lacks() -> None:
    both = joined()
    assert set(both.signature.inputs) == {"words", "point"}
    assert both.signature.tasks["tags"] == Tagging(4, input="words"), "which input is tagged is said now"
    for part in PARTS:
        split: Split = getattr(both, part)
        assert split.domain is not None
        assert split.domain.tolist() == [0] * 60 + [1] * 20
        assert torch.equal(split.present["words"], split.domain == 0)
        assert torch.equal(split.present["point"], split.domain == 1)
        assert torch.equal(split.labelled["side"], split.domain == 1)
        assert "kind" not in split.labelled, "all have this one"
        assert torch.equal(split.inputs["words"][:60], examples().inputs["words"])
        assert torch.equal(split.targets["kind"][60:], torch.arange(20) % 3)


def test_domains_are_numbered_on_when_a_joined_problem_is_joined() -> None:
    values = Split({"point": torch.ones(9, 2)}, {"value": torch.ones(9, 1)})
    third = Problem("third", Signature({"point": Vector(2)}, {"value": Regression()}), values, values, values)
    first, last = Problem.join("all", third, joined()), Problem.join("all", joined(), third)
    assert first.train.domain is not None
    assert first.train.domain.bincount().tolist() == [9, 60, 20]
    assert last.train.domain is not None
    assert last.train.domain.bincount().tolist() == [60, 20, 9]


def test_problems_that_mean_different_things_by_one_name_are_not_joined() -> None:
    values = Split({"point": torch.ones(9, 3)}, {"value": torch.ones(9, 1)})
    other = Problem("other", Signature({"point": Vector(3)}, {"value": Regression()}), values, values, values)
    with pytest.raises(ProblemError, match=r"input 'point': expected the same kind .*Vector.*2.*Vector.*3"):
        Problem.join("all", joined(), other)
    with pytest.raises(ProblemError, match="expected two or more problems, got 1"):
        Problem.join("all", other)


# ---- identity


def test_a_fingerprint_tells_apart_what_differs_in_masks_or_domains_only() -> None:
    whole = examples()
    zeroed = dataclasses.replace(whole, inputs=blank(whole.inputs, "image", [7]))
    variants = [
        zeroed,
        dataclasses.replace(zeroed, present={"image": mask(60, 7)}),
        dataclasses.replace(zeroed, labelled={"kind": mask(60, 7)}),
        dataclasses.replace(zeroed, labelled={"kind": mask(60, 8)}),
        dataclasses.replace(zeroed, labelled={"size": mask(60, 8)}),
        dataclasses.replace(zeroed, domain=torch.arange(60) % 2),
    ]
    prints = {fingerprint(Problem("p", SIGNATURE, split, whole, whole)) for split in variants}
    assert len(prints) == len(variants)
