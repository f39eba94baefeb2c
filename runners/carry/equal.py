"""Whether two rows hold the same result, to the last bit."""

from __future__ import annotations

import re
from typing import Any

from dynamark.results.schema import Row

__all__ = ["difference"]

# Not compared: what depends on the machine and its load (seconds, memory), and what says when and where a row was made.
_COMPARED = ("status", "reason", "primary", "scores", "curves", "candidates", "parameters", "steps")

# Where in its file an exception was raised: lines move when code does.
_PLACE = re.compile(r" \([^()]+\.py:\d+\)$")


def difference(old: Row, new: Row) -> str | None:
    """The first difference between the results of two rows; None if they are equal to the bit.

    Compared are status, reason, scores, curves, candidates, parameters and steps; not seconds, memory, times and provenance.
    """
    for name in _COMPARED:
        before, after = _parts(name, old.get(name)), _parts(name, new.get(name))
        if before == after:
            continue
        if not (isinstance(before, dict) and isinstance(after, dict)):
            return f"{name}: {_shown(old.get(name))} before, {_shown(new.get(name))} now"
        part = next(part for part in sorted({*before, *after}) if before.get(part) != after.get(part))
        return f"{part}: {_shown(before.get(part))} before, {_shown(after.get(part))} now"
    return None


def _parts(name: str, value: Any) -> Any:
    """A column as texts in which floats are exact; lists of named parts by name, whatever their order."""
    if value is None:
        return {} if name in ("scores", "curves", "candidates") else None
    if name == "scores":
        return {part["name"]: _exact(part["value"]) for part in value if "seconds" not in part["name"]}
    if name == "curves":
        return {part["name"]: _exact([part["axis"], part["values"]]) for part in value if "seconds" not in part["name"]}
    if name == "candidates":
        return {f"candidate {k}": _exact({**one, "seconds": None}) for k, one in enumerate(value, 1)}
    if name == "reason":
        return _PLACE.sub("", value)
    return _exact(value)


def _exact(value: Any) -> Any:
    """Floats as hexadecimal text, so that -0.0 differs from 0.0, and NaN is equal to NaN."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return tuple((name, _exact(part)) for name, part in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_exact, value))
    return value


def _shown(value: Any) -> str:
    """A value in a message: a float in decimal digits that tell it from its neighbors; long ones in short."""
    try:
        return repr(float.fromhex(value)) if isinstance(value, str) else str(value)[:80]
    except ValueError:
        return str(value)[:80]
