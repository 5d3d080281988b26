"""Searches under Ray Tune, and our controllers and spaces in scripts of Tune.

- `Tune` (``tune``): the executor; ``feed`` is what Ray Tune calls, ``config`` how it is set up
- `as_searcher`, `trainable` (``search``): a controller as Tune's ``search_alg``, a problem as what it trains
- ``trial``: a trial as Tune runs one
"""

from workers.tune.search import as_searcher, trainable
from workers.tune.tune import Tune

__all__ = ["Tune", "as_searcher", "trainable"]
