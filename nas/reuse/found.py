"""A network that was found: built with its weights, given other heads, exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.results import html
from nas.results.text import cell
from nas.reuse.weights import network_with_weights
from search_spaces.architecture import Architecture
from search_spaces.arguments import Count, checked
from search_spaces.errors import BuildError, ExportError, ProblemError, SearchError
from search_spaces.signature import Signature

if TYPE_CHECKING:
    import torch

    from search_spaces.building.network import Network
    from search_spaces.building.transfer import FeatureExtractor
    from search_spaces.nodes import Layer
    from workers.problems.frames.preprocessing import Preprocessing


@checked(SearchError, elsewhere=("metrics", "test_metrics"))  # which may be NaN
@dataclass(frozen=True)
class Found:
    """A network that a search has trained.

    Attributes:
        architecture: the architecture of the network.
        signature: the inputs and tasks that it serves.
        weights: its trained weights as safetensors; None where they were not kept.
        metrics, test_metrics: its metrics on the validation and the test split, by name.
        provenance: where it comes from: search, problem, controller, seed, ...
        preprocessing: what makes its inputs of rows, where its problem was made of a frame.
    """

    architecture: Architecture
    signature: Signature
    weights: bytes | None = field(repr=False)
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    provenance: Mapping[str, Any]
    preprocessing: Preprocessing | None = None

    def _repr_html_(self) -> str:
        """Returns what notebooks show."""
        came = {key: self.provenance.get(key) for key in ("search", "problem", "controller")}
        rows = [
            [name, cell(value), cell(self.test_metrics.get(name))] for name, value in self.metrics.items()
        ]
        return (
            html.heading("Network", self.architecture.id)
            + html.pairs(came)
            + html.preformatted(self.architecture.draw(self.signature))
            + html.table(["metric", "validation", "test"], rows)
        )

    def build(self) -> Network:
        """Builds the network with its trained weights, ready to answer (in evaluation mode).

        Raises:
            StoreError: the weights were not kept.
            FormatError: they are not the weights of this network.
        """
        return network_with_weights(self.architecture, self.signature, self.weights)

    @checked(ProblemError)
    def predict(
        self,
        inputs: Any,
        *,
        tasks: Sequence[str] | None = None,
        batch_size: Count = 256,
        device: torch.device | str | None = None,
    ) -> Any:
        """Returns what the network answers, in the words of the data that it was trained on.

        Inputs are converted as those of a `Problem` are under the same signature: whole numbers to real ones,
        bytes of images divided by 255, channels last to channels first (docs/data.md). The network is built
        for each call: for many small ones keep that of `build`.

        Args:
            inputs: a tensor, an array or a list with an example in each row, such as a list of series
                ``(L, F)`` of different lengths; of several inputs a mapping by name. One that no task needs
                may be left out: it is missing from all examples. A `workers.problems.Split`, such as
                ``problem.test``, says with its masks who lacks what. Where the problem was made of a frame, a
                frame of pandas with rows as they come.
            tasks: the names of the tasks to answer; None: all.
            batch_size: the number of examples that are answered at once.
            device: where the network computes; None: on the CPU.

        Returns:
            A NumPy array; where the network serves several tasks a dict of them by task. For

            - a classification the labels of the classes, or their numbers where they have none, ``(N,)``;
            - a regression float32 ``(N, outputs)``, ``(N,)`` where there is one;
            - tagging the labels of the tags, or their numbers, ``(N, L)``; ``""`` or -100 where padded;
            - a dense map the classes, int64 ``(N, height, width)``, or reals ``(N, outputs, height, width)``;
            - a generation the tokens, int64 ``(N, length)``, 0 after their end;
            - a retrieval the place of the nearest item of the gallery among these examples, int64 ``(N,)``.

        Raises:
            StoreError: the weights were not kept.
            FormatError: they are not the weights of this network.
            ProblemError: an argument is not what it should be; inputs do not fit the signature, or some are
                missing that a task needs; or an answer is no number.
            UnknownNameError: a task that there is not.

        Example:
            >>> nas.load("best").predict(images)
            array(['cat', 'dog', 'cat'], dtype='<U3')
        """
        from nas.reuse.predict import predictions

        return predictions(
            self.build(),
            self.signature,
            inputs,
            tasks=tasks,
            batch_size=batch_size,
            device=device,
            preprocessing=self.preprocessing,
        )

    @checked(BuildError)
    def features(self, pooled: bool = True) -> FeatureExtractor:
        """Builds the network without its heads, frozen: from inputs to what the head of each task receives.

        Args:
            pooled: whether sequences and maps become vectors, the means over their positions.

        Raises:
            StoreError: the weights were not kept.
            FormatError: they are not the weights of this network.
        """
        from search_spaces.building.transfer import FeatureExtractor

        return FeatureExtractor(self.build(), pooled)

    @checked(BuildError)
    def for_signature(
        self,
        signature: Signature,
        *,
        like: Mapping[str, str] | None = None,
        heads: Mapping[str, Layer] | None = None,
    ) -> Network:
        """Builds the network with its trained body and heads for other tasks, to be fine-tuned.

        A task that it serves already, of the same name and kind, keeps its trained head; the others have new
        ones, initialised from torch's global random state. With fewer inputs, what joined them begins anew
        where its shape is another one.

        Args:
            signature: the inputs, those of the network or some of them, and the new tasks.
            like: the old task whose features the head of a new task receives, by new task; left out: one of
                the same kind, or else the first one that fits.
            heads: the layer that makes the head of a new task, by new task; left out: the default.

        Example:
            >>> network = nas.load("best").for_signature(problem.signature)
            >>> for report in nas.fine_tune(network, problem, Recipe(epochs=6), seed=0):
            ...     print(report.metrics)

        Raises:
            BuildError: an input that the network does not have, or a task that no features of it suit.
            UnknownNameError: ``like`` names a task that the network does not serve.
            StoreError: the weights were not kept.
            FormatError: they are not the weights of this network.
        """
        from search_spaces.building.transfer import take_over, with_heads
        from workers.problems.missing import needed

        network = self.build()
        for name, kind in signature.inputs.items():
            if self.signature.inputs.get(name) != kind:
                there = ", ".join(f"{name}: {kind}" for name, kind in self.signature.inputs.items())
                raise BuildError(f"expected inputs out of {there}, got {name}: {kind}")
        if signature.inputs.keys() != self.signature.inputs.keys():
            own = self.signature
            left = [task for task in own.tasks if signature.inputs.keys() >= set(needed(own, task))]
            if not left:
                raise BuildError("expected inputs that one of the network's own tasks can do with, got none")
            trained = network
            network = self.architecture.build(own.only(signature.inputs, left)).eval()
            take_over(network, trained)
        return with_heads(network, signature, like=like, heads=heads)

    @checked(ExportError)
    def export(self, folder: str | Path, format: str = "safetensors") -> Path:
        """Writes ``architecture.json``, ``weights.safetensors`` and a model card; `load` reads them back.

        What is written answers as the network does, within 1e-5 on random inputs: that is tried first, and
        where it fails nothing is written.

        Args:
            folder: the folder, made if it is not there; files of these names in it are replaced.
            format: one of `nas.reuse.export.FORMATS`. All but ``safetensors`` write one file more:
                ``torch-export`` writes ``model.pt2`` (`torch.export.load`), ``onnx`` writes ``model.onnx``,
                ``python`` writes ``network.py``, a file of plain torch that needs nothing of this project.

        Raises:
            StoreError: the weights were not kept, or the folder cannot be written.
            UnknownNameError: there is no such format.
            ExportError: the network cannot be written in that format, a library that it takes is missing, or
                what was written does not answer as the network does.
        """
        from nas.reuse.export.write import export

        return export(self, folder, format)
