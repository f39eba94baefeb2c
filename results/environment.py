"""Which stored results other versions of the libraries made: the key of a run leaves these versions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["LIBRARIES", "Elsewhere", "made_elsewhere"]

# Libraries whose versions can change scores.
LIBRARIES = ("torch", "numpy", "scipy", "numba")


@dataclass(frozen=True)
class Elsewhere:
    """The keys of results that another environment made, and the libraries that differ, as `name: before -> now`."""

    keys: frozenset[str] = frozenset()
    changes: tuple[str, ...] = ()


def made_elsewhere(rows: pa.Table, keys: Iterable[str], here: Mapping[str, Any]) -> Elsewhere:
    """Of the runs with these keys, those that other versions than those of the provenance `here` made.

    rows: with the columns `key` and `provenance`, one row per key. A library that is not installed has the version `none`.
    """
    rows = rows.filter(pc.is_in(rows["key"], pa.array(sorted(keys), pa.string())))
    provenance = rows["provenance"].combine_chunks()
    differs, changes = pc.is_null(rows["key"]), []
    for name in LIBRARIES:
        versions, now = pc.struct_field(provenance, name).fill_null("none"), str(here[name] or "none")
        other = pc.not_equal(versions, now)
        differs = pc.or_(differs, other)
        if before := sorted(pc.unique(versions.filter(other)).to_pylist()):
            changes.append(f"{name}: {', '.join(before)} -> {now}")
    return Elsewhere(frozenset(rows["key"].filter(differs).to_pylist()), tuple(changes))
