"""Linear models along one trajectory, fitted to rollouts and improved by LQR steps; what stabilizing gains do to the rollouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.integrators import rk4_step
from dynamark.tasks.problems import Run

__all__ = ["LocalModels", "RolloutSpread"]

_STEPS = (1.0, 0.5, 0.25, 0.1, 0.03)
_DIFFERENCE = 1e-5
# Weights of |x|^2, u^2 and |x_H|^2.
_STATE, _INPUT, _END = 1.0, 0.1, 10.0


def plant(x: ndarray, u: ndarray | float) -> ndarray:
    """The upright pendulum q'' = sin q - 0.1 q' + u after 0.1, u held: one Runge-Kutta step of x [..., 2] with u [...]."""
    return rk4_step(lambda state: _rates(state, u), x, 0.1)


def _rates(x: ndarray, u: ndarray | float) -> ndarray:
    return np.stack([x[..., 1], np.sin(x[..., 0]) - 0.1 * x[..., 1] + u], axis=-1)


@dataclass(frozen=True)
class LocalModels:
    """Iterative LQR on models x_{t+1} - x^_{t+1} = A_t (x_t - x^_t) + B_t (u_t - u^_t) + c_t, fitted to rollouts at each time t.

    Plant: the upright pendulum from (1.5, 0), 40 steps of 0.1, cost sum |x_t|^2 + 0.1 sum u_t^2 + 10 |x_H|^2, u^ = 0 at first.
    An iteration: `rollouts` rollouts u_t = u^_t + K_t (x_t - x^_t) + excitation N(0, 1) with process noise 0.01; ridge
    regression (1e-6) at each t; one LQR backward pass, which gives k_t and K_t; along u_t = u^_t + s k_t + K_t (x_t - x^_t)
    the best s of 1, 0.5, 0.25, 0.1, 0.03 on the plant, if it lowers the cost. `gains`: False leaves K_t out of the rollouts.
    Scores: `cost`, and `ratio`, the cost over that of as many iterations with exact Jacobians (`oracle`); `accepted` steps.
    Source: Pfrommer et al., The Power of Learned Locally Linear Models for Nonlinear Policy Optimization, 2023, algorithm 1.
    """

    rollouts: int = 20
    iterations: int = 8
    excitation: float = 0.1
    gains: bool = True
    horizon: int = 40

    def measure(self, run: Run) -> Scores:
        """The loop on estimated models and on exact ones."""
        cost, accepted = self._improve(run.numpy)
        oracle, _ = self._improve(None)
        return Scores({"cost": cost, "oracle": oracle, "ratio": cost / oracle, "accepted": float(accepted)})

    def _improve(self, rng: np.random.Generator | None) -> tuple[float, int]:
        """The final cost and the number of accepted steps; the exact models without a generator."""
        inputs, gains = np.zeros(self.horizon), np.zeros((self.horizon, 2))
        states = _follow(inputs, gains, np.zeros((self.horizon + 1, 2)))[0]
        best, accepted = _cost(states, inputs), 0
        for _ in range(self.iterations):
            a, b = _jacobians(states, inputs) if rng is None else self._fit(rng, states, inputs, gains)
            steps, new_gains = backward_pass(a, b, states, inputs)
            candidates = []
            for scale in _STEPS:
                path, used = _follow(inputs + scale * steps, new_gains, states)
                candidates.append((_cost(path, used), path, used))
            cost, path, used = min(candidates, key=lambda candidate: candidate[0])
            if cost < best:
                best, states, inputs, gains, accepted = cost, path, used, new_gains, accepted + 1
        return best, accepted

    def _fit(
        self, rng: np.random.Generator, states: ndarray, inputs: ndarray, gains: ndarray
    ) -> tuple[Float[ndarray, "time 2 2"], Float[ndarray, "time 2"]]:
        """A_t and B_t by ridge regression on [x_t - x^_t, u_t - u^_t, 1]."""
        x = np.tile(states[0], (self.rollouts, 1))
        known, targets = [], []
        for t in range(self.horizon):
            from_path = x - states[t]
            moved = from_path @ gains[t] * self.gains + self.excitation * rng.standard_normal(self.rollouts)
            x = plant(x, inputs[t] + moved) + 0.01 * rng.standard_normal(x.shape)
            known.append(np.column_stack([from_path, moved, np.ones(self.rollouts)]))
            targets.append(x - states[t + 1])
        features, successors = np.stack(known), np.stack(targets)
        gram = features.mT @ features + 1e-6 * np.eye(4)
        weights = np.linalg.solve(gram, features.mT @ successors)
        return weights[:, :2].mT, weights[:, 2]


def _follow(
    inputs: Float[ndarray, " time"], gains: Float[ndarray, "time 2"], states: Float[ndarray, "places 2"]
) -> tuple[ndarray, ndarray]:
    """The noise-free path under u_t = inputs_t + K_t (x_t - states_t) from (1.5, 0), and the inputs used."""
    path, used = [np.array([1.5, 0.0])], []
    for t, given in enumerate(inputs):
        used.append(given + gains[t] @ (path[-1] - states[t]) if np.any(gains[t]) else given)
        path.append(plant(path[-1], used[-1]))
    return np.array(path), np.array(used)


def _cost(states: ndarray, inputs: ndarray) -> float:
    """The cost of a path; infinite where it is not finite."""
    cost = _STATE * np.square(states[:-1]).sum() + _INPUT * np.square(inputs).sum() + _END * np.square(states[-1]).sum()
    return float(cost) if np.isfinite(cost) else np.inf


def _jacobians(states: ndarray, inputs: ndarray) -> tuple[ndarray, ndarray]:
    """The exact A_t and B_t, by central differences."""
    shifts = _DIFFERENCE * np.eye(2)
    columns = [(plant(states[:-1] + e, inputs) - plant(states[:-1] - e, inputs)) / (2 * _DIFFERENCE) for e in shifts]
    ahead, behind = plant(states[:-1], inputs + _DIFFERENCE), plant(states[:-1], inputs - _DIFFERENCE)
    return np.stack(columns, axis=-1), (ahead - behind) / (2 * _DIFFERENCE)


def backward_pass(
    a: Float[ndarray, "time 2 2"], b: Float[ndarray, "time 2"], states: ndarray, inputs: ndarray
) -> tuple[Float[ndarray, " time"], Float[ndarray, "time 2"]]:
    """k_t and K_t that minimize the quadratic cost of the linear model: the Riccati recursion with gradient terms.

    V_t(d) = d^T S d / 2 + s^T d with S = 20 I, s = 20 x_H at the end.
    """
    value, slope = 2 * _END * np.eye(2), 2 * _END * states[-1]
    steps, gains = np.zeros(len(inputs)), np.zeros((len(inputs), 2))
    for t in reversed(range(len(inputs))):
        by_input = 2 * _INPUT * inputs[t] + b[t] @ slope
        curvature = 2 * _INPUT + b[t] @ value @ b[t]
        cross = b[t] @ value @ a[t]
        steps[t], gains[t] = -by_input / curvature, -cross / curvature
        slope = 2 * _STATE * states[t] + a[t].T @ slope + steps[t] * cross
        value = 2 * _STATE * np.eye(2) + a[t].T @ value @ a[t] + np.outer(cross, gains[t])
        value = (value + value.T) / 2
    return steps, gains


@dataclass(frozen=True)
class RolloutSpread:
    """The variance of x_t for x_{t+1} = a x_t + u_t + w, w ~ N(0, 1), x_0 = 0, over rollouts with u = 0 and with u = -k x.

    (a^{2t} - 1)/(a^2 - 1) without gains, (1 - (a - k)^{2t})/(1 - (a - k)^2) <= 1/(1 - (a - k)^2) with them. Scores: the
    variance over its formula, `free` and `stabilized`, and `free_over_bound`, the first over the bound of the second.
    Source: Pfrommer et al. 2023, section 1: an exponential dependence on the horizon without stabilizing gains.
    """

    growth: float = 1.2
    gain: float = 0.7
    time: int = 40
    rollouts: int = 2000

    def measure(self, run: Run) -> Scores:
        """Both kinds of rollouts with their own noise."""
        factors = np.array([self.growth, self.growth - self.gain])[:, None]
        x = np.zeros((2, self.rollouts))
        for _ in range(self.time):
            x = factors * x + run.numpy.standard_normal(x.shape)
        free, stabilized = np.square(x).mean(axis=1)
        bound = 1 / (1 - (self.growth - self.gain) ** 2)
        predicted = (self.growth ** (2 * self.time) - 1) / (self.growth**2 - 1)
        return Scores(
            {
                "free": float(free / predicted),
                "stabilized": float(stabilized / bound),
                "free_over_bound": float(free / bound),
            }
        )
