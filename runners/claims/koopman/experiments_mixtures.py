"""Gaussian mixtures learned from one pass over a stream, with rank-one updates of precision matrices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.cluster.vq import kmeans2
from scipy.special import logsumexp
from scipy.stats import chi2

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman import systems
from dynamark.tasks.koopman.systems import ODE
from dynamark.tasks.problems import Run

__all__ = ["IncrementalMixture", "MixtureCost", "MixtureForecast", "OneComponent", "conditional_mean", "expectation"]

# Precision matrices are made symmetric again after so many points: rounding in rank-one updates is not.
_SYMMETRIC_EVERY = 1000


class IncrementalMixture:
    """Components with mean mu, precision L, ln det C and mass s; a point x with e = x - mu and d^2 = e^T L e updates

    s += p, w = p/s, mu += w e, L <- (L - w L e e^T L/(1 + w d^2))/(1 - w), ln det C += D ln(1 - w) + ln(1 + w d^2),
    p the posterior probability of the component. A point with d^2 above the quantile 1 - beta of chi^2 of every component
    becomes a component of covariance diag(sigma^2) and mass 1; beta = 0: only the first point does.
    """

    def __init__(self, sigma: Float[ndarray, " dim"], beta: float) -> None:
        self.sigma = sigma
        self.limit = chi2.ppf(1 - beta, len(sigma)) if beta else np.inf
        self.means, self.precisions = np.empty((0, len(sigma))), np.empty((0, len(sigma), len(sigma)))
        self.log_det, self.mass, self.points = np.empty(0), np.empty(0), 0

    def create(self, x: Float[ndarray, " dim"]) -> None:
        """A new component at x."""
        self.means = np.concatenate([self.means, x[None]])
        self.precisions = np.concatenate([self.precisions, np.diag(self.sigma**-2.0)[None]])
        self.log_det = np.append(self.log_det, 2 * np.log(self.sigma).sum())
        self.mass = np.append(self.mass, 1.0)

    def learn(self, x: Float[ndarray, " dim"]) -> None:
        """One point: O(dim^2) for each component."""
        self.points += 1
        e = x - self.means
        projected = np.matmul(self.precisions, e[:, :, None])[:, :, 0]
        distance = (e * projected).sum(axis=1)
        if not len(e) or distance.min() >= self.limit:
            self.create(x)
            return
        likelihood = np.log(self.mass) - (self.log_det + distance) / 2
        posterior = np.exp(likelihood - logsumexp(likelihood))
        self.mass = self.mass + posterior
        w = posterior / self.mass
        self.means = self.means + w[:, None] * e
        shrink = (w / (1 + w * distance))[:, None, None]
        self.precisions -= shrink * projected[:, :, None] * projected[:, None, :]
        self.precisions /= (1 - w)[:, None, None]
        self.log_det = self.log_det + len(x) * np.log(1 - w) + np.log(1 + w * distance)
        if self.points % _SYMMETRIC_EVERY == 0:
            self.precisions = (self.precisions + self.precisions.swapaxes(1, 2)) / 2


@dataclass(frozen=True)
class OneComponent:
    """The covariance of a mixture that is held at one component is that of the points so far plus sigma^2 I/n.

    forgetting: updates with w replaced by so much less of it, which breaks the identity; 0 by default.
    Scores, relative to the largest entry: `covariance`, the largest |L^{-1} - (population covariance + sigma^2 I/n)|;
    `determinant`, |ln det C - ln det of that matrix|; `without_start`, the first without the term sigma^2 I/n.
    Source: Pinto and Engel, Scalable and Incremental Learning of Gaussian Mixture Models, 2017, equations (8)-(15).
    """

    points: int = 500
    dim: int = 8
    forgetting: float = 0.0

    def measure(self, run: Run) -> Scores:
        """Correlated Gaussian points."""
        x = run.numpy.standard_normal((self.points, self.dim)) @ run.numpy.standard_normal((self.dim, self.dim))
        sigma = 0.3 * np.ones(self.dim)
        mixture = IncrementalMixture(sigma, beta=0.0)
        for point in x:
            mixture.learn(point)
            if len(mixture.mass):
                mixture.mass = mixture.mass * (1 - self.forgetting)
        population = np.cov(x.T, bias=True)
        expected = population + np.diag(sigma**2) / self.points
        actual, scale = np.linalg.inv(mixture.precisions[0]), np.abs(expected).max()
        return Scores(
            {
                "covariance": float(np.abs(actual - expected).max() / scale),
                "determinant": float(abs(mixture.log_det[0] - np.linalg.slogdet(expected)[1])),
                "without_start": float(np.abs(actual - population).max() / scale),
            }
        )


@dataclass(frozen=True)
class MixtureCost:
    """Processor time a point with ten components at D = 16, 32, 64, 128: exponents of D by least squares of logarithms.

    Scores: `exponent`, of the rank-one updates; `inverting`, of the same with each covariance inverted at each point;
    `saved`, time of the latter over the former at D = 128.
    Source: Pinto and Engel, Scalable and Incremental Learning of Gaussian Mixture Models, 2017, section 3.
    """

    points: int = 20
    inverted: bool = False

    def measure(self, run: Run) -> Scores:
        """Gaussian points around ten centers."""
        dims = (16, 32, 64, 128)
        taken = {"exponent": [self._seconds(run, dim, self.inverted) for dim in dims]}
        taken["inverting"] = [self._seconds(run, dim, True) for dim in dims]
        slopes = {name: float(np.polyfit(np.log(dims), np.log(seconds), 1)[0]) for name, seconds in taken.items()}
        return Scores(slopes | {"saved": taken["inverting"][-1] / taken["exponent"][-1]})

    def _seconds(self, run: Run, dim: int, inverted: bool) -> float:
        mixture = IncrementalMixture(np.ones(dim), beta=0.0)
        for center in 3 * run.numpy.standard_normal((10, dim)):
            mixture.create(center)
        x = run.numpy.standard_normal((self.points, dim))

        def pass_over() -> None:
            for point in x:
                mixture.learn(point)
                if inverted:
                    np.linalg.slogdet(np.linalg.inv(mixture.precisions))

        return min(_processor_time(pass_over) for _ in range(3))


def _processor_time(call: Callable[[], None]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


@dataclass(frozen=True)
class MixtureForecast:
    """One step of the pendulum, 0.5 apart, by the conditional mean of a mixture of the pairs (x, x+), learned in one pass.

    States uniform in [-2, 2]^2, `pairs` pairs to learn from and 1,000 to test. Components start with a tenth of the range of each
    coordinate as standard deviation (`width`); beta = 0.1. Batch EM: the same number of components, from k-means, 50 iterations.
    Scores: `nrmse`, in standard deviations of x+; `batch`, that of batch EM; `ratio`; `linear`, of a least-squares affine map;
    `components`.
    Source: Pinto and Engel, Scalable and Incremental Learning of Gaussian Mixture Models, 2017, section 4.
    """

    pairs: int = 3000
    width: float = 0.1
    beta: float = 0.1

    def measure(self, run: Run) -> Scores:
        """One draw of states."""
        x = run.numpy.uniform(-2, 2, (self.pairs + 1000, 2))
        y = ODE(systems.pendulum(), substeps=2)(x, 0.5, 1)[:, 1]
        joint = np.concatenate([x, y], axis=1)
        train, test = joint[: self.pairs], joint[self.pairs :]
        mixture = IncrementalMixture(self.width * np.ptp(train, axis=0), self.beta)
        for point in train:
            mixture.learn(point)
        covariances = np.linalg.inv(mixture.precisions)
        batch = expectation(train, len(mixture.mass), 50, run.numpy)
        affine = np.linalg.lstsq(_affine(train[:, :2]), train[:, 2:], rcond=None)[0]
        answers = {
            "nrmse": conditional_mean(test[:, :2], mixture.mass, mixture.means, covariances),
            "batch": conditional_mean(test[:, :2], *batch),
            "linear": _affine(test[:, :2]) @ affine,
        }
        sd = train[:, 2:].std(axis=0)
        errors = {n: float(np.sqrt(np.square((a - test[:, 2:]) / sd).mean())) for n, a in answers.items()}
        return Scores(errors | {"ratio": errors["nrmse"] / errors["batch"], "components": float(len(mixture.mass))})


def _affine(x: ndarray) -> ndarray:
    return np.concatenate([x, np.ones_like(x[:, :1])], axis=1)


def _log_densities(
    x: ndarray, mass: ndarray, means: ndarray, covariances: ndarray
) -> Float[ndarray, "point component"]:
    """ln of mass times the Gaussian density, up to a constant."""
    e = x[:, None] - means
    distance = np.einsum("nki,kij,nkj->nk", e, np.linalg.inv(covariances), e)
    return np.asarray(np.log(mass) - (np.linalg.slogdet(covariances)[1] + distance) / 2)


def conditional_mean(
    x: Float[ndarray, "point d"],
    mass: Float[ndarray, " component"],
    means: Float[ndarray, "component dim"],
    covariances: Float[ndarray, "component dim dim"],
) -> Float[ndarray, "point rest"]:
    """E[y | x] of (x, y) under a mixture: linear in each component, weighted by its marginal likelihood of x."""
    d = x.shape[1]
    likelihood = _log_densities(x, mass, means[:, :d], covariances[:, :d, :d])
    weights = np.exp(likelihood - logsumexp(likelihood, axis=1, keepdims=True))
    slope = np.linalg.solve(covariances[:, :d, :d], covariances[:, :d, d:])
    each = means[:, d:] + np.einsum("nki,kij->nkj", x[:, None] - means[:, :d], slope)
    return np.asarray((weights[..., None] * each).sum(axis=1))


def expectation(
    x: Float[ndarray, "point dim"], count: int, iterations: int, rng: np.random.Generator
) -> tuple[ndarray, ndarray, ndarray]:
    """Masses, means and covariances of a mixture by expectation maximization from k-means; 1e-6 is added to variances."""
    floor = 1e-6 * np.eye(x.shape[1])
    means, labels = kmeans2(x, count, minit="++", rng=rng)
    posterior = np.eye(count)[labels]
    for iteration in range(iterations):
        mass = posterior.sum(axis=0) + 1e-9
        means = posterior.T @ x / mass[:, None]
        e = x[:, None] - means
        covariances = np.einsum("nk,nki,nkj->kij", posterior, e, e) / mass[:, None, None] + floor
        if iteration + 1 < iterations:
            likelihood = _log_densities(x, mass, means, covariances)
            posterior = np.exp(likelihood - logsumexp(likelihood, axis=1, keepdims=True))
    return mass, means, covariances
