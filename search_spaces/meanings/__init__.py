"""What the numbers in a network's tensors mean: what lets networks of one space share weights.

- `meaning`: of each tensor its key and what each index along each axis stands for, by `meanings`.
- `trace`: a dry run in which every feature is followed from the tensor that makes it to those that take it.
- `labels`: the features that are followed.
- `rules`: which operators of torch make features, move them, or take one with another.
- `flow`, `beginning`: what a network has and another one lacks, and how that does nothing at first.
- `operators`: what operators of torch do to numbers, as far as `flow` asks.
- `grids`: layers whose features stand in a grid, such as the heads of attention.
"""
