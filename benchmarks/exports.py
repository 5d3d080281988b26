"""The best network of a search in each space of the catalog, exported in every format, asked on test data.

Each answer is compared with the network's own on the test split: the largest difference is shown. What is
exported as `python` is asked in an interpreter of its own; `--python` names one, such as that of a virtual
environment that holds torch alone.

Run: `python -m benchmarks.exports [--quick] [--python PATH] [--trials N]`
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import nas
from benchmarks.common import Target, at_most, finish, markdown, show
from benchmarks.exported import difference
from benchmarks.recording import record
from nas import Found, Search
from nas.reuse.export import FORMATS
from search_spaces import Space
from search_spaces.catalog import catalog, load, recipe_for
from workers.problems import Problem
from workers.problems import load as load_problem

PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "series": ("omniglot", {"inputs": ["pen"], "tasks": ["alphabet"]}),
    "text": ("snips", {"tasks": ["intent"]}),
    "multitask": ("snips", {}),
    "multimodal": ("omniglot", {}),
}
"""By space, where that is not `digits`."""

EXAMPLES = 100
"""Of the test split, that are asked."""


def best(name: str, folder: Path, trials: int) -> tuple[Found, Problem]:
    """The best network of a short search, and what it has learned."""
    problem_name, options = PROBLEMS.get(name, ("digits", {}))
    problem = load_problem(problem_name, **options)
    signature = problem.signature
    model = load(name, signature=signature) if name in ("multitask", "multimodal") else load(name)
    space = Space({"model": model, "recipe": recipe_for(signature, epochs=1)})
    store = f"sqlite:///{folder / name}.db"
    Search(space, problem, "random", trials=trials, executor="inline", store=store, keep_weights=1).run()
    return nas.load(store), problem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one space, one trial, two formats")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--python", default=sys.executable, help="the interpreter for what is exported so")
    options = parser.parse_args()
    # none of the problems that come with us has rows of a table
    names = ["mlp"] if options.quick else [name for name in catalog if name != "table"]
    formats = ["safetensors", "python"] if options.quick else list(FORMATS)
    figures: dict[str, dict[str, float]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            found, problem = best(name, Path(folder), 1 if options.quick else options.trials)
            inputs = problem.test.take(slice(0, EXAMPLES)).inputs
            figures[name] = {
                format: difference(found, format, Path(folder) / f"{name}-{format}", inputs, options.python)
                for format in formats
            }
            shown = [f"{value:.1e}" for value in figures[name].values()]
            rows.append([name, problem.name, found.architecture.id, *shown])
            print(f"  {name}: {', '.join(shown)}", flush=True)
    title = "Largest difference on test data between an export and the network that was found"
    columns = ["space", "problem", "best network", *formats]
    show(title, columns, rows)
    targets: list[Target] = [
        at_most(f"{format}, all spaces", max(by_format[format] for by_format in figures.values()), 1e-5)
        for format in formats
    ]
    if not options.quick:
        record(
            "exports", "python -m benchmarks.exports --python PATH", [markdown(title, columns, rows)], targets
        )
    finish("exports", figures, targets)


if __name__ == "__main__":
    main()
