"""Metrics of a reconstruction: attractor geometry, power spectrum, short-term prediction.

Trajectories are arrays [time, dim] in units of the standard deviation of the training data.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import pdist
from scipy.special import logsumexp

__all__ = [
    "StateSpace",
    "correlation_dimension",
    "delay",
    "embedded",
    "hellinger",
    "mixture_divergence",
    "prediction_error",
    "sliced_wasserstein",
    "state_space_divergence",
    "valid_time",
]

# Pseudo-count of each bin.
_PSEUDO = 1e-5
# Centers of the Gaussian mixture, and Monte Carlo samples drawn from it.
_POINTS, _DRAWS = 10_000, 1000


class StateSpace:
    """A grid of cells in state space, and the occupancy of the cells by the true trajectory.

    `bins` cells per dimension cover the range of the true trajectory, extended by 0.1 standard deviations on each side. One
    extra cell collects all points outside, including NaN, so that leaving this range is not rewarded.
    """

    def __init__(self, truth: Float[ndarray, "time dim"], bins: int = 30) -> None:
        margin = 0.1 * truth.std(axis=0)
        self.low, self.high = truth.min(axis=0) - margin, truth.max(axis=0) + margin
        self.bins, self.cells, self.samples = bins, bins ** truth.shape[1] + 1, len(truth)
        self.place, self.count = np.unique(self._cells(truth), return_counts=True)

    def _cells(self, points: ndarray) -> ndarray:
        return _cells(points, self.low, self.high, self.bins)

    def divergence(self, generated: Float[ndarray, "steps dim"]) -> float:
        """D_stsp = sum_c p_c ln(p_c / q_c), p and q the occupancy of the cells by the true and the generated trajectory.

        p = (count + a)/(n + a K), a = 1e-5, K cells in total. In nats; 0 for equal histograms. Empty cells are summed in closed
        form, so memory does not grow with K.
        Source: Koppe et al. 2019, Hess et al. 2023 (binning of the official code); the cell for points outside is an addition.
        """
        place, count = np.unique(self._cells(generated), return_counts=True)
        union = np.union1d(self.place, place)
        p, q = np.full(len(union), _PSEUDO), np.full(len(union), _PSEUDO)
        p[np.searchsorted(union, self.place)] += self.count
        q[np.searchsorted(union, place)] += count
        total_p, total_q = self.samples + self.cells * _PSEUDO, len(generated) + self.cells * _PSEUDO
        p, q = p / total_p, q / total_q
        empty = (self.cells - len(union)) * (_PSEUDO / total_p) * np.log(total_q / total_p)
        return float(np.sum(p * np.log(p / q)) + empty)


def state_space_divergence(
    truth: Float[ndarray, "time dim"], generated: Float[ndarray, "steps dim"], bins: int = 30
) -> float:
    """D_stsp of one generated trajectory; see `StateSpace.divergence`."""
    return StateSpace(truth, bins).divergence(generated)


def _cells(points: ndarray, low: ndarray, high: ndarray, bins: int) -> ndarray:
    """The cell index of each point; `bins ** dim` is the cell of all points outside the grid."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (points - low) / (high - low) * bins
        inside = np.isfinite(scaled).all(axis=1) & (scaled >= 0).all(axis=1) & (scaled < bins).all(axis=1)
    number = np.zeros(len(points), dtype=np.int64)
    for column in np.floor(np.where(inside[:, None], scaled, 0)).astype(np.int64).T:
        number = number * bins + column
    return np.where(inside, number, bins ** points.shape[1])


def mixture_divergence(
    truth: Float[ndarray, "time dim"], generated: Float[ndarray, "steps dim"], variance: float = 1.0
) -> float:
    """D_stsp = mean of ln p(x) - ln q(x) over samples x from p: for dimensions too high for a grid of cells.

    p and q are mixtures of equally weighted Gaussians with this variance, centered at the first 10 000 points of the true and
    the generated trajectory. The mean is over 1000 samples, which are the same for every trajectory compared with one truth. In
    nats. Values for different variances are not comparable. `generated` must be finite: callers replace diverged trajectories.
    Source: Koppe et al. 2019, Hess et al. 2023; densities are summed by log-sum-exp, unlike in the official code.
    """
    p, q = truth[:_POINTS], generated[:_POINTS]
    rng = np.random.default_rng(0)
    samples = p[rng.integers(0, len(p), _DRAWS)] + np.sqrt(variance) * rng.standard_normal((_DRAWS, p.shape[1]))
    return float(np.mean(_log_mixture(samples, p, variance) - _log_mixture(samples, q, variance)))


def _log_mixture(x: ndarray, centers: ndarray, variance: float) -> ndarray:
    """ln of the mixture density at x, up to a constant that cancels in the difference ln p - ln q."""
    squares = (x**2).sum(axis=1)[:, None] - 2 * x @ centers.T + (centers**2).sum(axis=1)
    return logsumexp(-squares / (2 * variance), axis=1) - np.log(len(centers))


def delay(series: Float[ndarray, "time 1"]) -> int:
    """The first lag at which the autocorrelation is below 1/e, by FFT; a quarter of the length if there is none."""
    x = series[:, 0] - series[:, 0].mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(x)] / np.arange(len(x), 0, -1)
    below = correlation < correlation[0] / np.e
    return int(np.argmax(below)) if below.any() else len(x) // 4


def embedded(series: Float[ndarray, "time 1"], lag: int, size: int = 3) -> Float[ndarray, "times size"]:
    """(x_t, x_{t+lag}, x_{t+2 lag}), here for size 3: the delay embedding of one channel (Takens 1981)."""
    length = len(series) - (size - 1) * lag
    return np.stack([series[i * lag : i * lag + length, 0] for i in range(size)], axis=1)


def sliced_wasserstein(
    truth: Float[ndarray, "time dim"], generated: Float[ndarray, "time dim"], directions: int = 200
) -> float:
    """Mean over random directions of the Wasserstein-1 distance between the projections, by sorting.

    The trajectories must have equal lengths. All calls use the same directions. In standard deviations.
    Source: Bonneel et al. 2015.
    """
    axes = np.random.default_rng(0).standard_normal((directions, truth.shape[1]))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    a, b = np.sort(truth @ axes.T, axis=0), np.sort(generated @ axes.T, axis=0)
    return float(np.abs(a - b).mean())


def hellinger(
    truth: Float[ndarray, "time dim"], generated: Float[ndarray, "time dim"], smoothing: float = 20.0
) -> float:
    """D_H = mean over dimensions of sqrt(1 - sum_f sqrt(P_f Q_f)), P and Q smoothed, normalized power spectra.

    `smoothing` is the standard deviation of the Gaussian kernel in frequency bins, so the value depends on the length of the
    series. Between 0 and 1; a constant or non-finite generated channel scores 1.
    Source: Mikhaeil et al. 2022, Hess et al. 2023.
    """
    return float(np.mean([_hellinger(a, b, smoothing) for a, b in zip(truth.T, generated.T, strict=True)]))


def _hellinger(a: ndarray, b: ndarray, smoothing: float) -> float:
    if not np.isfinite(b).all() or np.abs(b).max() > 1e100 or b.std() <= 1e-12 * (1 + np.abs(b).max()):
        return 1.0
    overlap = np.sum(np.sqrt(_spectrum(a, smoothing) * _spectrum(b, smoothing)))
    return float(np.sqrt(max(0.0, 1.0 - overlap)))


def _spectrum(x: ndarray, smoothing: float) -> ndarray:
    power = np.abs(np.fft.rfft((x - x.mean()) / x.std())) ** 2
    smooth = gaussian_filter1d(power, smoothing, mode="reflect", truncate=4.0)
    smooth = np.maximum(smooth, 0.0)
    return smooth / smooth.sum()


def correlation_dimension(points: Float[ndarray, "time dim"], count: int = 2500) -> float:
    """The slope of ln C(r) against ln r for C between 1e-3 and 0.1, C(r) the fraction of pairs of points within distance r.

    Computed from `count` evenly spaced samples. Pairs closer in time than the delay of the first channel are excluded (Theiler
    1986): they are close because they are neighbors on one orbit. 0 for a fixed point. With this number of points, the
    dimension of high-dimensional attractors is underestimated, for the true and the generated trajectory alike.
    Source: Grassberger & Procaccia 1983.
    """
    stride = max(1, len(points) // count)
    samples = points[::stride][:count]
    n, window = len(samples), -(-delay(points[:, :1]) // stride)
    squares = pdist(samples, "sqeuclidean")
    for lag in range(1, min(window, n - 1) + 1):
        i = np.arange(n - lag)
        squares[n * i - i * (i + 1) // 2 + lag - 1] = np.inf  # the index of the pair (i, i + lag) in SciPy's order
    pairs = np.count_nonzero(squares < np.inf)
    rank = np.unique((np.geomspace(1e-3, 0.1, 20) * pairs).astype(int))
    radius = np.sqrt(np.partition(squares, rank)[rank])
    if not radius[0] > 1e-9 * radius[-1]:
        return 0.0
    return float(np.polyfit(np.log(radius), np.log((rank + 1) / pairs), 1)[0])


def prediction_error(truth: Float[ndarray, "window dim"], predicted: Float[ndarray, "window dim"]) -> float:
    """PE(n) = mean over windows and dimensions of the squared error n steps ahead; predictions are clamped to +-1e3."""
    clamped = np.clip(np.nan_to_num(predicted, nan=1e3, posinf=1e3, neginf=-1e3), -1e3, 1e3)
    return float(np.mean((clamped - truth) ** 2))


def valid_time(
    truth: Float[ndarray, "window time dim"],
    predicted: Float[ndarray, "window time dim"],
    variance: float,
    dt: float,
    threshold: float = 0.4,
) -> Float[ndarray, " window"]:
    """The time during which |x^ - x| / sqrt(variance) <= threshold holds without interruption; at most the whole horizon.

    variance: mean of |x - mean x|^2 over the test trajectory. dt: time per sample; the result has its unit. NaN counts as
    above the threshold.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.sqrt(np.sum((predicted - truth) ** 2, axis=-1) / variance)
        beyond = ~(error <= threshold)
    first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), truth.shape[1])
    return first * dt
