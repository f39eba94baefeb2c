"""The mean-square stability of stochastic gradient descent at an interpolating minimum, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["CoherenceBound", "TraceBound", "coherence", "largest_rate", "radius"]

# Hessians of the samples at a minimum; the loss is their mean.
Hessians = Float[ndarray, "sample p p"]
Operator = Float[ndarray, "square square"]


def _parts(hessians: Hessians, batch: int | None) -> tuple[Operator, Operator]:
    """A and B of the mean-square operator I - eta A + eta^2 B, which takes E[x x^T] to that of the next step.

    One sample drawn uniformly (batch None): B = mean_i H_i (x) H_i. Each sample independently with probability B/n:
    B = H (x) H + (n/B - 1)/n^2 sum_i H_i (x) H_i. In both A = H (x) I + I (x) H, H the mean.
    """
    count, p, _ = hessians.shape
    mean, eye = hessians.mean(axis=0), np.eye(p)
    squares = np.einsum("nij,nkl->ikjl", hessians, hessians).reshape(p * p, p * p)
    first = np.kron(mean, eye) + np.kron(eye, mean)
    if batch is None:
        return first, squares / count
    return first, np.kron(mean, mean) + (count / batch - 1) / count**2 * squares


def largest_rate(hessians: Hessians, batch: int | None = None) -> float:
    """The largest eta for which the mean-square operator has spectral radius <= 1.

    The operator is a sum of X -> M X M^T, which keeps the cone of positive matrices: its radius is its largest eigenvalue, and
    that is at most 1 exactly where eta B <= A, hence 1/lambda_max(A^{-1/2} B A^{-1/2}) on the range of A.
    """
    first, second = _parts(hessians, batch)
    values, vectors = np.linalg.eigh(first)
    keep = values > 1e-12 * values[-1]
    root = vectors[:, keep] / np.sqrt(values[keep])
    return float(1 / np.linalg.eigvalsh(root.T @ second @ root)[-1])


def radius(hessians: Hessians, rate: float, batch: int | None = None) -> float:
    """Spectral radius of the mean-square operator."""
    first, second = _parts(hessians, batch)
    values = np.linalg.eigvalsh(np.eye(len(first)) - rate * first + rate**2 * second)
    return float(max(values[-1], -values[0]))


def _of_gradients(gradients: Float[ndarray, "sample p"]) -> Hessians:
    return gradients[:, :, None] * gradients[:, None, :]


@dataclass(frozen=True)
class TraceBound:
    """eta* tr H <= 2 for batches of one and Hessians g_i g_i^T; gradient descent needs eta lambda_max <= 2 only.

    Families: `heavy_tailed`, n = 40, p = 5, Gaussian directions with lengths of Pareto tail 1.5; `sensing`, the gradients
    (A_i + A_i^T) X of 40 Gaussian measurements at a matrix X X^T of rank one, 5 x 5; `orthogonal`, n = p = 5 orthogonal
    gradients of equal length, where eta* tr H = 2 exactly. Scores over `instances`: `largest` and `smallest` eta* tr H;
    `descent`, the smallest (2/lambda_max)/eta* of instances with tr H >= 2 lambda_max.
    Source: Wu and Su, The implicit regularization of dynamical stability in stochastic gradient descent, 2023, theorem 3.3.
    """

    family: Literal["heavy_tailed", "sensing", "orthogonal"] = "heavy_tailed"
    instances: int = 20
    p: int = 5
    samples: int = 40

    def measure(self, run: Run) -> Scores:
        """Draw the instances one after the other and compute the largest stable step size of each."""
        traces, descents = [], []
        for _ in range(self.instances):
            hessians = _of_gradients(self._gradients(run.numpy))
            rate, mean = largest_rate(hessians), hessians.mean(axis=0)
            top, trace = float(np.linalg.eigvalsh(mean)[-1]), float(np.trace(mean))
            traces.append(rate * trace)
            if trace >= 2 * top:
                descents.append(2 / (top * rate))
        return Scores({"largest": max(traces), "smallest": min(traces), "descent": min(descents, default=np.nan)})

    def _gradients(self, rng: np.random.Generator) -> Float[ndarray, "sample p"]:
        if self.family == "orthogonal":
            return orthonormal(rng, self.p, self.p)
        if self.family == "sensing":
            forms, x = rng.standard_normal((self.samples, self.p, self.p)), rng.standard_normal(self.p)
            return (forms + forms.transpose(0, 2, 1)) @ x
        directions = rng.standard_normal((self.samples, self.p))
        lengths = 1 + rng.pareto(1.5, self.samples)
        return directions * (lengths / np.linalg.norm(directions, axis=1))[:, None]


def coherence(hessians: Hessians) -> float:
    """sigma = lambda_max(S)/max_i lambda_max(H_i), S_ij = |H_i^{1/2} H_j^{1/2}|_F = sqrt(tr H_i H_j)."""
    overlaps = np.sqrt(np.maximum(np.einsum("nij,mji->nm", hessians, hessians), 0))
    return float(np.linalg.eigvalsh(overlaps)[-1] / np.linalg.eigvalsh(hessians)[:, -1].max())


def _guaranteed(hessians: Hessians, batch: int, sigma: float) -> float:
    """The step size beyond which divergence is guaranteed: min(2, sigma (n/B - 1)^{-1/2})/lambda_max(H)."""
    top = np.linalg.eigvalsh(hessians.mean(axis=0))[-1]
    return float(min(2.0, sigma / np.sqrt(len(hessians) / batch - 1)) / top)


@dataclass(frozen=True)
class CoherenceBound:
    """Divergence is guaranteed where lambda_max(H) > min(2, sigma (n/B - 1)^{-1/2})/eta, sigma the coherence of the Hessians.

    Scores, at 1 + 1e-6 times that step size: `violations`, the share of `families` random positive families (n 4-15, p 2-4,
    ranks 1-p, a third with a common part, B uniform below n) whose mean-square operator has radius below 1; `softmax`, the
    same of minima of softmax regression on a teacher's probabilities; `naive`, the same with sigma = 1 for `aligned` families
    g_i = common + 0.05 noise, B = 1; `tightness`, the median of that step size over the largest stable one.
    Source: Dexter et al., A precise characterization of SGD stability using loss surface geometry, 2024, theorem 1 and
    definition 2.
    """

    families: int = 60
    aligned: int = 40
    minima: int = 10

    def measure(self, run: Run) -> Scores:
        """Draw the families of Hessians and compare the guaranteed step size with the exact one."""
        rng = run.numpy
        random = [self._family(rng, common=k % 3 == 0) for k in range(self.families)]
        minima = [(self._softmax(rng), int(rng.integers(1, 12))) for _ in range(self.minima)]
        aligned = [self._aligned(rng) for _ in range(self.aligned)]
        rates = [_guaranteed(h, batch, coherence(h)) for h, batch in random]
        ratios = [rate / largest_rate(h, batch) for rate, (h, batch) in zip(rates, random, strict=True)]
        return Scores(
            {
                "violations": _share_stable(random),
                "softmax": _share_stable(minima),
                "naive": _share_stable([(h, 1) for h in aligned], sigma=1.0),
                "tightness": float(np.median(ratios)),
                "least": float(min(ratios)),
            }
        )

    @staticmethod
    def _family(rng: np.random.Generator, common: bool) -> tuple[Hessians, int]:
        n, p = int(rng.integers(4, 16)), int(rng.integers(2, 5))
        rank = int(rng.integers(1, p + 1))
        factors = rng.standard_normal((n, p, rank)) * rng.lognormal(size=n)[:, None, None]
        if common:
            factors += 2 * rng.standard_normal((p, rank))
        return factors @ factors.transpose(0, 2, 1), int(rng.integers(1, n))

    @staticmethod
    def _aligned(rng: np.random.Generator) -> Hessians:
        n, p = int(rng.integers(4, 16)), int(rng.integers(2, 5))
        common = rng.standard_normal(p)
        return _of_gradients(common / np.linalg.norm(common) + 0.05 * rng.standard_normal((n, p)))

    @staticmethod
    def _softmax(rng: np.random.Generator) -> Hessians:
        """(diag q_i - q_i q_i^T) (x) x_i x_i^T: 12 inputs of dimension 2, three classes, the student at the teacher."""
        x, teacher = rng.standard_normal((12, 2)), rng.standard_normal((3, 2))
        odds = np.exp(x @ teacher.T)
        q = odds / odds.sum(axis=1, keepdims=True)
        classes = q[:, :, None] * np.eye(3) - q[:, :, None] * q[:, None, :]
        return np.stack([np.kron(c, np.outer(v, v)) for c, v in zip(classes, x, strict=True)])


def _share_stable(families: list[tuple[ndarray, int]], sigma: float | None = None) -> float:
    """The share of families that are stable just beyond the step size at which divergence is guaranteed.

    families: Hessians, in each family of their own shape, and the batch size.
    """
    stable = [
        radius(h, (1 + 1e-6) * _guaranteed(h, batch, coherence(h) if sigma is None else sigma), batch) < 1
        for h, batch in families
    ]
    return float(np.mean(stable))
