"""The options of a search: one list, from which its arguments, its description and the command line derive.

A new option is written in three places: here, with its default and its flag; among the arguments of
`nas.search.search.Search`, with its documentation; and, if the store is to remember it, as a field of that
name in `nas.description.Description` or its `Budget`. All else follows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas.environment import DEFAULT_STORE
from search_spaces.arguments import Count, NotNegative, Positive, Seed, Whole, check_fields
from search_spaces.bounds import Epochs
from search_spaces.errors import FormatError, SearchError

if TYPE_CHECKING:
    from controllers.fidelity import Fidelity
    from controllers.objectives import Limit, Objective
    from nas.search.callbacks import Callback
    from nas.search.priors import Given
    from nas.search.sources import Source
    from nas.store.store import Store
    from search_spaces.architecture import Architecture
    from workers.executor import Executor


@dataclass(frozen=True)
class Flag:
    """How an option is written on the command line.

    Attributes:
        kind: the type of its value there; bool is a flag without a value.
        help: what the command's help says of it.
        name: the name of the flag, without its dashes; empty: the name of the option.
        read: makes the value of the option from what was written; None: they are the same.
    """

    kind: Any
    help: str
    name: str = ""
    read: Callable[[Any], Any] | None = None


def flag(kind: Any, help: str, name: str = "", read: Callable[[Any], Any] | None = None) -> dict[str, Flag]:
    """Returns the metadata of an option that the command line has; see `Flag`."""
    return {"flag": Flag(kind, help, name, read)}


def no_flag(why: str) -> dict[str, str]:
    """Returns the metadata of an option that the command line has not, or says in another way."""
    return {"no_flag": why}


def not_kept(why: str) -> dict[str, str]:
    """Returns the metadata of an option that the description of a search does not have."""
    return {"not_kept": why}


def _bytes(gigabytes: float) -> int:
    if not math.isfinite(gigabytes):
        raise SearchError(f"trial_memory: expected a number of GB, got {gigabytes}")
    return int(gigabytes * 1e9)


def _prior(text: str) -> Given | None:
    """Returns the prior that a path of a JSON file says; other texts say it themselves."""
    if not text.endswith(".json"):
        return text
    try:
        given: Given = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"prior {text}: {error}") from error
    return given


MADE = ("objectives", "limits", "start_from", "first", "prior", "callbacks", "name", "fidelity")
"""The options that are made into what they stand for, and looked at there (see `nas.search.arguments`)."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The options of a search: what `nas.search.search.Search` takes beside space, problem and controller.

    Each is an argument there, with the same default, and documented there.

    Raises:
        SearchError: a number that cannot be, or options that do not go together.
    """

    objectives: Objective | Sequence[Objective] | None = field(
        default=None, metadata=no_flag("--maximize and --minimize name them")
    )
    limits: Limit | Sequence[Limit] | None = field(
        default=None, metadata=no_flag("--limit is written for each")
    )
    trials: Count | None = field(default=None, metadata=flag(int, "End after so many networks in all."))
    seconds: Positive | None = field(default=None, metadata=flag(float, "End after so many seconds in all."))
    target: float | None = field(
        default=None, metadata=flag(float, "End when the first objective is as good as this.")
    )
    cpu_hours: Positive | None = field(
        default=None,
        metadata=flag(float, "End when the workers have held their cores for so many hours together."),
    )
    gpu_hours: Positive | None = field(
        default=None, metadata=flag(float, "End when they have held their GPUs for so many hours together.")
    )
    failures: Whole | None = field(
        default=10,
        metadata=flag(
            int, "Stop when so many fail in a row for one reason, and none was trained; default 10."
        ),
    )
    rejections: Whole | None = field(
        default=1000,
        metadata=flag(int, "Stop when so many in a row break a limit; default 1000."),
    )
    executor: str | Executor = field(
        default="pool",
        metadata=no_flag("--executor and its neighbours make one") | not_kept("it says where a search runs"),
    )
    store: str | Path | Store = field(
        default=DEFAULT_STORE,
        metadata=no_flag("every command has --store") | not_kept("it says where results are kept"),
    )
    seed: Seed = field(default=0, metadata=flag(int, "Of the controller and every training; default 0."))
    name: str | None = field(
        default=None,
        metadata=flag(str, "Of the search in the store.") | not_kept("the store has it beside"),
    )
    trial_seconds: Positive | None = field(default=None, metadata=flag(float, "Time limit of one trial."))
    epochs: Epochs | None = field(
        default=None, metadata=flag(int, "Epochs of every trial that is not stopped.")
    )
    keep_weights: Whole = field(
        default=5, metadata=flag(int, "Of how many of the best to keep the weights; default 5.")
    )
    fidelity: str | Fidelity | None = field(
        default=None, metadata=flag(str, "Let the best go on: asha or hyperband.")
    )
    trial_memory: Count | None = field(
        default=None,
        metadata=flag(float, "GB that a worker may hold while it runs a trial.", read=_bytes),
    )
    trial_silence: Positive | None = field(
        default=None, metadata=flag(float, "Seconds that a trial may take without a report.")
    )
    checkpoints: str | Path | None = field(
        default=None, metadata=flag(str, "Where trials in training are saved: a shared folder or a URI.")
    )
    checkpoint_seconds: NotNegative = field(
        default=60.0, metadata=no_flag("a file can say it; few ever need to")
    )
    start_from: Source | list[Source] | None = field(
        default=None,
        metadata=flag(list[str], "An older search to learn from; may be repeated.", "from")
        | not_kept("the store has the results beside"),
    )
    first: Sequence[Architecture | Mapping[str, Any]] = field(
        default=(), metadata=no_flag("--without-plain leaves out the plain network, all that is named there")
    )
    prior: Given | None = field(
        default=None,
        metadata=flag(
            str,
            "Begin near good networks: plain, none, an older search, or a JSON file of decisions.",
            read=_prior,
        ),
    )
    callbacks: Sequence[Callback] = field(
        default=(), metadata=no_flag("--track makes some") | not_kept("they are objects of the driver")
    )
    reuse_results: bool = field(
        default=False,
        metadata=flag(bool, "Take results over that the store has of the same training.", "reuse"),
    )
    inherit_weights: bool = field(
        default=False, metadata=flag(bool, "Let children begin from their parents' weights, if kept.")
    )
    weights: Literal["own", "shared"] = field(
        default="own",
        metadata=flag(
            str, "shared: score networks with weights that all share, train the best; default own."
        ),
    )
    finish: Literal["scratch", "inherit"] = field(
        default="scratch",
        metadata=flag(str, "How the best begin after shared weights: scratch (default) or inherit."),
    )
    paths: Literal["uniform", "fair", "sandwich", "controller"] = field(
        default="uniform",
        metadata=flag(
            str, "Networks that train shared weights: uniform (default), fair, sandwich or controller."
        ),
    )
    scores: Sequence[str] = field(
        default=(),
        metadata=flag(
            list[str], "Of networks before training: see nas list scores; may be repeated.", "score"
        ),
    )

    hints: Sequence[str] | None = field(
        default=None,
        metadata=flag(
            list[str],
            "A score that the controller may look at before a training, or none; may be repeated.",
            "hint",
        ),
    )

    def __post_init__(self) -> None:
        check_fields(self, SearchError, elsewhere=MADE)
        if isinstance(self.store, str) and not self.store:
            raise SearchError("store: expected a path or an SQLAlchemy URL, got an empty text")
        if self.reuse_results and self.fidelity is not None:
            raise SearchError("reuse_results: not with a fidelity: only whole trainings can be taken over")
        if self.weights == "shared" and (self.inherit_weights or self.reuse_results):
            other = "inherit_weights" if self.inherit_weights else "reuse_results"
            raise SearchError(
                f'weights: not "shared" with {other}: what networks are scored with is what they share'
            )
        if self.weights == "shared" and self.hints and list(self.hints) != ["none"]:
            raise SearchError('hints: not with weights="shared": to score a network so takes no longer')
        for name, plain in (("finish", "scratch"), ("paths", "uniform")):
            value = getattr(self, name)
            if value != plain and self.weights != "shared":
                raise SearchError(f'{name}: {value!r}, but no weights are shared: give weights="shared", too')
        if self.inherit_weights and self.reuse_results:
            raise SearchError(
                "inherit_weights: not with reuse_results: what is measured depends on the parents, too"
            )
        if self.inherit_weights and not self.keep_weights:
            raise SearchError(
                "keep_weights: with inherit_weights expected 1 or more, for only kept weights can be "
                "inherited; got 0"
            )

    @staticmethod
    def of(arguments: Mapping[str, Any]) -> SearchOptions:
        """Returns the options among the arguments of a search, by name."""
        return SearchOptions(**{one.name: arguments[one.name] for one in fields(SearchOptions)})


FLAGS: Mapping[str, Flag] = {
    one.name: one.metadata["flag"] for one in fields(SearchOptions) if "flag" in one.metadata
}
"""The options that the command line has, by name."""
