"""Hyper-parameters that are to be chosen: each value of a set is tried, every combination of several sets.

A spec says `s4d(rate={0.001, 0.003, 0.01})`. In plain fields, which keys and rows hold, the set is {"any of": [values]}, sorted.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

__all__ = ["open_fields", "plain", "trials", "written"]

_ANY = "any of"


def plain(value: Any) -> Any:
    """A field of a spec as plain data."""
    return {_ANY: sorted(value)} if isinstance(value, set) else value


def written(value: Any) -> str:
    """Plain data as a spec writes it."""
    if isinstance(value, dict) and set(value) == {_ANY}:
        return f"{{{', '.join(repr(v) for v in value[_ANY])}}}"
    return repr(value)


def open_fields(fields: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields that are to be chosen, with their values."""
    return {name: value[_ANY] for name, value in fields.items() if isinstance(value, dict) and set(value) == {_ANY}}


def trials(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values; one, the fields as they are, where nothing is to be chosen."""
    chosen = open_fields(fields)
    return [{**fields, **dict(zip(chosen, values, strict=True))} for values in itertools.product(*chosen.values())]
