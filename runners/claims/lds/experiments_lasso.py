"""Regression on signatures: the outputs of a nonlinear controlled equation from a few samples of its input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SignatureRegression", "lasso", "outputs", "path", "ridge", "signatures"]

_PENALTIES = 10.0 ** np.arange(-6, 2)
_FOLDS, _STEPS = 5, 200


def signatures(increments: Float[ndarray, "row segment channel"], order: int) -> list[Float[ndarray, "row word"]]:
    """The levels 1 .. order of the signature of piecewise linear paths; level k has channel^k words in lexicographic order.

    By Chen's relation S <- S exp(d) for each segment d, level k: sum_j S_{k-j} d^j / j!, evaluated as
    S_k + (S_{k-1} + (S_{k-2} + ... ) d/2) d.
    """
    rows, segments, channels = increments.shape
    levels = [np.ones((rows, 1)), *(np.zeros((rows, channels**k)) for k in range(1, order + 1))]
    for segment in range(segments):
        d = increments[:, segment]
        for k in range(order, 0, -1):
            sum_ = levels[0]
            for j in range(1, k + 1):
                product = (sum_[:, :, None] * d[:, None, :]).reshape(rows, -1) / (k - j + 1)
                sum_ = levels[j] + product
            levels[k] = sum_
    return levels[1:]


def ridge(z: Float[ndarray, "row feature"], y: Float[ndarray, " row"]) -> Float[ndarray, "penalty feature"]:
    """argmin |y - Z w|^2 / rows + penalty |w|^2 for all penalties, by one eigendecomposition."""
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    rotated = vectors.T @ (z.T @ y / len(z))
    return (rotated / (values + _PENALTIES[:, None])) @ vectors.T


def lasso(z: Float[ndarray, "row feature"], y: Float[ndarray, " row"], steps: int = 1000) -> ndarray:
    """argmin |y - Z w|^2 / (2 rows) + penalty |w|_1 [penalty, feature], all penalties together by accelerated proximal steps."""
    gram, target = z.T @ z / len(z), z.T @ y / len(z)
    step = 1 / max(np.linalg.eigvalsh(gram)[-1], 1e-300)
    w = ahead = np.zeros((len(_PENALTIES), len(gram)))
    moment = 1.0
    for _ in range(steps):
        moved = ahead - step * (ahead @ gram - target)
        new = np.sign(moved) * np.maximum(np.abs(moved) - step * _PENALTIES[:, None], 0)
        following = (1 + math.sqrt(1 + 4 * moment**2)) / 2
        ahead, w, moment = new + (moment - 1) / following * (new - w), new, following
    return w


def path(waves: Float[ndarray, "path 4 3"], t: Float[ndarray, "path time"]) -> Float[ndarray, "path time 4"]:
    """(t, x(t)), the coefficients of sin(pi t), sin(2 pi t)/2, 1 - cos(pi t), (1 - cos(2 pi t))/2 given."""
    angle, order = math.pi * t[..., None] * np.arange(1, 3), np.arange(1, 3)
    basis = np.concatenate([np.sin(angle) / order, (1 - np.cos(angle)) / order], axis=2)
    return np.concatenate([t[..., None], basis @ waves], axis=2)


def outputs(
    waves: Float[ndarray, "path 4 3"], t: Float[ndarray, "path time"], field: tuple[Float[ndarray, "2 3"], float]
) -> Float[ndarray, "path time"]:
    """y(t) of dy = sum_i tanh(w_i y + v_i) dx_i, the field ((w, v), y_0), by Heun's rule with 200 steps of [0, t]."""
    (w, v), start = field
    y, x = np.full(t.shape, start), np.zeros((*t.shape, 3))
    for k in range(1, _STEPS + 1):
        new = path(waves, t * k / _STEPS)[..., 1:]
        first = np.sum(np.tanh(y[..., None] * w + v) * (new - x), axis=-1)
        second = np.sum(np.tanh((y + first)[..., None] * w + v) * (new - x), axis=-1)
        y, x = y + (first + second) / 2, new
    return y


@dataclass(frozen=True)
class SignatureRegression:
    """y_t of dy = sum_i tanh(w_i y + v_i) dx_i from the signature of (time, x) up to t, by ridge regression or the lasso.

    x_i(t) = sum_{k=1,2} (a_ik sin(pi k t) + b_ik (1 - cos(pi k t)))/k, i = 1, 2, 3, t in [0, 1], each path scaled to the length
    `size`; a, b, w, v and y_0 ~ N(0, 1), w, v and y_0 the same for all paths. y is seen at five random times of each path with
    noise N(0, noise^2); the features of time t are the levels up to K of the piecewise linear path through `samples` equal steps
    of [0, t], standardized. The penalty is chosen by five-fold cross-validation over paths. error_<K>: root mean square error at
    the observed times of other paths, over the standard deviation there. error_shuffled: the largest order, the steps of
    each path in another order; error_few: the largest order, `few` instead of `samples` steps. Source: Bleistein et al. 2023.
    """

    samples: int = 100
    few: int = 5
    size: float = 2.0
    sparse: bool = False
    train: int = 500
    test: int = 100
    times: int = 5
    orders: tuple[int, ...] = (1, 2, 3, 4)
    noise: float = 0.0

    def measure(self, run: Run) -> Scores:
        """The errors by order."""
        rng = run.numpy
        field = rng.standard_normal((2, 3)), float(rng.standard_normal())
        count = self.train + self.test
        waves = rng.standard_normal((count, 4, 3))
        grid = np.broadcast_to(np.linspace(0, 1, 201), (count, 201))
        steps = np.diff(path(waves, grid)[..., 1:], axis=1)
        waves *= self.size / np.linalg.norm(steps, axis=2).sum(axis=1)[:, None, None]
        t = rng.uniform(0.05, 1.0, (count, self.times))
        y = outputs(waves, t, field).ravel()
        increments, sparse = (self._increments(waves, t, count) for count in (self.samples, self.few))
        seen = y[: self.train * self.times] + self.noise * rng.standard_normal(self.train * self.times)
        levels = signatures(increments, max(self.orders))
        values = {f"error_{k}": self._error(np.hstack(levels[:k]), seen, y) for k in self.orders}
        shuffled = np.take_along_axis(increments, rng.random(increments.shape[:2]).argsort(axis=1)[..., None], axis=1)
        last = np.hstack(signatures(shuffled, max(self.orders)))
        values["error_shuffled"] = self._error(last, seen, y)
        last = np.hstack(signatures(sparse, max(self.orders)))
        values["error_few"] = self._error(last, seen, y)
        return Scores(values)

    def _increments(self, waves: ndarray, t: ndarray, samples: int) -> Float[ndarray, "row segment channel"]:
        """The steps of (time, x) up to each observed time."""
        points = [path(waves, t * k / samples) for k in range(samples + 1)]
        return np.diff(np.stack(points, axis=2), axis=2).reshape(t.size, samples, 4)

    def _error(self, features: ndarray, seen: ndarray, y: ndarray) -> float:
        """The relative error on the test paths with the penalty of least error over the folds."""
        count = len(seen)
        mean, scale = features[:count].mean(axis=0), features[:count].std(axis=0)
        z, offset = (features - mean) / np.where(scale > 0, scale, 1.0), seen.mean()
        fit = lasso if self.sparse else ridge
        fold = np.repeat(np.arange(self.train) % _FOLDS, self.times)
        losses = np.zeros(len(_PENALTIES))
        for k in range(_FOLDS):
            inside = fold != k
            weights = fit(z[:count][inside], seen[inside] - offset)
            losses += np.sum((z[:count][~inside] @ weights.T - (seen[~inside] - offset)[:, None]) ** 2, axis=0)
        weights = fit(z[:count], seen - offset)[np.argmin(losses)]
        truth = y[count:]
        return float(np.sqrt(np.mean((z[count:] @ weights + offset - truth) ** 2)) / truth.std())
