"""From scores to statements: skill, interquartile means and their bootstrap intervals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["Interval", "interquartile_mean", "skill", "stratified_bootstrap"]

Interval = tuple[float, float]


def skill(
    score: Float[ndarray, " run"],
    baseline: Float[ndarray, " run"],
    oracle: Float[ndarray, " run"],
    floor: Float[ndarray, " run"],
    log: ndarray,
) -> Float[ndarray, " run"]:
    """(ln baseline - ln score) / (ln baseline - ln oracle), clipped to [0, 1]; without logarithms where `log` is False.

    On a logarithmic scale all three count as `floor` when they are below it. A missing score (a failed run) has skill 0;
    without an oracle, or with one that is no better than the baseline, skill is NaN: such tasks have ranks only.
    """
    with np.errstate(all="ignore"):
        ends = []
        for value in (baseline, score, oracle):
            raised = np.maximum(value, np.maximum(floor, 1e-300))
            ends.append(np.where(log, np.log(raised), value))
        worst, given, best = ends
        span = worst - best
        raw = (worst - given) / span
    clipped = np.clip(np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
    failed = ~np.isfinite(score)
    unknown = ~failed & (~np.isfinite(oracle) | ~np.isfinite(span) | (span == 0))
    return np.where(unknown, np.nan, np.where(failed, 0.0, clipped))


def interquartile_mean(values: Float[ndarray, "*batch run"]) -> Float[ndarray, "*batch"]:
    """Mean of the middle half of the values along the last axis: a quarter of them is trimmed at either end.

    As scipy.stats.trim_mean(x, 0.25) and rliable's IQM: floor(n/4) values go at each end.
    """
    n = values.shape[-1]
    cut = n // 4
    return np.asarray(np.sort(values, axis=-1)[..., cut : n - cut].mean(axis=-1))


def stratified_bootstrap(
    values: Float[ndarray, " run"], strata: Int[ndarray, " run"], draws: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile interval of the interquartile mean, runs drawn again with replacement within each stratum (task).

    Source: Agarwal et al. 2021 (rliable). Deterministic: the same values give the same interval.
    """
    rng = np.random.default_rng(seed)
    resampled = np.empty((draws, len(values)))
    start = 0
    for stratum in np.unique(strata):
        members = values[strata == stratum]
        pick = rng.integers(0, len(members), size=(draws, len(members)))
        resampled[:, start : start + len(members)] = members[pick]
        start += len(members)
    means = interquartile_mean(resampled)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
