"""One trial, from its job to its last event: the same code in every executor.

- ``trial``: builds, trains, validates and tests the network of a job
- ``scores``: its zero-cost scores, before the training
- ``resumption``: what a trial goes on from, and what it saves on its way
- ``checkpoint_format``, ``checkpoint_folder``: the bytes of a checkpoint, and where a trial keeps its own
- ``weights``, ``round_trip``: weights as safetensors, and whether they can be loaded again
- ``inheritance``, ``handing_on``: how a network begins from the weights of another one, and what is new in it
- ``banking``: jobs on a bank of shared weights
- ``trial_log``, ``memory``, ``torch_modes``, ``residue``: what it prints, holds, changes and leaves behind
"""
