"""The clock that times fits and answers: seconds of the processor, which do not depend on what else the machine does."""

from __future__ import annotations

import resource
import time

import torch

__all__ = ["seconds"]


def seconds(device: str) -> float:
    """CPU seconds of this process and of its finished children; on another device wall-clock seconds, once its queue is empty.

    With one thread on an idle machine both are the same; on a shared one the wall clock also measures the other processes.
    """
    if device != "cpu":
        torch.cuda.synchronize()
        return time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
