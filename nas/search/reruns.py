"""Networks that are trained again with other seeds: the jobs, and what the store keeps of them."""

from __future__ import annotations

from dataclasses import dataclass

from nas.description import Description, training_seed
from nas.records import Rerun, Trial
from search_spaces.architecture import Architecture
from workers.job import Failed, Job, Last


def rerun_job(
    description: Description, architecture: Architecture, number: int, run: int, epochs: int
) -> Job:
    """Returns the job of a training of a network again.

    Args:
        description: the description of the search that has found it.
        architecture: the network.
        number: the number of the job.
        run: which of its trainings again it is, from 0: each has a seed of its own.
        epochs: the epochs of the training.
    """
    return Job(
        number=number,
        architecture=architecture,
        seed=rerun_seed(description, architecture.id, run),
        epochs=epochs,
        memory=description.budget.trial_memory,
        silence=description.budget.trial_silence,
        standardise=description.standardise,
    )


def rerun_seed(description: Description, architecture_id: str, run: int) -> int:
    """Returns the seed of a training again; the search's own is left out: with it the network was chosen."""
    return training_seed(description.seed + 1 + run, architecture_id)


@dataclass(frozen=True)
class RerunFlight:
    """A network that is trained again while its search goes on.

    Attributes:
        trial: the trial of the network.
        job: the job of its training.
        training: which of its trainings again it is, from 1.
    """

    trial: Trial
    job: Job
    training: int

    def ended(self, event: Last) -> Rerun:
        """Returns how it did, as the store keeps it."""
        named = self.trial.number, self.job.seed, self.job.epochs or 0, False
        if isinstance(event, Failed):
            return Rerun(*named, f"{event.reason}: {event.message}", {}, {}, event.seconds)
        metrics = {**event.metrics, **event.costs}
        return Rerun(*named, None, metrics, event.test_metrics, event.seconds, event.ran)
