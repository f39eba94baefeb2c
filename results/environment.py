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
    wanted, names, provenance = set(keys), rows["key"].to_pylist(), rows["provenance"].combine_chunks()
    other: set[str] = set()
    changes = []
    for library in LIBRARIES:
        now = here[library] or "none"
        # In Python: an Arrow scalar or array made here would import pandas, which takes half a second.
        pairs = zip(names, pc.struct_field(provenance, library).to_pylist(), strict=True)
        before = {key: version or "none" for key, version in pairs if key in wanted and (version or "none") != now}
        other.update(before)
        if before:
            changes.append(f"{library}: {', '.join(sorted(set(before.values())))} -> {now}")
    return Elsewhere(frozenset(other), tuple(changes))
