"""An exponential moving average of a network's weights, which is scored in their place."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn

from workers.problems.split import Split
from workers.training.batches import in_order
from workers.training.placement import send

EXAMPLES = 512
"""How many training examples the statistics of batch normalisation are measured on."""
_BATCH = 64


class AveragedWeights:
    """An exponential moving average (EMA) of what a network learns, exchanged with it where that is scored.

    Averaged are the parameters that are trained. All else in a network stays its own, but for the running
    statistics of batch normalisation: averaged weights have others, which `recalibrate` measures.

    The first averages are short, so that they forget the initial weights: of t steps they span some t / 9
    (TensorFlow's ``ExponentialMovingAverage``, its argument ``num_updates``; nearly the power function of
    Karras et al. 2024, section 3.1), until the decay allows no more.

    torch's `AveragedModel` would read its count back in each step, and copy the network; this has torch's
    formula, with neither. The tensors of the network stay where they are, as a graph of the device needs it.

    Args:
        network: the network, on its device; at first the averages are what it is.
        decay: the part of an average that the next step leaves, below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        own = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
        self._averaged = len(own)
        for path, module in network.named_modules():
            if isinstance(module, _BatchNorm):
                own |= {f"{path}.{name}".strip("."): buffer for name, buffer in module.named_buffers()}
        self._own = list(own.values())
        self._others = {name: tensor.clone() for name, tensor in own.items()}

    def state(self) -> dict[str, Tensor]:
        """The tensors by name that are not in the network now: the averages while it learns, else what it
        learns with; to be copied into where a training goes on."""
        return self._others

    def update(self, steps: int) -> None:
        """Takes in the weights after so many steps of the training."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        averages = [*self._others.values()][: self._averaged]
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(averages, self._own[: self._averaged], 0)

    @torch.no_grad()
    def exchange(self) -> None:
        """Puts the averages into the network and keeps what was there; called again, the other way round."""
        others = [*self._others.values()]
        held = [tensor.clone() for tensor in self._own]
        torch._foreach_copy_(self._own, others)
        torch._foreach_copy_(others, held)


@torch.no_grad()
def recalibrate(
    network: nn.Module,
    forward: Callable[[Split], Mapping[str, Tensor]],
    train: Split,
    generator: Generator,
    *,
    check: Callable[[], None] = lambda: None,
    device: torch.device | None = None,
) -> None:
    """Measures the running statistics of batch normalisation anew, as `torch.optim.swa_utils.update_bn` does.

    On some examples instead of all, with all else in evaluation mode (no dropout, no augmentation: as the
    network is asked afterwards), and without reading a count back. The network is left in evaluation mode.

    Args:
        network: the network; one without such statistics is not run.
        forward: the function that asks the network: from a batch to answers by task.
        train: the training split, on any device.
        generator: draws the examples, on the CPU.
        check: the function that is called between batches; it raises to stop early.
        device: the network's device; None: that of the examples.
    """
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    count = min(EXAMPLES, len(train))
    if not norms or count < 2:
        return
    momenta = [norm.momentum for norm in norms]
    device = train.device if device is None else device
    rows = torch.randperm(len(train), generator=generator)[:count]
    examples = train.select(send(rows, train.device))
    size = math.ceil(count / max(1, count // _BATCH))  # no last batch of one, of which there is no variance
    try:
        for norm in norms:
            norm.train()
        for number, batch in enumerate(in_order(examples, size, device), 1):
            check()
            for norm in norms:
                norm.momentum = 1 / number  # what is measured is the mean over the batches so far
            forward(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()
