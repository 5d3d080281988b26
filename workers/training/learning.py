"""What a training keeps from epoch to epoch beside its network."""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn


class Keeper(Protocol):
    """Who keeps tensors from step to step."""

    def state(self) -> dict[str, Tensor]:
        """Them by name; to be copied into where a training goes on."""


@dataclass(frozen=True)
class Learning:
    """A training's state beside that of its network.

    Attributes:
        keepers: what keeps tensors, by name, such as the optimizer and the feed.
        criterion: what the loss learns and remembers itself.
    """

    keepers: dict[str, Keeper]
    criterion: nn.Module = field(default_factory=nn.Module)

    def state(self) -> dict[str, Tensor]:
        """All tensors by name; to be copied into where the training goes on."""
        found = {
            f"{keeper}.{name}": tensor
            for keeper, kept in self.keepers.items()
            for name, tensor in kept.state().items()
        }
        return found | {f"criterion.{name}": t for name, t in self.criterion.state_dict().items()}
