"""How a training makes use of its device: options of the executor, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from search_spaces.arguments import checked
from search_spaces.errors import ExecutorError

Autocast = Literal["recipe", "auto"]
Choice = bool | Literal["auto"]


@checked(ExecutorError)
@dataclass(frozen=True)
class Acceleration:
    """How a training makes use of its device. A CPU takes part in ``compile`` and ``deterministic`` alone.

    What cannot be done with a network is left, and the reason is recorded with its trial (`Ran`).

    Attributes:
        autocast: the arithmetic on a GPU: ``recipe``: that of `Recipe.precision`; ``auto``: bfloat16 by
            autocast wherever the card has it, whatever the recipe says.
        compile: whether the network is compiled by `torch.compile`; ``auto``: where the training is long
            enough to win back what that takes.
        graphs: whether steps are captured as CUDA graphs; ``auto``: where a step is launch-bound, which is
            measured in the first ones. A CPU has no graphs.
        deterministic: whether two runs on one machine must come to the same bits. A layer that has no such
            implementation fails the trial; the message names it.

    Raises:
        ExecutorError: a value that is none of these.
    """

    autocast: Autocast = "recipe"
    compile: Choice = False
    graphs: Choice = "auto"
    deterministic: bool = False


@dataclass
class Ran:
    """What ran: how a training made use of its device. Results that differ in it are not the same to the bit.

    Attributes:
        device: ``cpu``, or the name of the card.
        precision: ``float32``; ``float32, TF32`` where the card may round the inputs of convolutions or of
            products of matrices to that (torch's settings; it lets cuDNN do so); or ``bfloat16`` by autocast.
        compiled: ``yes``, ``no``, or ``no: `` and why not, though it was asked for.
        graphs: ``yes``, ``no``, or ``no: `` and why not, likewise.
        deterministic: ``yes`` or ``no``.
    """

    device: str = "cpu"
    precision: str = "float32"
    compiled: str = "no"
    graphs: str = "no"
    deterministic: str = "no"

    def to_dict(self) -> dict[str, str]:
        """Returns it by name, for the store."""
        return asdict(self)

    @staticmethod
    def same_arithmetic(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Returns whether two recorded ones lead to results that can be told apart by their seeds alone.

        The kind of device, the precision and the compiler change how numbers are rounded; a graph replays the
        very kernels that it has captured.
        """
        names = ("device", "precision", "compiled")
        return all(without_reason(one.get(name)) == without_reason(other.get(name)) for name in names)


RAN = tuple(one.name for one in fields(Ran))
"""The names of what `Ran` records, in order."""


def without_reason(value: Any) -> Any:
    """Returns what `Ran` has recorded of one thing without the reason for it."""
    return value.partition(":")[0] if isinstance(value, str) else value


PLAIN = Acceleration()
"""All at its default."""
