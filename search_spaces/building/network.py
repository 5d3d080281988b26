"""A network: what is built from an architecture for a signature. A body, and a head for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from search_spaces.blocks import masks
from search_spaces.blocks.graph import Encoding
from search_spaces.building.standardisation import Standardisation
from search_spaces.errors import ProblemError
from search_spaces.signature import Signature


class Chain(nn.Sequential):
    """`nn.Sequential` whose members may answer a tuple: its first item goes on (as recurrent layers do).

    Members whose ``forward`` has a parameter ``mask`` receive the mask of a padded text or series.
    """

    def forward(self, input: Any, mask: Tensor | None = None) -> Any:
        for module in self:
            input, mask = masks.call(module, input, mask)
        return input


class Network(nn.Module):
    """A body (the searched model) and one head for each task.

    A mapping of inputs by name is answered by a mapping of answers by task; an input left out is missing. A
    lone tensor, for a network of one input, is answered by a lone tensor where there is one task.

    Inputs come, and numbers are answered, in the units of the data: a trained network standardises them
    itself. Weights without means and scales, as networks that were trained without have them, are of a
    network that takes everything as it is. Padding of a series comes as NaN; the body gets zeros there, and
    a mask.

    Attributes:
        body: a `Chain`, or a `Graph` for several inputs or features of the tasks' own.
        heads: the heads, in the order of the signature's tasks.
        signature: what it serves.
        input_standardisations: how each input is standardised, in the order of the signature's.
        target_standardisations: how each task's targets are, likewise; its head answers standardised ones.
    """

    def __init__(self, body: nn.Module, heads: list[nn.Module], signature: Signature) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleList(heads)
        self.signature = signature
        self.input_standardisations, self.target_standardisations = (
            nn.ModuleList(Standardisation(kind.scale_shape) for kind in kinds.values())
            for kinds in (signature.inputs, signature.tasks)
        )

    def encode(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Encoding:
        """What the body makes of the inputs, before any head.

        Args:
            inputs: the inputs by name, one left out being missing in all examples; or the only one.
            present: the examples that have an input, bool ``(N,)`` by name; all have one that is left out.

        Raises:
            ProblemError: no inputs, others than the signature's, or a lone tensor for several.
        """
        inputs = self._by_name(inputs)
        real = {name: self.signature.inputs[name].mask(value) for name, value in inputs.items()}
        inputs = {name: self._standardised(name, value, real[name]) for name, value in inputs.items()}
        if not isinstance(self.body, Chain):
            encoding: Encoding = cast(Any, self.body).encode(inputs, present, real)
            return encoding
        ((name, lone),) = inputs.items()
        features, mask = masks.call(self.body, lone, real[name])
        return Encoding(
            dict.fromkeys(self.signature.tasks, features), dict.fromkeys(self.signature.tasks, mask), {}
        )

    def _standardised(self, name: str, value: Tensor, mask: Tensor | None) -> Tensor:
        """An input as the body takes it; zeros where a series is padded, which came as NaN."""
        standardised = self.input_standardisation(name)(value)
        return masks.zero_padding(standardised, mask) if value.dim() == 3 else cast(Tensor, standardised)

    def _by_name(self, inputs: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        names = self.signature.inputs
        if isinstance(inputs, Tensor):
            if len(names) > 1:
                raise ProblemError(f"expected inputs by name from {', '.join(names)}, got a lone tensor")
            return dict.fromkeys(names, inputs)
        if not inputs or not names.keys() >= inputs.keys():
            raise ProblemError(f"expected inputs from {', '.join(names)}, got {', '.join(inputs) or 'none'}")
        return inputs

    def head(self, task: str) -> nn.Module:
        """The head of a task, by its name."""
        return self.heads[list(self.signature.tasks).index(task)]

    def input_standardisation(self, input: str) -> Standardisation:
        """How an input is standardised, by its name."""
        return cast(Standardisation, self.input_standardisations[list(self.signature.inputs).index(input)])

    def target_standardisation(self, task: str) -> Standardisation:
        """How the targets of a task are standardised, by its name."""
        return cast(Standardisation, self.target_standardisations[list(self.signature.tasks).index(task)])

    def forward(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Any:
        encoding = self.encode(inputs, present)
        answers = {
            task: self.target_standardisation(task).undo(
                answer_of(head, encoding.features[task], encoding.masks[task])
            )
            for task, head in zip(self.signature.tasks, self.heads, strict=True)
        }
        if isinstance(inputs, Tensor) and len(answers) == 1:
            (answer,) = answers.values()
            return answer
        return answers

    def settle(self) -> None:
        """Has all that no training has standardised pass as it is, for good: later trainings leave that."""
        device = next((parameter.device for parameter in self.parameters()), None)
        for one in (*self.input_standardisations, *self.target_standardisations):
            if cast(Standardisation, one).is_open:
                cast(Standardisation, one).be_identity(device)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # torch loads into tensors that are there: make those that come, and no others
        device = next((parameter.device for parameter in self.parameters()), None)
        for part in ("input_standardisations", "target_standardisations"):
            for place, one in enumerate(getattr(self, part)):
                names = (f"{prefix}{part}.{place}.{buffer}" for buffer in ("mean", "scale"))
                if one.shape is not None and any(name in state_dict for name in names):
                    one.be_identity(device)
                else:
                    one.clear()
        super()._load_from_state_dict(state_dict, prefix, *rest)


def answer_of(head: nn.Module, features: Any, mask: Tensor | None) -> Any:
    """What a head answers to features and their mask."""
    return head(features, mask=mask) if masks.takes(head, "mask") else head(features)
