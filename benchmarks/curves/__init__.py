"""Strategies of a search compared on collected learning curves, where many seeds are cheap.

    python -m benchmarks.curves [--quick] [--only PROBLEM ...] [--half tuned|reported] [--choices CHOICE ...]
        [--budgets 10 30 100] [--workers 1] [--seeds 20] [--set NAME=VALUE ...] [--tables FOLDER]
    python -m benchmarks.curves --collect [--networks 120] [--only PROBLEM ...] [--folder FOLDER]
        [--output FOLDER]
    python -m benchmarks.curves --convert [--folder FOLDER] [--output FOLDER] [--tables FOLDER]

A collection trains networks of each problem to their ends by the training that searches use: the plain one
(with five seeds), two of five a few mutations from it, the others at random, recipes included, which all
have the schedule ``wsd`` and averaged weights, as in searches whose trials pause. Each training is appended
to a file at once, and a collection that was stopped goes on where it was. Seconds are those of the thread's
CPU, validation included.

The replay runs the real search, its plan included, with simulated workers and a simulated clock. What a
controller proposes is taken for the nearest network of the table that was not begun yet, and the controller
is told of that one. Every search has the same time, in trainings of the plain network, which is tried first.
Regret is how far the network that a search ranks first is below the best one of the table by its score at
the end of a full training (the mean over its seeds), in multiples of how far the plain one is. "As trained"
is the same by the score that it has in the search, which may have ended it sooner. Sooner ends are taken for
the averaged weights after as many epochs: what they are after a decay is within noise of them (decision
record 23). Constants of the plan are chosen on the half of the problems named so in ``problems``.

Modules: ``problems``, ``collect``, ``table`` (what is kept of a collection), ``replay``, ``compare``.
"""
