"""What a failed candidate is recorded with: a reason of one word, a message, a traceback's end."""

import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

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


def words_of(error: BaseException) -> str:
    """The words of an error on one line, without its kind."""
    return " ".join(str(error).split()) or "no message"


def message_of(error: BaseException) -> str:
    """One line: the kind of error, unless it is one of ours; its words; and where a user's code raised it."""
    words = words_of(error)
    if not isinstance(error, TrainingFailure | TrialStopped | BuildError | RecipeError):
        words = f"{type(error).__name__}: {words}"
    place = place_of(error)
    place = f" ({place})" if place and place not in words else ""
    most = MESSAGE_LENGTH - len(place)
    return (words if len(words) <= most else words[: most - 3] + "...") + place


def place_of(error: BaseException) -> str:
    """Returns the file, the line and the function of a user's code that an error, or its cause, arose in.

    It is the innermost frame that is neither ours, nor the standard library's, nor an installed package's.
    Empty where there is none: all frames of a network of ready layers are torch's.
    """
    for link in _links(error):
        found = ""
        for frame, line in traceback.walk_tb(link.__traceback__):
            if _is_users(frame.f_code):
                found = f"{_short(frame.f_code.co_filename)}, line {line}, in {frame.f_code.co_name}"
        if found:
            return found
    return ""


_HOME = Path(__file__).resolve().parent.parent
_NOT_A_USERS = tuple(
    {
        *(str(_HOME / package) + os.sep for package in ("search_spaces", "controllers", "workers", "nas")),
        *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")),
    }
)
"""The folders of what no user has written."""

_INSTALLED = {"site-packages", "dist-packages"}


def _is_users(code: CodeType) -> bool:
    """Whether a user has written a piece of code: in a file, at a prompt or in a notebook."""
    file = code.co_filename
    if file.startswith("<"):  # what libraries have generated has names such as <string>
        return file.startswith(("<stdin", "<ipython-input"))
    return not os.path.abspath(file).startswith(_NOT_A_USERS) and not _INSTALLED & set(Path(file).parts)


def _short(file: str) -> str:
    """Returns the name of a file, from the current folder where it lies in it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _links(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what it arose from, one after the other."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        yield link
        seen.append(link)
        link = link.__cause__ or link.__context__


def layer_of(error: BaseException, network: nn.Module) -> str:
    """Returns the name of the innermost layer of a network in whose ``forward`` an error was raised.

    Empty where it was raised elsewhere. An error of a card that is told late (an assertion on the device) may
    be raised in a later layer than that which has failed: such a one has no name here.
    """
    if breaks_the_gpu(error):
        return ""
    names = {id(module): name for name, module in network.named_modules() if name}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "forward":
            found = names.get(id(frame.f_locals.get("self")), found)
    return found


def traceback_of(error: BaseException) -> str:
    """The end of the traceback of the cause; nothing where the network raised no exception."""
    cause = error.__cause__ if isinstance(error, TrainingFailure) else error
    if cause is None or isinstance(cause, TrialStopped):
        return ""
    return "".join(traceback.format_exception(cause))[-TRACEBACK_LENGTH:]
