"""The smallest model with an edge of stability: gradient descent and sharpness-aware minimization on a quadratic output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["EdgeOfStability", "SharpnessAwareEdge", "StepSizeInterval", "edge_of", "start_of"]

# One number a start, or one a start and eigenvalue of Q.
Starts = Float[ndarray, "*batch"]
Pairs = Float[ndarray, "*batch 2"]

# |f| at which a run has converged.
_CONVERGED = 1e-10


def start_of(output: Starts, sharpness: Starts, epsilon: Starts) -> Pairs:
    """(sqrt a, sqrt b) with (a - epsilon b)/2 = output and a + epsilon^2 b = sharpness; NaN where there is none."""
    b = (sharpness - 2 * output) / (epsilon**2 + epsilon)
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.stack([2 * output + epsilon * b, b], axis=-1))


def _eigenvalues(epsilon: Starts) -> Pairs:
    """The diagonal (1, -epsilon) of Q."""
    return np.stack([np.ones_like(epsilon), -epsilon], axis=-1)


# The inner loops call these: plain annotations, whose check costs nothing.
def _output(theta: ndarray, q: ndarray, offset: ndarray | float = 0.0) -> ndarray:
    """theta^T Q theta/2 - E for theta and the diagonal of Q [*batch, 2]."""
    return np.asarray(0.5 * np.einsum("...i,...i,...i", theta, q, theta) - offset)


def _sharpness(theta: ndarray, q: ndarray) -> ndarray:
    """The nonzero eigenvalue |Q theta|^2 of the Hessian where the output is 0, for theta and Q [*batch, 2]."""
    return np.asarray(np.square(q * theta).sum(axis=-1))


def _descend(theta: Pairs, q: Pairs, rate: Starts | float, steps: int) -> tuple[Pairs, Starts]:
    """theta <- theta - rate f(theta) Q theta until |f| < 1e-10; the end, and the largest sharpness on the way."""
    peak = _sharpness(theta, q)
    for _ in range(steps):
        output = _output(theta, q)
        if np.all(np.abs(output) < _CONVERGED):
            break
        theta = theta - (rate * output)[..., None] * q * theta
        peak = np.maximum(peak, _sharpness(theta, q))
    return np.where((np.abs(_output(theta, q)) < _CONVERGED)[..., None], theta, np.nan), peak


@dataclass(frozen=True)
class EdgeOfStability:
    """Gradient descent on (theta^T Q theta)^2/8, Q = diag(1, -epsilon), step 1, ends at sharpness 2 - epsilon/2.

    The two-step map of z = f and y = T - 2 - 2 (1 - epsilon) z, T = |Q theta|^2, near T = 2 is dz = 2 z (y - 2 z^2),
    dy = -4 epsilon z^2: from above the nullcline y = 2 z^2 the orbit follows it down, leaves it where z^2 is of the size of
    epsilon and ends at z = 0, y = -epsilon/2; from below it ends at -y_0 (control). Starts: z_0 in `outputs`,
    T_0 = 2 + 2 (1 - epsilon) z_0 + 2 f z_0^2 with f in `factors`; the control starts at z_0 = 0.1, T_0 = 2.1.

    Scores: `low` and `high`, the extremes of (2 - T)/(epsilon/2) over all starts; `below`, the least such number of the starts
    below the nullcline; `mirrored_error`, their largest |(2 - T)/(-y_0) - 1|. No random number enters.
    Source: Agarwala, Pedregosa and Pennington, Second-order regression models exhibit progressive sharpening to the edge of
    stability, 2023; the two-step map is derived here.
    """

    epsilons: tuple[float, ...] = (0.01, 0.005, 0.002)
    outputs: tuple[float, ...] = (0.1, 0.2)
    factors: tuple[float, ...] = (1.0, 1.5)
    steps: int = 400_000

    def measure(self, run: Run) -> Scores:
        """Descend from all starts at once, as one array."""
        epsilon, z, f = np.meshgrid(self.epsilons, self.outputs, self.factors, indexing="ij")
        above = self._ends(z, 2 + 2 * (1 - epsilon) * z + 2 * f * z**2, epsilon) / (epsilon / 2)
        few = np.array(self.epsilons)
        below = self._ends(np.full_like(few, 0.1), np.full_like(few, 2.1), few)
        mirrored = -(0.1 - 2 * (1 - few) * 0.1)
        return Scores(
            {
                "low": float(above.min()),
                "high": float(above.max()),
                "below": float((below / (few / 2)).min()),
                "mirrored_error": float(np.abs(below / mirrored - 1).max()),
            }
        )

    def _ends(self, z: Starts, sharpness: Starts, epsilon: Starts) -> Starts:
        """2 - T after the last step, the distance of the sharpness to the edge."""
        q = _eigenvalues(epsilon)
        theta, _ = _descend(start_of(z, sharpness, epsilon), q, 1.0, self.steps)
        return 2 - _sharpness(theta, q)


@dataclass(frozen=True)
class StepSizeInterval:
    """From one start all step sizes of an interval end at the same edge: eta T = 2 - epsilon/2.

    The start of `EdgeOfStability` with z_0 = 0.1 and f = 1 at step size 1. Scores: `low` and `high`, the extremes of
    (2 - eta T)/(epsilon/2) over `rates`; `outside`, the same number at `smaller`; `peak`, the largest sharpness at the first
    rate. No random number enters.
    Source: as for `EdgeOfStability`, the form of its theorem: a fixed start and an interval of step sizes.
    """

    epsilon: float = 0.005
    output: float = 0.1
    rates: tuple[float, ...] = tuple(round(1 + 0.01 * k, 2) for k in range(11))
    smaller: float = 0.98
    steps: int = 400_000

    def measure(self, run: Run) -> Scores:
        """Descend with all step sizes at once, as one array."""
        rate = np.array([*self.rates, self.smaller])
        z, epsilon = np.full_like(rate, self.output), np.full_like(rate, self.epsilon)
        q = _eigenvalues(epsilon)
        start = start_of(z, 2 + 2 * (1 - epsilon) * z + 2 * z**2, epsilon)
        theta, peak = _descend(start, q, rate, self.steps)
        ends = (2 - rate * _sharpness(theta, q)) / (self.epsilon / 2)
        return Scores(
            {
                "low": float(ends[:-1].min()),
                "high": float(ends[:-1].max()),
                "outside": float(ends[-1]),
                "peak": float(peak[0]),
            }
        )


def edge_of(radius: float) -> float:
    """(-1 + sqrt(1 + 8 rho))/(2 rho): the sharpness with lambda (1 + rho lambda) = 2, step 1; 2 where rho = 0."""
    return 2.0 if radius == 0 else (-1 + np.sqrt(1 + 8 * radius)) / (2 * radius)


@dataclass(frozen=True)
class SharpnessAwareEdge:
    """Runs of theta <- theta - grad L(theta + rho grad L(theta)) converge only where lambda (1 + rho lambda) <= 2.

    L = (theta^T Q theta/2 - E)^2/2, Q = diag(1, -epsilon), step 1, the perturbation not normalized. For each epsilon `starts`
    starts with z_0 ~ U(-0.6, 0.6), T_0 ~ U(0.5, 1.6) edge and E ~ U(-0.5, 0.5); those for which no start exists are left out.
    Scores: `over`, the largest final sharpness of a converged run minus the edge; `reached`, the largest over the edge;
    `sharpest`, the largest itself; `runs`, how many converged.
    Source: Agarwala and Dauphin, SAM operates far from home: eigenvalue regularization as a dynamical phenomenon, 2023.
    """

    radius: float = 0.1
    epsilons: tuple[float, ...] = (0.01, 0.005, 0.002)
    starts: int = 400
    steps: int = 20_000

    def measure(self, run: Run) -> Scores:
        """All starts of all epsilons at once."""
        edge = edge_of(self.radius)
        epsilon = np.repeat(np.array(self.epsilons), self.starts)
        z, offset = run.numpy.uniform(-0.6, 0.6, len(epsilon)), run.numpy.uniform(-0.5, 0.5, len(epsilon))
        theta = start_of(z + offset, edge * run.numpy.uniform(0.5, 1.6, len(epsilon)), epsilon)
        possible = np.isfinite(theta).all(axis=1)
        theta, offset, q = theta[possible], offset[possible], _eigenvalues(epsilon[possible])
        converged = self._run(theta, offset, q)
        ends = np.sort(_sharpness(*converged))
        return Scores(
            {
                "over": float(ends[-1] - edge),
                "reached": float(ends[-1] / edge),
                "sharpest": float(ends[-1]),
                "runs": float(len(ends)),
            }
        )

    def _run(self, theta: Pairs, offset: Starts, q: Pairs) -> tuple[ndarray, ndarray]:
        """The ends of the runs that converge, and their Q; runs of sharpness above 1e3 are dropped."""
        ends, kinds = [], []
        for _ in range(self.steps):
            output = _output(theta, q, offset)
            done = np.abs(output) < _CONVERGED
            going: Bool[ndarray, " start"] = ~done & (_sharpness(theta, q) < 1e3)
            if not going.all():
                ends.append(theta[done])
                kinds.append(q[done])
                theta, offset, q, output = theta[going], offset[going], q[going], output[going]
            if not len(theta):
                break
            theta = theta - self._gradient(theta, offset, q, output)
        return np.concatenate(ends), np.concatenate(kinds)

    def _gradient(self, theta: ndarray, offset: ndarray, q: ndarray, output: ndarray) -> ndarray:
        """The gradient of L at theta + rho grad L(theta) [start, 2]."""
        ahead = theta + self.radius * output[:, None] * q * theta
        return np.asarray(_output(ahead, q, offset)[:, None] * q * ahead)
