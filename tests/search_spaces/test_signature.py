"""Tests of signatures: what tasks ask of their inputs, and how a signature is restricted and written down."""

import json
from collections.abc import Callable

import pytest
import torch

from search_spaces import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    TabularRow,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.errors import NasError, SpaceError
from search_spaces.inputs import Input

FULL = Signature(
    {"photo": Image(3, 8, 9), "caption": Tokens(6, 50), "sound": Sequence(20, 4)},
    {
        "kind": Classification(5),
        "words": Tagging(3, ("O", "B-x", "I-x"), input="caption"),
        "match": Retrieval("photo", "caption", features=16),
        "summary": Generation(7, 50),
        "depth": DenseMap(1, 4, 5, discrete=False),
        "parts": DenseMap(6, 8, 9),
        "themes": MultiLabel(3, ("sea", "sun", 7)),
        "grade": Ordinal(4),
        "visits": CountRegression(2),
        "price": QuantileRegression((0.05, 0.95)),
    },
)


def test_every_kind_of_task_comes_back_from_json() -> None:
    data = json.loads(json.dumps(FULL.to_dict()))
    assert data == FULL.to_dict()
    back = Signature.from_dict(data)
    assert (back, hash(back)) == (FULL, hash(FULL))
    assert [type(task) for task in back.tasks.values()] == [type(task) for task in FULL.tasks.values()]
    words = back.tasks["words"]
    assert isinstance(words, Tagging)
    assert (words.labels, words.input) == (("O", "B-x", "I-x"), "caption")
    assert (
        Tagging(2)
        == Signature.from_dict(
            {
                "inputs": {"text": {"kind": "Tokens", "length": 3, "vocabulary": 4}},
                "tasks": {"tags": {"kind": "Tagging", "tags": 2}},
            }
        ).tasks["tags"]
    )


def test_names_of_classes_come_back_and_classes_without_are_written_as_ever() -> None:
    plain, named = (
        Signature({"x": Vector(2)}, {"y": Classification(3, labels)}) for labels in ((), ("a", 7, "c"))
    )
    assert plain.to_dict()["tasks"] == {"y": {"kind": "Classification", "classes": 3}}
    assert repr(plain.tasks["y"]) == "Classification(classes=3)"
    back = Signature.from_dict(json.loads(json.dumps(named.to_dict())))
    assert (back, hash(back)) == (named, hash(named))
    assert named != plain
    assert eval(repr(named.tasks["y"])) == named.tasks["y"]


def test_predictions_are_given_back_by_the_names_of_their_classes() -> None:
    answers = torch.tensor([[0.1, 0.2, 0.7], [2.0, -1.0, 0.0]])
    assert Classification(3, ("cat", "dog", "eel")).predicted(answers) == ["eel", "cat"]
    assert Classification(3).predicted(answers) == [2, 0]
    with pytest.raises(SpaceError, match=r"expected answers \(N, 2\), got \(2, 3\)"):
        Classification(2).predicted(answers)
    assert Tagging(3, ("a", "b", "c")).predicted(answers[None]) == [["c", "a"]]
    assert Tagging(3).predicted(answers[None]) == [[2, 0]]
    with pytest.raises(SpaceError, match=r"expected answers \(N, L, 3\), got \(2, 3\)"):
        Tagging(3).predicted(answers)


@pytest.mark.parametrize("kind", [MultiLabel, Ordinal])
def test_several_labels_and_classes_with_an_order_are_written_as_classes_are(kind: type) -> None:
    plain, named = (Signature({"x": Vector(2)}, {"y": kind(3, labels)}) for labels in ((), ("a", 7, "c")))
    assert plain.to_dict()["tasks"] == {"y": {"kind": kind.__name__, "classes": 3}}
    assert Signature.from_dict(json.loads(json.dumps(named.to_dict()))) == named != plain
    assert eval(repr(named.tasks["y"])) == named.tasks["y"]


def test_an_example_has_the_labels_of_one_half_and_more_and_the_class_that_it_reaches() -> None:
    answers = torch.tensor([[2.0, -1.0, 0.0], [-0.1, -2.0, -3.0], [1.0, 1.0, 1.0]])
    assert MultiLabel(3, ("red", "round", "big")).predicted(answers) == [
        ["red", "big"],
        [],
        ["red", "round", "big"],
    ]
    assert MultiLabel(3).predicted(answers)[0] == [0, 2]
    grades = Ordinal(4, ("bad", "fair", "good", "best"))
    assert grades.predicted(torch.tensor([[3.0, 1.0, -1.0], [-1.0, -2.0, -3.0], [3.0, 2.0, 1.0]])) == [
        "good",
        "bad",
        "best",
    ]
    for task in (MultiLabel(2), Ordinal(5)):
        with pytest.raises(SpaceError, match=rf"expected answers \(N, {task.outputs}\), got \(3, 3\)"):
            task.predicted(answers)


def test_tasks_say_how_many_numbers_a_head_gives() -> None:
    outputs = {name: task.outputs for name, task in FULL.tasks.items()}
    assert outputs == {"kind": 5, "words": 3, "match": 16, "summary": 50, "depth": 1, "parts": 6} | {
        "themes": 3,
        "grade": 3,
        "visits": 2,
        "price": 2,
    }


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Tagging(3, ("O", "B-x")), "expected 3 labels, got 2"),
        (lambda: Tagging(2, ("O", "O")), "expected each label once"),
        (lambda: Tagging(2, ("O", 3)), "expected names of tags"),
        (lambda: Tagging(0), "Tagging: tags: expected a whole number above 0, got 0"),
        (lambda: MultiLabel(3, ("a", "b")), r"MultiLabel\(labels=...\): expected 3 labels, got 2"),
        (lambda: MultiLabel(2, ("a", 0.5)), r"MultiLabel\(labels=...\): expected words or whole numbers"),
        (lambda: Ordinal(1), "Ordinal: classes: expected a whole number of at least 2, got 1"),
        (lambda: Ordinal(2, "ab"), r"Ordinal\(labels=...\): expected names, such as"),
        (lambda: CountRegression(0), "CountRegression: outputs: expected a whole number above 0"),
        (lambda: QuantileRegression((0.5, 0.1)), r"between 0 and 1 in ascending order.*got \(0.5, 0.1\)"),
        (lambda: QuantileRegression((0.5, 0.5)), "ascending order"),
        (lambda: QuantileRegression((0.1, 1.0)), "between 0 and 1"),
        (lambda: QuantileRegression((0.0, 0.5)), "between 0 and 1"),
        (lambda: QuantileRegression((0.1, float("nan"))), "between 0 and 1"),
        (lambda: QuantileRegression(()), "between 0 and 1"),
        (lambda: QuantileRegression(0.5), "between 0 and 1"),
        (lambda: QuantileRegression("ab"), "between 0 and 1"),
        (lambda: Retrieval("a", "a"), "expected two inputs, got 'a' twice"),
        (lambda: Retrieval("a", "b", features=0), "Retrieval: features: expected"),
        (lambda: Generation(3, 0), "Generation: vocabulary: expected"),
        (lambda: DenseMap(1, 2, 2.5), "DenseMap: width: .*got 2.5"),
        (lambda: DenseMap(1, 2, 2, discrete=1), "DenseMap: discrete: expected True or False, got 1"),
        (lambda: Signature({"a": Image(1, 2, 2)}, {"m": Retrieval("a", "text")}),
         "task 'm' needs the input 'text', the inputs are a"),
        (lambda: Signature({"a": Tokens(4, 5)}, {"t": Tagging(2, input="b")}),
         "task 't' needs the input 'b'"),
        (lambda: Signature({"a": Tokens(4, 5), "i": Image(1, 2, 2)}, {"t": Tagging(2, input="i")}),
         "task 't'.*got 'i'; inputs with a length: a"),
        (lambda: Signature({"a": Tokens(4, 5), "b": Sequence(4, 5)}, {"t": Tagging(2)}),
         "task 't'.*got None; inputs with a length: a, b"),
        (lambda: Signature({"a": Image(1, 2, 2)}, {"t": Tagging(2)}), "inputs with a length: none"),
    ],
)  # fmt: skip
def test_tasks_that_make_no_sense_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        make()


def test_the_tagged_input_is_the_named_one_or_the_only_one_with_a_length() -> None:
    assert FULL.tagged_input("words") == "caption"
    alone = Signature({"photo": Image(1, 2, 2), "sound": Sequence(4, 5)}, {"steps": Tagging(2)})
    assert alone.tagged_input("steps") == "sound"


def test_a_signature_is_restricted_to_some_inputs_and_tasks() -> None:
    assert FULL.only() == FULL
    fewer = FULL.only(tasks=["depth", "kind"])
    assert (list(fewer.inputs), list(fewer.tasks)) == (list(FULL.inputs), ["kind", "depth"])
    photo = FULL.only(inputs=["photo"], tasks=["kind", "parts"])
    assert photo == Signature(
        {"photo": FULL.inputs["photo"]}, {"kind": FULL.tasks["kind"], "parts": FULL.tasks["parts"]}
    )


def test_a_task_whose_input_goes_must_go_with_it() -> None:
    with pytest.raises(SpaceError, match="task 'words' needs the input 'caption', the inputs are photo"):
        FULL.only(inputs=["photo"])
    with pytest.raises(SpaceError, match="task 'match' needs the input 'photo'"):
        FULL.only(inputs=["caption", "sound"], tasks=["words", "match"])
    with pytest.raises(SpaceError, match=r"only\(inputs=...\): there is no input 'video', but photo"):
        FULL.only(inputs=["video"])
    with pytest.raises(SpaceError, match=r"only\(tasks=...\): there is no task 'kin'"):
        FULL.only(tasks=["kin"])
    with pytest.raises(NasError, match="at least one task"):
        FULL.only(tasks=[])
    assert FULL.only(tasks=["kind"]).tasks == {"kind": Classification(5)}
    assert Signature({"a": Tokens(3, 4)}, {"r": Regression()}).only(inputs=["a"]).tasks == {"r": Regression()}


@pytest.mark.parametrize("kind", [Tokens(6, 9), Sequence(6, 2, padded=True)], ids=str)
def test_what_is_cut_is_padding_to_the_mask(kind: Input) -> None:
    whole, lengths = kind.random(4), torch.tensor([0, 1, 5, 6])
    cut = kind.cut(whole, lengths)
    mask = kind.mask(cut)
    assert mask is not None
    assert torch.equal(mask, torch.arange(6) < lengths.unsqueeze(1))
    assert torch.equal(cut[mask], whole[mask])
    assert bool(kind.mask(whole).all())  # type: ignore[union-attr]
    assert cut.dtype == whole.dtype


@pytest.mark.parametrize("kind", [Image(1, 6, 6), Sequence(6, 2), Vector(6), TabularRow(6)], ids=str)
def test_other_kinds_have_no_padding(kind: Input) -> None:
    whole = kind.random(4)
    assert kind.cut(whole, torch.tensor([0, 1, 5, 6])) is whole
    assert kind.mask(whole) is None


def test_whether_series_are_padded_is_true_or_false() -> None:
    with pytest.raises(SpaceError, match="padded"):
        Sequence(6, 2, padded="yes")  # type: ignore[arg-type]
