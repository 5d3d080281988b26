"""A network as one Python file of plain torch, which needs nothing of this project."""

from __future__ import annotations

import textwrap
from typing import Any

from nas.reuse.export.exportable import Exportable
from nas.reuse.export.expressions import Call, Code, Writer, classes_in, comment, docstring, quoted
from nas.reuse.export.folder import ARCHITECTURE_FILE
from nas.reuse.export.modules import Import, libraries
from nas.reuse.export.source_text import SourceText
from nas.reuse.rows import answers_to_rows
from search_spaces.building.network import Chain, Network
from search_spaces.nodes import Layer, Sequential

_NAMES = ("ID", "SIGNATURE", "build", "load", "predict", "read_tensors")
_IMPORTS = {
    "json": Import("json"),
    "struct": Import("struct"),
    "Path": Import("pathlib", "Path"),
    "torch": Import("torch"),
}

_END = '''
def load(weights: str | Path = Path(__file__).with_name({weights})) -> Network:
    """The network with its trained weights, in evaluation mode."""
    network = build()
    network.load_state_dict(read_tensors(weights))
    return network.eval()


def read_tensors(file: str | Path) -> dict[str, torch.Tensor]:
    """The tensors in a file of the format safetensors, by name."""
    kinds = {{
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
        "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
        "U8": torch.uint8, "BOOL": torch.bool,
    }}
    data = bytearray(Path(file).read_bytes())
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {{}}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind, piece = kinds[entry["dtype"]], data[start + begin : start + end]
            flat = torch.frombuffer(piece, dtype=kind) if piece else torch.empty(0, dtype=kind)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors
'''


_ROWS = '''
def predict(rows: Any) -> dict[str, list[Any]]:
    """What the network answers to rows of a frame of pandas, by task: the names of classes, or numbers."""
    text = Path(__file__).with_name({architecture}).read_text(encoding="utf-8")
    return {answers}(load(), json.loads(text)["preprocessing"], rows)
'''


def python_source(found: Exportable, weights: str) -> tuple[str, list[str]]:
    """Returns the text of the file, and the names of the modules that parts of it come from.

    Args:
        found: the network.
        weights: the name of the file beside it that holds its weights as safetensors.

    Raises:
        ExportError: the source of a class cannot be had, or an argument has no code.
        BuildError: the network cannot be built.
    """
    network = found.architecture.resolved(found.signature)
    body = network.body if network.shapes or isinstance(network.body, Sequential) else None
    body = Sequential((network.body,)) if body is None else body
    signature = Call(type(found.signature), (dict(found.signature.inputs), dict(found.signature.tasks)))
    heads = [
        Layer(head.factory, {**head.arguments, "task": Code(f"SIGNATURE.tasks[{quoted(task)}]")})
        for task, head in network.heads.items()
    ]
    rows = [] if found.preprocessing is None else [answers_to_rows]
    parts = [Network, Chain, *classes_in(signature), *classes_in([body, *heads]), *rows]
    text = SourceText(parts, _NAMES, _IMPORTS | ({"Any": Import("typing", "Any")} if rows else {}))
    writer = Writer(text.name_of, Chain)

    def assign(name: str, value: Any) -> str:
        return f"    {name} = {writer.write(value, 4, len(name) + 3)}"

    built = [assign("body", body)]
    if network.shapes:
        built.append(assign("body.shapes", network.shapes))
    built.append(assign("heads", heads))
    sections = [
        "\n".join(
            [
                _docstring(found, weights, libraries(text.imported)),
                "",
                "from __future__ import annotations",
                "",
                *text.imports(),
            ]
        ),
        *(f"# {'-' * 100}\n{comment(title)}\n\n\n{source}" for title, source in text.sections()),
        f"# {'-' * 100}\n# The network\n\nID = {quoted(found.architecture.id)}\n"
        f"SIGNATURE = {writer.write(signature, 0, len('SIGNATURE = '))}",
        "\n".join(
            [
                f"def build() -> {text.name_of(Network)}:",
                '    """The network with new weights."""',
                *built,
                f"    return {text.name_of(Network)}(body, heads, SIGNATURE)",
            ]
        ),
        _END.format(weights=quoted(weights)),
    ]
    if rows:
        names = {"architecture": quoted(ARCHITECTURE_FILE), "answers": text.name_of(rows[0])}
        sections.append(_ROWS.format(**names))
    head, *rest = (section.strip("\n") for section in sections)
    return head + "\n\n" + "\n\n\n".join(rest) + "\n", text.modules


def _docstring(found: Exportable, weights: str, needs: list[str]) -> str:
    came = found.provenance
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())
    tests = ", ".join(f"{name} {value:.4g}" for name, value in found.test_metrics.items())
    inputs = ", ".join(f"{name!r}: {kind}" for name, kind in found.signature.inputs.items())
    tasks = ", ".join(f"{name!r}: {kind!s:.200}" for name, kind in found.signature.tasks.items())
    about = [
        f"Network {found.architecture.id}, found for the problem {came.get('problem', '?')}; plain torch.",
        "",
        *_wrapped(f"Validation: {metrics}.") * bool(metrics),
        *_wrapped(f"Test: {tests}.") * bool(tests),
        *_wrapped(f"Inputs, the number of examples first: {inputs}."),
        *_wrapped(f"Tasks: {tasks}."),
        *_wrapped(f"Beside torch this needs {', '.join(needs)}.") * bool(needs),
        "",
        f"Use, with {weights} beside this file::",
        "",
        "    network = load()  # a torch.nn.Module in evaluation mode",
        "    answers = network(inputs)  # inputs by name to answers by task",
    ]
    if len(found.signature.inputs) == len(found.signature.tasks) == 1:
        about.append("    answer = network(tensor)  # or a tensor to a tensor")
    return docstring("\n".join(about))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 105, subsequent_indent="    ")
