"""A bank of shared weights: networks of a space trained together, each a part of the same tensors.

- ``bank``: `Bank`, the tensors by their keys, as a file
- ``shared_tensor``: one of them, which grows, and the parts of it
- ``view``: a network that is run on them
- ``paths``: which networks train a bank
- ``training``: `BankTraining`
- ``optimizer``: the step by which the tensors move
- ``average``: the mean of banks that several workers have trained
- ``inheriting``: networks that take their weights from a bank, and how they do with them
"""
