"""Computes batches that do not fit into memory in parts: the same result, but for rounding and draws of noise."""

from __future__ import annotations

import logging
import math
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, find_executable_batch_size, should_reduce_batch_size

from xrobust.errors import RunError

logger = logging.getLogger("xrobust")

Result = TypeVar("Result")


def is_out_of_memory(error: Exception) -> bool:
    """True if `error` says that a device's memory, or the machine's, did not suffice."""
    return bool(should_reduce_batch_size(error))


def free_memory() -> None:
    """Frees the memory of a pass that ran out of it. Call it when the error is gone, which holds tensors."""
    clear_device_cache(garbage_collection=True)


def too_little_memory() -> RunError:
    """Error for a single model input that does not fit into memory."""
    return RunError(
        "out of memory with a single model input: a smaller training.max_length, --set gradient_checkpointing=true or "
        "a method that trains fewer parameters (lora) needs less"
    )


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Context in which RunError is raised, in one line, where memory does not suffice for `what`."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"out of memory with {what}: a smaller model or a method that trains fewer parameters (lora) needs less"
        ) from error


def on_device(model: Any, device: torch.device) -> Any:
    """The model, moved to `device`. Raises RunError where it does not fit."""
    with memory_for("the model"):
        return model.to(device)


def fitting_size(attempt: Callable[[int], Any], size: int, accelerator: Any) -> int:
    """The largest of size, size / 2, size / 4, ... for which `attempt` does not run out of memory on any process.

    `attempt` must exchange nothing with other processes: where it fails on one, the others do not know. Raises
    RunError, on all processes, where it fails at 1 on one of them.
    """
    sizes = iter(size >> halvings for halvings in range(1, size.bit_length() + 1))  # the last is 0

    def fits(batch_size: int) -> int:
        attempt(batch_size)
        return batch_size

    try:
        largest = find_executable_batch_size(fits, starting_batch_size=size, reduce_batch_size_fn=lambda: next(sizes))()
    except RuntimeError as error:
        if "No executable batch size found" not in str(error):
            raise
        largest = 0  # the others wait to hear of it
    smallest = int(accelerator.gather(torch.tensor([largest], device=accelerator.device)).min())
    if smallest == 0:
        raise too_little_memory()
    return smallest


class OutOfMemorySplitter(Generic[Result]):
    """Computes a batch at once where it fits into memory, else in parts; a size that did not fit is not tried again."""

    def __init__(self, compute: Callable[[list[int]], Sequence[Result]], cost: Callable[[list[int]], int]) -> None:
        """
        Args:
            compute: gives a result for each of the items that it is given.
            cost: word pieces of a batch, padding included.
        """
        self._compute = compute
        self._cost = cost
        self._most = math.inf
        """Word pieces that are tried at once."""

    def __call__(self, items: list[int]) -> list[Result]:
        """A result for each item. Raises RunError where a single one does not fit."""
        if len(items) == 1 or self._cost(items) <= self._most:
            try:
                return list(self._compute(items))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            free_memory()
            if len(items) == 1:
                raise too_little_memory()
            self._most = self._cost(items) // 2
            logger.warning("out of memory with %d model inputs at a time: going on with fewer", len(items))
        half = len(items) // 2
        return [*self(items[:half]), *self(items[half:])]


def measure_peak(device: torch.device) -> None:
    """Begins a new measurement of the peak on a GPU: an earlier run in this process may have needed more. The peak of
    resident memory is the process's, and cannot be begun anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's peak since `measure_peak` on a GPU, else the process's peak resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
