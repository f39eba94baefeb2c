"""The environment of worker processes: what changes the bits of results is set or left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from dynamark.results.provenance import changes_bits

__all__ = ["KEEP", "worker_environment"]

# Set to 1, it lets variables that change bits through to the workers, to measure what they change; rows record them.
KEEP = "DYNAMARK_KEEP_NUMERICS"

# One thread a process: the bits of a result must not depend on how many cores share the work.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")

# Freed memory stays with the process: by default glibc returns what a training step frees and asks for it again at the next,
# whose fresh pages cost up to a third of the step. Blocks up to 32 MiB, the most that glibc takes; other C libraries ignore it.
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def worker_environment(environment: Mapping[str, str], token: str) -> dict[str, str]:
    """The environment of the base process and of all below it.

    token: a word that marks every process below, so that none is overlooked at the end.
    """
    keep = environment.get(KEEP) == "1"
    # Where libraries are found stays, or Python itself may not start; rows record it.
    passed = {n: v for n, v in environment.items() if keep or n.startswith("LD_") or not changes_bits(n)}
    path = os.pathsep.join(p for p in sys.path if p)
    fixed = {**dict.fromkeys(_THREADS, "1"), "PYTHONHASHSEED": "0"}  # the order of sets of strings depends on it
    return {**_KEPT_MEMORY, **passed, **fixed, "PYTHONPATH": path, "DYNAMARK_SCRATCH": token}
