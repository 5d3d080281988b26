"""What training minimises: losses of those who have labels, and the terms beside them."""

import dataclasses
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from joined_networks import SIGNATURE, architecture, problem
from torch import Tensor, nn

from search_spaces import Classification, Regression, Signature, Vector
from search_spaces.blocks import CrfHead
from search_spaces.building.network import Network
from workers.problems.split import Split
from workers.recipe import Alignment, Recipe
from workers.training.adversary import Discriminator
from workers.training.alignment import MARGIN, ModalityAlignment, contrastive, infonce, mmd
from workers.training.criterion import Criterion, Losses, TrainingLoss, shares
from workers.training.metrics import task_loss
from workers.training.modality_dropout import drop_modalities
from workers.training.sharing_terms import overlap, tie

ALIGNMENTS: tuple[Alignment, ...] = ("contrastive", "infonce", "mmd", "adversarial")
PROBLEM = problem()


def built(sharing: str = "hard", seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = architecture(SIGNATURE, sharing).build(SIGNATURE)
    assert isinstance(network, Network)
    return network


def training_loss_of(network: nn.Module, recipe: Recipe | None = None, domains: int = 1) -> TrainingLoss:
    criterion = Criterion(network, SIGNATURE, recipe or Recipe(), domains)
    return TrainingLoss(network, criterion, SIGNATURE)


def batch_of(examples: int = 12) -> Split:
    return PROBLEM.train.select(torch.arange(examples))


def with_labels(batch: Split, **labelled: list[bool]) -> Split:
    return dataclasses.replace(batch, labelled={n: torch.tensor(mask) for n, mask in labelled.items()})


# --- the tasks' losses ---


def test_the_total_is_the_sum_of_the_losses_of_the_networks_answers() -> None:
    network, batch = built().eval(), batch_of()
    losses = training_loss_of(network)(batch)
    answers = network(batch.inputs)
    for name in ("kind", "size", "tags"):
        torch.testing.assert_close(
            losses.tasks[name], task_loss(SIGNATURE.tasks[name], answers[name], batch.targets[name])
        )
    torch.testing.assert_close(losses.total, torch.stack([*losses.tasks.values()]).sum())
    assert losses.auxiliary is None


def test_a_head_with_a_loss_of_its_own_is_asked_for_it() -> None:
    network, batch = built().eval(), batch_of()
    head = CrfHead(SIGNATURE.tasks["tags"], (6, 8))
    network.heads[2] = head
    encoding = network.encode(batch.inputs)
    features = encoding.features["tags"]
    assert isinstance(features, Tensor)
    losses = training_loss_of(network)(batch)
    torch.testing.assert_close(losses.tasks["tags"], head.loss(features, batch.targets["tags"]))


def test_rows_without_a_label_are_not_looked_at() -> None:
    network, batch = built().eval(), batch_of(4)
    half = with_labels(batch, kind=[True, False, True, False], match=[True, True, True, False])
    other = {**batch.targets, "kind": (batch.targets["kind"] + torch.tensor([0, 1, 0, 1])) % 3}
    loss_of = training_loss_of(network)
    one, same = loss_of(half), loss_of(dataclasses.replace(half, targets=other))
    assert all(torch.equal(loss, same.tasks[name]) for name, loss in one.tasks.items())
    logits = network(batch.inputs)["kind"][[0, 2]]
    torch.testing.assert_close(one.tasks["kind"], F.cross_entropy(logits, batch.targets["kind"][[0, 2]]))


@pytest.mark.parametrize("left_out", [True, False])
def test_a_task_that_is_absent_has_no_loss_and_its_head_no_gradient(left_out: bool) -> None:
    network, batch = built(), batch_of(4)
    if left_out:
        batch = dataclasses.replace(batch, targets={n: t for n, t in batch.targets.items() if n != "size"})
    else:
        batch = with_labels(batch, size=[False] * 4)
    losses = training_loss_of(network)(batch)
    assert list(losses.tasks) == ["kind", "tags", "match"]
    assert losses.total is not None
    losses.total.backward()
    assert all(p.grad is None for p in network.head("size").parameters())
    assert all(p.grad is not None for p in network.head("kind").parameters())


def test_a_batch_without_any_label_has_no_loss() -> None:
    batch = dataclasses.replace(batch_of(4), targets={})
    assert training_loss_of(built())(batch) == Losses(None, {}, None)


def test_any_module_that_answers_by_name_will_do() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kind, self.size = nn.Linear(5, 3), nn.Linear(5, 1)

        def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"kind": self.kind(inputs["point"]), "size": self.size(inputs["point"])}

    signature = Signature({"point": Vector(5)}, {"kind": Classification(3), "size": Regression(1)})
    network = Both()
    loss_of = TrainingLoss(network, Criterion(network, signature, Recipe()), signature)
    batch = with_labels(batch_of(4), kind=[True, True, False, True], size=[False] * 4)
    losses = loss_of(batch)
    assert list(losses.tasks) == ["kind"]
    rows = torch.tensor([0, 1, 3])
    answer = network.kind(batch.inputs["point"][rows])
    torch.testing.assert_close(losses.total, F.cross_entropy(answer, batch.targets["kind"][rows]))


@pytest.mark.parametrize("balancing", ["equal", "uncertainty"])
def test_the_mean_of_the_processes_losses_is_that_of_the_whole_batch(balancing: str) -> None:
    network = built().eval()
    loss_of = training_loss_of(network, Recipe(balancing=balancing))
    batch = with_labels(
        batch_of(8),
        kind=[True] * 2 + [False] * 5 + [True],
        size=[False] * 5 + [True] * 3,
        match=[False] * 8,
    )
    batch.targets["tags"][:3] = -100
    whole = loss_of(batch)
    parts = [slice(0, 4), slice(4, 8)]
    own = [loss_of(batch.take(part), shares(SIGNATURE.tasks, batch, part, 2)) for part in parts]
    assert [list(losses.tasks) for losses in own] == [["kind", "size", "tags"]] * 2
    for name, loss in whole.tasks.items():
        torch.testing.assert_close(torch.stack([losses.tasks[name] for losses in own]).mean(), loss)
    torch.testing.assert_close(torch.stack([x.total for x in own if x.total is not None]).mean(), whole.total)


def test_all_processes_have_a_term_where_one_of_them_has() -> None:
    loss_of = training_loss_of(built(), Recipe(alignment="infonce"))
    batch = dataclasses.replace(batch_of(8), present={"point": torch.arange(8) < 4})
    batch.inputs["point"][4:] = 0
    batch = with_labels(batch, match=[True] * 4 + [False] * 4)
    parts = [slice(0, 4), slice(4, 8)]
    own = [loss_of(batch.take(part), shares(SIGNATURE.tasks, batch, part, 2)) for part in parts]
    terms = [losses.auxiliary for losses in own]
    assert terms[0] is not None
    assert terms[1] is not None
    assert float(terms[0].detach()) > float(terms[1].detach()) == 0
    assert terms[1].requires_grad


# --- modality dropout ---


def test_dropped_modalities_are_zeros_that_are_not_present_and_each_example_keeps_one() -> None:
    batch = PROBLEM.train
    there = {"point": torch.ones(len(batch), dtype=torch.bool)}
    there["point"][:10] = False
    batch = dataclasses.replace(batch, present=there)
    kept = batch.inputs["point"].clone()
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(2)
    for _ in range(50):
        less = drop_modalities(batch, SIGNATURE, 0.3, generator)
        present = torch.stack([less.present[name] for name in ("point", "steps")], 1)
        assert bool(present.any(1).all())
        assert not bool(present[:10, 0].any())
        for name, tensor in less.inputs.items():
            assert not bool(tensor[~less.present[name]].any())
            assert torch.equal(tensor[less.present[name]], batch.inputs[name][less.present[name]])
        # who has no steps has no tags, and without either there is no match
        assert torch.equal(less.labelled["tags"], less.present["steps"])
        assert torch.equal(less.labelled["match"], present.all(1))
        assert "kind" not in less.labelled
        counts += (~present[10:]).float().mean(0)
    # both are drawn in 0.3 * 0.3 of the cases, and then one of them stays
    assert (counts / 50).tolist() == pytest.approx([0.3 - 0.045] * 2, abs=0.01)
    assert torch.equal(batch.inputs["point"], kept)


def test_one_modality_or_no_share_leaves_a_batch_as_it_is() -> None:
    batch, generator = batch_of(), torch.Generator()
    assert drop_modalities(batch, SIGNATURE, 0.0, generator) is batch
    alone = dataclasses.replace(batch, inputs={"point": batch.inputs["point"]})
    assert drop_modalities(alone, SIGNATURE, 0.5, generator) is alone


# --- soft sharing, shared and private ---


def test_the_tie_is_the_squared_distance_of_copies_to_their_mean() -> None:
    copies = [nn.Linear(1, 1, bias=False) for _ in range(3)]
    for copy, weight in zip(copies, (1.0, 2.0, 6.0), strict=True):
        nn.init.constant_(copy.weight, weight)
    held = tie([copies, [nn.ReLU(), nn.ReLU()]])
    assert held is not None
    assert float(held.detach()) == 4 + 1 + 9
    assert tie([[nn.ReLU(), nn.ReLU()]]) is None


def test_a_soft_tie_pulls_copies_together_and_leaves_other_networks_alone() -> None:
    def spread(weight: float) -> float:
        network = built("soft")
        loss_of = training_loss_of(network, Recipe(tie=weight))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
        for _ in range(20):
            optimizer.zero_grad()
            total = loss_of(batch_of()).total
            assert total is not None
            total.backward()
            optimizer.step()
        body = network.body
        held = tie([[body.parts[name] for name in group] for group in body.ties])  # type: ignore[index,union-attr]
        assert held is not None
        return float(held.detach())

    assert spread(1.0) < 0.5 * spread(0.0)
    assert training_loss_of(built("hard"), Recipe(tie=1.0))(batch_of()).auxiliary is None


def test_overlap_is_0_for_orthogonal_features_and_1_for_the_same_ones() -> None:
    line = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0]])
    across = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    assert float(overlap(line, line)) == pytest.approx(1)
    assert float(overlap(line, across)) == pytest.approx(0, abs=1e-7)
    # who lacks the modality does not count
    gaps = [torch.cat([part, torch.zeros(3, 2)]) for part in (line, line)]
    assert float(overlap(*gaps)) == pytest.approx(1)


@pytest.mark.slow
def test_orthogonality_drives_private_features_from_shared_ones() -> None:
    def left(weight: float) -> float:
        network = built("private")
        loss_of = training_loss_of(network, Recipe(orthogonality=weight))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(40):
            optimizer.zero_grad()
            total = loss_of(batch_of(40)).total
            assert total is not None
            total.backward()
            optimizer.step()
        taps = network.encode(batch_of(40).inputs).taps
        pairs = network.body.private
        return float(torch.stack([overlap(taps[s], taps[p]) for s, p in pairs]).mean().detach())  # type: ignore[union-attr]

    assert left(5.0) < 0.5 * left(0.0)


def test_shared_features_learn_not_to_show_their_domain() -> None:
    network = built("private")
    loss_of = training_loss_of(network, Recipe(orthogonality=0.1), domains=2)
    separation = loss_of.criterion.separation
    assert separation is not None
    assert len(separation.discriminators) == len({shared for shared, _ in network.body.private})  # type: ignore[union-attr]
    batch = dataclasses.replace(batch_of(), domain=torch.arange(12) % 2)
    losses = loss_of(batch)
    assert losses.auxiliary is not None
    losses.auxiliary.backward()
    assert all(p.grad is not None for p in separation.parameters())
    assert not training_loss_of(network, Recipe(orthogonality=0.0)).criterion.state_dict()


def test_a_discriminator_learns_and_what_it_sees_learns_the_contrary() -> None:
    torch.manual_seed(0)
    features = torch.randn(20, 4, requires_grad=True)
    source = torch.arange(20) % 2
    discriminator = Discriminator(4, 2, strength=0.5)
    loss = discriminator(features, source)
    loss.backward()
    plain = features.detach().clone().requires_grad_()
    F.cross_entropy(discriminator.classifier(plain), source).backward()
    assert plain.grad is not None
    torch.testing.assert_close(features.grad, -0.5 * plain.grad)


# --- alignment ---


def test_contrastive_alignment_wants_matches_together_and_others_a_margin_apart() -> None:
    points = torch.eye(3)
    assert float(contrastive(points, points)) == pytest.approx(0, abs=1e-6)
    assert math.sqrt(2) > MARGIN
    swapped = contrastive(points, points[[1, 0, 2]])
    # two of three matches at distance sqrt(2); of six other pairs two are the same point
    assert float(swapped) == pytest.approx(2 * 2 / 3 + 2 / 6)


def test_infonce_is_the_cross_entropy_of_finding_the_match() -> None:
    points = torch.eye(2)
    assert float(infonce(points, points)) == pytest.approx(math.log(1 + math.exp(-10)), rel=1e-3)
    assert float(infonce(points, points.flip(0))) == pytest.approx(10 + math.log(1 + math.exp(-10)))


def test_mmd_is_0_for_the_same_sample_and_grows_with_the_distance() -> None:
    torch.manual_seed(0)
    sample = torch.randn(30, 3)
    distances = [float(mmd(sample, sample[torch.randperm(30)] + shift)) for shift in (0.0, 0.5, 2.0)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize(
    "method",
    [
        "infonce",
        pytest.param("contrastive", marks=pytest.mark.slow),
        pytest.param("mmd", marks=pytest.mark.slow),
    ],
)
def test_alignment_brings_modalities_together(method: Alignment) -> None:
    def gap(weight: float) -> float:
        network = built()
        loss_of = training_loss_of(network, Recipe(alignment=method, alignment_weight=weight))
        parameters = [p for p in loss_of.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=0.01)
        batch = batch_of(40)
        for _ in range(60):
            optimizer.zero_grad()
            total = loss_of(batch).total
            assert total is not None
            total.backward()
            optimizer.step()
        taps = network.encode(batch.inputs).taps
        calls = network.body.embeddings  # type: ignore[union-attr]
        alignment = loss_of.criterion.alignment
        seen = []
        for number, name in enumerate(("point", "steps")):
            found = taps[calls[name]]  # type: ignore[index]
            seen.append(F.normalize(alignment.projections[number](found) if alignment else found, dim=1))
        if method == "mmd":
            return float(mmd(*seen).detach())
        scores = seen[0] @ seen[1].T
        return float((scores.mean() - scores.diagonal().mean()).detach())

    assert gap(2.0) < 0.7 * gap(0.0) if method == "mmd" else gap(2.0) < gap(0.0) - 0.1


def test_adversarial_alignment_moves_one_modality_onto_the_other() -> None:
    torch.manual_seed(0)
    some, others = torch.randn(64, 4), torch.randn(64, 4) + 2
    shift = torch.zeros(4, requires_grad=True)
    alignment = ModalityAlignment("adversarial", {"a": 4, "b": 4}, weight=0.3)
    optimizer = torch.optim.SGD(
        [{"params": [shift], "lr": 1.0}, {"params": alignment.parameters(), "lr": 0.3}]
    )
    for _ in range(200):
        optimizer.zero_grad()
        loss = alignment({"a": some, "b": others + shift}, {})
        assert loss is not None
        loss.backward()
        optimizer.step()
    gaps = [float(mmd(F.normalize(some), F.normalize(others + moved))) for moved in (0, shift.detach())]
    assert gaps[1] < 0.1 * gaps[0]


@pytest.mark.parametrize("method", ALIGNMENTS)
def test_alignment_reaches_both_streams_over_the_examples_that_have_both(method: Alignment) -> None:
    torch.manual_seed(0)
    embeddings = {"a": torch.randn(6, 4, requires_grad=True), "b": torch.randn(6, 3, requires_grad=True)}
    alignment = ModalityAlignment(method, {"a": 4, "b": 3}, weight=0.5)
    present = {"a": torch.tensor([True] * 5 + [False]), "b": torch.tensor([False] + [True] * 5)}
    loss = alignment(embeddings, present)
    assert loss is not None
    loss.backward()
    for tensor in embeddings.values():
        assert tensor.grad is not None
        assert tensor.grad.abs().sum(1).ne(0).tolist() == [False] + [True] * 4 + [False]
    assert alignment(embeddings, {"a": present["a"], "b": ~present["a"]}) is None


def test_learned_projections_are_for_methods_that_compare_examples_one_by_one() -> None:
    sizes = {"a": 4, "b": 3}
    for method, learned in zip(ALIGNMENTS, (True, True, False, False), strict=True):
        projections = ModalityAlignment(method, sizes, 1.0).projections
        assert any(p.requires_grad for p in projections.parameters()) == learned
    fixed = ModalityAlignment("mmd", sizes, 1.0).projections[0]
    assert isinstance(fixed, nn.Linear)
    torch.testing.assert_close(fixed.weight @ fixed.weight.T, torch.eye(3))


def test_three_modalities_are_aligned_two_by_two() -> None:
    torch.manual_seed(0)
    embeddings = {name: torch.randn(5, 3) for name in "abc"}
    loss = ModalityAlignment("mmd", dict.fromkeys("abc", 3), 1.0)(embeddings, {})
    pairs = itertools.combinations((F.normalize(tensor, dim=1) for tensor in embeddings.values()), 2)
    torch.testing.assert_close(loss, torch.stack([mmd(*pair) for pair in pairs]).mean())


def test_a_network_without_embeddings_has_nothing_to_align() -> None:
    network = nn.Linear(5, 3)
    signature = Signature({"point": Vector(5)}, {"kind": Classification(3)})
    criterion = Criterion(network, signature, Recipe(alignment="infonce"))
    assert not list(criterion.parameters())
