"""The gate: is NEW worse than BASE, beyond an effect size and beyond noise?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy import ndarray

from dynamark.leaderboards import statistics
from dynamark.leaderboards.gate.sources import ENVIRONMENT, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas

__all__ = ["Change", "Comparison", "Verdict", "compare", "judge", "untested"]

Word = Literal["failed", "worse", "slower", "incomparable", "missing", "better", "same"]

_PAIR = ["task", "tier", "salt", "method"]
# Times below this many seconds, summed over seeds, are noise.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """One method on one task, and why.

    detectable: the smallest worsening (relative, or of the score itself where it takes no logarithm) that would have been
    significant with the spread that was observed; None where nothing was tested, or none would have been. weak: it exceeds twice
    the effect size.
    """

    task: str
    method: str
    verdict: Word
    detail: str
    detectable: float | None = None
    weak: bool = False


@dataclass(frozen=True)
class Comparison:
    """All verdicts, and the exit code that they amount to.

    environment: libraries and processors in which the two sides differ. require_power: an unchanged score that was too noisy to
    tell counts as incomparable.
    """

    verdicts: tuple[Verdict, ...]
    environment: tuple[str, ...] = ()
    require_power: bool = False

    @property
    def weak(self) -> int:
        """The number of unchanged scores that were too noisy to tell."""
        return sum(v.weak and v.verdict == "same" for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 worse or slower, 3 incomparable or missing, 4 failed runs; the gravest counts."""
        seen = {v.verdict for v in self.verdicts}
        if "failed" in seen:
            return 4
        if seen & {"worse", "slower"}:
            return 1
        return 3 if seen & {"incomparable", "missing"} or (self.require_power and self.weak) else 0


def compare(
    base: Path | str,
    new: Path | str,
    *,
    effect: float = 0.02,
    slowdown: float = 1.6,
    level: float = 0.01,
    require_power: bool = False,
) -> Comparison:
    """Pair runs by task, method and seed. BASE and NEW: a store, a Parquet file, or a git revision (see `sources`).

    Worse: the mean over seeds of ln(new / base) of the primary score exceeds ln(1 + effect), with the sign turned where higher
    is better (scores that take no logarithm are compared by their difference), and a one-sided t-test of that, adjusted
    (Holm) for the number of pairs compared, is significant at `level`. Better: the same, the other way.
    Slower: `slowdown` times the seconds in all and its root times with each seed, on the same processor and in cohorts of the
    same size.
    Tasks of other versions or parameters are incomparable, and so are scores that changed with one seed only.
    """
    old, fresh = rows_of(base), rows_of(new)
    verdicts = judge(untested(old, fresh, effect), slowdown, level)
    ordered = tuple(sorted(verdicts, key=lambda v: (v.task, v.method)))
    return Comparison(ordered, _environment(old, fresh), require_power)


def untested(old: pandas.DataFrame, new: pandas.DataFrame, effect: float) -> list[Change | Verdict]:
    """What is measured of each method on each task of OLD, or the verdict where nothing can be tested."""
    return list(_pairs(old, new, effect))


def judge(pairs: Sequence[Change | Verdict], slowdown: float, level: float) -> list[Verdict]:
    """The verdicts in the same order; p-values are adjusted (Holm) for the number of all changes given."""
    tested = [pair for pair in pairs if isinstance(pair, Change)]
    worse = iter(statistics.holm(np.array([p.worse for p in tested])))
    better = iter(statistics.holm(np.array([p.better for p in tested])))
    each = level / max(1, len(tested))  # what the strictest of the adjusted tests is held to
    return [
        pair if isinstance(pair, Verdict) else pair.judged(next(worse), next(better), slowdown, level, each)
        for pair in pairs
    ]


def _environment(old: pandas.DataFrame, new: pandas.DataFrame) -> tuple[str, ...]:
    """Libraries and processors in which the sides differ, as `name: before -> now`."""
    changes = []
    for name in ENVIRONMENT:
        before, now = (sorted({str(value) for value in frame[name].unique()}) for frame in (old, new))
        if before != now:
            changes.append(f"{name}: {', '.join(before)} -> {', '.join(now)}")
    return tuple(changes)


@dataclass(frozen=True)
class Change:
    """How one method's scores and seconds on one task changed."""

    task: str
    method: str
    metric: str
    seeds: int
    change: float  # mean worsening over seeds
    relative: bool  # whether it is a logarithm of ratios
    worse: float  # p-values of: not worse, not better, than the effect size
    better: float
    seconds: ndarray | None  # [before and after, seed], where they can be compared
    limit: float = 0.0  # the effect size, in the units of `change`
    error: float = 0.0  # the standard error of `change`

    def judged(self, worse: float, better: float, slowdown: float, level: float, each: float) -> Verdict:
        """The verdict, by p-values adjusted for the number of tests; each: the level of a single one."""
        detail = f"{self.metric} {self._shown(self.change)} over {self.seeds} seeds"
        smallest = self.limit + self._quantile(each) * self.error if self.error else self.limit
        weak = smallest > 2 * self.limit
        detectable = _relative(smallest) if self.relative else smallest
        word: Word = "worse" if worse <= level else "better" if better <= level else "same"
        if word != "worse" and self.seconds is not None and _slower(self.seconds, slowdown):
            before, after = self.seconds.sum(axis=1)
            word, detail = "slower", f"{after / before:.1f} times the seconds"
        elif word == "same" and weak:
            less = f"less than {self._shown(smallest)}" if math.isfinite(detectable) else "any change"
            detail += f"; too noisy to tell {less}"
        return Verdict(self.task, self.method, word, detail, detectable if math.isfinite(detectable) else None, weak)

    def _shown(self, change: float) -> str:
        return f"{_relative(change):+.1%}" if self.relative else f"{change:+.3g}"

    def _quantile(self, level: float) -> float:
        from scipy import special

        return float(special.stdtrit(self.seeds - 1, 1 - level)) if self.seeds > 1 else math.inf


def _relative(change: float) -> float:
    """A change of the logarithm as a relative one; infinite beyond the largest number."""
    return math.expm1(change) if change < 700 else math.inf


def _slower(seconds: ndarray, slowdown: float) -> bool:
    """Slower in all, and each seed at least half as much slower (in logarithms): one disturbed run is not enough."""
    before, after = seconds
    return bool(
        after.sum() > _LEAST_SECONDS
        and after.sum() > slowdown * before.sum()
        and (after > math.sqrt(slowdown) * before).all()
    )


# The columns of paired rows, as arrays over seeds.
_Columns = dict[str, ndarray]


def _pairs(old: pandas.DataFrame, new: pandas.DataFrame, effect: float) -> Iterator[Change | Verdict]:
    """What there is to say of each method on each task of BASE."""
    sides = [frame.astype(dict.fromkeys([*_PAIR, "task_fields", "metric", "status"], object)) for frame in (old, new)]
    merged = sides[0].merge(sides[1], on=[*_PAIR, "seed"], how="left", suffixes=("_old", "_new"), indicator="found")
    columns = {str(name): merged[name].to_numpy() for name in merged}
    # Arrays by place, and no frame a pair: thousands of pairs are compared in the time of one read.
    groups: Any = merged.groupby(_PAIR).indices
    for (task, tier, salt, method), places in sorted(groups.items()):
        label = f"{task} [{tier}]" + (f" (salt {salt})" if salt else "")
        outcome = _paired({name: values[places] for name, values in columns.items()}, effect)
        if isinstance(outcome, tuple):
            yield Verdict(label, str(method), *outcome)
        else:
            yield replace(outcome, task=label, method=str(method))


def _paired(pairs: _Columns, effect: float) -> tuple[Word, str] | Change:
    count, absent = len(pairs["found"]), int((pairs["found"] == "left_only").sum())
    if absent:
        return "missing", f"{absent} of {count} seeds have no run in NEW"
    for column, what in (("task_version", "version"), ("task_fields", "parameters")):
        if (pairs[f"{column}_old"] != pairs[f"{column}_new"]).any():
            return "incomparable", f"the task's {what} changed"
    before, after = (~pairs[f"failed_{side}"].astype(bool) for side in ("old", "new"))
    if (before & ~after).any():
        ended = pairs["status_new"][before & ~after]
        return "failed", f"{len(ended)} of {count} seeds: {ended[0]}"
    if not before.any():
        answered = int(after.sum())
        return ("better", f"{answered} of {count} seeds answer now") if answered else ("same", "failed in both")
    return _change({name: values[before & after] for name, values in pairs.items()}, effect)


def _change(pairs: _Columns, effect: float) -> tuple[Word, str] | Change:
    metric, relative = str(pairs["metric_new"][0]), bool(pairs["log_new"][0])
    old, new = pairs["score_old"].astype(float), pairs["score_new"].astype(float)
    if relative:
        floor = max(float(pairs["floor_new"][0]), 1e-300)
        old, new = np.log(np.maximum(old, floor)), np.log(np.maximum(new, floor))
    worsening = (new - old) * (1 if pairs["lower_is_better_new"][0] else -1)
    mean, limit = float(worsening.mean()), math.log1p(effect) if relative else effect
    if len(worsening) == 1 and abs(mean) > limit:
        return "incomparable", f"{metric} changed with one seed, which cannot be told from noise; run more"
    worse, better = _beyond(worsening, limit), _beyond(-worsening, limit)
    count = len(worsening)
    error = _spread(worsening) / math.sqrt(count)
    return Change("", "", metric, count, mean, relative, worse, better, _seconds(pairs), limit, error)


def _seconds(pairs: _Columns) -> ndarray | None:
    """Seconds of fitting [before and after, seed] of the seeds that ran on the same machine in cohorts of one size."""
    alike = [pairs[f"{c}_old"] == pairs[f"{c}_new"] for c in ("processor", "device", "cohort_size")]
    same = np.logical_and.reduce(alike)
    seconds = np.stack([pairs["fit_seconds_old"], pairs["fit_seconds_new"]]).astype(float)
    return seconds[:, same] if same.any() else None


def _beyond(values: ndarray, limit: float) -> float:
    """The p-value of a one-sided t-test: mean <= limit. Equal bits on one machine have no spread: then 0 or 1."""
    from scipy import special

    excess, spread = float(values.mean()) - limit, _spread(values)
    if not spread:
        return 0.0 if excess > 0 else 1.0
    return float(special.stdtr(len(values) - 1, -excess / (spread / math.sqrt(len(values)))))


def _spread(values: ndarray) -> float:
    """The standard deviation over seeds; 0 where it is the rounding of the logarithm and not noise."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return spread if spread > 1e-12 * (1 + float(np.abs(values).max())) else 0.0
