"""Whether what was exported answers as the network does, on random inputs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from nas.reuse.export.modules import OURS
from search_spaces.building.network import Network
from search_spaces.errors import ExportError
from search_spaces.signature import Signature

TOLERANCE = 1e-5
"""The absolute and the relative difference that an answer may have, numbers being standardised."""

SIZES = (1, 5)
"""The sizes of the batches that are tried."""

Answers = Mapping[str, Tensor]

_SECONDS = 600

_CHILD = f"""
import importlib.util, sys
for name in sys.argv[3].split(","):
    sys.modules[name] = None  # as where they are not installed
spec = importlib.util.spec_from_file_location("exported", sys.argv[1])
exported = importlib.util.module_from_spec(spec)
sys.modules["exported"] = exported
spec.loader.exec_module(exported)
import torch
network, batches = exported.load(), {{}}
for name, tensor in exported.read_tensors(sys.argv[2]).items():
    batch, part, key = name.split("/", 2)
    batches.setdefault(batch, {{"inputs": {{}}, "answers": {{}}}})[part][key] = tensor
for batch in batches.values():
    with torch.inference_mode():
        answers = network(batch["inputs"])
    assert answers.keys() == batch["answers"].keys(), f"tasks {{list(answers)}}"
    for task, wanted in batch["answers"].items():
        unit = network.target_standardisation(task)
        torch.testing.assert_close(
            unit(answers[task]), unit(wanted), rtol={TOLERANCE}, atol={TOLERANCE}, equal_nan=True
        )
"""


def random_inputs(signature: Signature, examples: int, seed: int = 0) -> dict[str, Tensor]:
    """Returns a batch of random numbers and categories for each input; texts, and series that are padded,
    have different lengths."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for name, kind in signature.inputs.items():
        values = kind.random(examples, generator)
        lengths = torch.randint(1, kind.shape[0] + 1, (examples,), generator=generator)
        inputs[name] = kind.cut(values, lengths)
    return inputs


def inputs_for(network: Network, examples: int) -> dict[str, Tensor]:
    """Returns random inputs such as a network was trained on: in the units of its data."""
    inputs = random_inputs(network.signature, examples, seed=examples)
    return {name: network.input_standardisation(name).undo(values) for name, values in inputs.items()}


def check(
    what: str,
    network: Network,
    exported: Callable[[dict[str, Tensor]], Answers],
    sizes: Iterable[int] = SIZES,
) -> None:
    """Compares the answers of what was exported with those of the network, on random inputs.

    Args:
        what: the name of what was exported, for the message.
        network: the network, in evaluation mode.
        exported: what was exported, as a function from inputs by name to answers by task.
        sizes: the sizes of the batches that are tried.

    Raises:
        ExportError: the answers differ, or there are none.
    """
    for size in sizes:
        inputs = inputs_for(network, size)
        with torch.inference_mode():
            wanted = network(inputs)
        try:
            with torch.inference_mode():
                answers = exported(inputs)
            if answers.keys() != wanted.keys():
                raise AssertionError(f"tasks {list(answers)}")
            for task, answer in wanted.items():
                unit = network.target_standardisation(task)
                torch.testing.assert_close(
                    unit(answers[task]), unit(answer), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
                )
        except Exception as error:  # each format has its own
            raise ExportError(f"{what} does not answer as the network does: {error!s:.400}") from error


def check_python(file: Path, network: Network, modules: Iterable[str]) -> None:
    """Compares a Python file with the network, in a process that has neither us nor the user's modules.

    Args:
        file: the file, with its weights beside it.
        network: the network, in evaluation mode.
        modules: the names of the modules whose source is in the file.

    Raises:
        ExportError: the answers differ, or there are none.
    """
    tensors: dict[str, Tensor] = {}
    for size in SIZES:
        inputs = inputs_for(network, size)
        with torch.inference_mode():
            answers = network(inputs)
        tensors |= {f"{size}/inputs/{name}": tensor for name, tensor in inputs.items()}
        tensors |= {f"{size}/answers/{task}": answer.contiguous() for task, answer in answers.items()}
    blocked = OURS | {module.partition(".")[0] for module in modules} - {"__main__"}
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder) / "batches.safetensors"
        save_file(tensors, batches)
        command: list[Any] = [sys.executable, "-IB", "-c", _CHILD, file.resolve(), batches]
        command.append(",".join(sorted(blocked)))
        try:
            run = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{file.name} has not answered within {_SECONDS} s") from error
    if run.returncode:
        said = " ".join(run.stderr.strip().splitlines()[-6:])
        raise ExportError(f"{file.name} does not answer as the network does: {said[-400:]}")
