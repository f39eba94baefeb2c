"""dynamark: a reproducible benchmark suite and leaderboard for methods that learn dynamics.

In a notebook::

    import dynamark

    dynamark.run("quick", method="mine.py:Mine")
    dynamark.leaderboard()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dynamark.version import __version__

if TYPE_CHECKING:
    from dynamark.errors import UserError
    from dynamark.leaderboards.assemble import leaderboard
    from dynamark.leaderboards.gate.compare import compare
    from dynamark.results.store import load_results
    from dynamark.runners.check import check
    from dynamark.runners.claims.api import claims
    from dynamark.runners.run import run
    from dynamark.runners.spec import Spec
    from dynamark.tasks.problems import (
        Estimate,
        Forecasting,
        Online,
        Prediction,
        Recovery,
        Run,
        Training,
        Trajectories,
    )
    from dynamark.tasks.protocols import FitsEstimate, FitsForecaster, FitsLearner, FitsNetwork, FitsPredictor
    from dynamark.tasks.recorded.factory import recorded

_PROBLEMS = ("Recovery", "Prediction", "Online", "Forecasting", "Training", "Trajectories", "Estimate", "Run")
_PROTOCOLS = ("FitsEstimate", "FitsPredictor", "FitsLearner", "FitsForecaster", "FitsNetwork")

# Where each public name lives. Imported on first use, so that `import dynamark` costs nothing.
_HOMES = {
    "run": "dynamark.runners.run",
    "check": "dynamark.runners.check",
    "claims": "dynamark.runners.claims.api",
    "compare": "dynamark.leaderboards.gate.compare",
    "leaderboard": "dynamark.leaderboards.assemble",
    "load_results": "dynamark.results.store",
    "Spec": "dynamark.runners.spec",
    "recorded": "dynamark.tasks.recorded.factory",
    "UserError": "dynamark.errors",
    **dict.fromkeys(_PROBLEMS, "dynamark.tasks.problems"),
    **dict.fromkeys(_PROTOCOLS, "dynamark.tasks.protocols"),
}

__all__ = [
    "Estimate",
    "FitsEstimate",
    "FitsForecaster",
    "FitsLearner",
    "FitsNetwork",
    "FitsPredictor",
    "Forecasting",
    "Online",
    "Prediction",
    "Recovery",
    "Run",
    "Spec",
    "Training",
    "Trajectories",
    "UserError",
    "__version__",
    "check",
    "claims",
    "compare",
    "leaderboard",
    "load_results",
    "recorded",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dynamark' has no attribute '{name}'")
    return globals().setdefault(name, getattr(importlib.import_module(_HOMES[name]), name))


def __dir__() -> list[str]:
    return list(__all__)
