"""dynamark: a reproducible benchmark suite and leaderboard for methods that learn dynamics.

In a notebook::

    import dynamark

    dynamark.run("quick", method=["mine.py:Mine"])
    dynamark.leaderboard()
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dynamark.cli.leaderboard import leaderboard
    from dynamark.results.store import load_results
    from dynamark.runners.check import check
    from dynamark.runners.run import run
    from dynamark.tasks.problems import Forecasting, Online, Prediction, Recovery, Run, Trajectories

# Where each public name lives. Imported on first use, so that `import dynamark` costs nothing.
_HOMES = {
    "run": "dynamark.runners.run",
    "check": "dynamark.runners.check",
    "load_results": "dynamark.results.store",
    "leaderboard": "dynamark.cli.leaderboard",
    "Recovery": "dynamark.tasks.problems",
    "Prediction": "dynamark.tasks.problems",
    "Online": "dynamark.tasks.problems",
    "Forecasting": "dynamark.tasks.problems",
    "Trajectories": "dynamark.tasks.problems",
    "Run": "dynamark.tasks.problems",
}

__all__ = [
    "Forecasting",
    "Online",
    "Prediction",
    "Recovery",
    "Run",
    "Trajectories",
    "check",
    "leaderboard",
    "load_results",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dynamark' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    # The folder `leaderboard` and the function share a name; the import has bound the folder, which can be called.
    return globals().setdefault(name, value)


class _Folder(types.ModuleType):
    """The folder `leaderboard`, called like the function of that name."""

    def __call__(self, *stores: Any, **options: Any) -> str:
        text: str = importlib.import_module(_HOMES["leaderboard"]).leaderboard(*stores, **options)
        return text


class _Face(types.ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "leaderboard" and type(value) is types.ModuleType:
            value.__class__ = _Folder
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
