"""Large steps of stochastic gradient descent on a diagonal linear network: how sparse the predictor becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SparseSGD"]


@dataclass(frozen=True)
class SparseSGD:
    """w = u v (entry by entry), u_0 = alpha, v_0 = 0, loss (<w, x_i> - y_i)^2/2, one sample a step, u and v updated together.

    n = 40 Gaussian inputs in R^100, w* with four entries +-1; `steps` steps at eta, then `last` at min(eta, 0.002); the rates
    draw the same samples. Scores for each eta: `distance_eta`, |w - w*|^2, and `entries_eta`, the entries of w above 0.05;
    `entries_change`, the number at the largest eta less that at the smallest; `decreasing`, 1 where the distance falls from
    each eta to the next; `ratio`, the distance at the largest eta over that at the smallest; `descent_ratio`, the same of
    full-batch gradient descent at the best of `descent_rates` over the smallest; `diverged`, how many rates diverged (their
    distance is infinite).
    Source: Andriushchenko et al., SGD with large step sizes learns sparse features, 2023, section 3.
    """

    rates: tuple[float, ...] = (0.01, 0.03, 0.06)
    descent_rates: tuple[float, ...] = (0.01, 0.03, 0.06, 0.2)
    samples: int = 40
    dim: int = 100
    nonzero: int = 4
    scale: float = 0.5
    steps: int = 10_000
    last: int = 8000

    def measure(self, run: Run) -> Scores:
        """Train with all learning rates at once, as one batch."""
        rng = run.numpy
        x = rng.standard_normal((self.samples, self.dim))
        truth = np.zeros(self.dim)
        truth[rng.choice(self.dim, self.nonzero, replace=False)] = rng.choice([-1.0, 1.0], self.nonzero)
        picks = rng.integers(0, self.samples, self.steps + self.last)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = self._trained(x, x @ truth, np.array(self.rates), picks)
            descended = self._descended(x, x @ truth, np.array(self.descent_rates))
        distances, control = (_distances(w, truth) for w in (weights, descended))
        entries = (np.abs(weights) > 0.05).sum(axis=1)
        scores = {f"distance_{rate:g}": float(d) for rate, d in zip(self.rates, distances, strict=True)}
        scores |= {f"entries_{rate:g}": float(count) for rate, count in zip(self.rates, entries, strict=True)}
        return Scores(
            {
                **scores,
                "entries_change": float(entries[-1] - entries[0]),
                "decreasing": float((np.diff(distances) < 0).all()),
                "ratio": float(distances[-1] / distances[0]),
                "descent_ratio": float(control[np.isfinite(control)].min() / control[0]),
                "diverged": float(np.isinf(distances).sum()),
            }
        )

    def _trained(self, x: ndarray, y: ndarray, rates: ndarray, picks: ndarray) -> ndarray:
        """w [rate, dim]."""
        u = np.full((len(rates), self.dim), self.scale)
        v = np.zeros_like(u)
        late = np.minimum(rates, 0.002)
        for step, pick in enumerate(picks):
            rate = rates if step < self.steps else late
            u, v = _updated(u, v, x[pick], (u * v) @ x[pick] - y[pick], rate)
        return np.asarray(u * v)

    def _descended(self, x: ndarray, y: ndarray, rates: ndarray) -> ndarray:
        """w [rate, dim] of gradient descent on the mean loss, as many steps at eta as the other makes."""
        u = np.full((len(rates), self.dim), self.scale)
        v = np.zeros_like(u)
        gram, target = x.T @ x / len(x), x.T @ y / len(x)
        for _ in range(self.steps):
            gradient = rates[:, None] * ((u * v) @ gram - target)
            u, v = u - gradient * v, v - gradient * u
        return np.asarray(u * v)


def _updated(u: ndarray, v: ndarray, x: ndarray, error: ndarray, rate: ndarray) -> tuple[ndarray, ndarray]:
    """One step of both factors [rate, dim] along eta (<w, x> - y) x."""
    gradient = (rate * error)[:, None] * x
    return u - gradient * v, v - gradient * u


def _distances(w: ndarray, truth: ndarray) -> ndarray:
    """|w - w*|^2 of each rate; infinite where the run diverged."""
    squared = np.square(w - truth).sum(axis=1)
    return np.where(np.isfinite(squared), squared, np.inf)
