"""What the base process imports and compiles before it forks, so that no worker pays for it inside a timed region."""

from __future__ import annotations

import contextlib
import importlib

__all__ = ["preload"]

# Imported by optimizers, sparse products and transforms at their first use.
_MODULES = (
    "torch._dynamo",
    "scipy.fft",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "scipy.optimize",
    "scipy.signal",
    "numba",
    "dynamark.runners.execute.scorer",
    "dynamark.runners.execute.worker",
    "dynamark.runners.execute.received",
    "dynamark.runners.execute.scoring",
    "dynamark.runners.execute.supervisor",
)


def preload() -> None:
    """Import the modules that methods import late; those that are not installed are left out."""
    for name in _MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
