"""What a worker left is read with suspicion: it may hold anything, and a method's doing is a row, never a traceback."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dynamark.results.schema import Row
from dynamark.runners.execute import wire
from dynamark.runners.execute.answers import Answer, BadAnswer
from dynamark.runners.execute.tuning import Candidate

__all__ = ["measured", "received"]

_MOST = 2**63  # counts that a row cannot hold are refused


def received(folder: Path, members: int) -> list[Answer]:
    """The answers of each member, checked to be what a worker writes; `BadAnswer` otherwise."""
    tree = _tree(folder)
    if not isinstance(tree, list) or len(tree) != members:
        raise BadAnswer(f"the worker left something other than the answers of {members} members")
    return [_answer(part) for part in tree]


def measured(folder: Path, members: int) -> list[Row]:
    """The columns that each measurement of an experiment fills."""
    tree = _tree(folder)
    if not isinstance(tree, list) or len(tree) != members or not all(isinstance(part, dict) for part in tree):
        raise BadAnswer(f"the worker left something other than {members} measurements")
    return tree


def _tree(folder: Path) -> Any:
    try:
        return wire.read(folder)
    except MemoryError:
        raise
    except Exception as error:
        raise BadAnswer(f"the answers cannot be read ({type(error).__name__})") from None


def _answer(part: Any) -> Answer:
    if not isinstance(part, dict) or set(part) != set(_CHECKS):
        raise BadAnswer("the answers of a member have other parts than a worker writes")
    for name, check in _CHECKS.items():
        if not check(part[name]):
            raise BadAnswer(f"'{name}' of the answers does not hold what it should")
    curves = {name: [(float(x), float(y)) for x, y in points] for name, points in part["curves"].items()}
    return Answer(**{**part, "curves": curves})


def _names(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and check(part) for name, part in value.items())


def _kind(name: str, array: np.ndarray) -> bool:
    """Whether an array holds real numbers; spectra may be complex."""
    return array.dtype.kind in ("fc" if name in ("eigenvalues", "eigenfunctions") else "f")


def _number(value: Any) -> bool:
    return (isinstance(value, int | float) and abs(value) < _MOST) or (
        isinstance(value, float) and not abs(value) < _MOST
    )


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST)


def _points(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, list | tuple) and len(point) == 2 and all(map(_number, point)) for point in value
    )


def _candidate(value: Any) -> bool:
    """Whether it is what `tuning.Candidate` holds."""
    wanted = {field.name for field in dataclasses.fields(Candidate)}
    return (
        isinstance(value, dict)
        and set(value) == wanted
        and isinstance(value["fields"], str)
        and isinstance(value["chosen"], bool)
        and _count(value["budget"])
        and _number(value["score"])
        and _seconds(value["seconds"])
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "arrays": lambda value: (
        _names(value, lambda part: isinstance(part, np.ndarray)) and all(_kind(*item) for item in value.items())
    ),
    "curves": lambda value: _names(value, _points),
    "facts": lambda value: _names(value, _number),
    "fit_seconds": _seconds,
    "predict_seconds": _seconds,
    "parameters": _count,
    "steps": _count,
    "candidates": lambda value: isinstance(value, list) and all(map(_candidate, value)),
}
