"""Metrics: the same as torchmetrics and seqeval compute, batch by batch, over what has a label."""

import math
import random
import time

import pytest
import torch
import torch.nn.functional as F
from seqeval.metrics import f1_score
from torch import Tensor, nn
from torchmetrics.functional import accuracy, jaccard_index, mean_squared_error, r2_score

from search_spaces import Classification, DenseMap, Generation, Regression, Retrieval, Tagging
from search_spaces.blocks.heads.retrieval import contrastive_loss
from search_spaces.tasks import Task
from workers.problems.measures import default_objective, direction, main_metric, metric_names
from workers.problems.split import Split
from workers.training.metrics import Evaluation, evaluate, task_loss

CPU = torch.device("cpu")


def batch_of(targets: dict[str, Tensor], labelled: dict[str, Tensor] | None = None) -> Split:
    count = len(next(iter(targets.values())))
    return Split({"x": torch.zeros(count, 1)}, targets, labelled=labelled or {})


def scored(task: Task, output: Tensor, target: Tensor, labelled: Tensor | None = None) -> dict[str, float]:
    scores = Evaluation({"task": task}, CPU)
    batch = batch_of({"task": target}, {} if labelled is None else {"task": labelled})
    for start in range(0, len(target), 7):
        part = slice(start, start + 7)
        scores.add({"task": output[part]}, batch.take(part))
    return scores.result()


def test_classification() -> None:
    output, target = torch.randn(50, 4), torch.randint(4, (50,))
    values = scored(Classification(4), output, target)
    expected = accuracy(output, target, task="multiclass", num_classes=4, average="micro")
    assert values["accuracy"] == pytest.approx(float(expected))
    assert values["loss"] == pytest.approx(float(F.cross_entropy(output, target)), rel=1e-5)
    assert tuple(values) == metric_names({"task": Classification(4)})


def test_tagging_counts_no_ignored_position() -> None:
    output, target = torch.randn(30, 6, 5), torch.randint(5, (30, 6))
    target[:, 4:] = -100
    values = scored(Tagging(5), output, target)
    flat, tags = output[:, :4].reshape(-1, 5), target[:, :4].reshape(-1)
    expected = accuracy(flat, tags, task="multiclass", num_classes=5, average="micro")
    assert values["accuracy"] == pytest.approx(float(expected))
    assert values["loss"] == pytest.approx(float(F.cross_entropy(flat, tags)), rel=1e-5)
    assert float(task_loss(Tagging(5), output, target)) == pytest.approx(values["loss"], rel=1e-5)


LABELS = [
    ("O", "B-a", "I-a", "B-b", "I-b"),
    ("I-b", "B-c", "O", "I-a"),
    ("O", "B-a", "I-a", "E-a", "S-a", "B-b", "E-b", "S-b"),
    ("B", "I", "O"),
    ("B-x-y", "I-x-y", "I-x", "O", "B-x"),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(4))
def test_f1_is_that_of_seqeval(labels: tuple[str, ...], seed: int) -> None:
    torch.manual_seed(seed)
    target = torch.randint(len(labels), (40, 12))
    output = F.one_hot(torch.where(torch.rand(40, 12) < 0.8, target, target.roll(1, 1)), len(labels)).float()
    # padding, words that do not count within a sentence, and a sentence without any
    target[torch.arange(12) >= torch.randint(1, 13, (40, 1))] = -100
    target[torch.rand(40, 12) < 0.1] = -100
    target[0] = -100
    values = scored(Tagging(len(labels), labels), output, target)
    kept = [(row >= 0).nonzero().squeeze(1) for row in target]
    there, answered = (
        [[labels[tag] for tag in row[where].tolist()] for row, where in zip(tags, kept, strict=True)]
        for tags in (target, output.argmax(2))
    )
    assert values["f1"] == pytest.approx(float(f1_score(there, answered)), abs=1e-9)
    assert 0 < values["f1"] < 1
    assert tuple(values) == metric_names({"task": Tagging(len(labels), labels)})


def test_an_inside_after_an_outside_begins_an_entity() -> None:
    task = Tagging(3, ("O", "B-a", "I-a"))
    target = torch.tensor([[0, 2, 2, 0]])
    as_begun = F.one_hot(torch.tensor([[0, 1, 2, 0]]), 3).float()
    assert scored(task, as_begun, target)["f1"] == 1
    assert scored(task, as_begun * 0 + torch.tensor([1.0, 0, 0]), target)["f1"] == 0


def test_entities_of_a_split_are_counted_in_little_time() -> None:
    labels = ("O", *(f"{where}-{kind}" for kind in range(36) for where in "BI"))[:72]
    output, target = torch.randn(700, 35, 72), torch.randint(72, (700, 35))
    scores = Evaluation({"task": Tagging(72, labels)}, CPU)
    started = time.perf_counter()
    for start in range(0, 700, 256):
        scores.add({"task": output[start : start + 256]}, batch_of({"task": target[start : start + 256]}))
    scores.result()
    assert time.perf_counter() - started < 1


def test_regression() -> None:
    target = torch.randn(60, 3) * 4 + 100
    output = target + torch.randn(60, 3)
    values = scored(Regression(3), output, target)
    assert values["rmse"] == pytest.approx(float(mean_squared_error(output, target, squared=False)), rel=1e-4)
    assert values["r2"] == pytest.approx(float(r2_score(output, target)), rel=1e-4)
    assert tuple(values) == metric_names({"task": Regression(3)})


def test_what_does_not_vary_is_explained_wholly_or_not_at_all() -> None:
    target = torch.full((9, 1), 0.1)
    assert scored(Regression(), target.clone(), target)["r2"] == 1
    assert scored(Regression(), target + 1, target)["r2"] == 0


def test_retrieval_finds_matches_in_the_whole_split() -> None:
    torch.manual_seed(0)
    items = torch.arange(60) % 40
    directions = F.normalize(torch.randn(40, 8), dim=1)[items]
    noisy = F.normalize(directions.unsqueeze(1) + 0.5 * torch.randn(60, 2, 8), dim=2)
    values = scored(Retrieval("a", "b", 8), noisy, items)
    for rank in (1, 5, 10):
        hits = 0
        for query, item in zip(noisy[:, 0], items, strict=True):
            nearest = (noisy[:, 1] @ query).topk(rank).indices
            hits += bool((items[nearest] == item).any())
        assert values[f"recall_at_{rank}"] == pytest.approx(hits / 60)
    assert 0.1 < values["recall_at_1"] < values["recall_at_10"] <= 1
    expected = float(contrastive_loss(noisy[:, 0], noisy[:, 1], items, 1 / 0.07))
    assert values["loss"] == pytest.approx(expected, rel=1e-5)
    assert float(task_loss(Retrieval("a", "b", 8), noisy, items)) == pytest.approx(expected, rel=1e-5)
    assert tuple(values) == metric_names({"task": Retrieval("a", "b", 8)})


def test_one_embedding_for_everything_finds_nothing() -> None:
    same = F.normalize(torch.ones(20, 2, 4), dim=2)
    assert scored(Retrieval("a", "b", 4), same, torch.arange(20))["recall_at_10"] == 0


def test_generation_counts_tokens_to_the_end_and_whole_texts() -> None:
    target = torch.tensor([[3, 4, 0, 0], [3, 0, 0, 0], [1, 2, 3, 4]])
    written = torch.tensor([[3, 4, 0, 2], [3, 1, 0, 0], [1, 2, 3, 4]])
    output = F.one_hot(written, 5).float() * 3
    values = scored(Generation(4, 5), output, target)
    assert values["accuracy"] == pytest.approx(8 / 9)
    assert values["exact"] == pytest.approx(2 / 3)
    assert float(task_loss(Generation(4, 5), output, target)) == pytest.approx(values["loss"], rel=1e-5)
    assert tuple(values) == metric_names({"task": Generation(4, 5)})


def test_maps_of_classes() -> None:
    output, target = torch.randn(20, 6, 5, 4), torch.randint(4, (20, 5, 4))
    output[:, 4:] = -9.0  # two classes that nobody names
    target[:, 0] = -100
    values = scored(DenseMap(6, 5, 4), output, target)
    expected = jaccard_index(output, target, task="multiclass", num_classes=6, ignore_index=-100)
    assert values["miou"] == pytest.approx(float(expected), rel=1e-5)
    right = accuracy(output, target, task="multiclass", num_classes=6, average="micro", ignore_index=-100)
    assert values["accuracy"] == pytest.approx(float(right), rel=1e-5)
    assert values["loss"] == pytest.approx(float(F.cross_entropy(output, target)), rel=1e-5)
    assert float(task_loss(DenseMap(6, 5, 4), output, target)) == pytest.approx(values["loss"], rel=1e-5)
    assert tuple(values) == metric_names({"task": DenseMap(6, 5, 4)})


def test_maps_of_numbers() -> None:
    target = torch.randn(20, 2, 5, 4) + torch.tensor([5.0, -3.0]).view(2, 1, 1)
    output = target + 0.3 * torch.randn_like(target)
    task = DenseMap(2, 5, 4, discrete=False)
    values = scored(task, output, target)
    rows = [tensor.movedim(1, 3).reshape(-1, 2) for tensor in (output, target)]
    assert values["r2"] == pytest.approx(float(r2_score(*rows)), rel=1e-4)
    assert values["rmse"] == pytest.approx(float(mean_squared_error(*rows, squared=False)), rel=1e-4)
    assert float(task_loss(task, output, target)) == pytest.approx(values["loss"], rel=1e-5)
    assert tuple(values) == metric_names({"task": task})


def test_a_batch_without_anything_counted_has_loss_zero_and_not_nan() -> None:
    assert float(task_loss(Tagging(3), torch.randn(2, 4, 3), torch.full((2, 4), -100))) == 0
    assert float(task_loss(DenseMap(3, 4, 4), torch.randn(2, 3, 4, 4), torch.full((2, 4, 4), -100))) == 0
    assert scored(Tagging(3), torch.randn(2, 4, 3), torch.full((2, 4), -100)) == {}


def test_an_answer_of_another_shape_is_an_error_and_no_broadcast() -> None:
    with pytest.raises(ValueError, match=r"expected an answer of shape \(8, 1\), got \(8, 8\)"):
        task_loss(Regression(1), torch.randn(8, 8), torch.randn(8, 1))
    with pytest.raises(ValueError, match="expected an answer"):
        task_loss(Tagging(3), torch.randn(8, 5, 3), torch.zeros(8, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected an answer"):
        task_loss(DenseMap(3, 4, 5), torch.randn(8, 3, 5, 5), torch.zeros(8, 4, 5, dtype=torch.int64))
    for task, output, target in [
        (Classification(3), torch.randn(8, 5, 3), torch.zeros(8, dtype=torch.int64)),
        (Regression(2), torch.randn(8, 1), torch.randn(8, 2)),
        (Retrieval("a", "b", 4), torch.randn(8, 4), torch.zeros(8, dtype=torch.int64)),
        (Generation(3, 4), torch.randn(8, 2, 4), torch.zeros(8, 3, dtype=torch.int64)),
        (DenseMap(3, 4, 5), torch.randn(8, 2, 4, 5), torch.zeros(8, 4, 5, dtype=torch.int64)),
    ]:
        with pytest.raises(ValueError, match="expected an answer of shape"):
            scored(task, output, target)


# ---- several tasks


TASKS: dict[str, Task] = {
    "kind": Classification(3),
    "size": Regression(2),
    "tags": Tagging(2),
}


def several(count: int = 20) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    outputs = {"kind": torch.randn(count, 3), "size": torch.randn(count, 2), "tags": torch.randn(count, 4, 2)}
    targets = {
        "kind": torch.randint(3, (count,)),
        "size": torch.randn(count, 2),
        "tags": torch.randint(2, (count, 4)),
    }
    return outputs, targets


def test_several_tasks_have_a_score_a_worst_and_a_sum_of_losses() -> None:
    outputs, targets = several()
    scores = Evaluation(TASKS, CPU)
    scores.add(outputs, batch_of(targets))
    values = scores.result()
    assert tuple(values) == metric_names(TASKS)
    mains = [values["kind.accuracy"], values["size.r2"], values["tags.accuracy"]]
    assert values["score"] == pytest.approx(sum(mains) / 3)
    assert values["worst"] == min(mains) == values["size.r2"]
    assert values["loss"] == pytest.approx(sum(values[f"{name}.loss"] for name in TASKS))
    alone = scored(TASKS["size"], outputs["size"], targets["size"])
    assert {metric: values[f"size.{metric}"] for metric in alone} == pytest.approx(alone)


def test_rows_without_a_label_do_not_count() -> None:
    outputs, targets = several()
    labelled = {"kind": torch.rand(20) < 0.5, "tags": torch.arange(20) < 3}
    spoilt = {name: tensor.clone() for name, tensor in outputs.items()}
    for name, rows in labelled.items():
        spoilt[name][~rows] = math.nan
    scores = Evaluation(TASKS, CPU)
    batch = batch_of(targets, labelled)
    for start in range(0, 20, 6):  # of the later ones, none has tags
        part = slice(start, start + 6)
        scores.add({name: tensor[part] for name, tensor in spoilt.items()}, batch.take(part))
    values = scores.result()
    for name, task in TASKS.items():
        rows = labelled.get(name, torch.ones(20, dtype=torch.bool))
        expected = scored(task, outputs[name][rows], targets[name][rows])
        assert {key: values[f"{name}.{key}"] for key in expected} == pytest.approx(expected)


def test_a_task_that_nobody_has_a_label_for_is_absent() -> None:
    outputs, targets = several()
    nobody = {"size": torch.zeros(20, dtype=torch.bool)}
    without = {name: target for name, target in targets.items() if name != "size"}
    for batch in (batch_of(targets, nobody), batch_of(without)):
        scores = Evaluation(TASKS, CPU)
        scores.add(outputs, batch)
        values = scores.result()
        assert tuple(values) == tuple(name for name in metric_names(TASKS) if not name.startswith("size."))
        assert values["score"] == pytest.approx((values["kind.accuracy"] + values["tags.accuracy"]) / 2)
        assert values["loss"] == pytest.approx(values["kind.loss"] + values["tags.loss"])
    empty = Evaluation(TASKS, CPU)
    empty.add(outputs, batch_of(targets, dict.fromkeys(TASKS, nobody["size"])))
    assert empty.result() == {}


def test_the_default_objective_is_the_score_of_several_tasks_and_the_metric_of_one() -> None:
    assert default_objective(TASKS) == ("score", "maximize")
    assert default_objective({"a": Classification(2)}) == ("accuracy", "maximize")
    assert default_objective({"a": Regression()}) == ("rmse", "minimize")
    assert default_objective({"a": Tagging(2, ("O", "B-a"))}) == ("f1", "maximize")
    assert default_objective({"a": Retrieval("b", "c")}) == ("recall_at_1", "maximize")
    assert default_objective({"a": Generation(3, 4)}) == ("accuracy", "maximize")
    assert default_objective({"a": DenseMap(2, 3, 3)}) == ("miou", "maximize")
    assert default_objective({"a": DenseMap(1, 3, 3, discrete=False)}) == ("rmse", "minimize")


def test_each_task_has_a_main_metric_of_which_more_is_better() -> None:
    tasks = [
        *TASKS.values(),
        Tagging(2, ("O", "B-a")),
        Retrieval("b", "c"),
        Generation(3, 4),
        DenseMap(2, 3, 3),
    ]
    mains = [main_metric(task) for task in tasks]
    assert mains == ["accuracy", "r2", "accuracy", "f1", "recall_at_1", "accuracy", "miou"]
    assert {direction(metric) for metric in mains} == {"maximize"}
    assert [direction(name) for name in ("loss", "a.loss", "a.rmse", "score", "worst", "b.exact")] == [
        *["minimize"] * 3,
        *["maximize"] * 3,
    ]


def test_evaluation_asks_in_batches_and_leaves_the_split_as_it_was() -> None:
    class Spoiling(nn.Module):
        """Adds to its input in place; answers its first features."""

        def forward(self, inputs: Tensor) -> Tensor:
            assert not self.training
            return inputs.add_(1)[:, :3]

    generator = random.Random(0)
    inputs, target = torch.randn(600, 4), torch.tensor([generator.randrange(3) for _ in range(600)])
    labelled = torch.arange(600) % 3 > 0
    split = Split({"x": inputs.clone()}, {"kind": target}, labelled={"kind": labelled})
    network, sizes = Spoiling(), []

    def forward(batch: Split) -> dict[str, Tensor]:
        sizes.append((len(batch), len(batch.labelled["kind"])))
        return {"kind": network(batch.inputs["x"])}

    values = evaluate(forward, network, split, {"kind": Classification(3)}, check=lambda: None)
    assert sizes == [(256, 256), (256, 256), (88, 88)]
    assert torch.equal(split.inputs["x"], inputs)
    right = (inputs[:, :3].argmax(1) == target)[labelled]
    assert values["accuracy"] == pytest.approx(float(right.double().mean()))

    class EnoughError(Exception):
        pass

    def enough() -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        evaluate(forward, network, split, {"kind": Classification(3)}, check=enough)
    assert len(sizes) == 3
