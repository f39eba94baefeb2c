"""How linear systems are learned: gradient flow of one mode, stochastic approximation at a fixed step, variational bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["ModeFlow", "StochasticApproximation", "VariationalBound"]


@dataclass(frozen=True)
class ModeFlow:
    """b' = (s - e b c) c, c' = (s - e b c) b from b = c = sqrt(p0), against p = b c = (s/e) / (1 + (s/(e p0) - 1) e^{-2 s t}).

    s and e: covariance of output and input, and of the input, at the mode. By Euler's method, so the difference is O(step).
    """

    s: float = 1.0
    e: float = 0.8
    start: float = 0.01
    step: float = 1e-4
    time: float = 8.0

    def measure(self, run: Run) -> Scores:
        """Integrate one mode, and return the largest difference from the closed form."""
        b = c = math.sqrt(self.start)
        worst = 0.0
        for k in range(round(self.time / self.step)):
            exact = (self.s / self.e) / (
                1 + (self.s / (self.e * self.start) - 1) * math.exp(-2 * self.s * k * self.step)
            )
            worst = max(worst, abs(b * c - exact))
            pull = self.step * (self.s - self.e * b * c)
            b, c = b + pull * c, c + pull * b
        return Scores({"difference": worst})


@dataclass(frozen=True)
class StochasticApproximation:
    """x <- x - a (A_n x - b_n), A_n = 1 + N(0, 1), b_n = 0.5 N(0, 1), x_0 = 0, at the fixed step a.

    variance: of x in the stationary state, over a^2 0.25 / (1 - E(1 - a A)^2) = a 0.25 / (2 - 2a).
    tail: Hill's index of |x| over kappa with E|1 - a A|^kappa = 1: the tail is a power, however small the noise.
    """

    step: float = 0.6
    chains: int = 400_000
    steps: int = 300
    top: int = 2000

    def measure(self, run: Run) -> Scores:
        """Both ratios, and the index itself."""
        x = np.zeros(self.chains)
        for _ in range(self.steps):
            draw = run.numpy.standard_normal((2, self.chains))
            x = x - self.step * ((1 + draw[0]) * x - 0.5 * draw[1])
        largest = np.sort(np.abs(x))[-self.top - 1 :]
        hill = 1 / float(np.mean(np.log(largest[1:] / largest[0])))
        exact = self.step * 0.25 / (2 - 2 * self.step) if self.step < 1 else math.inf
        return Scores({"variance": float(np.var(x)) / exact, "tail": hill / self._kappa(), "hill": hill})

    def _kappa(self) -> float:
        """The positive root of E|1 - a - a Z|^kappa = 1, by bisection on quadrature."""
        z = np.linspace(-12, 12, 200_001)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
        size = np.abs(1 - self.step - self.step * z)
        low, high = 1e-2, 100.0
        for _ in range(60):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if np.sum(density * size**middle) < 1 else (low, middle)
        return low


@dataclass(frozen=True)
class VariationalBound:
    """The evidence lower bound of a linear-Gaussian system against the log-likelihood of its Kalman filter, per step.

    z_t = A z_{t-1} + w, y_t = C z_t + v, z_0 = 0. gap_smoother: with q the exact posterior of the path; gap_mean_field: with the
    best q that is independent over time (precisions of the posterior's diagonal blocks); gap_moved: with a wrong mean.
    """

    states: int = 2
    steps: int = 6

    def measure(self, run: Run) -> Scores:
        """The three gaps, of which theory says 0, positive, positive."""
        d, n = self.states, self.states * self.steps
        a = run.numpy.standard_normal((d, d))
        a *= 0.9 / np.abs(np.linalg.eigvals(a)).max()
        c = run.numpy.standard_normal((self.steps, n)) * np.kron(np.eye(self.steps), np.ones((1, d)))
        # z = L w for all steps at once; prior covariance L L', observation noise 0.25.
        lower = np.eye(n)
        for t in range(1, self.steps):
            lower[t * d : (t + 1) * d, : t * d] = a @ lower[(t - 1) * d : t * d, : t * d]
        prior, noise = lower @ lower.T, 0.25
        y = c @ lower @ run.numpy.standard_normal(n) + 0.5 * run.numpy.standard_normal(self.steps)
        evidence = _log_normal(y, c @ prior @ c.T + noise * np.eye(self.steps))
        precision = np.linalg.inv(prior) + c.T @ c / noise
        mean, covariance = np.linalg.solve(precision, c.T @ y / noise), np.linalg.inv(precision)
        blocks = [slice(t * d, (t + 1) * d) for t in range(self.steps)]
        field = np.zeros((n, n))
        for block in blocks:
            field[block, block] = np.linalg.inv(precision[block, block])
        gaps = {
            "smoother": evidence - _bound(y, c, prior, noise, mean, covariance),
            "mean_field": evidence - _bound(y, c, prior, noise, mean, field),
            "moved": evidence - _bound(y, c, prior, noise, mean + 0.3, covariance),
        }
        return Scores({f"gap_{name}": float(gap) / self.steps for name, gap in gaps.items()})


def _log_normal(y: ndarray, covariance: ndarray) -> float:
    _, size = np.linalg.slogdet(2 * math.pi * covariance)
    return float(-0.5 * (size + y @ np.linalg.solve(covariance, y)))


def _bound(y: ndarray, c: ndarray, prior: ndarray, noise: float, mean: ndarray, covariance: ndarray) -> float:
    """E_q log p(y|z) - KL(q | p) for q = N(mean, covariance), in closed form."""
    rest = y - c @ mean
    fit = -0.5 * (len(y) * math.log(2 * math.pi * noise) + (rest @ rest + np.trace(c @ covariance @ c.T)) / noise)
    inverse = np.linalg.inv(prior)
    _, ratio = np.linalg.slogdet(covariance @ inverse)
    divergence = 0.5 * (np.trace(inverse @ covariance) + mean @ inverse @ mean - len(mean) - ratio)
    return float(fit - divergence)
