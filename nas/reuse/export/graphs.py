"""Networks as graphs that need no Python: torch.export and ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from nas.reuse.export.checking import SIZES, Answers, check, inputs_for
from search_spaces.building.network import Network
from search_spaces.errors import ExportError
from search_spaces.signature import Signature

_OPTIMISED = 1000
"""Graphs of more nodes are not optimised when they are written: that takes their square in time, and whoever
runs a graph does so anyway."""

_TRACED = 3
"""The number of examples that a network is traced with, where that number stays open."""


class _Positional(nn.Module):
    """Inputs in a row to answers in a row, which ONNX names."""

    def __init__(self, network: nn.Module, inputs: list[str]) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(dict(zip(self.inputs, values, strict=True))).values())


def is_lone(signature: Signature) -> bool:
    """Whether a network goes from a tensor to a tensor: it has one input and one task."""
    return len(signature.inputs) == len(signature.tasks) == 1


def write_torch_export(network: Network, file: Path) -> bool:
    """Writes a network as torch.export saves it, and checks it.

    Args:
        network: the network, in evaluation mode; with one input and one task the program goes from a tensor
            to a tensor, else from inputs by name to answers by task.
        file: the file to write.

    Returns:
        Whether it takes any number of examples; if not, it takes one.

    Raises:
        ExportError: torch.export does not know how, or what comes of it answers otherwise.
    """
    signature, lone = network.signature, is_lone(network.signature)

    def arguments(size: int) -> tuple[Any, ...]:
        inputs = inputs_for(network, size)
        return (next(iter(inputs.values())),) if lone else (inputs,)

    program, several = _traced("torch-export", network, arguments)
    torch.export.save(program, file)
    loaded = torch.export.load(file).module()

    def exported(inputs: dict[str, Tensor]) -> Answers:
        if not lone:
            answers: Answers = loaded(inputs)
            return answers
        return {next(iter(signature.tasks)): loaded(next(iter(inputs.values())))}

    check(file.name, network, exported, SIZES if several else (1,))
    return several


def write_onnx(network: Network, file: Path) -> bool:
    """Writes a network as an ONNX model, inputs and outputs named as in the signature, and checks it.

    The arguments, and what is returned, are those of `write_torch_export`.

    Raises:
        ExportError: the libraries are missing, ONNX does not know how, or what comes of it answers otherwise.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter asks for it
    except ImportError as error:
        raise ExportError(f"onnx needs libraries ({error}): pip install 'nasforge[onnx]'") from error

    signature = network.signature
    names = list(signature.inputs)

    def arguments(size: int) -> tuple[Any, ...]:
        return tuple(inputs_for(network, size).values())

    outputs = output_names(signature)
    with _quiet():
        row = _Positional(network, names).eval()
        program, several = _traced("onnx", row, arguments, in_a_row=True)
        try:
            model: Any = torch.onnx.export(
                program,
                input_names=names,
                output_names=list(outputs.values()),
                dynamic_shapes=_open_axes(arguments(1), in_a_row=True) if several else None,
                dynamo=True,
                verbose=False,
                optimize=len(program.graph.nodes) <= _OPTIMISED,
            )
            model.save(file, external_data=False)
        except Exception as error:  # the exporter has many
            raise ExportError(f"onnx: the network cannot be exported: {_line(error)}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def exported(inputs: dict[str, Tensor]) -> Answers:
        # what a network does not look at is no input of its graph
        asked = {one.name for one in session.get_inputs()}
        given = {name: tensor.numpy() for name, tensor in inputs.items() if name in asked}
        answers = session.run(list(outputs.values()), given)
        return {task: torch.from_numpy(answer) for task, answer in zip(outputs, answers, strict=True)}

    check(file.name, network, exported, SIZES if several else (1,))
    return several


def output_names(signature: Signature) -> dict[str, str]:
    """Returns the name of each task's output in ONNX: its own, unless an input has that."""
    return {task: f"{task}.answer" if task in signature.inputs else task for task in signature.tasks}


def _traced(
    what: str, network: nn.Module, arguments: Callable[[int], tuple[Any, ...]], in_a_row: bool = False
) -> tuple[Any, bool]:
    """Returns a network as a program of torch.export, and whether that takes any number of examples.

    Args:
        what: the format, for the message.
        network: the network, in evaluation mode.
        arguments: makes the arguments of its forward for so many examples.
        in_a_row: whether forward takes any number of arguments.

    Raises:
        ExportError: torch.export does not know how, not even for one example.
    """
    try:
        with torch.no_grad(), _quiet():
            given = arguments(_TRACED)
            return torch.export.export(network, given, dynamic_shapes=_open_axes(given, in_a_row)), True
    except Exception as error:  # torch.export has many, and raises those of the network
        first = error
    try:
        with torch.no_grad(), _quiet():
            return torch.export.export(network, arguments(1)), False
    except Exception:
        raise ExportError(f"{what}: the network cannot be exported: {_line(first)}") from first


def _open_axes(arguments: tuple[Any, ...], in_a_row: bool = False) -> Any:
    """Returns which axis of each argument is open in size: the first."""
    batch = torch.export.Dim("batch")
    axes = tree_map(lambda tensor: {0: batch}, arguments)
    return (axes,) if in_a_row else axes


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporters, whose warnings are about torch and not about the network."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.400}"
