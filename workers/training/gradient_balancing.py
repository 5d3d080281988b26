"""Gradient balancing: the gradients of several tasks, combined where adding their losses is not enough."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from workers.recipe import GradientMethod

METHODS: tuple[GradientMethod, ...] = get_args(GradientMethod)

CAGRAD_RADIUS = 0.4
"""How far `cagrad` may go from the mean gradient, as a share of its length (the paper's on NYU-v2)."""

Gradients = list[Tensor | None]
"""One for each parameter; None where nothing reaches it."""


class GradientBalance:
    """Computes the gradient of each task by itself, and combines them where tasks share parameters.

    ``pcgrad`` (Yu et al., NeurIPS 2020, Alg. 1), ``cagrad`` (Liu et al., NeurIPS 2021, Alg. 1), ``mgda``
    (Désidéri 2012; Sener & Koltun, NeurIPS 2018, Alg. 2), ``nash`` (Navon et al., ICML 2022, Alg. 1),
    ``upgrad`` (Quinton & Rey 2024) and ``aligned`` (Senushkin et al., CVPR 2023, Alg. 1). Each weighs the
    gradients by their inner products.

    It acts on the parameters that more than one of the losses reaches; those that one reaches have its plain
    gradient. Tasks that have no parameter in common, not even by way of others, are balanced apart. Where the
    gradients are all alike the outcome is their sum, so that a learning rate means the same with each method.
    Where a method fails on numbers, that step has the sum, and a warning is given for the first one.

    Args:
        method: the name of the method, one of the six.
        parameters: the parameters that are trained.
        seed: the seed of the method's random generator, before the first epoch.
    """

    def __init__(self, method: GradientMethod, parameters: Iterable[Tensor], seed: int = 0) -> None:
        self._method = method
        self._parameters = list(parameters)
        self._weigh = _weighting(method)
        self._generator = torch.Generator().manual_seed(seed)
        self._warned = False

    def begin_epoch(self, seed: int) -> None:
        """Seeds the method's random generator for an epoch."""
        self._generator.manual_seed(seed)

    def backward(
        self,
        losses: Mapping[str, Float[Tensor, ""]],
        auxiliary: Float[Tensor, ""] | None = None,
        reduce: Callable[[list[Gradients], list[Tensor]], list[Gradients]] = lambda rows, parameters: rows,
    ) -> None:
        """Sets the gradients of the parameters; those that nothing reaches have none.

        Args:
            losses: the loss of each task that the batch has.
            auxiliary: what all tasks are to minimise besides; its gradient is added to their combination.
            reduce: the function that averages over processes: it takes the gradients of each loss and the
                parameters, and returns the gradients.
        """
        roots = list(losses.values()) + ([] if auxiliary is None else [auxiliary])
        rows = [self._gradients(root, retain=number < len(roots)) for number, root in enumerate(roots, 1)]
        rows = reduce(rows, self._parameters)
        plain = rows.pop() if auxiliary is not None else [None] * len(self._parameters)
        owners = [
            frozenset(task for task, row in enumerate(rows) if row[index] is not None)
            for index in range(len(self._parameters))
        ]
        for tasks in _joined(owners):
            self._combine(rows, tasks, [i for i, own in enumerate(owners) if len(own) > 1 and own <= tasks])
        for index, (parameter, own) in enumerate(zip(self._parameters, owners, strict=True)):
            if len(own) == 1:
                parameter.grad = _like(parameter, rows[next(iter(own))][index])
            more = plain[index]
            if more is not None:
                parameter.grad = _like(parameter, more if parameter.grad is None else parameter.grad + more)

    def _gradients(self, loss: Float[Tensor, ""], retain: bool) -> Gradients:
        if not loss.requires_grad:
            return [None] * len(self._parameters)
        # One pass for each: torch.vmap, which would take all together, knows no LSTM and no batch statistics.
        return list(torch.autograd.grad(loss, self._parameters, retain_graph=retain, allow_unused=True))

    def _combine(self, rows: Sequence[Gradients], tasks: frozenset[int], shared: Sequence[int]) -> None:
        """Sets the gradients of the parameters ``shared`` by ``tasks``, which meet in some of them."""
        jacobian = torch.stack(
            [flattened([(self._parameters[i], rows[task][i]) for i in shared]) for task in sorted(tasks)]
        )
        weights = self._weights(jacobian @ jacobian.T)
        combined = torch.split(weights.to(jacobian) @ jacobian, [self._parameters[i].numel() for i in shared])
        for index, gradient in zip(shared, combined, strict=True):
            parameter = self._parameters[index]
            parameter.grad = _like(parameter, gradient.view(parameter.shape))

    def _weights(self, products: Float[Tensor, "tasks tasks"]) -> Float[Tensor, " tasks"]:
        """Returns the tasks' weights from the inner products of their gradients."""
        # Few numbers and many small steps: for the CPU. Scaled, lest a method take small gradients for none.
        gramian = products.double().cpu()
        scale = float(gramian.diagonal().sum())
        ones = torch.ones(len(gramian), dtype=torch.float64)
        if scale == 0:
            return ones
        problem = f"the gradients' inner products sum to {scale}"
        if math.isfinite(scale):
            try:
                weights = self._weigh(gramian / scale, self._generator)
                if bool(torch.isfinite(weights).all()):
                    return weights
                problem = f"its weights are {weights.tolist()}"
            except Exception as error:  # each solver has its own
                problem = f"{type(error).__name__}: {error!s:.200}"
        if not self._warned:
            self._warned = True
            warnings.warn(f"{self._method}: a step had the sum of its gradients: {problem}", stacklevel=2)
        return ones


def _joined(owners: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """Returns the tasks in groups: those that share a parameter, and those that these share one with."""
    groups: list[frozenset[int]] = []
    for own in {own for own in owners if len(own) > 1}:
        apart = [group for group in groups if not group & own]
        groups = [*apart, own.union(*(group for group in groups if group & own))]
    return sorted(groups, key=min)


def flattened(gradients: Iterable[tuple[Tensor, Tensor | None]]) -> Float[Tensor, " numbers"]:
    """Returns gradients in one vector, with zeros for those that are None."""
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in gradients])


def _like(parameter: Tensor, gradient: Tensor | None) -> Tensor:
    """Returns a gradient laid out as its parameter is: the optimizer's kernels read them side by side."""
    assert gradient is not None  # of a task that reaches the parameter
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


Weigh = Callable[[Float[Tensor, "tasks tasks"], torch.Generator], Float[Tensor, " tasks"]]
"""From the gradients' inner products, float64 with trace 1, to their weights."""


def _weighting(method: GradientMethod) -> Weigh:
    if method == "nash":
        return lambda gramian, _: nash_weights(gramian)
    if method == "cagrad":
        return lambda gramian, _: cagrad_weights(gramian)
    from torchjd import aggregation  # on demand: it is not quick to import

    if method == "pcgrad":
        pcgrad = aggregation.PCGradWeighting()  # Yu et al. 2020, Alg. 1

        def drawn(gramian: Tensor, generator: torch.Generator) -> Tensor:
            # It draws from torch's global generator, which differs among the processes of a trial.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(int(torch.randint(2**31, (), generator=generator)))
                weights: Tensor = pcgrad(gramian)
                return weights

        return drawn
    # Theirs are the weights of a mean.
    mean = {
        "mgda": aggregation.MGDAWeighting,  # Sener & Koltun 2018, Alg. 2: the min-norm point by Frank-Wolfe
        "upgrad": aggregation.UPGradWeighting,  # Quinton & Rey 2024: the projections onto the dual cone
        "aligned": aggregation.AlignedMTLWeighting,  # Senushkin et al. 2023, Alg. 1
    }[method]()
    return lambda gramian, _: mean(gramian) * len(gramian)


def nash_weights(gramian: Float[Tensor, "tasks tasks"]) -> Float[Tensor, " tasks"]:
    """Returns the weights ``a > 0`` with ``gramian a = 1 / a`` (Navon et al. 2022, Alg. 1).

    They minimise the convex ``a gramian a / 2 - sum log a``, found by Newton's method, and are scaled so that
    those of equal gradients are 1. The paper's own solver, which torchjd has, approaches them by a row of
    convex programs in some 30 ms.
    """
    count = len(gramian)
    # Of gradients that depend on one another there may be no such weights: a little more on the diagonal.
    matrix = gramian + 1e-8 * torch.eye(count, dtype=gramian.dtype)
    weights = matrix.diagonal().rsqrt() / math.sqrt(count)
    for _ in range(50):
        slope = matrix @ weights - 1 / weights  # Alg. 1: G^T G a = 1 / a where it is 0
        step = torch.linalg.solve(matrix + torch.diag(weights.pow(-2)), slope)
        decrement = math.sqrt(max(float(slope @ step), 0.0))
        if decrement < 1e-10:
            break
        # Damped as the theory of self-concordant functions says: no step then leaves what is positive.
        weights = weights - step / (1 + decrement)
    return weights * gramian.diagonal().sqrt().sum() / math.sqrt(count)


def cagrad_weights(gramian: Float[Tensor, "tasks tasks"]) -> Float[Tensor, " tasks"]:
    """Returns the weights of conflict-averse gradient descent (Liu et al. 2021, Alg. 1), times 1 / (1 + c).

    Solved by SLSQP as in the authors' own code; torchjd's way to them needs CVXPY and takes 5 ms and more.
    """
    from scipy.optimize import minimize

    matrix, count = gramian.numpy(), len(gramian)
    mean = np.full(count, 1 / count)
    radius = CAGRAD_RADIUS * math.sqrt(mean @ matrix @ mean)  # Alg. 1: sqrt(phi) = c |g_0|

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        product = matrix @ weights
        length = math.sqrt(max(float(weights @ product), 0.0) + 1e-12)
        # Alg. 1: F(w) = g_w^T g_0 + sqrt(phi) |g_w|, and its gradient
        return float(mean @ product) + radius * length, matrix @ mean + radius * product / length

    simplex = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)}
    found = minimize(
        objective, mean, jac=True, bounds=[(0, 1)] * count, constraints=simplex, options={"ftol": 1e-10}
    ).x
    length = math.sqrt(max(float(found @ matrix @ found), 0.0))
    worst = found * (radius / length) if length > 1e-8 else 0 * found  # Alg. 1: sqrt(phi) / |g_w| * g_w
    return torch.from_numpy((mean + worst) * count / (1 + CAGRAD_RADIUS))
