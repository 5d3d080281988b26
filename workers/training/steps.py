"""One step of a training: as it is, compiled, or replayed as a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workers.acceleration import Acceleration, Ran
from workers.failures import words_of
from workers.problems.split import Split
from workers.training import graphs
from workers.training.criterion import Losses, TrainingLoss
from workers.training.mean_losses import MeanLosses
from workers.training.optimization import FusedOptimizer
from workers.training.placement import Stopwatch

if TYPE_CHECKING:
    from search_spaces.tasks import Task
    from workers.training.gradient_balancing import GradientBalance
    from workers.training.process_group import Group

WORTH_COMPILING = 600.0
"""Seconds that a training must have ahead of it, by its first steps, for ``compile="auto"`` to compile."""
TIMED = range(5, 25)
"""The steps of a training by which its pace is known."""


class Stepper:
    """Makes the steps of one training.

    Args:
        loss_of: the loss of a batch, with the network in it.
        tasks: the tasks by name.
        optimizer: what moves the parameters.
        gradients: what balances the tasks' gradients; None: their losses are added.
        group: the processes that train together.
        acceleration: how the training makes use of its device.
        steps: the number of steps that it has ahead of it.
        batch_size: the examples of a whole batch.
        ran: where it is noted what became of that.
        device: the device.

    Attributes:
        means: the mean losses of the epoch.
        pace: the seconds of a step, by `TIMED`; None: those are not over yet.
    """

    def __init__(
        self,
        loss_of: TrainingLoss,
        tasks: Mapping[str, Task],
        optimizer: FusedOptimizer,
        gradients: GradientBalance | None,
        group: Group,
        acceleration: Acceleration,
        steps: int,
        batch_size: int,
        ran: Ran,
        device: torch.device,
    ) -> None:
        self._optimizer, self._gradients, self._group, self._ran = optimizer, gradients, group, ran
        self._learns = bool(optimizer.parameters)
        self._compute = group.parallel(loss_of, tasks, learns=self._learns, apart=gradients is not None)
        self._loss_of, self._steps, self._batch_size = loss_of, steps, batch_size
        self.means = MeanLosses(tasks, device)
        self._graphs = self._graphs_of(acceleration, device)
        self._compiled: Callable[[Split], Losses] | None = None
        self._compile_later = False
        self._prepare_compiling(acceleration)
        self.pace: float | None = None
        self._done, self._stopwatch = 0, Stopwatch(device)

    def begin_epoch(self) -> None:
        """Begins an epoch: its mean losses are those of no step yet."""
        self.means.reset()
        if self._graphs is not None:
            self._graphs.begin_epoch()

    def step(self, batch: Split, rate: float, check: Callable[[], None]) -> Losses:
        """Makes a step and returns its losses.

        Args:
            batch: the examples, with masks on the CPU.
            rate: the learning rate.
            check: the function that is called when the loss is known and all processes can agree on an end;
                it raises to end the training.
        """
        self._time()
        if self._compile_later and self.pace is not None:
            self._foretell(self.pace)
        if self._graphs is None:
            losses = self._eager(batch, rate, check)
        else:
            check()
            losses = self._graphs.step(batch, rate, lambda: self._bare(batch, rate))
        self.means.count(losses.tasks, batch)
        return losses

    def note(self) -> None:
        """Notes what became of graphs so far."""
        if self._graphs is None:
            return
        if self._graphs.captured:
            self._ran.graphs = "yes"
        else:
            why = self._graphs.why_not or f"no shape of batch came more than {graphs.WARM_UP} times an epoch"
            self._ran.graphs = f"no: {why}"

    def end(self) -> None:
        """Lets go of the graphs."""
        if self._graphs is not None:
            self._graphs = None
            self._optimizer.zero_grad()

    def _time(self) -> None:
        """Times the steps that tell the pace."""
        if self.pace is None and self._done >= TIMED.start:
            if self._done in (TIMED.start, TIMED.stop):
                self._stopwatch.mark()
            if self._done >= TIMED.stop and (seconds := self._stopwatch.seconds()) is not None:
                self.pace = seconds / len(TIMED)
        self._done += 1

    # ---- a step as it is

    def _eager(self, batch: Split, rate: float | Tensor, check: Callable[[], None]) -> Losses:
        self._optimizer.zero_grad()
        with self._group.agreement():
            losses = self._losses(batch)
            # After the loss: in its computing, processes may already wait for one another.
            check()
        if self._learns and losses.total is not None:
            if self._gradients is None:
                torch.autograd.backward(losses.total)
            else:
                self._gradients.backward(losses.tasks, losses.auxiliary, self._group.reduce)
            self._optimizer.step(rate)
        self.means.add(losses.tasks, batch)
        return losses

    def _bare(self, batch: Split, rate: float | Tensor) -> Losses:
        """A step whose losses hold nothing of its autograd graph, which the next one is not to meet."""
        total, tasks, auxiliary = self._eager(batch, rate, lambda: None)
        return Losses(
            None if total is None else total.detach(),
            {name: loss.detach() for name, loss in tasks.items()},
            None if auxiliary is None else auxiliary.detach(),
        )

    def _losses(self, batch: Split) -> Losses:
        # Another shape would be compiled anew: the last batch of an epoch runs as it is.
        if self._compiled is None or len(batch) != self._batch_size or batch.labelled or batch.present:
            return self._compute(batch)
        return self._compiled(batch)

    # ---- graphs

    def _graphs_of(self, acceleration: Acceleration, device: torch.device) -> graphs.Graphs | None:
        capturing = graphs.capture_for(device) if acceleration.graphs else None
        if capturing is None:
            if acceleration.graphs is True:
                self._ran.graphs = f"no: {device.type} has none"
            return None
        always = acceleration.graphs is True
        why = ""
        if not self._learns:
            why = "nothing in the network learns"
        elif self._group.size > 1:
            why = "several processes train together"
        elif self._gradients is not None:
            why = "gradients are balanced on the host"
        elif not always:
            why = graphs.why_not_of(self._loss_of.network)
        if why:
            self._ran.graphs = f"no: {why}"
            return None
        rate = torch.zeros((), device=device)
        return graphs.Graphs(lambda batch: self._bare(batch, rate), rate, capturing, always=always)

    # ---- compiling

    def _prepare_compiling(self, acceleration: Acceleration) -> None:
        if not acceleration.compile:
            return
        if self._group.size > 1:
            self._ran.compiled = "no: several processes train together"
        elif acceleration.compile == "auto":
            self._compile_later = True
        else:
            self._compile()

    def _foretell(self, pace: float) -> None:
        """Compiles where the steps so far say that the training is long enough."""
        self._compile_later = False
        seconds = pace * (self._steps - self._done)
        if seconds > WORTH_COMPILING:
            self._compile()
            if self._graphs is not None:
                self._graphs.forget()
        else:
            self._ran.compiled = f"no: some {seconds:.0f} s of training do not win back what it takes"

    def _compile(self) -> None:
        compiled = torch.compile(self._loss_of, dynamic=False, options={"fallback_random": True})
        self._ran.compiled = "yes"

        def first(batch: Split) -> Losses:
            """Compiles with the first batch, forward and backward; what cannot be is left."""
            states = torch.get_rng_state()
            try:
                losses: Losses = compiled(batch)
                if losses.total is not None and losses.total.requires_grad:
                    torch.autograd.grad(
                        losses.total, self._optimizer.parameters, retain_graph=True, allow_unused=True
                    )
            except Exception as error:  # of Dynamo, of a compiler; or the network's own, which comes again
                self._ran.compiled = f"no: {type(error).__name__}: {words_of(error):.200}"
                self._compiled = None
                torch.set_rng_state(states)
                return self._compute(batch)
            self._compiled = compiled
            return losses

        self._compiled = first
