"""The training of networks on a card, measured in minutes, on whatever machine has one.

Run: `python -m benchmarks.gpu [--only PART ...] [--seconds 240] [--folder FOLDER] [--output FILE]`

Parts, in the order of their worth; each is printed, and appended to a file as one line of JSON, as it ends:

- ``agreement``: every block, head, loss and balance forward and backward, the card against the CPU
- ``step``: the time of a training step, ours beside a plain `DataLoader` loop
- ``packing``: trials per minute and the busy share of the card with 1 to 16 trials on it
- ``failures``: trials that run out of memory or break the card's context, and what that does to others
- ``repeats``: whether trainings come to the same again, and go on elsewhere
- ``search``: a whole search on the pool, a worker of which is killed
- ``nccl``: one trial in several processes, against the same one in one
- ``exports``: each format, from weights that were trained on the card

A part that fails says so, and the next one goes on. What there is no time or no package for is left out by
name. The first five need torch, numpy, pandas, safetensors, pydantic and jaxtyping alone.

On a CPU (``--device cpu``) all of it runs, but is no claim: the targets are of a card, and none is judged.

Modules: ``setting`` (what a part is told, and what it returns), ``generated`` (problems), ``card`` (NVML),
``children`` (processes), and one for each part.
"""
