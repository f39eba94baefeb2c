"""From a number to its rows: what the page holds of each run, and the id under which a number finds it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["Links"]

# Digits of a key: enough to be unique among 10^5 rows (a chance of 1 in 10^5 that two of them share it).
_DIGITS = 12


class Links:
    """The rows behind the page, by method and task of one tier; held-out ones follow the public ones."""

    def __init__(self, frame: pandas.DataFrame) -> None:
        columns = ["task", "tier", "method", "salt", "seed", "key", "score", "skill", "status", "fit_seconds"]
        self._places: dict[tuple[str, ...], str] = {}
        self._met: set[tuple[str, ...]] = set()
        self._rows: dict[str, dict[str, Any]] = {}
        for task, tier, method, salt, *run in frame[columns].itertuples(index=False, name=None):
            place = self._places.setdefault((task, tier, method), f"r{len(self._places)}")
            self._met.add((task, tier, method, salt))
            held = self._rows.setdefault(place, {"m": method, "t": f"{task}, {tier}", "r": []})
            seed, key, score, skill, status, seconds = run
            named = f"{seed}, salt {salt}" if salt else int(seed)
            held["r"].append([named, key[:_DIGITS], _digits(score), _digits(skill), status, _digits(seconds)])

    def to(self, task: str, tier: str, salt: str, method: str) -> str | None:
        """The id of the rows of a method on a task; None where it has none with this salt."""
        return self._places[task, tier, method] if (task, tier, method, salt) in self._met else None

    def data(self) -> str:
        """All rows as JSON that may stand in a script element: no sign of it can end the element."""
        text = json.dumps(self._rows, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digits(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
