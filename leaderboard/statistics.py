"""From scores to statements: skill, interquartile means, bootstrap intervals, ranks, and paired tests.

Values of several methods are kept as one matrix [method, cell]. A cell is a task and a seed, which all methods share, so
that whatever is resampled or tested is paired; NaN marks a run that there is not. A stratum is a task.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import ndtr, ndtri, stdtrit

__all__ = [
    "Interval",
    "against_leader",
    "bands",
    "bands_by_leader",
    "bootstrap_means",
    "holm",
    "interquartile_mean",
    "mean_of_tasks",
    "paired_tests",
    "percentiles",
    "places",
    "rank_intervals",
    "ranks",
    "resample",
    "signed_rank_test",
    "skill",
    "wilson",
    "wins",
]

Interval = tuple[float, float]

# Resamples of a bootstrap: many for tables of ordinary size, fewer (but never below the least) for tables of so many cells
# that the intervals are narrow anyhow.
_DRAWS, _LEAST_DRAWS, _WORK = 2000, 100, 2_000_000
# Resamples for the ranks of a board.
_RANK_DRAWS = 1000


def skill(
    score: Float[ndarray, " run"],
    baseline: Float[ndarray, " run"],
    oracle: Float[ndarray, " run"],
    floor: Float[ndarray, " run"],
    log: ndarray,
    lower_is_better: ndarray,
) -> Float[ndarray, " run"]:
    """(ln baseline - ln score) / (ln baseline - ln oracle), clipped to [0, 1]; without logarithms where `log` is False.

    On a logarithmic scale all three count as `floor` when they are below it. A missing score (a failed run) has skill 0, so
    that a crash never beats an answer. Without an oracle, or with one that is not better than the baseline, skill is NaN:
    such tasks have ranks only.
    """
    with np.errstate(all="ignore"):
        ends = []
        for value in (baseline, score, oracle):
            raised = np.maximum(value, np.maximum(np.nan_to_num(floor), 1e-300))
            ends.append(np.where(log, np.log(raised), value))
        worst, given, best = ends
        span = worst - best
        raw = (worst - given) / span
        scaled = np.isfinite(span) & (np.where(lower_is_better, span, -span) > 0)
    failed = np.isnan(score)
    clipped = np.clip(np.nan_to_num(raw, nan=0.0), 0.0, 1.0)
    return np.where(failed, 0.0, np.where(scaled, clipped, np.nan))


def interquartile_mean(values: Float[ndarray, "*batch run"]) -> Float[ndarray, "*batch"]:
    """Mean of the middle half of the values along the last axis: a quarter of them is trimmed at either end.

    As scipy.stats.trim_mean(x, 0.25) and rliable's IQM: floor(n/4) values go at each end.
    """
    n = values.shape[-1]
    cut = n // 4
    return np.asarray(np.sort(values, axis=-1)[..., cut : n - cut].mean(axis=-1))


def resample(strata: Int[ndarray, " cell"], seed: int = 0, draws: int | None = None) -> Int[ndarray, "draw cell"]:
    """How often each cell is drawn, drawing with replacement within each stratum as many cells as it has.

    The bootstrap of Agarwal et al. 2021 (rliable), with the cells drawn for all methods at once. Deterministic.
    """
    cells = len(strata)
    if draws is None:
        draws = int(np.clip(_WORK // max(cells, 1), _LEAST_DRAWS, _DRAWS))
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, cells), dtype=np.int32)
    row = np.arange(draws)[:, None]
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        size = len(members)
        picks = rng.integers(0, size, size=(draws, size)) + row * size
        counts[:, members] = np.bincount(picks.ravel(), minlength=draws * size).reshape(draws, size)
    return counts


def bootstrap_means(
    values: Float[ndarray, "method cell"], counts: Int[ndarray, "draw cell"]
) -> Float[ndarray, "method draw"]:
    """The interquartile mean of each method in each resample: a trimmed mean of cells weighted by `counts`.

    With sorted values v_i and cumulated counts c_i, clipped to [cut, n - cut], it is sum_i v_i (c_i - c_{i-1}) / (n - 2 cut);
    below the sum is taken by parts, which needs no second array. NaN where a method has no cell in a resample.
    """
    means = np.full((len(values), len(counts)), np.nan)
    for row, mean in zip(values, means, strict=True):
        known = np.flatnonzero(~np.isnan(row))
        if not len(known):
            continue
        order = known[np.argsort(row[known], kind="stable")]
        ordered = row[order]
        drawn = counts[:, order]
        np.cumsum(drawn, axis=1, out=drawn)  # in the type of the counts: a cast costs more than the sum
        total = drawn[:, -1].copy()
        cut = total // 4
        np.clip(drawn, cut[:, None], (total - cut)[:, None], out=drawn)
        whole = ordered[-1] * drawn[:, -1] - ordered[0] * cut - drawn[:, :-1].astype(float) @ np.diff(ordered)
        with np.errstate(invalid="ignore"):
            mean[:] = np.clip(whole / (total - 2 * cut), ordered[0], ordered[-1])  # rounding stays within the values
    return means


def percentiles(draws: Float[ndarray, " draw"], level: float = 0.95) -> Interval | None:
    """The percentile interval of bootstrap draws; None where all draws are the same because nothing could be resampled."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def places(means: Float[ndarray, "method draw"]) -> Float[ndarray, "method draw"]:
    """The place of each method in each resample: 1 for the largest mean; equal ones share the better place, NaN is last."""
    known = np.nan_to_num(means, nan=-np.inf)
    return np.array([1.0 + (known > own).sum(axis=0) for own in known]).reshape(known.shape)


def ranks(
    score: Float[ndarray, "method cell"], present: ndarray, lower_is_better: ndarray
) -> Float[ndarray, "method cell"]:
    """Rank of each method within each cell, 1 the best, ties averaged; a failed run (present, but NaN) ranks last.

    score: NaN where failed or absent. present: bool [method, cell]. lower_is_better: bool [cell].
    """
    turned = np.where(lower_is_better, score, -score)
    turned = np.where(np.isnan(turned), np.finfo(float).max, turned)
    turned = np.where(present, turned, np.inf)  # absent runs come after all others, where they change no rank
    # By comparing each method with all: a tenth of the time of sorting columns as short as these.
    ranked = np.empty_like(turned)
    for mine, rank in zip(turned, ranked, strict=True):
        rank[:] = (turned < mine).sum(axis=0) + ((turned == mine).sum(axis=0) + 1) / 2
    return np.where(present, ranked, np.nan)


def holm(p: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """Adjusted p-values: max over j <= i of (m - j + 1) p_(j), at most 1, in the order of the smallest first.

    Source: Holm 1979. A test is significant at level a, family-wise, when its adjusted p-value is at most a.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def signed_rank_test(difference: Float[ndarray, " cell"]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; cells without a difference are dropped, 1 where none is left.

    With n cells left, r the sum of the ranks of |d| (ties averaged) over d > 0, and t_k cells tied in group k:
    p = 2 Phi(-(|r - n (n + 1) / 4| - 1/2) / s), s^2 = n (n + 1) (2 n + 1) / 24 - sum_k (t_k^3 - t_k) / 48, at most 1.
    As scipy.stats.wilcoxon(method="asymptotic", correction=True), whose import costs more than a whole leaderboard.
    Source: Wilcoxon 1945.
    """
    known = difference[difference != 0]
    n = len(known)
    if not n:
        return 1.0
    _, group, tied = np.unique(np.abs(known), return_inverse=True, return_counts=True)
    rank = (np.cumsum(tied) - (tied - 1) / 2)[group]
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((tied**3 - tied).sum()) / 48
    distance = abs(float(rank[known > 0].sum()) - n * (n + 1) / 4)
    return min(1.0, 2 * float(ndtr(-(distance - 0.5) / np.sqrt(variance))))


def paired_tests(values: Float[ndarray, "method cell"]) -> Float[ndarray, "method method"]:
    """Two-sided p-values of all pairs of methods over the cells that both have, adjusted for their number.

    Wilcoxon's signed-rank test (normal approximation with corrections for ties and continuity; cells without a difference are
    dropped), then Holm over all m (m - 1) / 2 pairs. Source: Wilcoxon 1945, Holm 1979.
    """
    count = len(values)
    p = np.ones((count, count))
    for i in range(count - 1):
        # An absent run makes no difference, and no difference is dropped.
        p[i, i + 1 :] = [signed_rank_test(difference) for difference in np.nan_to_num(values[i] - values[i + 1 :])]
    upper = np.triu_indices(count, 1)
    adjusted = np.ones((count, count))
    adjusted[upper] = holm(p[upper])
    return np.minimum(adjusted, adjusted.T)


def bands(order: Sequence[int], adjusted: Float[ndarray, "method method"], level: float = 0.05) -> list[int]:
    """The band of each method, in the order given (best first).

    A band is led by its first method; whoever cannot be told from the leader joins it, and the first that can leads the next.
    """
    numbers: list[int] = []
    leader = None
    for method in order:
        if leader is None or adjusted[leader, method] <= level:
            leader, number = method, len(set(numbers)) + 1
        numbers.append(number)
    return numbers


# --- boards: every method has every cell


def mean_of_tasks(values: Float[ndarray, "task seed"], level: float = 0.95) -> tuple[float, Interval | None]:
    """The mean over tasks of the trimmed mean over seeds, with its t interval.

    m = 1/T sum_t m_t, m_t the mean of what is left of the n seeds when floor(n/4) are cut at either end. Its variance is
    1/T^2 sum_t d_t^2, d_t^2 = (n - 1) w_t / (h (h - 1)) with the winsorized variance w_t and h values left; degrees of freedom
    after Satterthwaite. It covers what other seeds would give *on these tasks*; other tasks it does not. None with fewer than two
    values left, and the point itself where no task varies.
    Source: Tukey and McLaughlin 1963, Yuen 1974.
    """
    tasks, n = values.shape
    cut = n // 4
    left = n - 2 * cut
    ordered = np.sort(values, axis=1)
    point = float(ordered[:, cut : n - cut].mean(axis=1).mean())
    if left < 2:
        return point, None
    winsorized = np.clip(ordered, ordered[:, [cut]], ordered[:, [n - cut - 1]])
    squared = (n - 1) * winsorized.var(axis=1, ddof=1) / (left * (left - 1))
    if not squared.any():
        return point, (point, point)
    freedom = squared.sum() ** 2 / (squared**2 / (left - 1)).sum()
    half = float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(squared.sum()) / tasks)
    return point, (point - half, point + half)


def rank_intervals(values: Float[ndarray, "method task seed"], level: float = 0.95) -> list[tuple[int, int]]:
    """The percentile interval of each method's rank when seeds are drawn again within tasks, for all methods at once."""
    methods, tasks, n = values.shape
    rng = np.random.default_rng(0)
    picks = rng.integers(0, n, size=(_RANK_DRAWS, tasks, n))
    drawn = np.empty((methods, _RANK_DRAWS))
    for own, mean in zip(values, drawn, strict=True):
        ordered = np.sort(own[np.arange(tasks)[:, None], picks], axis=-1)
        mean[:] = ordered[..., n // 4 : n - n // 4].mean(axis=-1).mean(axis=-1)
    ends = np.quantile(places(drawn), [(1 - level) / 2, (1 + level) / 2], axis=1)
    return [(int(np.floor(low)), int(np.ceil(high))) for low, high in ends.T]


def against_leader(
    values: Float[ndarray, "method cell"], leader: int, others: Sequence[int]
) -> Float[ndarray, " other"]:
    """Two-sided p-values of the leader against each other method, adjusted by Holm for these tests alone.

    Wilcoxon's signed-rank test over cells, as in `paired_tests`. Source: Wilcoxon 1945, Holm 1979.
    """
    return holm(np.array([signed_rank_test(values[leader] - values[other]) for other in others]))


def bands_by_leader(order: Sequence[int], values: Float[ndarray, "method cell"], level: float = 0.05) -> list[int]:
    """The band of each method, in the order given (best first): its first method is tested against all that follow.

    Whoever cannot be told from the leader joins, up to the first that can, which leads the next band.
    """
    numbers: list[int] = []
    start = 0
    while start < len(order):
        rest = order[start + 1 :]
        told_apart = against_leader(values, order[start], rest) <= level
        size = 1 + (int(np.argmax(told_apart)) if told_apart.any() else len(rest))
        numbers += [len(set(numbers)) + 1] * size
        start += size
    return numbers


def wins(values: Float[ndarray, "method cell"]) -> Float[ndarray, "method method"]:
    """Entry [i, j] is the share of cells on which i is better than j; equal values count half."""
    return np.array([((mine > values).mean(axis=1) + (mine == values).mean(axis=1) / 2) for mine in values])


def wilson(share: float, count: int, level: float = 0.95) -> Interval:
    """The interval of a share of n = `count` cells: (p + z^2/2n -+ z sqrt(p q/n + z^2/4n^2)) / (1 + z^2/n). Wilson 1927."""
    z = float(ndtri((1 + level) / 2))
    center = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (max(0.0, (center - half) / (1 + z * z / count)), min(1.0, (center + half) / (1 + z * z / count)))
