"""Plots of a search with matplotlib, for notebooks and papers; each can be saved as PNG or SVG.

    >>> import nas.plots
    >>> nas.plots.best_so_far("sqlite:///nas.db", ["mine", "random"]).savefig("progress.svg")

They show what the frames of `nas.best_so_far`, `nas.importance` and `nas.curves` hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nas.description import Description
from nas.ranking import Ranking
from nas.results.best_so_far import best_so_far as best_so_far_frame
from nas.results.best_so_far import front
from nas.results.importance import importance as importance_frame
from nas.results.leaderboard import Searches, names_of
from nas.results.learning_curves import curves as curves_frame
from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import Whole, checked
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#1f6a8c", "#b0722a", "#3c7a55", "#8a5a9e", "#b3493b", "#5f666d")
_SOFT = "#5f666d"
_HAIR = "#e5e6e3"
_SIZE = (7.0, 3.6)
"""Inches."""

Where = Store | str | Path


@checked(SearchError)
def best_so_far(
    store: Where = DEFAULT_STORE,
    searches: Searches = None,
    *,
    by: Literal["trials", "seconds"] = "trials",
    metric: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draws the best value of each search after so many trials or seconds of training, and trials as dots.

    Args:
        store: the store that holds them.
        searches: the names or numbers of the searches; left out: the latest.
        by: what the horizontal axis shows: ``trials`` or ``seconds``.
        metric: one of the objectives; left out: the first.
        ax: the axes to draw into; left out: a new figure.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be; or matplotlib is not installed (``pip install
            'nasforge[plots]'``).
    """
    figure, axes = _axes(ax)
    with open_store(store) as opened:
        frame = best_so_far_frame(opened, searches, metric=metric)
        name = metric or _description(opened, names_of(searches)[0]).objective().metric
    for place, (search, own) in enumerate(frame.groupby("search", sort=False)):
        colour = _COLOURS[place % len(_COLOURS)]
        axes.scatter(own[by], own["value"], s=9, color=colour, alpha=0.3, linewidths=0)
        axes.step(own[by], own["best"], where="post", color=colour, label=_literal(str(search)))
    _finish(axes, "trials" if by == "trials" else "seconds of training", name)
    if len(frame):
        axes.legend(frameon=False, fontsize=9)
    return figure


@checked(SearchError)
def pareto(
    store: Where = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    metrics: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draws two objectives of all trials, with the line of those that no other beats in both.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        metrics: two of the objectives, that of the vertical axis first; left out: the first two.
        ax: the axes to draw into; left out: a new figure.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be; the search has one objective; or matplotlib is not
            installed.
    """
    with open_store(store) as opened:
        record = opened.search(search)
        description = record.description
        if metrics is None and len(description.objectives) < 2:
            raise SearchError(f"search {record.name!r} has one objective, a trade-off needs two")
        names = metrics or tuple(objective.metric for objective in description.objectives[:2])
        objectives = [description.objective(name) for name in names]
        trials = opened.trials(record.id, statuses=("complete", "paused"))
    figure, axes = _axes(ax)
    first, second = names
    known = [trial for trial in trials if first in trial.metrics and second in trial.metrics]
    x, y = ([trial.metrics[name] for trial in known] for name in (second, first))
    axes.scatter(x, y, s=12, color=_COLOURS[0], alpha=0.35, linewidths=0)
    by_number = {trial.number: trial for trial in known}
    ranking = Ranking(tuple(objectives), description.limits)
    best = [by_number[number] for number in front(map(ranking.judge, known), objectives).numbers]
    best.sort(key=lambda trial: trial.metrics[second])
    x, y = ([trial.metrics[name] for trial in best] for name in (second, first))
    where: Literal["post", "pre"] = "post" if objectives[1].direction == "minimize" else "pre"
    axes.step(x, y, where=where, color=_COLOURS[0], marker="o", markersize=5)
    if known and 0 < 30 * min(x, default=1.0) < max(trial.metrics[second] for trial in known):
        axes.set_xscale("log")
    _finish(axes, second, first)
    return figure


@checked(SearchError)
def importance(
    store: Where = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    metric: str | None = None,
    top: Whole = 12,
    ax: Axes | None = None,
) -> Figure:
    """Draws the importance of decisions as bars, the most important at the top; see `nas.importance`.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        metric: one of the objectives; left out: the first.
        top: the number of decisions at the most.
        ax: the axes to draw into; left out: a new figure.

    Raises:
        StoreError, UnknownNameError: there is no such store, search or objective.
        SearchError: an argument is not what it should be; or matplotlib is not installed.
    """
    frame = importance_frame(store, search, metric=metric)
    figure, axes = _axes(ax)
    shown = frame.head(top).iloc[::-1]
    names = [_literal(str(path)) for path in shown["decision"]]
    axes.barh(names, shown["importance"], xerr=shown["std"], color=_COLOURS[0], ecolor=_SOFT, height=0.6)
    explained = frame.attrs["explained"]
    _finish(axes, f"importance (the model explains {max(0.0, explained):.0%})" if len(frame) else "", "")
    axes.set_xlim(left=0.0)
    axes.grid(visible=False)
    return figure


@checked(SearchError)
def curves(
    store: Where = DEFAULT_STORE,
    search: str | int | None = None,
    *,
    metric: str | None = None,
    top: Whole | None = 50,
    ax: Axes | None = None,
) -> Figure:
    """Draws learning curves, the best trial's in strong colour, grey those that were stopped early.

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.
        metric: any metric that is measured after each epoch; left out: the first objective.
        top: the number of the best trials whose curves are drawn; None: all.
        ax: the axes to draw into; left out: a new figure.

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: an argument is not what it should be; nothing of that name was measured; or matplotlib is
            not installed.
    """
    with open_store(store) as opened:
        frame = curves_frame(opened, search, top=top)
        name = metric or _description(opened, search).objective().metric
    if len(frame) and name not in frame:
        there = ", ".join(frame.columns)
        raise SearchError(f"curves: no metric {name!r} after each epoch (there are: {there})")
    figure, axes = _axes(ax)
    longest = frame["epoch"].max() if len(frame) else 0
    for place, (_, own) in reversed(list(enumerate(frame.groupby("number", sort=False)))):
        early = own["epoch"].max() < longest
        best: dict[str, Any] = {"color": _COLOURS[0], "linewidth": 2.0, "alpha": 1.0}
        rest: dict[str, Any] = {"color": _SOFT if early else _COLOURS[0], "linewidth": 0.8, "alpha": 0.4}
        axes.plot(own["epoch"], own[name], **(rest if place else best))
    _finish(axes, "epoch", name)
    return figure


def _description(store: Store, search: str | int | None) -> Description:
    return store.search(search).description


def _axes(ax: Axes | None) -> tuple[Figure, Axes]:
    """Returns where to draw: these axes, or those of a new figure that belongs to no window."""
    try:
        from matplotlib.figure import Figure as NewFigure
    except ImportError as error:
        raise SearchError("plots need matplotlib: pip install 'nasforge[plots]'") from error
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure, ax
    made = NewFigure(figsize=_SIZE, layout="constrained")
    return made, made.add_subplot()


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(_literal(x))
    axes.set_ylabel(_literal(y))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_HAIR, linewidth=0.8)
    axes.set_axisbelow(True)


def _literal(text: str) -> str:
    """Returns what shows a text as it is: matplotlib reads mathematics between dollars."""
    return text.replace("$", r"\$")
