"""A network: what is built from an architecture for a signature. A body, and a head for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from search_spaces.blocks import masks
from search_spaces.blocks.graph import Encoding
from search_spaces.errors import ProblemError
from search_spaces.signature import Signature


class Chain(nn.Sequential):
    """`nn.Sequential` whose members may answer a tuple: its first item goes on (as recurrent layers do).

    Members whose ``forward`` has a parameter ``mask`` receive the mask of a padded text.
    """

    def forward(self, input: Any, mask: Tensor | None = None) -> Any:
        for module in self:
            input, mask = masks.call(module, input, mask)
        return input


class Network(nn.Module):
    """A body (the searched model) and one head for each task.

    A mapping of inputs by name is answered by a mapping of answers by task; an input left out is missing. A
    lone tensor, for a network of one input, is answered by a lone tensor where there is one task.

    Attributes:
        body: a `Chain`, or a `Graph` for several inputs or features of the tasks' own.
        heads: the heads, in the order of the signature's tasks.
        signature: what it serves.
    """

    def __init__(self, body: nn.Module, heads: list[nn.Module], signature: Signature) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleList(heads)
        self.signature = signature

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
        if not isinstance(self.body, Chain):
            encoding: Encoding = cast(Any, self.body).encode(inputs, present)
            return encoding
        (lone,) = inputs.values()
        features, mask = masks.call(self.body, lone, masks.mask_of(lone))
        return Encoding(
            dict.fromkeys(self.signature.tasks, features), dict.fromkeys(self.signature.tasks, mask), {}
        )

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

    def forward(
        self, inputs: Tensor | Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> Any:
        encoding = self.encode(inputs, present)
        answers = {
            task: answer_of(head, encoding.features[task], encoding.masks[task])
            for task, head in zip(self.signature.tasks, self.heads, strict=True)
        }
        if isinstance(inputs, Tensor) and len(answers) == 1:
            (answer,) = answers.values()
            return answer
        return answers


def answer_of(head: nn.Module, features: Any, mask: Tensor | None) -> Any:
    """What a head answers to features and their mask."""
    return head(features, mask=mask) if masks.takes(head, "mask") else head(features)
