"""A space and a controller in a Ray Tune script: Tune's own ASHA stops the trials that fall behind.

Run it with ``python examples/ray_tune.py``. The other way round, a search of ours under Tune's schedulers, is
``Search(..., executor=Tune(tune_config=...))``.
"""

import sys
import tempfile

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from controllers import RegularizedEvolution, maximize
from search_spaces.catalog import mlp
from workers.remote import cluster
from workers.tune import as_searcher, trainable


def main(trials: int = 12, epochs: int = 8) -> None:
    """The best of some networks for scikit-learn's digits."""
    cluster.connect(address=None, cpus=2)  # to a Ray that answers this machine only, where none is up
    evolution = RegularizedEvolution(mlp(), maximize("accuracy"), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trainable("digits"),
            tune_config=tune.TuneConfig(
                search_alg=as_searcher(evolution, epochs=epochs),
                scheduler=ASHAScheduler(max_t=epochs, grace_period=2),
                metric="accuracy",
                mode="max",
                num_samples=trials,
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder),
        )
        best = tuner.fit().get_best_result()
        print(f"accuracy {best.metrics['accuracy']:.3f} after epoch {best.metrics['epoch']}")
    print(f"{evolution.num_told} networks were tried")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
