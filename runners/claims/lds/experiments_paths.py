"""Lengths of the paths that untrained continuous-time cells draw when their input runs once around a circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["CELLS", "TrajectoryLength"]

_ACTIVATIONS: dict[str, Callable[[ndarray], ndarray]] = {
    "htanh": lambda x: np.clip(x, -1, 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}

# y' = -y decay + drive: which terms of the decay and of the drive a cell has.
#   leak: 1/tau; liquid: |n| + |m|; recurrent: m; gain: n and m are multiplied by the sums of reversal potentials.
CELLS: dict[str, tuple[str, ...]] = {
    "node": (),
    "ctrnn": ("leak",),
    "node_r": ("recurrent",),
    "ctrnn_r": ("leak", "recurrent"),
    "ltc": ("leak", "liquid", "recurrent", "gain"),
    "ctrnn_gain": ("leak", "recurrent", "gain"),
    "ltc_plain": ("leak", "liquid", "recurrent"),
}
_RIVALS = ("node", "ctrnn", "node_r", "ctrnn_r")


@dataclass(frozen=True)
class TrajectoryLength:
    """ltc: y' = -y (1/tau + |n| + |m|) + e n + e^r m, n = f(W' u + b), m = f(W_r' y + b_r), u = (sin t, cos t), t in 0 .. 2 pi.

    e_j = sum_i E_ij, e^r_j = sum_i E^r_ij over `units` reversal potentials each, so that both are of size sqrt(units) sigma. W,
    W_r, E, E^r ~ N(0, sigma^2), b, b_r ~ N(0, 1), tau = |N(0, 1)|, y(0) = 0. node: y' = n. ctrnn: y' = -y/tau + n. node_r,
    ctrnn_r: n + m instead of n. ctrnn_gain: ltc without |n| + |m|. ltc_plain: ltc with e = e^r = 1. Exponential Euler steps,
    because tau may be tiny; the length of a path is that of its first two principal components. length_<cell>; longest: length
    of ltc over the longest of node, ctrnn, node_r and ctrnn_r.
    Source: Hasani et al. 2021, section 4.3 and figure 4; the recurrent term, which the equations have, is in node_r and ctrnn_r.
    """

    units: int = 25
    activation: Literal["htanh", "sigmoid", "tanh"] = "htanh"
    sigma: float = 2.0
    steps: int = 800

    def measure(self, run: Run) -> Scores:
        """The length for each cell, from one draw of weights."""
        rng, k = run.numpy, self.units
        w, w_r, e, e_r = (self.sigma * rng.standard_normal((rows, k)) for rows in (2, k, k, k))
        b, b_r, tau = rng.standard_normal((3, k))
        time = np.linspace(0, 2 * np.pi, self.steps + 1)[:-1]
        activation = _ACTIVATIONS[self.activation]
        n = activation(np.stack([np.sin(time), np.cos(time)], axis=1) @ w + b)
        leak = 1 / np.abs(tau)
        values = {}
        for cell, parts in CELLS.items():
            gain, gain_r = (e.sum(0), e_r.sum(0)) if "gain" in parts else (1.0, 1.0)

            def terms(t: int, y: ndarray, parts: tuple[str, ...] = parts) -> tuple[ndarray, ndarray]:
                m = activation(y @ w_r + b_r) if "recurrent" in parts else np.zeros(k)
                decay = leak * ("leak" in parts) + (np.abs(n[t]) + np.abs(m)) * ("liquid" in parts)
                return decay, gain * n[t] + gain_r * m  # noqa: B023 - used in this round of the loop only

            path = exponential_euler(terms, np.zeros(k), 2 * np.pi / self.steps, self.steps)
            values[f"length_{cell}"] = principal_length(path)
        values["longest"] = values["length_ltc"] / max(values[f"length_{rival}"] for rival in _RIVALS)
        return Scores(values)


def exponential_euler(
    terms: Callable[[int, ndarray], tuple[ndarray, ndarray]], start: Float[ndarray, " unit"], step: float, steps: int
) -> Float[ndarray, "time unit"]:
    """y' = -decay y + drive with both held for a step: y <- e^{-decay h} y + drive (1 - e^{-decay h})/decay."""
    path, y = np.empty((steps + 1, len(start))), start
    path[0] = y
    for t in range(steps):
        decay, drive = terms(t, y)
        weight = np.where(decay > 0, -np.expm1(-decay * step) / np.where(decay > 0, decay, 1), step)
        y = np.exp(-decay * step) * y + weight * drive
        path[t + 1] = y
    return path


def principal_length(path: Float[ndarray, "time unit"]) -> float:
    """The length of the path in its first two principal components."""
    axes = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)[2][:2]
    return float(np.linalg.norm(np.diff(path @ axes.T, axis=0), axis=1).sum())
