"""What a worker on Ray runs jobs with: the problem, as it travels there, and the training of its networks.

A problem travels as data, never as a name: a worker needs neither the function that loaded it nor its files.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from search_spaces import Space, layer
from search_spaces.errors import ExecutorError
from workers.acceleration import PLAIN, Acceleration
from workers.job import Event, Job
from workers.remote.card_memory import hold_to
from workers.table import Table, perform

if TYPE_CHECKING:
    from workers.problems.split import Split
    from workers.training.process_group import Group


class Runner(Protocol):
    """Runs a job; ``check``, ``enough`` and ``group`` are those of `workers.trial.trial.run`.

    ``share`` is the share of the card's memory that this trial may use; None: the worker's.
    """

    def __call__(
        self,
        job: Job,
        check: Callable[[], None],
        enough: Callable[[], bool] = lambda: False,
        group: Group | None = None,
        share: float | None = None,
    ) -> Iterator[Event]: ...


Packed = dict[str, Any]
"""A problem whose tensors are NumPy arrays: these Ray keeps once per node, and workers read them in place."""


def pack(problem: Any) -> Packed:
    """Packs a problem, or a table, for Ray's object store."""
    if isinstance(problem, Table):
        return {"table": problem}
    splits = {part: _arrays(split) for part, split in problem.splits.items()}
    about = {key: getattr(problem, key) for key in ("name", "signature", "description", "options")}
    return {"splits": splits, "about": about}


def unpack(packed: Packed) -> Any:
    """Unpacks the problem. Its tensors may be views of memory shared with other processes: only to read."""
    from workers.problems.problem import Problem
    from workers.problems.split import Split

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        splits = {part: Split(**_tensors(arrays)) for part, arrays in packed["splits"].items()}
    about: dict[str, Any] = {**packed["about"], "test": None, **splits}
    return Problem(**about, copy=False)


def _arrays(split: Split) -> dict[str, Any]:
    """The fields of a split, each tensor an array."""
    fields = {
        part: {name: tensor.cpu().numpy() for name, tensor in getattr(split, part).items()}
        for part in ("inputs", "targets", "present", "labelled")
    }
    return {**fields, "domain": None if split.domain is None else split.domain.cpu().numpy()}


def _tensors(value: Any) -> Any:
    """Every array in nested dicts as a tensor that shares its memory."""
    import torch

    if isinstance(value, dict):
        return {name: _tensors(member) for name, member in value.items()}
    return None if value is None else torch.from_numpy(value)


def _warm_up(device: str, acceleration: Acceleration) -> None:
    """Runs a trial of nothing: what torch imports at its first step is not the first real trial's time."""
    import torch

    from workers.problems.problem import Problem
    from workers.trial import trial

    examples = torch.rand(8, 2), torch.arange(8) % 2
    data = Problem.from_tensors("warm-up", examples, examples, examples).to(device)
    architecture = Space({"model": layer(torch.nn.Tanh)}).architecture({})
    # not compiled, which would take longer than the trials that it is to serve
    plain = dataclasses.replace(acceleration, compile=False)
    for _ in trial.run(Job(-1, architecture, seed=0, epochs=1), data, device=device, acceleration=plain):
        pass


def runner(
    packed: Packed, cpus: int, device: str, acceleration: Acceleration = PLAIN, share: float = 1.0
) -> Runner:
    """Returns what runs jobs: training, or for a table its answers in real time, without importing torch.

    Args:
        packed: the problem.
        cpus: the threads that torch may use.
        device: the device to train on.
        acceleration: how the trials make use of it.
        share: the share of the card's memory that trials may use, unless they are told another one.

    Raises:
        ExecutorError: torch sees no card here, though there should be one.
    """
    if "table" in packed:
        return lambda job, check, enough=lambda: False, group=None, share=None: perform(
            packed["table"], job, check, enough
        )
    import torch

    from workers.training.placement import place
    from workers.trial import trial

    if device == "cuda" and not torch.cuda.is_available():
        raise ExecutorError(
            f"torch {torch.__version__} can use no GPU on a node where Ray counts one: install torch's build "
            "for CUDA there and a driver for it, or train on the CPU (device='cpu')"
        )
    held = 1.0

    def hold(wanted: float) -> None:
        nonlocal held
        if wanted != held:
            hold_to(wanted, device)
            held = wanted

    torch.set_num_threads(cpus)
    hold(share)
    _warm_up(device, acceleration)
    data, own = place(unpack(packed), device, share), share

    def run(
        job: Job,
        check: Callable[[], None],
        enough: Callable[[], bool] = lambda: False,
        group: Group | None = None,
        share: float | None = None,
    ) -> Iterator[Event]:
        hold(own if share is None else share)
        # In each trial: a network's own code may have changed it, and OpenMP keeps it for each thread.
        torch.set_num_threads(cpus)
        return trial.run(
            job, data, device=device, check=check, enough=enough, group=group, acceleration=acceleration
        )

    return run
