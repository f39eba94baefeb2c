"""How far a score may move when a run is done again: not at all in one environment, and by what seeds differ elsewhere.

Another processor or library rounds differently, and training amplifies rounding: a score of another environment counts as the
same if it differs by at most `ELSEWHERE` (relative), by at most `ROUNDING` (absolute: an error of 1e-15 is rounding itself), or
by at most `SEEDS` times the range of this score over the seeds of the same method and task. Measured with 104 runs of `quick`
(sensing, LDS and part of Koopman), with and without vector instructions: 56 runs have a score that moves by more than 1e-9, none
by more than these rules allow. A second processor has not been tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dynamark.results.schema import Row

__all__ = ["ELSEWHERE", "EXACT", "Spreads", "changes", "same_environment", "scores_of", "spreads"]

# Relative differences of scores that count as none: in the same environment, and in another.
EXACT, ELSEWHERE = 1e-9, 1e-3
# In another environment also: an absolute difference, and a multiple of the range over seeds.
ROUNDING, SEEDS = 1e-12, 2.0

# What decides the bits of a result, of the columns of its provenance.
_DECIDES = ("processor", "torch", "numpy", "scipy", "numba", "blas", "blas_kernels", "variables", "device")

# The range over seeds of each score, by method on a task.
Spreads = Mapping[tuple[str, ...], Mapping[str, float]]


def same_environment(old: Row, new: Row) -> bool:
    """Whether two rows come from the same processor with the same libraries, as far as the rows say."""
    before, now = (row["provenance"] or {} for row in (old, new))
    return all(before.get(name) == now.get(name) for name in _DECIDES)


def scores_of(row: Row) -> dict[str, float]:
    """The scores of a row that do not depend on the speed of the machine; null is NaN."""
    scores = {score["name"]: score["value"] for score in row["scores"] or ()}
    return {name: math.nan if v is None else v for name, v in scores.items() if "seconds" not in name}


def spreads(rows: Iterable[Row]) -> Spreads:
    """The largest minus the smallest value over seeds of every score of each method on each task."""
    values: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in rows:
        for name, value in scores_of(row).items():
            if math.isfinite(value):
                values.setdefault(_group(row), {}).setdefault(name, []).append(value)
    return {group: {name: max(v) - min(v) for name, v in named.items()} for group, named in values.items()}


def changes(old: Row, new: Row, over_seeds: Spreads) -> list[str]:
    """The scores that moved by more than is allowed, one line each."""
    exact = same_environment(old, new)
    before, after = scores_of(old), scores_of(new)
    moved = []
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name, math.nan), after.get(name, math.nan)
        extra = 0.0 if exact else max(ROUNDING, SEEDS * over_seeds.get(_group(old), {}).get(name, 0.0))
        if not near(a, b, EXACT if exact else ELSEWHERE, extra):
            moved.append(f"{name}: {a:.6g} before, {b:.6g} now")
    return moved


def near(a: float, b: float, relative: float, absolute: float = 0.0) -> bool:
    """Whether two scores are equal to within a relative or an absolute difference; NaN and infinities equal themselves."""
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or math.isinf(b):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= max(relative * max(abs(a), abs(b)), absolute)


def _group(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("task", "tier", "salt", "method"))
