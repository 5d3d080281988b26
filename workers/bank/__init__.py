"""A bank of shared weights: networks of a space trained together, each a part of the same tensors.

- ``bank``: `Bank`, the tensors by their keys, as a file
- ``shared_tensor``: one of them, which grows, and the parts of it
- ``view``: a network that is run on them
- ``paths``: which networks train a bank
- ``training``: the training, and the metrics of a network with inherited weights
- ``optimizer``: the step by which they move
"""
