"""Static plots: they show what the frames hold, and are saved as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import EPOCHS, EVIL, record

import nas
from nas import maximize, minimize
from nas.store.store import Store
from search_spaces.errors import SearchError, UnknownNameError

pytest.importorskip("matplotlib", reason="the package matplotlib is not installed")

import nas.results.plots as plots


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("plots") / "nas.db"
    with Store(found, create=True) as store:
        record(store, 30, name="cost $5$", controller="random")
        record(store, 60, objectives=[maximize("accuracy"), minimize("num_params")])
    return found


@pytest.mark.parametrize("name", ["best_so_far", "pareto", "importance", "curves"])
def test_a_plot_is_saved_as_png_and_svg(path: Path, tmp_path: Path, name: str) -> None:
    figure = getattr(plots, name)(path)
    figure.savefig(tmp_path / "plot.png")
    figure.savefig(tmp_path / "plot.svg")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "plot.svg").read_text()


def test_best_so_far_has_a_line_for_each_search_and_takes_names_as_they_are(
    path: Path, tmp_path: Path
) -> None:
    figure = plots.best_so_far(path, [EVIL, "cost $5$"], by="seconds")
    (axes,) = figure.axes
    frame = nas.best_so_far(path, [EVIL, "cost $5$"])
    assert len(axes.lines) == 2
    own = frame[frame["search"] == EVIL]
    assert list(axes.lines[0].get_xdata()) == list(own["seconds"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("seconds of training", "accuracy")
    figure.savefig(tmp_path / "plot.svg")  # would fail on mathematics that is none


def test_the_front_rises_from_left_to_right(path: Path) -> None:
    (axes,) = plots.pareto(path).axes
    x, y = axes.lines[0].get_data()
    assert list(x) == sorted(x)
    assert list(y) == sorted(y)
    with pytest.raises(SearchError, match="has one objective"):
        plots.pareto(path, "cost $5$")
    with pytest.raises(UnknownNameError, match="no objective named 'loss'"):
        plots.pareto(path, metrics=("accuracy", "loss"))


def test_the_most_important_decision_is_at_the_top(path: Path) -> None:
    (axes,) = plots.importance(path, top=3).axes
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "1.0.out_features"
    assert len(axes.patches) == 3


def test_curves_can_be_drawn_into_axes_that_are_there(path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    assert plots.curves(path, top=None, metric="loss", ax=axes) is figure
    assert len(axes.lines) == nas.curves(path)["number"].nunique()
    assert max(line.get_xdata()[-1] for line in axes.lines) == EPOCHS
    with pytest.raises(SearchError, match="no metric 'f1'"):
        plots.curves(path, metric="f1")
