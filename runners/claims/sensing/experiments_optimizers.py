"""Lion's box, and what evolution strategies of low rank estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["LionBox", "LowRankEvolution", "box_minimum", "lion"]


def lion(
    quadratic: Float[ndarray, "d d"],
    center: Float[ndarray, " d"],
    start: Float[ndarray, " d"],
    decay: float,
    rates: Float[ndarray, " step"],
    coupled: bool = False,
) -> Float[ndarray, "time d"]:
    """Iterates of Lion on (x - c)'Q (x - c)/2: c_t = .9 m + .1 g, x <- x - eta (sign c_t + decay x), m <- .99 m + .01 g.

    coupled: decay x is added to g instead.
    """
    x, momentum = start, np.zeros_like(start)
    path = np.empty((len(rates) + 1, len(start)))
    path[0] = x
    outside, inside = (0.0, decay) if coupled else (decay, 0.0)
    for t, rate in enumerate(rates):
        g = quadratic @ (x - center) + inside * x
        x = x - rate * (np.sign(0.9 * momentum + 0.1 * g) + outside * x)
        momentum = 0.99 * momentum + 0.01 * g
        path[t + 1] = x
    return path


def box_minimum(quadratic: Float[ndarray, "d d"], center: Float[ndarray, " d"], bound: float) -> Float[ndarray, " d"]:
    """argmin (x - c)'Q (x - c)/2 over |x|_inf <= bound, by coordinate descent until nothing moves."""
    x = np.clip(center, -bound, bound)
    for _ in range(20_000):
        before = x.copy()
        for i in range(len(x)):
            slope = quadratic[i] @ (x - center) - quadratic[i, i] * (x[i] - center[i])
            x[i] = np.clip(center[i] - slope / quadratic[i, i], -bound, bound)
        if np.abs(x - before).max() <= 1e-15:
            break
    return x


@dataclass(frozen=True)
class LionBox:
    """(|x_t|_inf - 1/lambda)_+ <= prod_{s < t} (1 - eta_s lambda) (|x_0|_inf - 1/lambda)_+; the limit minimizes f over the box.

    f = (x - c)'Q (x - c)/2 with Q = A'A, A ~ N(0, 1/(2d)) of 2d rows, c ~ N(0, 4), x_0 ~ N(0, 16); eta_t = rate/(1 + t/slow).
    Scores: `excess`, the largest violation less its bound, over the start's; `violation` and `gap` = f - min over the box f at
    the end; `coupled`, the violation at the end where lambda x is added to the gradient instead; `contact`, the share of
    coordinates of the minimizer at the boundary.
    Source: Chen, Liu, Liang and Liu, Lion Secretly Solves Constrained Optimization, ICLR 2024.
    """

    d: int = 20
    decay: float = 1.0
    rate: float = 0.01
    slow: float = 2000.0
    steps: int = 40_000

    def measure(self, run: Run) -> Scores:
        """One quadratic; both forms of decay from the same start."""
        rng, bound = run.numpy, 1 / self.decay
        a = rng.standard_normal((2 * self.d, self.d)) / (2 * self.d) ** 0.5
        quadratic, center, start = a.T @ a, 2 * rng.standard_normal(self.d), 4 * rng.standard_normal(self.d)
        rates = self.rate / (1 + np.arange(self.steps) / self.slow)
        path = lion(quadratic, center, start, self.decay, rates)
        outside = np.maximum(np.abs(path).max(axis=1) - bound, 0.0)
        limits = outside[0] * np.cumprod(np.concatenate([[1.0], 1 - self.decay * rates]))
        best = box_minimum(quadratic, center, bound)

        def value(x: ndarray) -> float:
            return float((x - center) @ quadratic @ (x - center)) / 2

        coupled = lion(quadratic, center, start, self.decay, rates, coupled=True)[-1]
        return Scores(
            {
                "excess": float(np.max(outside - limits) / outside[0]),
                "violation": float(outside[-1]),
                "gap": abs(value(path[-1]) - value(best)),
                "coupled": float(np.abs(coupled).max() - bound),
                "contact": float(np.mean(np.abs(best) >= bound)),
            }
        )


@dataclass(frozen=True)
class LowRankEvolution:
    """E[Z f(Z)] = 3 |C|^2 C + (6/r) C C'C for f(W) = <C, W>^3 and Z = A B'/sqrt(r), entries N(0, 1); without r: Z Gaussian.

    The 6 is the fourth cumulant of a product of two normal variables. b_r = <estimate - 3 |C|^2 C, D>/|D|^2, D = C C'C, is
    unbiased. Scores for each rank r: `bias_r` = b_r; `off_r` = b_r - 6/r in standard errors; `wrong_r`, the same with the scale
    1/r in place of 1/sqrt(r). `off_full`: b of a Gaussian Z in standard errors. `exponent` of b_r in r, by least squares of
    logarithms.
    Source: Sarkar, Fellows, Duque, et al., Evolution Strategies at the Hyperscale, 2025, for the perturbation.
    """

    shape: tuple[int, int] = (5, 4)
    ranks: tuple[int, ...] = (1, 2, 4, 8)
    samples: int = 400_000
    batch: int = 20_000

    def measure(self, run: Run) -> Scores:
        """One C, fresh samples for each rank."""
        rng = run.numpy
        c = rng.standard_normal(self.shape)
        cubic = c @ c.T @ c
        values, biases = {}, []
        for rank in (*self.ranks, None):
            drawn = [self._pairs(rng, c, cubic, rank) for _ in range(self.samples // self.batch)]
            first, second = (np.concatenate(part) for part in zip(*drawn, strict=True))
            bias, error = self._bias(c, cubic, first, second)
            if rank is None:
                values["off_full"] = bias / error
                continue
            biases.append(bias)
            values |= {f"bias_{rank}": bias, f"off_{rank}": (bias - 6 / rank) / error}
            shrunk, error = self._bias(c, cubic, first / rank**0.5, second / rank**0.5)
            values[f"wrong_{rank}"] = (shrunk - 6 / rank) / error
        values["exponent"] = _exponent(np.array(self.ranks), np.array(biases))
        return Scores(values)

    def _pairs(self, rng: np.random.Generator, c: ndarray, cubic: ndarray, rank: int | None) -> tuple[ndarray, ndarray]:
        """<C, Z> and <D, Z> of a batch."""
        if rank is None:
            z = rng.standard_normal((self.batch, c.size))
            return z @ c.ravel(), z @ cubic.ravel()
        a = rng.standard_normal((self.batch, rank, self.shape[0]))
        b = rng.standard_normal((self.batch, rank, self.shape[1])) / rank**0.5
        first, second = (np.einsum("nki,nki->n", a @ matrix, b) for matrix in (c, cubic))
        return first, second

    def _bias(self, c: ndarray, cubic: ndarray, first: ndarray, second: ndarray) -> tuple[float, float]:
        """b and its standard error."""
        each = first**3 * second / np.sum(cubic**2)
        expected = 3 * np.sum(c**2) * np.sum(c * cubic) / np.sum(cubic**2)
        return float(each.mean() - expected), float(each.std() / len(each) ** 0.5)


def _exponent(ranks: ndarray, biases: ndarray) -> float:
    """The slope of ln b in ln r; NaN where an estimate is not positive."""
    if (biases <= 0).any():
        return float("nan")
    return float(np.polyfit(np.log(ranks), np.log(biases), 1)[0])
