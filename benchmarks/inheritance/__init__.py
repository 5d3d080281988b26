"""What it is worth to let a child begin from its parent, measured by the epochs that were paid.

`pairs`: lineages of networks, each a mutation of the one before as evolution makes them. Each is trained from
nothing, and from the weights of the one before, which has begun so itself. How soon does it have the score
that it has from nothing at its end? Do short trainings that inherit rank networks as full ones from nothing
do, and does it flatter those that came late? `searches`: evolution with and without, by the epochs paid; what
it finds is trained anew, from nothing.

Every lineage and search is a line of `rows.jsonl`; what is shown is made of that file.

Run: `python -m benchmarks.inheritance [--quick] [--only pairs searches] [--problems NAME ...] [--lineages N]
[--seeds N] [--minutes N] [--record]`
"""
