"""A problem: a signature with data to train, validate and test on; and how to make one of your own data."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from search_spaces.arguments import checked
from search_spaces.errors import ProblemError
from search_spaces.signature import Signature
from workers.problems.checks import check_split
from workers.problems.concerns import concerns
from workers.problems.copying import files_of, own, without_shared
from workers.problems.describing import described
from workers.problems.devices import check_device
from workers.problems.dropping import (
    check_share,
    narrowed,
    renumbered,
    without_labels,
    without_modalities,
)
from workers.problems.items import read
from workers.problems.joining import joined, joined_signature
from workers.problems.measures import default_objective, metric_names
from workers.problems.missing import check_train
from workers.problems.reading import Arrays, check_seed, converted, divided, share_of, split_of
from workers.problems.split import Split

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.data import Dataset

    from workers.problems.frames.preprocessing import Preprocessing

PARTS = ("train", "validation", "test")

Examples = tuple[Arrays, Arrays] | Split


@checked(ProblemError, elsewhere=("name", "signature", *PARTS))
@dataclass(frozen=True, eq=False)
class Problem:
    """What a network must learn: a signature, and data that fit it.

    Attributes:
        name: a short name, for the store and the reports.
        signature: the inputs that a network receives and the tasks that it must serve.
        train: the examples that networks are trained on.
        validation: the examples that they are compared on, while training and after.
        test: the examples for reporting only; nothing that proposes, stops or ranks sees them. None: there
            are none, and no test metrics.
        description: one sentence: what the data are and where they come from.
        options: how a problem of the catalog was loaded, so that `workers.problems.load` finds it again.
        notes: what was inferred and converted when it was made of a person's data, in words.
        copy: whether the tensors are copied, so that nobody can change those of the problem; those of files
            (`torch.from_file`) never are. False: they are taken as they are, to be left alone from then on.
        preprocessing: what makes the inputs of rows, where the problem was made of a frame (`from_frame`).
        mapped: the files that arrays of the problem are mapped from, which are not copied.
        read_from: the files that decide the data of a problem of the catalog, with its options: path, size
            and time (nanoseconds) of each before it was read. While they stay so, the data that are
            loaded from them again need not be hashed again.

    Raises:
        ProblemError: a split does not fit the signature; names the tensor, what was expected, what came.
    """

    name: str
    signature: Signature
    train: Split
    validation: Split
    test: Split | None
    description: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    copy: InitVar[bool] = field(default=True, kw_only=True)
    preprocessing: Preprocessing | None = field(init=False, default=None)
    mapped: tuple[str, ...] = field(init=False, default=())
    read_from: tuple[tuple[str, int, int], ...] = field(init=False, default=())

    def __post_init__(self, copy: bool) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ProblemError(f"name: expected a word that names the problem, got {self.name!r:.80}")
        if not isinstance(self.signature, Signature):
            raise _no_signature(f"problem {self.name!r}", self.signature)
        for part in PARTS:
            split: Split | None = getattr(self, part)
            if split is None and part == "test":
                continue
            check_split(f"problem {self.name!r}, {part}", split, self.signature)  # type: ignore[arg-type]
            assert split is not None
            if split.num_domains > (count := self.train.num_domains):
                raise ProblemError(
                    f"problem {self.name!r}, {part}, domain: expected numbers below {count}, as in train, "
                    f"got up to {split.num_domains - 1}"
                )
        check_train(f"problem {self.name!r}, train", self.train)
        if copy:
            for part, split in own(self.splits).items():
                object.__setattr__(self, part, split)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what is measured; see `workers.training.metrics`."""
        return metric_names(self.signature.tasks)

    @property
    def objective(self) -> tuple[str, str]:
        """What a search optimises unless told otherwise: a metric, and ``maximize`` or ``minimize``."""
        return default_objective(self.signature.tasks)

    def describe(self) -> str:
        """Returns what the problem is, in a few lines.

        Its examples; its inputs and tasks with their kinds, and what was inferred or converted of each; what
        its targets look like.
        """
        return described(self.name, self.signature, self.splits, self.notes)

    def warnings(self) -> list[str]:
        """Returns what may make its results say less than they seem to, a sentence each.

        Classes in validation or test that training never sees, parts of fewer than 30 examples, an accuracy
        that a constant answer gets, outputs of very different scales.
        """
        return concerns(self.signature, self.splits)

    @property
    def splits(self) -> dict[str, Split]:
        """Its parts by name: ``train``, ``validation``, and ``test`` where there are test examples."""
        return {part: split for part in PARTS if (split := getattr(self, part)) is not None}

    @checked(ProblemError)
    def to(self, device: torch.device | str) -> Problem:
        """The same problem with its data on another device.

        Raises:
            ProblemError: there is no such device.
        """
        check_device(device, ProblemError)
        return self._each(lambda part, split: split.to(device))

    @checked(ProblemError, only=())
    def only(self, inputs: Iterable[str] | None = None, tasks: Iterable[str] | None = None) -> Problem:
        """The same problem with fewer inputs, fewer tasks, or fewer of both.

        Examples that have none of these inputs, or a label for none of these tasks, are left out; so are
        domains of which nothing stays.

        Args:
            inputs: the names of the inputs that stay; None: all.
            tasks: the names of the tasks that stay; None: all.

        Raises:
            SpaceError: there is a name that is not here, or a task that needs an input which does not stay.
            ProblemError: it has been dropped from: dropping comes after choosing.
        """
        signature = self.signature.only(inputs, tasks)
        options = dict(self.options)
        for key in ("inputs", "tasks"):
            if (names := list(getattr(signature, key))) != list(getattr(self.signature, key)):
                options[key] = names
        if options == self.options:
            return self
        self._check_whole("only")
        splits = renumbered({part: narrowed(split, signature) for part, split in self.splits.items()})
        return self._with(signature=signature, options=options, **_fields(splits))

    @checked(ProblemError, only=())
    def drop(self, labels: float = 0.0, modalities: float = 0.0, seed: int = 0) -> Problem:
        """The same problem with labels and modalities missing at random.

        Every example keeps a modality and, of those it had, a label of its own, so a share can be met only as
        far as they have others to lose. A task loses its label with the modality that it needs.

        Args:
            labels: the share of the labelled training examples that lose their label, for each task.
            modalities: the share of the examples in every split that lose a modality, for each modality.
            seed: the seed of the choice.

        Raises:
            ProblemError: a share would leave examples nothing (over 1/2 of two tasks, over 2/3 of three;
                anything of one), or it has been dropped from before.
        """
        check_share("labels", labels, len(self.signature.tasks))
        check_share("modalities", modalities, len(self.signature.inputs))
        seed = check_seed(f"problem {self.name!r}", seed)
        if not labels and not modalities:
            return self
        self._check_whole("drop")

        def change(part: str, split: Split) -> Split:
            if modalities:
                split = without_modalities(split, self.signature, modalities, f"{seed} {part} modalities")
            if labels and part == "train":
                split = without_labels(split, self.signature, labels, f"{seed} {part} labels")
            return split

        given = {"label_dropout": labels, "modality_dropout": modalities, "dropout_seed": seed}
        options = {key: value for key, value in given.items() if value}
        return self._each(change)._with(options={**self.options, **options})

    def _check_whole(self, what: str) -> None:
        if self.options.keys() & {"label_dropout", "modality_dropout"}:
            raise ProblemError(f"problem {self.name!r}: {what} after drop: expected drop last, and once")

    def _each(self, change: Callable[[str, Split], Split]) -> Problem:
        splits = {part: change(part, split) for part, split in self.splits.items()}
        return self._with(**_fields(splits))

    @checked(ProblemError)
    def with_preprocessing(self, preprocessing: Preprocessing) -> Problem:
        """The same problem, whose inputs are made of rows by this."""
        changed = self._with()
        object.__setattr__(changed, "preprocessing", preprocessing)
        return changed

    @checked(ProblemError)
    def with_files(self, read_from: Iterable[tuple[str, int, int]]) -> Problem:
        """The same problem, said to be what files and its options make of it; see `read_from`."""
        noted = self._with()
        object.__setattr__(noted, "read_from", tuple(read_from))
        return noted

    def _with(self, **changes: Any) -> Problem:
        """The same problem with other fields, whose tensors nobody else holds."""
        changed = dataclasses.replace(self, copy=False, **changes)
        object.__setattr__(changed, "mapped", self.mapped)
        object.__setattr__(changed, "preprocessing", self.preprocessing)
        return changed

    @staticmethod
    @checked(ProblemError, only=("description",))
    def join(name: str, *problems: Problem, description: str = "") -> Problem:
        """Several data sets as one problem: all their inputs, all their tasks.

        Each example has the modalities and the labels of the problem that it comes from, whose number is its
        domain; of a problem that has domains itself, they are numbered on.

        Raises:
            ProblemError: fewer than two problems, or a name that means different kinds in two of them.
        """
        for place, problem in enumerate(problems):
            _check_is_problem(f"join, problem {place}", problem)
        if len(problems) < 2:
            raise ProblemError(f"problem {name!r}: expected two or more problems, got {len(problems)}")
        signature = joined_signature(f"problem {name!r}", [problem.signature for problem in problems])
        counts = [problem.train.num_domains for problem in problems]
        tested = [problem.name for problem in problems if problem.test is not None]
        if 0 < len(tested) < len(problems):
            raise ProblemError(
                f"problem {name!r}: expected test examples in all of them or in none, got them in "
                f"{', '.join(tested)} alone"
            )
        parts = PARTS if tested else PARTS[:2]
        splits = {part: joined([problem.splits[part] for problem in problems], counts) for part in parts}
        return Problem(name, signature, **_fields(splits), description=description, copy=False)

    @staticmethod
    @checked(ProblemError, only=("description", "copy"))
    def from_tensors(
        name: str,
        train: Examples,
        validation: Examples | float = 0.2,
        test: Examples | float | None = 0.2,
        *,
        signature: Signature | None = None,
        seed: int = 0,
        description: str = "",
        options: Mapping[str, Any] | None = None,
        copy: bool = True,
    ) -> Problem:
        """A problem of tensors (or NumPy arrays) that are there already.

        They are copied where somebody could change them later. What lies in a file that is mapped into memory
        (`numpy.memmap`, `torch.from_file`) stays there.

        Args:
            name: the name of the problem.
            train: ``(inputs, targets)``, each one array, or a mapping from name to array; or a `Split` of
                arrays, whose masks say which modalities and labels are missing (whatever stands in their
                place). Series of different lengths are a list of arrays ``(L, F)``, or one array in which
                steps of NaN follow the last one of each.
            validation: the same; or the share of ``train`` that is held out for it.
            test: the same; or the share of ``train`` that is held out for it; None: there are no test
                examples, and no test metrics.
            signature: what the arrays are. What fits it without loss is converted, and said by `describe`:
                whole numbers to real ones, ``(N,)`` to ``(N, 1)`` and back, channels last to channels first,
                bytes of images to [0, 1], labels such as -1 and 1 or words to numbers of classes, whose names
                the problem's own signature keeps (`Classification.labels`). Left out, it is inferred where
                only one is possible; else the message has the line that says it.
            seed: the seed of the division, when there is one (each class in equal proportion in every part).
            description: one sentence for the reports.
            options: how it was loaded.
            copy: whether what could be changed is copied; False: it is to be left alone from now on.

        Raises:
            ProblemError: the data do not fit the signature, or each other; they may be several things; or 32
                bits cannot hold what they tell apart.

        Example:
            >>> problem = Problem.from_tensors("mine", (images, labels), validation=0.1, test=0.1)
        """
        where = f"problem {name!r}"
        if signature is not None and not isinstance(signature, Signature):
            raise _no_signature(where, signature)
        if not isinstance(options, Mapping | None):
            raise ProblemError(f"{where}, options: expected a mapping, got {type(options).__name__}")
        given, shares = {"train": train}, {}
        for part, examples in (("validation", validation), ("test", test)):
            if examples is None and part == "test":
                continue
            share = share_of(f"{where}, {part}", examples)
            if share is None:
                given[part] = examples  # type: ignore[assignment]
            else:
                shares[part] = share
        seed = check_seed(where, seed)
        arrays = {part: split_of(f"{where}, {part}", one, signature) for part, one in given.items()}
        signature, parts, notes = converted(where, arrays, signature, given)
        if shares:
            parts |= divided(where, parts["train"], shares, seed)
        sources = (train, validation, test)
        if copy:
            parts = without_shared(parts, sources)
        problem = Problem(
            name,
            signature,
            **_fields(parts),
            description=description,
            options=dict(options or {}),
            notes=notes,
            copy=False,
        )
        object.__setattr__(problem, "mapped", tuple(sorted({*files_of(sources)})))
        return problem

    @staticmethod
    @checked(ProblemError, only=("description", "domain"))
    def from_dataset(
        name: str,
        train: Dataset[Any],
        validation: Dataset[Any] | float = 0.2,
        test: Dataset[Any] | float | None = 0.2,
        *,
        signature: Signature | None = None,
        seed: int = 0,
        description: str = "",
        domain: bool = False,
    ) -> Problem:
        """A problem of torch data sets, each item ``(inputs, targets)``; read once into tensors.

        Each of the two is a tensor, an array, a number or (a label only) a word, or a mapping from name to
        these; every item must have the same types and shapes, but for the lengths of series. A mapping that
        leaves a name out says that this example lacks that modality or that label. What the data set does at
        random to an item (augmentation) is fixed by reading it: leave that to the recipe. Other arguments as
        in `from_tensors`.

        Args:
            name: the name of the problem.
            train: a data set, or a list of its items.
            validation: the same; or the share of ``train`` that is held out for it.
            test: the same; or the share of ``train`` that is held out for it; None: there are none.
            signature: what the items are.
            seed: the seed of the division.
            description: one sentence for the reports.
            domain: whether each item has a third member, the number of its domain (from 0).

        Raises:
            ProblemError: an item is no such pair or differs in type or shape; or as in `from_tensors`.
        """
        parts: dict[str, Any] = {}
        for part, given in (("train", train), ("validation", validation), ("test", test)):
            where = f"problem {name!r}, {part}"
            # a share of nothing is no share: train must be examples
            if given is None and part == "test":
                parts[part] = None
                continue
            share = None if part == "train" else share_of(where, given)
            parts[part] = read(where, given, part, domain=domain) if share is None else share  # type: ignore[arg-type]
        return Problem.from_tensors(
            name, **parts, signature=signature, seed=seed, description=description, copy=False
        )

    @staticmethod
    @checked(ProblemError, elsewhere=("train", "predict", "validation", "test", "broken", "seed"))
    def from_frame(
        train: pd.DataFrame,
        predict: str | Iterable[str] | Mapping[str, str],
        validation: pd.DataFrame | float = 0.2,
        test: pd.DataFrame | float | None = 0.2,
        *,
        columns: Mapping[str, str] | None = None,
        ordered_by: str | None = None,
        grouped_by: str | None = None,
        broken: float = 0.0,
        name: str = "frame",
        seed: int = 0,
        description: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Problem:
        """A problem of the rows of a frame of pandas: some of its columns are predicted from the rest.

        Numbers, truths, dates and categories make one input, a `TabularRow`; each column of texts, or of
        paths to images, is an input of its own. Missing values are filled with what is usual in training, and
        marked where some are missing there; categories that training has not seen count as missing. All that
        is learnt from the training rows alone, and kept with the problem (`preprocessing`), so that a network
        that was found takes rows as they come (`nas.reuse.found.Found.predict`). `describe` says what each
        column was taken for.

        Args:
            train: the rows.
            predict: the name of the column to predict, or several; what they are where that is not clear:
                ``{"price": "regression", "kind": "classification"}``. Or ``labels`` (texts such as
                ``red;round``), ``count``, ``ordinal`` (classes in order: whole numbers, an ordered
                `pandas.Categorical`, or said, ``"ordinal=bad,fair,good"``), ``quantiles`` (10, 50 and 90 %,
                or said, ``"quantiles=0.05,0.95"``). Rows without any of them are left out.
            validation: rows of their own; or the share of ``train`` that is held out for it.
            test: the same; or the share of ``train`` that is held out for it; None: there are none.
            columns: what columns are, where it is not as inferred: ``number``, ``category``, ``date``,
                ``text``, ``image`` (paths), or ``drop`` to leave one out.
            ordered_by: the column by which rows are divided in order, such as a date: the last ones are the
                test rows, those before them the validation rows.
            grouped_by: the column whose values are not to be in two parts, such as a patient; it is no input.
            broken: the share of the rows that may be left out because an image of theirs cannot be read; they
                are counted and named by `describe`.
            name: the name of the problem.
            seed: the seed of the division (each class of the first target in equal proportion in every part).
            description: one sentence for the reports.
            options: how it was loaded.

        Raises:
            ProblemError: there is no such column; a column may be several things, or is not what it is said
                to be; or too little is left to train on.

        Example:
            >>> problem = Problem.from_frame(pd.read_csv("houses.csv"), predict="price")
        """
        from workers.problems.frames.frame import read_frames

        where = f"problem {name!r}"
        given: dict[str, Any] = {"train": train}
        for part, one in (("validation", validation), ("test", test)):
            if one is None and part == "test":
                continue
            share = share_of(f"{where}, {part}", one)
            given[part] = one if share is None else share
        read_rows = read_frames(
            where,
            given,
            predict,  # type: ignore[arg-type]
            columns=columns,
            ordered_by=ordered_by,
            grouped_by=grouped_by,
            broken=_share_of_broken(where, broken),
            seed=check_seed(where, seed),
        )
        problem = Problem(
            name,
            read_rows.signature,
            **_fields(read_rows.splits),
            description=description,
            options=dict(options or {}),
            notes=read_rows.notes,
            copy=False,
        )
        return problem.with_preprocessing(read_rows.preprocessing)

    @staticmethod
    @checked(ProblemError, elsewhere=("validation", "test", "broken", "seed"))
    def from_folder(
        folder: str | os.PathLike[str],
        validation: float = 0.2,
        test: float | None = 0.2,
        *,
        broken: float = 0.0,
        name: str = "folder",
        seed: int = 0,
        description: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Problem:
        """A problem of images in a folder for each class; see `from_frame`, which takes paths in a column.

        Args:
            folder: the folder. Where it has a folder ``train`` it has one for each class there, and
                ``validation`` and ``test`` may lie beside it.
            validation: the share of the training images that is held out for it, where it has no folder.
            test: the same; None: there are no test images.
            broken: the share of the images that may be left out because they cannot be read.
            name, seed, description, options: those of `from_frame`.

        Raises:
            ProblemError: there is no such folder, or no images in folders of classes; or one cannot be read.

        Example:
            >>> problem = Problem.from_folder("pets")  # pets/cat/1.png, pets/dog/1.png, ...
        """
        from workers.problems.frames.folders import IMAGE, LABEL, read_folder

        found: dict[str, Any] = {"validation": validation, "test": test} | read_folder(folder)
        return Problem.from_frame(
            predict={LABEL: "classification"},
            **found,
            columns={IMAGE: "image"},
            broken=broken,
            name=name,
            seed=seed,
            description=description,
            options=options,
        )


def _share_of_broken(where: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 1:
        raise ProblemError(f"{where}, broken: expected a share from 0 to below 1, got {given!r:.60}")
    return float(given)


def _check_is_problem(where: str, given: object) -> None:
    if not isinstance(given, Problem):
        hint = "; write Problem.join(name, *problems)" if isinstance(given, list | tuple) else ""
        raise ProblemError(f"{where}: expected a Problem, got {type(given).__name__}{hint}")


def _no_signature(where: str, came: object) -> ProblemError:
    return ProblemError(
        f"{where}, signature: expected a Signature, such as "
        f"Signature({{'image': Image(1, 28, 28)}}, {{'label': Classification(10)}}), got {came!r:.80}"
    )


def _fields(splits: Mapping[str, Split]) -> dict[str, Any]:
    """Splits as arguments of a `Problem`."""
    return {"test": None, **splits}
