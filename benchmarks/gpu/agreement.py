"""Every block, head, loss and balance forward and backward: the card against the CPU.

A case is a network with its recipe and one batch. Its loss and its whole gradient, of what the loss learns
too, are computed from the same weights on the CPU in float64, and on the device in float32 (without TF32)
and by autocast in bfloat16. Without dropout, whose draws differ between devices.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import at_most, show
from benchmarks.gpu.card import is_broken
from benchmarks.gpu.generated import at_random
from benchmarks.gpu.setting import Measured, Setting, missing_package, say
from search_spaces import blocks
from search_spaces.architecture import Architecture
from search_spaces.catalog import cell, cnn, mlp, multimodal, multitask, series, table, text, vit
from search_spaces.catalog.multitask import OPERATORS, SHARING
from search_spaces.inputs import Image, Sequence, TabularRow, Tokens, Vector
from search_spaces.nodes import layer, sequential
from search_spaces.signature import Signature
from search_spaces.space import Space
from search_spaces.tasks import Classification, DenseMap, Generation, Regression, Retrieval, Tagging
from workers.problems.split import Split
from workers.recipe import Recipe
from workers.training.batches import Feed
from workers.training.criterion import Criterion, TrainingLoss
from workers.training.gradient_balancing import METHODS, GradientBalance

SHAKEN = 1e-6
"""How far the weights are moved, of themselves, to see whether a gradient is well defined in float32."""
BOUND, LOW_BOUND = 1e-4, 2e-2
"""The largest relative difference in float32, and of a loss in bfloat16."""

EXAMPLES = 12

_OWN = {"loss": "the CPU's loss", "gradient": "the CPU's gradient"}
"""The names of the differences of the CPU's own float32."""

PICTURES = Signature({"image": Image(1, 12, 12)}, {"digit": Classification(10)})
POINTS = Signature({"point": Vector(9)}, {"size": Regression(3)})
ROWS = Signature({"row": TabularRow(6, (3, 20))}, {"size": Regression(2)})
STEPS = Signature({"steps": Sequence(24, 5)}, {"kind": Classification(4)})
TEXTS = Signature({"words": Tokens(16, 50)}, {"intent": Classification(6)})
MAPS = Signature(
    {"image": Image(3, 12, 12)},
    {
        "digit": Classification(10),
        "size": Regression(2),
        "parts": DenseMap(3, 12, 12),
        "depth": DenseMap(1, 12, 12, discrete=False),
    },
)
SENTENCES = Signature(
    {"words": Tokens(12, 40)},
    {"intent": Classification(5), "slots": Tagging(6), "answer": Generation(6, 30)},
)
MIXED = Signature(
    {"image": Image(1, 12, 12), "steps": Sequence(12, 4), "words": Tokens(10, 40), "point": Vector(5)},
    {
        "kind": Classification(4),
        "size": Regression(1),
        "slots": Tagging(5, input="words"),
        "match": Retrieval("image", "words", features=16),
    },
)
TWO = Signature({"image": Image(1, 12, 12), "steps": Sequence(12, 4)}, {"kind": Classification(4)})

NEEDS = {"HuggingFaceEncoder": "transformers"}
"""Blocks that are not looked at, each with the package that it is made of."""

SOLVERS = {"cagrad": "scipy", "nash": "torch"}
"""The package that a balance of gradients is computed with; `torchjd` for those left out."""


@dataclass(frozen=True)
class AgreementCase:
    """A network, what it serves and how it learns.

    Attributes:
        missing: whether some examples lack a modality or a label.
        domains: the number of sources of the examples.
    """

    name: str
    architecture: Architecture
    signature: Signature
    recipe: Recipe = field(default_factory=Recipe)
    missing: bool = False
    domains: int = 1


def cases(quick: bool) -> Iterator[AgreementCase]:
    """All cases, the plain networks first."""
    plain: dict[str, tuple[Space, Signature]] = {
        "cnn": (cnn(), PICTURES),
        "mlp": (mlp(), POINTS),
        "cell": (cell(channels=8, cells=1), PICTURES),
        "vit": (vit(), PICTURES),
        "series": (series(), STEPS),
        "text": (text(), TEXTS),
        "table": (table(), ROWS),
        "transformer of rows": (table(kinds=("transformer",)), ROWS),
        "multitask": (multitask(MAPS), MAPS),
        "multimodal": (multimodal(MIXED), MIXED),
    }
    for name, (space, signature) in plain.items():
        yield AgreementCase(f"{name}, plain", space.plain(), signature)
    yield from _balances()
    yield from _terms()
    yield from _kinds()
    whole = {
        "cell of 5": (cell(), PICTURES),
        "mlp of pictures": (mlp(), PICTURES),
        "mlp of texts": (mlp(tokens="flatten"), TEXTS),
        "multitask, texts": (multitask(SENTENCES), SENTENCES),
    }
    draws = 1 if quick else 8
    rng = random.Random(0)
    for name, (space, signature) in (plain | whole).items():
        for number in range(draws):
            yield AgreementCase(f"{name}, drawn {number}", space.sample(rng), signature)


def _kinds() -> Iterator[AgreementCase]:
    """Each kind of block, encoder, sharing and operator once by name."""
    for kind in ("plain", "residual", "bottleneck", "inception"):
        for down in ("stride", "overlapping") if kind == "plain" else ("max",):
            space = cnn(blocks=(kind,), downsampling=(down,), stages=2, depth=2)
            yield AgreementCase(f"cnn of {kind}, {down}", space.plain(), PICTURES)
    branches = [layer(blocks.ConvNormActivation, out_channels=6, kernel_size=size) for size in (1, 3)]
    for join in ("concat", "sum"):
        space = Space(sequential(layer(blocks.Parallel, branches=branches, join=join)))
        yield AgreementCase(f"branches side by side, {join}", space.plain(), PICTURES)
    for kind in ("conv", "lstm", "gru"):
        for both in (False, True):
            space = series(kinds=(kind,), bidirectional=(both,), stages=2)
            yield AgreementCase(f"series of {kind}{' both ways' * both}", space.plain(), STEPS)
    for kind in ("lstm", "gru", "cnn", "dpcnn", "transformer", "bag"):
        yield AgreementCase(f"text of {kind}", text(kinds=(kind,), layers=2).plain(), TEXTS)
    for operation in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"):
        space = cell(channels=8, cells=1, operations=(operation,))
        yield AgreementCase(f"cell of {operation}", space.plain(), PICTURES)
    for pattern in SHARING:
        for attends in (False, True):
            space = multitask(MAPS, sharing=(pattern,), task_attention=(attends,))
            named = f"multitask, {pattern}{', attention of tasks' * attends}"
            yield AgreementCase(named, _filled(space), MAPS)
    for head in ("softmax", "crf"):
        space = multitask(SENTENCES, sharing=("hard",))
        yield AgreementCase(f"texts, {head}", space.plain({"heads.slots": head}), SENTENCES)
    for operator in OPERATORS:
        space = multimodal(MIXED, operators=(operator,), sharing=("hard",), links=1)
        yield AgreementCase(f"multimodal, {operator}", _filled(space), MIXED)

    space = multimodal(MIXED, operators=("concat",), sharing=("soft",), links=1)
    yield AgreementCase("multimodal, streams of their own for each task", space.plain(), MIXED)


def _filled(space: Space) -> Architecture:
    """An architecture of a space that uses what it can: the plain one is often the least."""
    return space.sample(random.Random(1))


def _balances() -> Iterator[AgreementCase]:
    """Each balance of losses and of gradients, on tasks that share all but their heads."""
    shared = multitask(MAPS, sharing=("hard",), task_attention=(False,)).plain()
    for method in ("equal", "static", "uncertainty", "dwa", "random"):
        weights = {"digit": 0.3, "depth": 2.0} if method == "static" else {}
        recipe = Recipe.make({"balancing": method, "task_weights": weights})
        yield AgreementCase(f"balance, {method}", shared, MAPS, recipe)
    for method in METHODS:
        yield AgreementCase(f"balance, {method}", shared, MAPS, Recipe.make({"balancing": method}))


def _terms() -> Iterator[AgreementCase]:
    """The terms beside the losses, and examples that lack something."""
    joined = multimodal(MIXED, sharing=("hard",), operators=("concat",), links=1).plain()
    yield AgreementCase("missing modalities and labels", joined, MIXED, missing=True)
    both = multimodal(TWO, operators=("concat",), links=1).plain()
    for method in ("contrastive", "infonce", "mmd", "adversarial"):
        yield AgreementCase(f"alignment, {method}", both, TWO, Recipe.make({"alignment": method}))
    soft = multitask(MAPS, sharing=("soft",), task_attention=(False,)).plain()
    yield AgreementCase("tied copies", soft, MAPS, Recipe.make({"tie": 0.5}))
    private = multitask(MAPS, sharing=("private",), task_attention=(False,)).plain()
    for domains in (1, 2):
        recipe = Recipe.make({"orthogonality": 0.5})
        yield AgreementCase(f"private features, {domains} domain(s)", private, MAPS, recipe, domains=domains)


@dataclass(frozen=True)
class LossAndGradient:
    """What a forward and a backward pass come to: the loss, and the whole gradient in one vector."""

    loss: float
    gradient: Tensor

    def differs(self, exact: LossAndGradient) -> tuple[float, float]:
        """The relative differences of the losses and of the gradients."""
        loss = abs(self.loss - exact.loss) / max(abs(exact.loss), 1e-12)
        length = float(exact.gradient.norm())
        return loss, float((self.gradient - exact.gradient).norm()) / max(length, 1e-12)


class Comparison:
    """One case, ready to be computed anywhere from the same weights on the same batch.

    Args:
        case: the case.

    Raises:
        ImportError: a package that it needs is not installed.
    """

    def __init__(self, case: AgreementCase) -> None:
        self._case = case
        if case.recipe.balancing in METHODS:
            importlib.import_module(SOLVERS.get(case.recipe.balancing, "torchjd"))
        torch.manual_seed(0)
        network = case.architecture.build(case.signature)
        for module in network.modules():
            # Torch's modules name the probability p; recurrent layers and attention name it dropout.
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
            elif isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        criterion = Criterion(network, case.signature, case.recipe, case.domains)
        for _ in range(2):  # a balance may look at the epochs before
            criterion.balance.begin_epoch(0)
            criterion.balance.end_epoch({task: 1.0 + len(task) for task in case.signature.tasks})
        self._made: tuple[nn.Module, Criterion] = (network, criterion)
        self._split = _lacking(_examples(case), case)
        self.blocks = {type(module).__name__ for module in network.modules()}

    def computed(
        self,
        device: str,
        dtype: torch.dtype,
        precision: Callable[[], AbstractContextManager[object]] = nullcontext,
        shaken: float = 0.0,
    ) -> LossAndGradient:
        """The loss and the gradient, as a device computes them.

        Args:
            device: the device.
            dtype: the type of weights and real inputs.
            precision: the context in which the network computes.
            shaken: by how much of themselves, at random, the weights are other than they are.
        """
        case = self._case
        network, criterion = copy.deepcopy(self._made)
        network.to(device, dtype).train()
        criterion.to(device, dtype).train()
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in network.parameters() if shaken else ():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.mul_((1 + shaken * noise).to(parameter))
        criterion.balance.begin_epoch(1)
        loss_of = TrainingLoss(network, criterion, case.signature, precision)
        feed = Feed(_cast(self._split.to(device), dtype), case.signature, batch_size=EXAMPLES)
        batch = next(iter(feed.epoch(1, torch.Generator().manual_seed(0))))
        criterion.balance.begin_step(batch.targets)
        torch.manual_seed(0)
        losses = loss_of(batch)
        assert losses.total is not None
        parameters = [p for p in loss_of.parameters() if p.requires_grad]
        if case.recipe.balancing in METHODS:
            balance = GradientBalance(case.recipe.balancing, parameters)
            balance.begin_epoch(0)
            with warnings.catch_warnings():
                # where a method fails a training goes on with the sum: here that is the failure to find
                warnings.filterwarnings("error", message=".*a step had the sum of its gradients")
                balance.backward(losses.tasks, losses.auxiliary)
        else:
            losses.total.backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        whole = torch.cat([gradient.detach().double().cpu().flatten() for gradient in gradients])
        return LossAndGradient(float(losses.total.detach()), whole)


def _examples(case: AgreementCase) -> Split:
    """A batch at random; with several sources each has some of it."""
    split = at_random(case.signature, EXAMPLES).train
    if case.domains == 1:
        return split
    domain = torch.arange(EXAMPLES) % case.domains
    return Split(split.inputs, split.targets, split.present, split.labelled, domain)


def _lacking(split: Split, case: AgreementCase) -> Split:
    """The batch; where the case says so, examples lack modalities, and the labels that need them."""
    if not case.missing:
        return split
    numbers = torch.arange(EXAMPLES)
    inputs = dict(split.inputs)
    present = {name: numbers % 4 != place for place, name in enumerate(inputs)}
    for name, there in present.items():
        inputs[name] = inputs[name] * there.view(-1, *[1] * (inputs[name].dim() - 1)).to(inputs[name].dtype)
    labelled = {}
    for place, (name, task) in enumerate(case.signature.tasks.items()):
        labelled[name] = numbers % 5 != place
        for needed in task.needs:
            labelled[name] = labelled[name] & present[needed]
    return Split(inputs, split.targets, present, labelled)


def _cast(split: Split, dtype: torch.dtype) -> Split:
    """The same examples, their real numbers of another type."""

    def cast(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: one.to(dtype) if one.is_floating_point() else one for name, one in tensors.items()}

    # targets stay: losses take answers as float32, and older versions of torch take one type only
    return Split(cast(split.inputs), split.targets, split.present, split.labelled, split.domain)


@contextlib.contextmanager
def _without_tf32() -> Iterator[None]:
    """Float32 as it is written: cuDNN rounds it to TF32 unless told otherwise."""
    matmul, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = convolutions


def measure(setting: Setting) -> Measured:
    """Compares all cases that there is time for."""
    skipped: list[str] = [f"{block}: needs {package}" for block, package in NEEDS.items()]
    found: dict[str, dict[str, float]] = {}
    failed: dict[str, str] = {}
    seen: set[str] = set()
    left_out = 0
    began = time.monotonic()
    threads = torch.get_num_threads()
    if setting.on_card:  # what takes long is the CPU's part
        torch.set_num_threads(min(4, os.cpu_count() or 1))
    with _without_tf32():
        for case in cases(setting.quick):
            if setting.left() < 2:
                left_out += 1
                continue
            errors = found.setdefault(case.name, {})
            try:
                comparison = Comparison(case)
                _compare(comparison, setting.device, errors)
                seen |= comparison.blocks
            except Exception as error:
                lacking = missing_package(error)
                if lacking is not None:
                    skipped.append(f"{case.name}: needs {lacking}")
                    continue
                what = f"{case.name}, bfloat16" if errors else case.name
                failed[what] = f"{type(error).__name__}: {error!s:.300}"
                say(f"  {what}: FAILED: {failed[what]}")
                if setting.on_card and is_broken():
                    skipped.append(f"all after {what}: it left this process without a usable card")
                    break
    torch.set_num_threads(threads)
    if left_out:
        skipped.append(f"{left_out} cases: no time left")
    found = {name: errors for name, errors in found.items() if errors}
    known = {name for name in blocks.__all__ if isinstance(getattr(blocks, name), type)}
    modules = {name for name in known if issubclass(getattr(blocks, name), nn.Module)}
    beyond = {name: errors for name, errors in found.items() if _is_beyond(errors)}
    ill = [name for name, errors in found.items() if _OWN["loss"] in errors and name not in beyond]
    beyond_low = {n: e for n, e in found.items() if not e.get("bf16 loss", 0.0) <= LOW_BOUND}
    figures: dict[str, Any] = {
        "cases": len(found),
        "seconds a case": round((time.monotonic() - began) / max(1, len(found)), 3),
        "worst": _worst(found),
        "beyond 1e-4 in float32": beyond,
        "beyond 1e-4 in the CPU's float32 as well": ill,
        "beyond 2e-2 in bfloat16": beyond_low,
        "failed": failed,
        "blocks not seen": sorted(modules - seen - NEEDS.keys()),
    }
    worst = [[what, name, f"{value:.1e}"] for what, (name, value) in figures["worst"].items()]
    show(f"Largest relative differences, {len(found)} cases", ["of", "case", "seen"], worst)
    for name, errors in {**beyond, **beyond_low}.items():
        say(f"  beyond: {name}: {', '.join(f'{what} {value:.1e}' for what, value in errors.items())}")
    counted = bool(found)
    targets = [
        at_most("cases that failed", setting.judged(len(failed)), 0),
        at_most("cases beyond 1e-4, float32", setting.judged(len(beyond) if counted else None), 0),
        at_most("losses beyond 2e-2, bfloat16", setting.judged(len(beyond_low) if counted else None), 0),
    ]
    return Measured(figures, targets, skipped)


def _compare(comparison: Comparison, device: str, errors: dict[str, float]) -> None:
    """Adds the relative differences of a case; beyond the bound also those of the CPU's own float32."""
    exact = comparison.computed("cpu", torch.float64)
    single = comparison.computed(device, torch.float32)
    errors["loss"], errors["gradient"] = single.differs(exact)
    if not max(errors.values()) <= BOUND and device != "cpu":
        own = comparison.computed("cpu", torch.float32).differs(exact)
        shaken = comparison.computed("cpu", torch.float64, shaken=SHAKEN).differs(exact)
        errors[_OWN["loss"]], errors[_OWN["gradient"]] = map(max, own, shaken)
    half = comparison.computed(device, torch.float32, lambda: torch.autocast(device, torch.bfloat16))
    errors["bf16 loss"], errors["bf16 gradient"] = half.differs(single)


def _is_beyond(errors: dict[str, float]) -> bool:
    """Whether a case differs by more than the bound.

    What float32 itself cannot do, since a network takes differences of what is nearly equal or has a kink
    just there, says nothing against the card: where the CPU's float32 is beyond the bound, or the exact
    gradient of weights that are all but the same, the card may be so by ten times as much.
    """
    return not all(
        errors[kind] <= max(BOUND, 10 * own if (own := errors.get(_OWN[kind])) is not None else BOUND)
        for kind in ("loss", "gradient")
    )


def _worst(found: dict[str, dict[str, float]]) -> dict[str, tuple[str, float]]:
    """By kind of difference the case where it is largest."""
    worst: dict[str, tuple[str, float]] = {}
    for name, errors in found.items():
        for kind in ("loss", "gradient", "bf16 loss", "bf16 gradient"):
            if kind in errors and (kind not in worst or not errors[kind] <= worst[kind][1]):
                worst[kind] = (name, errors[kind])
    return worst
