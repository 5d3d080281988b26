"""The training of one network, with a report per epoch: `train`, and what it is made of.

- ``training``, ``fine_tuning``: the loop over epochs, and gradual unfreezing on top of it
- ``standardisation``: how a network standardises its inputs and targets
- ``batches``, ``sampling``, ``augmentation``, ``modality_dropout``: what the network is fed
- ``criterion``, ``balancing``, ``gradient_balancing``, ``alignment``, ``sharing_terms``, ``adversary``,
  ``mean_losses``: the loss of several tasks, and what is added to it
- ``losses``, ``class_losses``: the losses of single answers, and what a recipe changes in those of classes
- ``optimization``, ``averaging``: the optimizer's steps and the learning rate, and averages of the weights
- ``learning``: the state beside the network's
- ``steps``, ``graphs``: a step as it is, compiled, or replayed as a CUDA graph
- ``deadline``: a trial's time and its end
- ``placement``: where examples lie, and how they get to a card without making it wait
- ``metrics``, ``metric_sums``, ``sums``, ``sums_of_labels``, ``sums_of_numbers``, ``entities``: what is
  measured
- ``process_group``: one trial in several processes
- ``random_state``: random states of a training's own
"""

from workers.training.training import train

__all__ = ["train"]
