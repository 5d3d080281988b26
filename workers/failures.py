"""What a failed candidate is recorded with: a reason of one word, a message, a traceback's end."""

import traceback

import torch
from torch import nn

from search_spaces.errors import BuildError, RecipeError, TrainingFailure
from workers.job import TrialStopped

_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "_STATUS_ALLOC_FAILED")
"""How torch's allocators word it where they raise a plain RuntimeError."""

_NO_CONTEXT = (
    "CUDA error",
    "device-side assert",
    "illegal memory access",
    "STATUS_EXECUTION_FAILED",
    "STATUS_INTERNAL_ERROR",
    "STATUS_NOT_INITIALIZED",
    "STATUS_MAPPING_ERROR",
    "CUFFT_EXEC_FAILED",
    "CUFFT_INTERNAL_ERROR",
    "outside graph capture",
)
"""How CUDA and its libraries (cuBLAS, cuDNN, ...) word what leaves a process without a usable GPU."""

_NO_CARD = (
    "no CUDA-capable device",
    "No CUDA GPUs are available",
    "busy or unavailable",
    "GPU is lost",
    "fallen off the bus",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "driver shutting down",
    "CUDA error: unknown error",
    "system not yet initialized",
)
"""How the driver, torch and NVML word it where the card is gone, whatever the network does."""

MESSAGE_LENGTH, TRACEBACK_LENGTH = 1_000, 6_000


def reason_of(error: BaseException) -> str:
    """The reason, one of those in `workers.job.Failed`."""
    if isinstance(error, TrialStopped):
        return "stopped"
    if isinstance(error, TrainingFailure):
        return error.reason
    if is_card_gone(error):
        return "worker_lost"
    if isinstance(error, BuildError | RecipeError):
        return "build"
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "out_of_memory"
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
        return "out_of_memory"
    return "exception"


def breaks_the_gpu(error: BaseException) -> bool:
    """Whether a process can no longer use its GPU after this: all that it asks of it would fail as well."""
    return is_card_gone(error) or any(
        isinstance(link, RuntimeError)
        and reason_of(link) != "out_of_memory"
        and any(words in str(link) for words in _NO_CONTEXT)
        for link in _links(error)
    )


def is_card_gone(error: BaseException) -> bool:
    """Whether the card is gone on which this happened: what no network can have done."""
    return any(
        isinstance(link, RuntimeError) and any(words in str(link) for words in _NO_CARD)
        for link in _links(error)
    )


def _links(error: BaseException) -> list[BaseException]:
    """An error, and what it was raised from or while handling."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def message_of(error: BaseException) -> str:
    """One line: the kind of error, unless it is one of ours, and its words."""
    words = " ".join(str(error).split()) or "no message"
    if not isinstance(error, TrainingFailure | TrialStopped | BuildError | RecipeError):
        words = f"{type(error).__name__}: {words}"
    return words if len(words) <= MESSAGE_LENGTH else words[: MESSAGE_LENGTH - 3] + "..."


def layer_of(error: BaseException, network: nn.Module) -> str:
    """Returns the name of the innermost layer of a network in whose ``forward`` an error was raised.

    Empty where it was raised elsewhere. An error of a card that is told late (an assertion on the device) may
    be raised in a later layer than that which has failed: such a one has no name here.
    """
    if breaks_the_gpu(error):
        return ""
    names = {id(module): name for name, module in network.named_modules() if name}
    found, link = "", error.__traceback__
    while link is not None:
        code = link.tb_frame.f_code
        if code.co_name == "forward":
            found = names.get(id(link.tb_frame.f_locals.get("self")), found)
        link = link.tb_next
    return found


def traceback_of(error: BaseException) -> str:
    """The end of the traceback of the cause; nothing where the network raised no exception."""
    cause = error.__cause__ if isinstance(error, TrainingFailure) else error
    if cause is None or isinstance(cause, TrialStopped):
        return ""
    return "".join(traceback.format_exception(cause))[-TRACEBACK_LENGTH:]
