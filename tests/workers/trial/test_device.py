"""What a trial tells of its device, and how it is kept to what was asked of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from search_spaces import layer
from search_spaces.errors import ExecutorError
from workers.acceleration import Acceleration, Ran
from workers.inline import Inline
from workers.job import Failed, Finished, Job
from workers.testing.jobs import architecture, points, run
from workers.trial import trial


class Raising(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, 4)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 8:  # not in the dry run
            self.inner(x[:, :-1])
        return self.inner(x)


class Putting(nn.Module):
    """What torch cannot do the same way twice."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone().put_(torch.tensor([0, 1]), x.new_zeros(2))


def ended(job: Job, acceleration: Acceleration | None = None) -> Finished | Failed:
    *_, end = trial.run(job, points(), acceleration=acceleration or Acceleration())
    assert isinstance(end, Finished | Failed)
    return end


def test_what_ran_comes_back_with_the_trial() -> None:
    end = ended(Job(0, architecture(), 0), Acceleration(graphs=True, autocast="auto"))
    assert isinstance(end, Finished)
    assert end.ran == {
        "device": "cpu",
        "precision": "float32",
        "compiled": "no",
        "graphs": "no: cpu has none",
        "deterministic": "no",
    }
    assert end.costs["peak_memory_bytes"] > 2**20


def test_an_executor_passes_its_options_on() -> None:
    with Inline(deterministic=True, graphs=True) as executor:
        executor.open(points())
        *_, end = run(executor, Job(0, architecture(), 0))
    assert isinstance(end, Finished)
    assert (end.ran["deterministic"], end.ran["graphs"]) == ("yes", "no: cpu has none")


def test_determinism_is_the_trials_own() -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    putting = architecture(layer(Putting))
    end = ended(Job(0, putting, 0), Acceleration(deterministic=True))
    assert isinstance(end, Failed)
    assert "put_" in end.message
    assert "deterministic" in end.message
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic) == before
    assert isinstance(ended(Job(1, putting, 0)), Finished)


def test_a_caller_whose_torch_only_warns_is_warned_as_before() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        ended(Job(0, architecture(), 0), Acceleration(deterministic=True))
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_failure_names_the_layer() -> None:
    end = ended(Job(0, architecture(layer(nn.Tanh), layer(Raising, features=8)), 0))
    assert isinstance(end, Failed)
    assert end.reason == "exception"
    assert end.message.startswith("body.")
    assert ".inner: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in end.message


@pytest.mark.parametrize(
    ("option", "value"),
    [("autocast", "fp8"), ("compile", "yes"), ("graphs", None), ("graphs", 1), ("deterministic", "auto")],
)
def test_options_that_are_none_are_refused(option: str, value: object) -> None:
    with pytest.raises(ExecutorError, match=rf"{option}: expected .*, got {value!r}"):
        Inline(**{option: value})  # type: ignore[arg-type]


def test_arithmetic_is_the_device_the_precision_and_the_compiler() -> None:
    plain = Ran().to_dict()
    assert Ran.same_arithmetic(plain, {**plain, "graphs": "yes", "compiled": "no: why not"})
    for name, value in (("device", "NVIDIA H100"), ("precision", "bfloat16"), ("compiled", "yes")):
        assert not Ran.same_arithmetic(plain, {**plain, name: value})
