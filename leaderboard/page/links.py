"""From a number to its rows: what the page holds of each run, and the id under which a number finds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dynamark.leaderboards.page.packing import pack, to_json

if TYPE_CHECKING:
    import pandas

__all__ = ["Links"]

# Digits of a key: enough to be unique among 10^5 rows (a chance of 1 in 10^5 that two of them share it).
_DIGITS = 12


class Links:
    """The rows behind the page, by method and task of one tier; held-out ones follow the public ones."""

    def __init__(self, frame: pandas.DataFrame) -> None:
        columns = ["task", "tier", "method", "salt", "seed", "key", "score", "skill", "status", "fit_seconds"]
        self._places: dict[tuple[str, ...], int] = {}
        self._met: set[tuple[str, ...]] = set()
        self._methods: dict[str, int] = {}
        self._tasks: dict[str, int] = {}
        # A place in the list is the number of an id: method and task by their places, and their runs.
        self._rows: list[tuple[int, int, list[list[Any]]]] = []
        for task, tier, method, salt, *run in frame[columns].itertuples(index=False, name=None):
            place = self._places.setdefault((task, tier, method), len(self._places))
            self._met.add((task, tier, method, salt))
            if place == len(self._rows):
                named = (self._methods, method), (self._tasks, f"{task}, {tier}")
                self._rows.append((*(known.setdefault(name, len(known)) for known, name in named), []))  # type: ignore[arg-type]
            self._rows[place][2].append(_run(salt, *run))

    def to(self, task: str, tier: str, salt: str, method: str) -> str | None:
        """The id of the rows of a method on a task; None where it has none with this salt."""
        return f"r{self._places[task, tier, method]}" if (task, tier, method, salt) in self._met else None

    def data(self) -> str:
        """The names of rows as JSON that may stand in a script element: no sign of it can end the element."""
        content = {"methods": list(self._methods), "tasks": list(self._tasks)}
        return to_json(content).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def packed(self) -> str:
        """All rows, compressed; they are read when a number is clicked."""
        return pack(self._rows)


def _run(salt: str, seed: int, key: str, score: float, skill: float, status: str, seconds: float) -> list[Any]:
    """A run as the page holds it: seed, key, score, skill, seconds, and its status unless it is ok."""
    named = f"{seed}, salt {salt}" if salt else int(seed)
    # Skill in thousandths, seconds to three digits: a page holds thousands of runs.
    thousandths = round(1000 * skill) if math.isfinite(skill) else None
    cells = [named, key[:_DIGITS], _digits(score), thousandths, _digits(seconds, 3)]
    return cells if status == "ok" else [*cells, status]


def _digits(value: float, digits: int = 4) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 1e6 else short
