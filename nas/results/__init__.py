"""Results: what the store says, for people: as pandas frames, plots and text.

- `leaderboard`: the trials of searches, best first; its parts are `rows`, `scores` (over tasks), `seeds`
  (networks over the seeds that they were trained with) and `filters`.
- `best_so_far` (and Pareto fronts), `learning_curves`, `importance` (of decisions), `usage` (of workers),
  `inherited` (what scores with shared weights were worth).
- `plots`: these with matplotlib; `text` and `html`: values and tables as a terminal and a notebook show them.
"""
