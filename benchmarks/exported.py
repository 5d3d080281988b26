"""What an export answers, beside what the network itself answers."""

import json
import subprocess
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from nas.reuse.found import Found
from nas.reuse.load import load

CHILD = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("network", sys.argv[1])
module = sys.modules["network"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import torch
data = module.read_tensors(sys.argv[2])
network = module.load()
with torch.inference_mode():
    answers = network({name[7:]: tensor for name, tensor in data.items() if name.startswith("inputs/")})
ours = {"search_spaces", "workers", "controllers", "nas"}
assert not ours & set(sys.modules), ours & set(sys.modules)
difference = max(float((answer - data["answers/" + task]).abs().max()) for task, answer in answers.items())
print(json.dumps(difference))
"""

Answers = dict[str, Tensor]


def difference(found: Found, format: str, folder: Path, inputs: Answers, python: str) -> float:
    """The largest difference between what an export answers and what the network answers."""
    with torch.inference_mode():
        wanted = found.build()(inputs)
    found.export(folder, format)
    if format == "python":
        tensors = {f"inputs/{name}": tensor for name, tensor in inputs.items()}
        tensors |= {f"answers/{task}": answer.contiguous() for task, answer in wanted.items()}
        save_file(tensors, folder / "batch.safetensors")
        files = [str(folder / "network.py"), str(folder / "batch.safetensors")]
        done = subprocess.run(
            [python, "-IB", "-c", CHILD, *files], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{folder}: {done.stderr[-2000:]}")
        return float(json.loads(done.stdout))
    answers = _asked(found, format, folder, inputs)
    return max(float((answers[task] - answer).abs().max()) for task, answer in wanted.items())


def _asked(found: Found, format: str, folder: Path, inputs: Answers) -> Answers:
    tasks = list(found.signature.tasks)
    with torch.inference_mode():
        if format == "safetensors":
            return dict(load(folder).build()(inputs))
        if format == "torch-export":
            program = torch.export.load(folder / "model.pt2").module()
            if len(inputs) == len(tasks) == 1:
                return {tasks[0]: program(*inputs.values())}
            return dict(program(inputs))
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    given = {one.name: inputs[one.name].numpy() for one in session.get_inputs()}
    return dict(zip(tasks, map(torch.from_numpy, session.run(None, given)), strict=True))
