"""Our controllers and problems in a Ray Tune script of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ray import tune
from ray.tune.search import Searcher

from search_spaces.architecture import Architecture
from search_spaces.arguments import Count, NotNegative, Seed, checked
from search_spaces.bounds import Epochs
from search_spaces.errors import ExecutorError, FormatError, TrainingFailure
from workers.job import Failed, Finished, Job, Report
from workers.problems import load
from workers.remote.cluster import Resources
from workers.remote.runners import Packed, pack, runner
from workers.tune.trial import TuneTrial

if TYPE_CHECKING:
    from workers.problems.problem import Problem
    from workers.table import Table

_FORMAT = "nas calls of a controller under Ray Tune, 1"


class Aim(Protocol):
    """What a controller improves."""

    @property
    def metric(self) -> str: ...
    @property
    def direction(self) -> Literal["maximize", "minimize"]: ...


class Asked(Protocol):
    """What a controller proposes."""

    @property
    def architecture(self) -> Architecture: ...


@runtime_checkable
class Proposer(Protocol):
    """Who proposes: a controller of ours, or what does as it does."""

    repeats: bool

    @property
    def objectives(self) -> Sequence[Aim]: ...
    @property
    def exhausted(self) -> bool: ...
    def ask(self) -> Asked: ...
    def tell(self, proposal: Any, values: Mapping[str, float] | None) -> None: ...


class ControllerSearcher(Searcher):  # type: ignore[misc]  # Ray has no annotations
    """A controller, as Ray Tune asks one; made by `as_searcher`.

    What it saves is JSON: the calls of the controller. They are repeated on the controller when Tune restores
    a run; given the same class, settings and seed it comes to the same state.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    def __init__(self, controller: Proposer, seed: int, epochs: int | None) -> None:
        modes = {"maximize": "max", "minimize": "min"}
        aims = controller.objectives
        metric, mode = [aim.metric for aim in aims], [modes[aim.direction] for aim in aims]
        super().__init__(*((metric[0], mode[0]) if len(aims) == 1 else (metric, mode)))
        self._controller, self._seed, self._epochs = controller, seed, epochs
        self._in_flight: dict[str, Asked] = {}  # by Tune's name of the trial
        self._calls: list[list[Any]] = []

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Whether ``param_space`` may hold domains: no, who proposes is the controller."""
        return False

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        if not self._controller.repeats and self._controller.exhausted:
            return str(Searcher.FINISHED)
        proposal = self._in_flight[trial_id] = self._controller.ask()
        self._calls.append(["ask", trial_id, proposal.architecture.id])
        return {"architecture": proposal.architecture.to_json(), "seed": self._seed, "epochs": self._epochs}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tells the controller the last result; that of a trial stopped early is as good as any."""
        if trial_id not in self._in_flight:
            return
        values = None
        if not error and result and "training_iteration" in result:  # else there was no epoch
            values = {name: value for name, value in result.items() if isinstance(value, int | float)}
        self._tell(trial_id, values)

    def save(self, checkpoint_path: str) -> None:
        text = json.dumps({"format": _FORMAT, "calls": self._calls})
        Path(checkpoint_path).write_text(text, encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Repeats the calls that were saved, after those that there were.

        Raises:
            FormatError: they are none, or the controller does not do as it did: it is another one.
        """
        try:
            data = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))
            calls = data["calls"] if data["format"] == _FORMAT else None
            if not isinstance(calls, list) or calls[: len(self._calls)] != self._calls:
                raise ValueError("not the calls of this controller")
            for kind, name, what in calls[len(self._calls) :]:
                if kind == "tell":
                    self._tell(name, what)
                elif self.suggest(name) == Searcher.FINISHED or self._calls[-1] != [kind, name, what]:
                    raise ValueError(f"the controller no longer proposes {what}: it is another one")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{checkpoint_path}: {type(error).__name__}: {error}") from error

    def _tell(self, name: str, values: dict[str, float] | None) -> None:
        self._controller.tell(self._in_flight.pop(name), values)
        self._calls.append(["tell", name, values])


@checked(ExecutorError)
def as_searcher(controller: Proposer, *, seed: Seed = 0, epochs: Epochs | None = None) -> ControllerSearcher:
    """A controller as Ray Tune's ``search_alg``, for a `trainable`.

    It proposes until Tune has its ``num_samples``, or the space is exhausted. Trials that have failed are
    told as failures, those stopped early with their last metrics.

    Args:
        controller: the controller that proposes, for this run alone; Tune pickles it for a restore, as it is
            now.
        seed: the seed of every training.
        epochs: the epochs of every training; None: the recipe's.

    Raises:
        ExecutorError: an argument is not what it should be.

    Example:
        >>> tune.Tuner(
        ...     trainable("digits"),
        ...     tune_config=tune.TuneConfig(
        ...         search_alg=as_searcher(controller), metric="accuracy", mode="max", num_samples=20
        ...     ),
        ... ).fit()
    """
    return ControllerSearcher(controller, seed, epochs)


class ProblemTrial(TuneTrial):
    """A trial that Tune's configuration describes; see `trainable`."""

    def setup(  # type: ignore[override]  # Tune adds what `tune.with_parameters` was given
        self,
        config: dict[str, Any],
        packed: Packed,
        cpus: int,
        device: str,
        share: float,
        modules: Sequence[Callable[..., Any]],
    ) -> None:
        self._run, self._modules = runner(packed, cpus, device, share=share), modules
        self._signature = None if "table" in packed else packed["about"]["signature"]
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        architecture = Architecture.from_json(config["architecture"], self._modules)
        self._take(Job(0, architecture, seed=config.get("seed", 0), epochs=config.get("epochs")))
        return True

    def result_of(self, report: Report) -> dict[str, Any]:
        assert self._job is not None  # it has reported
        costs = {} if self._signature is None else self._job.architecture.cost(self._signature).to_dict()
        return {**costs, **super().result_of(report)}

    def check_end(self, event: Finished | Failed | None) -> None:
        if isinstance(event, Failed):
            raise TrainingFailure(event.reason, event.message)


@checked(ExecutorError)
def trainable(
    problem: Problem | Table | str,
    *,
    cpus: Count = 1,
    gpus: NotNegative = 0,
    modules: Sequence[Callable[..., Any]] = (),
) -> type[tune.Trainable]:
    """What `ray.tune.Tuner` trains: the network of a configuration, on a problem.

    The configuration is ``{"architecture": JSON text, "seed": int, "epochs": int or None}``, as of
    `as_searcher`. Each result is of one epoch: the metrics on the validation split, the network's costs,
    ``train_loss``, ``samples_per_second``. Checkpoints, for schedulers that pause and for restores, are
    safetensors; the last one has the weights. What cannot be trained ends in a `TrainingFailure`.

    Args:
        problem: the problem, or its name in the catalog; its data travel once, by Ray's object store.
        cpus: the cores and torch threads of each trial.
        gpus: the GPUs, or the share of one, of each trial; above 0, it trains on it, and is held to its
            share of the memory.
        modules: the classes of your own that architectures may name.

    Raises:
        ExecutorError: an argument is not what it should be.
        UnknownNameError: there is no problem of that name.
    """
    resources = Resources(cpus, gpus)
    given = tune.with_parameters(
        ProblemTrial,
        packed=pack(load(problem) if isinstance(problem, str) else problem),
        cpus=cpus,
        device="cuda" if gpus > 0 else "cpu",
        share=resources.share,
        modules=tuple(modules),
    )
    made: type[tune.Trainable] = tune.with_resources(given, tune.PlacementGroupFactory([resources.bundle()]))
    return made
