"""Measurements of matrix sensing that need every iterate: exact constants, identities, and the distance to each plateau."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.numerics.operators import DenseOperator, half_vectorize
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.oracles import loss_minimizer
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["EqualFactors", "Incremental", "Plateau", "SurplusConstant"]


def _population(x: ndarray, values: ndarray, step: float, steps: int) -> Iterator[ndarray]:
    """X <- X - eta (X X^T - diag(values)) X, in the eigenbasis of the truth; every iterate, the start first."""
    growth = 1 + step * values[:, None]
    yield x
    for _ in range(steps):
        x = growth * x - x @ (step * (x.T @ x))
        yield x


def _padded(values: tuple[float, ...], n: int) -> ndarray:
    return np.array([*values, *[0.0] * (n - len(values))])


def _start(run: Run, n: int, k: int) -> ndarray:
    """Entries N(0, 1/n)."""
    drawn: ndarray = torch.randn(n, k, generator=run.generator, dtype=torch.float64).numpy()
    return drawn / n**0.5


@dataclass(frozen=True)
class SurplusConstant:
    """|X X^T - X*|_F^2 (2 eta T)^2/(min(k, n) - r) tends to 1 for gradient descent with over-specified rank, all of X* measured.

    Refined: the error against sum_j (2 eta (T - t_0) + 1/w_j)^{-2}, w_j the largest eigenvalues at t_0 of the Schur complement
    of S S^T in X X^T, X = [S; N] in the eigenbasis of X*. The proof is in docs/proofs.md.
    """

    fit_rank: int = 4
    n: int = 20
    rank: int = 2
    start_scale: float = 0.5
    step: float = 0.25
    steps: int = 20_000
    refined_steps: int = 10_000
    refined_from: int = 1000

    def measure(self, run: Run) -> Scores:
        """Scores `ratio` and `refined_ratio`."""
        values = _padded((1.0,) * self.rank, self.n)
        scores = {}
        wanted = {self.refined_from, self.refined_steps, self.steps}
        path = _population(self.start_scale * _start(run, self.n, self.fit_rank), values, self.step, max(wanted))
        for t, iterate in enumerate(path):
            if t in wanted:
                scores[t] = iterate
        surplus = min(self.fit_rank, self.n) - self.rank
        squared = {t: float(np.square(at @ at.T - np.diag(values)).sum()) for t, at in scores.items()}
        s, rest = scores[self.refined_from][: self.rank], scores[self.refined_from][self.rank :]
        off = rest - rest @ s.T @ np.linalg.solve(s @ s.T, s)
        w = np.square(np.linalg.svd(off, compute_uv=False)[:surplus])
        predicted = np.sum((2 * self.step * (self.refined_steps - self.refined_from) + 1 / w) ** -2.0)
        return Scores(
            {
                "ratio": squared[self.steps] * (2 * self.step * self.steps) ** 2 / surplus,
                "refined_ratio": squared[self.refined_steps] / float(predicted),
            }
        )


@dataclass(frozen=True)
class EqualFactors:
    """With F_0 = G_0 and symmetric A_i, gradient descent on F G^T keeps F = G and is descent on X X^T: an identity.

    Scores `difference` = max_t |F_t - X_t|/|X_t| and `imbalance` = max_t |F_t - G_t|/|F_t| over the steps.
    """

    n: int = 20
    rank: int = 2
    fit_rank: int = 4
    measurements: int = 1600
    step: float = 0.25
    steps: int = 200

    def measure(self, run: Run) -> Scores:
        """Both iterations from one start, side by side."""
        operator, truth = _instance(run, self.n, (1.0,) * self.rank, self.measurements)
        y = operator.forward(truth)
        x = 0.5 * torch.randn(self.n, self.fit_rank, generator=run.generator, dtype=torch.float64) / self.n**0.5
        f, g = x.clone(), x.clone()
        difference = imbalance = 0.0
        for _ in range(self.steps):
            z = operator.adjoint(operator.forward(f @ g.T) - y)
            f, g = f - self.step * z @ g, g - self.step * z.T @ f
            x = x - self.step * operator.adjoint(operator.forward(x @ x.T) - y) @ x
            difference = max(difference, float((f - x).norm() / x.norm()))
            imbalance = max(imbalance, float((f - g).norm() / f.norm()))
        return Scores({"difference": difference, "imbalance": imbalance})


def _instance(run: Run, n: int, values: tuple[float, ...], measurements: int) -> tuple[DenseOperator, Tensor]:
    """A symmetric Gaussian operator and a positive semidefinite truth."""
    frame = torch.from_numpy(orthonormal(run.numpy, n, len(values)))
    rows = run.numpy.standard_normal((measurements, n * (n + 1) // 2)) / np.sqrt(measurements)
    truth = frame * torch.tensor(values, dtype=torch.float64) @ frame.T
    return DenseOperator(torch.from_numpy(rows), (n, n), symmetric=True), truth


@dataclass(frozen=True)
class Incremental:
    """Gradient descent from a small initialization passes close to Z_1, Z_2 ..., the minimizers for each rank, in turn.

    delta_s = min_t |X_t X_t^T - Z_s|/|Z_s| at time t_s, for each scale of the start. Scores: `delta_s_i` of the i-th scale;
    `gain_s` = delta_s of the last scale over that of the first; `rise_s`, the largest ratio of a delta_s to that of the
    larger start before it (both at least 1e-12); `ordered`, whether t_1 < t_2 < ... at the smallest scale.
    """

    fit_rank: int = 20
    n: int = 20
    values: tuple[float, ...] = (1.0, 0.55, 0.3)
    measurements: int = 400
    scales: tuple[float, ...] = (1e-1, 1e-3, 1e-6)
    step: float = 0.25
    steps: int = 1500

    def measure(self, run: Run) -> Scores:
        """All scales from the same direction, on one operator."""
        operator, truth = _instance(run, self.n, self.values, self.measurements)
        y = operator.forward(truth)
        stages = min(self.fit_rank, len(self.values))
        targets = half_vectorize(
            torch.stack([self._minimizer(operator, y, truth, s + 1) for s in range(stages)])
        ).numpy()
        start = _start(run, self.n, self.fit_rank)
        squared = np.empty((self.steps + 1, stages, len(self.scales)))
        for t, seen in enumerate(self._path(operator, y, np.stack([scale * start for scale in self.scales]))):
            off = seen - targets[:, None]
            squared[t] = np.einsum("...i,...i", off, off)
        distances = np.sqrt(squared) / np.linalg.norm(targets, axis=1)[:, None]
        least, when = distances.min(axis=0), distances.argmin(axis=0)
        values = {f"delta_{s + 1}_{i}": float(least[s, i]) for s in range(stages) for i in range(len(self.scales))}
        floored = np.maximum(least, 1e-12)
        values |= {f"gain_{s + 1}": float(floored[s, -1] / floored[s, 0]) for s in range(stages)}
        values |= {f"rise_{s + 1}": float((floored[s, 1:] / floored[s, :-1]).max()) for s in range(stages)}
        values["ordered"] = float((np.diff(when, axis=0) > 0).all())
        curves = [Curve(f"distance_{s + 1}", np.arange(self.steps + 1.0), distances[:, s, -1]) for s in range(stages)]
        return Scores(values, tuple(curves))

    def _path(self, operator: DenseOperator, y: Tensor, x: ndarray) -> Iterator[ndarray]:
        """vech(X_t X_t^T) [scale, entry] of gradient descent from each scale: A*A is made once."""
        gram, back = (operator.rows.T @ operator.rows).numpy(), (operator.rows.T @ y).numpy()
        upper = np.triu_indices(self.n)
        weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
        place = np.empty((self.n, self.n), dtype=int)
        place[upper] = place.T[upper] = np.arange(len(weight))
        for _ in range(self.steps + 1):
            seen = (x @ x.transpose(0, 2, 1))[:, *upper] * weight
            yield seen
            z = (seen @ gram - back) / weight
            x = x - self.step * z[:, place] @ x

    def _minimizer(self, operator: DenseOperator, y: Tensor, truth: Tensor, rank: int) -> Tensor:
        if rank == len(self.values):
            return truth
        u, s, _ = np.linalg.svd(truth.numpy())
        top = len(self.values)
        f, g = loss_minimizer(operator, y, (u[:, :top] * s[:top], u[:, :top]), rank, symmetric=True)
        return torch.from_numpy(f @ g.T)


@dataclass(frozen=True)
class Plateau:
    """How close gradient descent comes to stage s, all of X* measured: delta_s ~ alpha^p, p = 2 (1 - rho)/(1 + rho) in the flow.

    rho = s_{s+1}/s_s, singular values 1, `ratio` and, where positive, `third`. With step eta: p = 2 (1 - L_2/L_1)(D + L_2)/(D
    + 2 L_2), L_1 = ln(1 + eta s_s), L_2 = ln(1 + eta s_{s+1}), D = -ln(1 - eta (s_s - s_{s+1})): score `predicted`, the flow's
    `flow`. Score `exponent` by least squares over the scales of the start, `off` its difference from the prediction. The proof
    is in docs/proofs.md.
    """

    stage: int = 1
    ratio: float = 0.55
    third: float = 0.0
    fit_rank: int = 2
    n: int = 20
    step: float = 0.05
    scales: tuple[float, ...] = (1e-4, 1e-6, 1e-8, 1e-10)
    duration: float = 2.4

    def measure(self, run: Run) -> Scores:
        """One start, scaled; `duration` ln(1/alpha)/eta steps each."""
        start = _start(run, self.n, self.fit_rank)
        strengths = (1.0, self.ratio, self.third) if self.third else (1.0, self.ratio)
        values = _padded(strengths, self.n)
        target = np.diag(_padded(strengths[: self.stage], self.n))
        least = []
        for scale in self.scales:
            steps = int(self.duration * np.log(1 / scale) / self.step)
            path = _population(scale * start, values, self.step, steps)
            least.append(min(float(np.linalg.norm(x @ x.T - target)) for x in path) / float(np.linalg.norm(target)))
        axis = np.log(self.scales) - np.mean(np.log(self.scales))
        exponent = float(axis @ np.log(least) / (axis @ axis))
        upper, lower = strengths[self.stage - 1], strengths[self.stage]
        rates = np.log1p(self.step * upper), np.log1p(self.step * lower), -np.log1p(-self.step * (upper - lower))
        predicted = 2 * (1 - rates[1] / rates[0]) * (rates[2] + rates[1]) / (rates[2] + 2 * rates[1])
        flow = 2 * (upper - lower) / (upper + lower)
        return Scores({"exponent": exponent, "predicted": float(predicted), "flow": flow, "off": exponent - predicted})
