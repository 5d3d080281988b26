"""Reuse of what was found: load it with its weights, export it to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.description import Description
from nas.exporting.folder import ARCHITECTURE_FILE, export, read
from nas.records import SearchRecord, Trial
from nas.store import DEFAULT_STORE, Store
from search_spaces.architecture import Architecture
from search_spaces.errors import BuildError, FormatError, StoreError
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from nas.transfer import FeatureExtractor
    from search_spaces.network import Network
    from search_spaces.nodes import Layer


_LOOKED_AT = 10_000
"""So many of the best trials are looked at for those whose weights were kept, which are of the very best."""


@dataclass(frozen=True)
class Found:
    """A network that a search has trained.

    Attributes:
        architecture: what it is.
        signature: what it serves.
        weights: its trained weights as safetensors; None where they were not kept.
        metrics, test_metrics: how it did, by name.
        provenance: where it comes from: search, problem, controller, seed, ...
    """

    architecture: Architecture
    signature: Signature
    weights: bytes | None = field(repr=False)
    metrics: Mapping[str, float]
    test_metrics: Mapping[str, float]
    provenance: Mapping[str, Any]

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from nas.notebooks import found_html

        return found_html(self)

    def build(self) -> Network:
        """The network with its trained weights, ready to answer (in evaluation mode).

        Raises:
            StoreError: the weights were not kept.
            FormatError: they are not the weights of this network.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load as load_tensors

        if self.weights is None:
            raise StoreError(
                f"the weights of {self.architecture.id} were not kept: "
                "a search keeps those of its best networks only (keep_weights=)"
            )
        network = self.architecture.build(self.signature)
        try:
            network.load_state_dict(load_tensors(self.weights))
        except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            what = " ".join(str(error).split())
            raise FormatError(f"not the weights of {self.architecture.id}: {what:.300}") from error
        return network.eval()

    def features(self, pooled: bool = True) -> FeatureExtractor:
        """The network without its heads, frozen: from inputs to what the head of each task receives.

        Args:
            pooled: whether sequences and maps become vectors, the means over their positions.

        Raises:
            StoreError, FormatError: as `build`.
        """
        from nas.transfer import FeatureExtractor

        return FeatureExtractor(self.build(), pooled)

    def for_signature(
        self,
        signature: Signature,
        *,
        like: Mapping[str, str] | None = None,
        heads: Mapping[str, Layer] | None = None,
    ) -> Network:
        """The network with its trained body and heads for other tasks, to be fine-tuned.

        A task that it serves already, of the same name and kind, keeps its trained head; the others have new
        ones, initialised from torch's global random state. With fewer inputs, what joined them begins anew
        where its shape is another one.

        Args:
            signature: the inputs, those of the network or some of them, and the new tasks.
            like: by new task the old one whose features its head receives; left out: one of the same kind,
                or else the first one that fits.
            heads: by new task the layer that makes its head; left out: the default.

        Example:
            >>> network = nas.load("best").for_signature(problem.signature)
            >>> for report in nas.fine_tune(network, problem, Recipe(epochs=6), seed=0):
            ...     print(report.metrics)

        Raises:
            BuildError: an input that the network does not have, or a task that no features of it suit.
            UnknownNameError: ``like`` names a task that the network does not serve.
            StoreError, FormatError: as `build`.
        """
        from nas.transfer import take_over, with_heads
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
            weights = network.state_dict()
            network = self.architecture.build(own.only(signature.inputs, left)).eval()
            take_over(network, weights)
        return with_heads(network, signature, like=like, heads=heads)

    def export(self, folder: str | Path, format: str = "safetensors") -> Path:
        """Write ``architecture.json``, ``weights.safetensors`` and a model card; `load` reads them back.

        What is written answers as the network does, within 1e-5 on random inputs: that is tried first, and
        where it fails nothing is written.

        Args:
            folder: made if it is not there; files of these names in it are replaced.
            format: one of `nas.exporting.FORMATS`. More than ``safetensors`` write one file more:
                ``torch-export`` writes ``model.pt2`` (`torch.export.load`), ``onnx`` writes ``model.onnx``,
                ``python`` writes ``network.py``, a file of plain torch that needs nothing of this project.

        Raises:
            StoreError: the weights were not kept, or the folder cannot be written.
            UnknownNameError: there is no such format.
            ExportError: the network cannot be written in that format, a library that it takes is missing, or
                what was written does not answer as the network does.
        """
        return export(self, folder, format)


def load(
    source: str | Path | Store = DEFAULT_STORE,
    id: str | None = None,
    *,
    search: str | int | None = None,
    modules: Iterable[Callable[..., Any]] | None = None,
) -> Found:
    """What a search has found, from the folder that it was exported to or from a store.

    Args:
        source: a folder, or a store (URL, path or `Store`).
        id: of the architecture, or its beginning; left out: the best of the search. Not for a folder.
        search: its name or number; left out: the latest that has this id.
        modules: classes of your own that the architecture uses.

    Example:
        >>> network = nas.load("best").build()
        >>> network = nas.load("sqlite:///nas.db", "3fa9").build()

    Raises:
        StoreError, UnknownNameError: there is no such folder, store, search or id.
        FormatError: the files are not what they should be.
    """
    if not isinstance(source, Store) and "://" not in str(source):
        folder = Path(source)
        if folder.name == ARCHITECTURE_FILE:
            folder = folder.parent
        if folder.is_dir():
            if id is not None:
                raise StoreError(f"{folder} is an exported network: expected no id beside it, got {id!r}")
            return Found(**read(folder, modules))
    if isinstance(source, Store):
        return _from_store(source, id, search, modules)
    with Store(source) as store:
        return _from_store(store, id, search, modules)


def _from_store(
    store: Store, id: str | None, search: str | int | None, modules: Iterable[Callable[..., Any]] | None
) -> Found:
    if id is None:
        record = store.search(search)
        trial = _best(store, record)
    else:
        record, trial = store.find_trial(id, search)
    architecture = Description.from_dict(record.description).load_space(modules).architecture(trial.decisions)
    return found_of(record, trial, architecture, store.weights(record.id, trial.number))


def found_of(record: SearchRecord, trial: Trial, architecture: Architecture, weights: bytes | None) -> Found:
    """A network of a search.

    Args:
        record, trial: the search, and what it has recorded of the network.
        architecture: of the trial.
        weights: that were kept.
    """
    description = Description.from_dict(record.description)
    return Found(
        architecture,
        description.signature,
        weights,
        trial.metrics,
        trial.test_metrics,
        {
            "search": record.name,
            "trial": trial.number,
            "problem": description.problem,
            "problem_options": dict(description.options),
            "data": description.data,
            "controller": description.controller,
            "objectives": [str(objective) for objective in description.objectives],
            "limits": [str(limit) for limit in description.limits],
            "seed": description.seed,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            "origin": trial.origin,
            "parents": list(trial.parents),
        },
    )


def kept_trials(store: Store, search_id: int) -> list[Trial]:
    """The trials of a search whose weights were kept, the best first."""
    kept = store.kept_weights(search_id)
    return [trial for trial in store.ranked(search_id, _LOOKED_AT) if trial.number in kept]


def _best(store: Store, record: SearchRecord) -> Trial:
    """The best trial whose weights were kept; the best at all if none were."""
    best = kept_trials(store, record.id) or store.ranked(record.id, 1)
    if not best:
        raise StoreError(f"search {record.name!r} has no trained network yet")
    return best[0]
