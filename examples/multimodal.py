"""Several modalities and several tasks of your own, some of both missing: one space for all.

Run it with ``nas search examples/multimodal.py``; then ``nas leaderboard`` and ``nas show best``.
"""

import numpy as np
from sklearn.datasets import load_wine

from nas import Search
from search_spaces import Classification, Regression, Signature, Space, Vector
from search_spaces.catalog import multimodal, recipe_for
from workers.problems import Problem


def wine() -> Problem:
    """Wines by what a laboratory and what the eye says; who made them, and how much alcohol there is.

    Half of the wines have no price of the laboratory's: their alcohol is not known in training.
    """
    data = load_wine()
    table = ((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32)
    colours = [data.feature_names.index(name) for name in ("color_intensity", "hue")]
    others = [i for i in range(1, table.shape[1]) if i not in colours]
    problem = Problem.from_tensors(
        "wine",
        (
            {"laboratory": table[:, others], "eye": table[:, colours]},
            {"grower": data.target, "alcohol": table[:, :1]},
        ),
        validation=0.25,
        test=0.25,
        signature=Signature(
            {"laboratory": Vector(len(others)), "eye": Vector(len(colours))},
            {"grower": Classification(3), "alcohol": Regression()},
        ),
    )
    return problem.drop(labels=0.25, modalities=0.2)


problem = wine()
space = Space(
    {
        "model": multimodal(problem.signature, widths=(16, 32), links=2),
        "recipe": recipe_for(problem.signature),
    }
)
# The first network is the plain one: dense layers, hard sharing, late fusion, equal weights.
search = Search(space, problem, "evolution", trials=20, epochs=10, first=[{}])

if __name__ == "__main__":
    print(search.run().head())
