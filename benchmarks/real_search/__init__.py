"""Whole searches by the real clock: ours beside a plain network, Optuna, Ray Tune, NePS, scikit-learn.

    python -m benchmarks.real_search [--seconds 200,800] [--seeds 0,1] [--methods NAME ...]
        [--only PROBLEM ...] [--folder FOLDER] [--python neps=/path/to/python]
        [--rows FILE] [--record] [--tables] [--quick]

Each method has one core and so many seconds of wall-clock time on each problem; two run side by side, in
shuffled order, so that what else the machine does hits all of them. Not of that time are imports, the data,
and for the peers the look at the test split. What is scored is the network that the method hands over at the
end of its time, chosen by validation alone: its score on the test split, in percent (the main metric of the
problem; of several tasks the mean of theirs). With each seed the three splits are drawn anew. The first
number of seconds is for every problem, the others are for those of `problems.LONG`, or all that `--only`
names: names of `problems.PROBLEMS`, or ``FILE.py:FUNCTION``, a function from a seed to a `Problem`.

Every run appends a row to a file and is never repeated; the tables are made of that file alone.

- ``problems``, ``generated``: the problems, and the data of two of them.
- ``trials``: what the peers train with: the same training code as ours, within the same time.
- ``ours``: our searches, and the space and recipes that all share.
- ``plain``: the plain network, its learning rate and epochs tuned as a person would.
- ``optuna_peer``, ``typical``: Optuna over our space, and over networks as its examples write them.
- ``ray_peer``, ``neps_peer``: Ray Tune and NePS over our space.
- ``sanity``: linear models and gradient boosting.
- ``methods``: the methods by name.
- ``run``: one run, in a process of its own.
- ``rows``: the file.
- ``comparison``, ``tables``: the statistics, and how they are shown.
"""
