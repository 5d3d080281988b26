"""What a failed trial is recorded with where its card is gone, or its process cannot go on with it."""

import pytest
import torch

from search_spaces.errors import TrainingFailure
from workers.failures import breaks_the_gpu, is_card_gone, reason_of

GONE = [
    "CUDA error: no CUDA-capable device is detected",
    "No CUDA GPUs are available",
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: uncorrectable NVLink error detected during the execution",
    "CUDA error: driver shutting down",
    "CUDA error: unknown error\nCUDA kernel errors might be asynchronously reported at some other API call",
    "GPU is lost",
]


@pytest.mark.parametrize("words", GONE)
def test_a_card_that_is_gone_is_no_failure_of_the_network(words: str) -> None:
    error = RuntimeError(words)
    assert (reason_of(error), breaks_the_gpu(error)) == ("worker_lost", True)


def test_a_card_that_is_gone_is_found_behind_what_a_network_made_of_it() -> None:
    error = ValueError("no features")
    error.__context__ = RuntimeError(GONE[0])
    assert reason_of(error) == "worker_lost"


@pytest.mark.parametrize(
    ("error", "reason", "breaks"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), "exception", True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "exception", True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory", False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "exception", False),
        (KeyError("no CUDA-capable device"), "exception", False),
        (TrainingFailure("not_finite", "the loss is nan"), "not_finite", False),
    ],
)
def test_what_a_network_does_to_its_process_is_its_own_failure(
    error: Exception, reason: str, breaks: bool
) -> None:
    assert (reason_of(error), breaks_the_gpu(error), is_card_gone(error)) == (reason, breaks, False)
