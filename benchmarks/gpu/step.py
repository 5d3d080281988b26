"""The time of a training step: ours in all its ways, beside the `DataLoader` loop of a tutorial.

Every way trains the plain network of a space from the same weights, with the default recipe at a batch of 32.
What counts is the last of a few epochs: the first ones warm up, capture and compile. Ours has a fused
optimiser in all its ways; the loop has what torch takes by itself.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.common import Target, at_least, at_most, show
from benchmarks.gpu.card import is_broken
from benchmarks.gpu.generated import at_random
from benchmarks.gpu.setting import Measured, Setting, missing_package, say
from search_spaces.architecture import Architecture
from search_spaces.catalog import cell, cnn, mlp, multimodal, series, text, vit
from search_spaces.inputs import Image, Sequence, Tokens, Vector
from search_spaces.signature import Signature
from search_spaces.tasks import Classification, Regression
from workers.acceleration import Acceleration, Ran
from workers.problems.problem import Problem
from workers.recipe import Recipe
from workers.training.metrics import task_loss
from workers.training.training import train

EPOCHS = 3
BATCH = 32
LAUNCH_BOUND = 0.7
"""The share of a step's time that the CPU takes to issue it, from which on the card waits for the CPU."""

PICTURES = Signature({"image": Image(1, 28, 28)}, {"kind": Classification(10)})
TWO = Signature(
    {"image": Image(1, 28, 28), "words": Tokens(20, 1000)},
    {"kind": Classification(10), "size": Regression(1)},
)

WAYS: dict[str, Acceleration] = {
    "eager": Acceleration(graphs=False),
    "graphed": Acceleration(graphs=True),
    "bfloat16": Acceleration(autocast="auto", graphs=True),
    "compiled": Acceleration(compile=True, graphs=False),
    "compiled, graphed": Acceleration(compile=True, graphs=True),
}
"""Our ways of a step; those that are compiled come last, since it takes long."""

COMPILED = ("compiled", "compiled, graphed")


@dataclass(frozen=True)
class StepCase:
    """A plain network and generated data for it."""

    architecture: Architecture
    problem: Problem

    def network(self) -> nn.Module:
        """The network, with the same weights each time."""
        torch.manual_seed(0)
        return self.architecture.build(self.problem.signature)


def cases(examples: int) -> dict[str, StepCase]:
    """The plain networks by the name of their space."""
    spaces = {
        "cnn": (cnn(), PICTURES),
        "cell": (cell(), PICTURES),
        "vit": (vit(), PICTURES),
        "text": (text(), Signature({"words": Tokens(20, 1000)}, {"intent": Classification(7)})),
        "series": (series(), Signature({"steps": Sequence(32, 6)}, {"kind": Classification(5)})),
        "multimodal": (multimodal(TWO), TWO),
        "mlp": (mlp(), Signature({"point": Vector(64)}, {"kind": Classification(10)})),
    }
    return {
        name: StepCase(space.plain(), at_random(signature, examples))
        for name, (space, signature) in spaces.items()
    }


def plain(case: StepCase, recipe: Recipe, device: str) -> float:
    """Examples per second of the loop that a tutorial shows, in its last epoch."""
    network, tasks = case.network().to(device), case.problem.signature.tasks
    split = case.problem.train
    names = list(split.inputs)
    data = TensorDataset(*split.inputs.values(), *split.targets.values())
    loader = DataLoader(data, batch_size=recipe.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * len(loader)
    )
    rate = 0.0
    for _ in range(recipe.epochs):
        network.train()
        began, total = time.perf_counter(), 0.0
        for batch in loader:
            moved = [tensor.to(device) for tensor in batch]
            targets = dict(zip(tasks, moved[len(names) :], strict=True))
            optimizer.zero_grad()
            answers = network(dict(zip(names, moved, strict=False)))
            loss = torch.stack([task_loss(tasks[n], answers[n], targets[n]) for n in tasks]).sum()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        rate = len(split) / (time.perf_counter() - began)
    return rate


def ours(case: StepCase, recipe: Recipe, device: str, way: Acceleration) -> tuple[float, dict[str, str]]:
    """Examples per second in the last epoch, by the training's own report, and what ran."""
    ran = Ran()
    problem = case.problem.to(device)
    reports = list(train(case.network(), problem, recipe, seed=0, acceleration=way, ran=ran))
    return reports[-1].samples_per_second, ran.to_dict()


def issued_share(case: StepCase, device: str) -> float:
    """The time to issue two eager steps, over the time until the card is done with them."""
    network, signature = case.network().to(device).train(), case.problem.signature
    split = case.problem.train.take(slice(0, BATCH)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    shares = []
    for _ in range(8):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(2):
            optimizer.zero_grad()
            answers = network(split.inputs)
            losses = [task_loss(task, answers[n], split.targets[n]) for n, task in signature.tasks.items()]
            torch.stack(losses).sum().backward()
            optimizer.step()
        issued = time.perf_counter()
        torch.cuda.synchronize()
        shares.append((issued - began) / (time.perf_counter() - began))
    return statistics.median(shares[3:])


def waits(case: StepCase, recipe: Recipe) -> float:
    """How often an eager step of ours waits for the card: what a longer epoch adds, by its steps."""
    short, long = 8, 40
    counts = []
    for steps in (short, long):
        examples = case.problem.train.take(slice(0, steps * BATCH))
        problem = dataclasses.replace(case.problem, train=examples).to("cuda")
        once = recipe.model_copy(update={"epochs": 1})
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                for _ in train(case.network(), problem, once, seed=0, acceleration=WAYS["eager"]):
                    pass
            finally:
                torch.cuda.set_sync_debug_mode(before)
        counts.append(sum("called a synchronizing" in str(one.message) for one in caught))
    return (counts[1] - counts[0]) / (long - short)


def measure(setting: Setting) -> Measured:
    """Times every network in every way that there is time for."""
    examples = 128 if setting.quick else 4096
    recipe = Recipe(epochs=2 if setting.quick else EPOCHS, batch_size=BATCH)
    known = cases(examples)
    if setting.quick:
        known = {name: known[name] for name in ("text", "multimodal", "mlp")}
    figures: dict[str, dict[str, Any]] = {name: {} for name in known}
    skipped: list[str] = []
    ways = [way for way in WAYS if way not in COMPILED or setting.on_card]
    if not setting.on_card:
        skipped.append("compiled steps: on a card alone")
    for name, case in known.items():
        _timed(
            setting, figures, name, case, recipe, ["plain", *(w for w in ways if w not in COMPILED)], skipped
        )
    for way in ways:
        if way in COMPILED:
            for name, case in known.items():
                _timed(setting, figures, name, case, recipe, [way], skipped)
    columns = ["network", "plain", *ways, "ours / plain", "graphed / eager", "issued", "waits"]
    rows = []
    targets: list[Target] = []
    for name, found in figures.items():
        milliseconds = found.get("ms", {})
        found["ours / plain"] = gain = _ratio(milliseconds.get("plain"), milliseconds.get("graphed"))
        found["graphed / eager"] = shorter = _ratio(milliseconds.get("graphed"), milliseconds.get("eager"))
        shown = [milliseconds.get(way) for way in ("plain", *ways)]
        issued, waited = found.get("issued"), found.get("waits in a step")
        rows.append(
            [
                name,
                *(f"{v:.3f}" if v else "" for v in shown),
                _two(gain),
                _two(shorter),
                _two(issued),
                _two(waited),
            ]
        )
        failed = setting.judged(len(found.get("failed", ())))
        targets.append(at_most(f"ways that failed, {name}", failed, 0))
        targets.append(at_least(f"ours / plain, {name}", setting.judged(gain), 3))
        targets.append(at_most(f"waits for the card in a step, {name}", setting.judged(waited), 0))
        if found.get("launch_bound") or issued is None:
            targets.append(at_most(f"graphed / eager step, {name}", setting.judged(shorter), 0.5))
    show(f"Milliseconds of a step, batch {BATCH}", columns, rows)
    return Measured(figures, targets, skipped)


def _timed(
    setting: Setting,
    figures: dict[str, dict[str, Any]],
    name: str,
    case: StepCase,
    recipe: Recipe,
    ways: list[str],
    skipped: list[str],
) -> None:
    """Adds the figures of one network in some ways; what fails is one of them."""
    found = figures[name]
    for way in ways:
        if setting.left() < (25 if way in COMPILED else 2):
            skipped.append(f"{name}, {way}: no time left")
            continue
        if setting.on_card and is_broken():
            skipped.append(f"{name}, {way}: what came before left this process without a usable card")
            continue
        try:
            ran: dict[str, str] = {}
            if way == "plain":
                rate = plain(case, recipe, setting.device)
            else:
                rate, ran = ours(case, recipe, setting.device, WAYS[way])
        except Exception as error:
            lacking = missing_package(error)
            if lacking is not None:
                skipped.append(f"{name}, {way}: needs {lacking}")
            else:
                found.setdefault("failed", {})[way] = f"{type(error).__name__}: {error!s:.300}"
                say(f"  {name}, {way}: FAILED: {found['failed'][way]}")
            continue
        found.setdefault("ms", {})[way] = round(1000 * BATCH / rate, 4)
        fell_back = {key: value for key, value in ran.items() if value.startswith("no:")}
        if fell_back:
            found.setdefault("fell back", {})[way] = fell_back
        because = "".join(f"; {key}: {value}" for key, value in fell_back.items())
        say(f"  {name}, {way}: {found['ms'][way]:.3f} ms{because}")
    if setting.on_card and "issued" not in found and "eager" in found.get("ms", {}) and not is_broken():
        try:
            found["issued"] = round(issued_share(case, setting.device), 3)
            found["launch_bound"] = found["issued"] > LAUNCH_BOUND
            found["waits in a step"] = waits(case, recipe)
        except Exception as error:
            found.setdefault("failed", {})["issued, waits"] = f"{type(error).__name__}: {error!s:.300}"
            say(f"  {name}: FAILED: {found['failed']['issued, waits']}")


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else round(above / below, 3)


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
