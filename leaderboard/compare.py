"""The gate: is NEW worse than BASE, beyond an effect size and beyond noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa

from dynamark.errors import UserError
from dynamark.leaderboard.table import with_skill
from dynamark.results.schema import SCORED
from dynamark.results.store import Store, read_file

__all__ = ["Comparison", "Verdict", "compare"]

_PAIR = ["task", "tier", "salt", "method"]
_COLUMNS = [
    *_PAIR,
    "key",
    "seed",
    "status",
    "primary",
    "task_version",
    "task_fields",
    "fit_seconds",
    "finished",
    "provenance",
]
# Times below this many seconds, summed over seeds, are noise.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """One method on one task: `better`, `same`, `worse`, `slower`, `failed`, `incomparable` or `missing`, and why."""

    task: str
    method: str
    verdict: str
    detail: str


@dataclass(frozen=True)
class Comparison:
    """All verdicts, and the exit code that they amount to."""

    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """0 fine, 1 worse or slower, 3 incomparable or missing, 4 failed runs; the gravest counts."""
        seen = {v.verdict for v in self.verdicts}
        if "failed" in seen:
            return 4
        if seen & {"worse", "slower"}:
            return 1
        return 3 if seen & {"incomparable", "missing"} else 0


def compare(base: Path | str, new: Path | str, *, effect: float = 0.02, slowdown: float = 1.6) -> Comparison:
    """Pair runs by task, method and seed.

    Worse: the mean over seeds of ln(new / base) of the primary score exceeds ln(1 + effect) by more than its one-sided 95 %
    error, with the sign turned where higher is better (scores that take no logarithm are compared by their difference).
    Slower: `slowdown` times the seconds, on the same processor. Tasks of other versions or parameters are incomparable.
    """
    old, fresh = _load(base), _load(new)
    groups = dict(iter(fresh.groupby(_PAIR, sort=True)))
    verdicts = []
    for key, rows in old.groupby(_PAIR, sort=True):
        task, tier, salt, method = key
        label = f"{task} [{tier}]" + (f" (salt {salt})" if salt else "")
        verdict, detail = (
            ("missing", "no run in NEW") if key not in groups else _judge(rows, groups[key], effect, slowdown)
        )
        verdicts.append(Verdict(label, str(method), verdict, detail))
    return Comparison(tuple(verdicts))


def _load(where: Path | str) -> pandas.DataFrame:
    path = Path(where)
    if path.is_dir():
        store = Store(path)
        store.compact()
        rows: pa.Table = store.rows(_COLUMNS)
    elif path.is_file():
        rows = read_file(path, _COLUMNS)
    else:
        raise UserError(f"{where} does not exist; name a store or a Parquet file")
    if not len(rows):
        raise UserError(f"{where} holds no rows; fill it with `dynamark run SUITE --store {where}`")
    return with_skill(rows.to_pandas())


def _judge(old: pandas.DataFrame, new: pandas.DataFrame, effect: float, slowdown: float) -> tuple[str, str]:
    pairs = old.merge(new, on="seed", suffixes=("_old", "_new"))
    if len(pairs) < len(old):
        return "missing", f"{len(old) - len(pairs)} of {len(old)} seeds have no run in NEW"
    for column, what in (("task_version", "version"), ("task_fields", "parameters")):
        if (pairs[f"{column}_old"] != pairs[f"{column}_new"]).any():
            return "incomparable", f"the task's {what} changed"
    ended = pairs[pairs["status_old"].isin(SCORED) & ~pairs["status_new"].isin(SCORED)]
    if len(ended):
        return "failed", f"{len(ended)} of {len(pairs)} seeds: {ended['status_new'].iloc[0]}"
    scored = pairs[pairs["status_old"].isin(SCORED) & pairs["status_new"].isin(SCORED)]
    if not len(scored):
        return "same", "failed in both"
    change, error, relative = _change(scored)
    limit = math.log1p(effect) if relative else effect
    shown = f"{math.expm1(change):+.1%}" if relative else f"{change:+.3g}"
    if change - error > limit:
        return "worse", f"{scored['metric_new'].iloc[0]} {shown} over {len(scored)} seeds"
    if _same_machine(scored):
        before, after = float(scored["fit_seconds_old"].sum()), float(scored["fit_seconds_new"].sum())
        if after > _LEAST_SECONDS and after > slowdown * before:
            return "slower", f"{after / before:.1f} times the seconds"
    return ("better", shown) if change + error < -limit else ("same", shown)


def _change(pairs: pandas.DataFrame) -> tuple[float, float, bool]:
    """Mean worsening over seeds, its one-sided 95 % error, and whether it is a logarithm of ratios."""
    from scipy import stats

    first = pairs.iloc[0]
    relative = bool(first["log_new"])
    old, new = pairs["score_old"].to_numpy(float), pairs["score_new"].to_numpy(float)
    if relative:
        floor = max(float(first["floor_new"]), 1e-300)
        old, new = np.log(np.maximum(old, floor)), np.log(np.maximum(new, floor))
    worsening = (new - old) * (1 if first["lower_is_better_new"] else -1)
    n = len(worsening)
    # Equal bits on one machine: the spread is 0 and any change beyond the effect counts. One seed has no spread to tell.
    error = 0.0 if n == 1 else float(stats.t.ppf(0.95, n - 1) * worsening.std(ddof=1) / math.sqrt(n))
    return float(worsening.mean()), error, relative


def _same_machine(pairs: pandas.DataFrame) -> bool:
    def machines(column: str) -> set[tuple[str, str]]:
        return {(p["processor"], p["device"]) for p in pairs[column]}

    return machines("provenance_old") == machines("provenance_new")


def render(comparison: Comparison, everything: bool = False) -> str:
    """The verdicts as text: those that matter, or all."""
    import tabulate

    kept: Sequence[Verdict] = [v for v in comparison.verdicts if everything or v.verdict != "same"]
    same = len(comparison.verdicts) - len(kept)
    body = [[v.verdict, v.method, v.task, v.detail] for v in kept]
    text = tabulate.tabulate(body, ["verdict", "method", "task", "change"], tablefmt="simple") + "\n\n" if body else ""
    return f"{text}{same} pairs of method and task are the same"
