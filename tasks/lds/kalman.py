"""The time-varying Kalman filter of a known system: the optimal linear prediction of outputs from past outputs and inputs.

A stationary filter need not exist (poles may be close to the unit circle while process noise is zero), so the recursion starts
from the true distribution of x_0. Gains and covariances do not depend on data: all sequences of a system share them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.lds.data import Excitation
from dynamark.tasks.lds.systems import System
from dynamark.tasks.numerics.convolution import causal_convolution

__all__ = ["KalmanFilter"]


@dataclass(frozen=True)
class KalmanFilter:
    """P^- = A P A' + Q, S = C P^- C' + R, K = P^- C' S^{-1}, x^ = x^- + K (y - y^), P = (I-KC) P^- (I-KC)' + K R K'.

    gains: K_t. innovation: S_t, the covariance of y_t - y^_t. If only the first `observed` outputs are used, later gains are
    zero, and S_t is the covariance of the error of a forecast t - observed + 1 steps ahead.

    Without measurement noise S is singular, and `of` raises ValueError; the oracle is then the simulation.
    """

    system: System
    gains: Float[ndarray, "time state dim"]
    innovation: Float[ndarray, "time dim dim"]

    @staticmethod
    def of(system: System, noise: Excitation, time: int, observed: int | None = None) -> KalmanFilter:
        """The filter for `time` steps, using the first `observed` outputs (None: all)."""
        if noise.measured == 0:
            raise ValueError("without measurement noise the innovation covariance is singular")
        order, c = system.order, system.c
        q, r = noise.process**2, noise.measured**2 * np.eye(len(c))
        p = noise.start**2 * np.eye(order)
        gains = np.zeros((time, order, len(c)))
        innovation = np.empty((time, len(c), len(c)))
        for t in range(time):
            p = system.advance(system.advance(p, np.matmul).T, np.matmul)
            p[np.diag_indices(order)] += q
            pc = p @ c.T
            innovation[t] = c @ pc + r
            if observed is None or t < observed:
                gains[t] = np.linalg.solve(innovation[t], pc.T).T
                p = _joseph(p, gains[t], c, r)
        return KalmanFilter(system, gains, innovation)

    def predict(
        self, y: Float[ndarray, "sequence time dim"], u: Float[ndarray, "sequence time channel"]
    ) -> Float[ndarray, "sequence time dim"]:
        """y^_t from outputs before t and inputs up to t, for a batch of sequences."""
        system = self.system
        direct = _direct(system, u)
        x = np.zeros((system.order, len(y)))
        out = np.empty_like(y)
        for t, gain in enumerate(self.gains):
            x = system.advance(x, np.matmul) + system.b @ u[:, t].T
            out[:, t] = (system.c @ x).T + direct[:, t]
            if gain.any():
                x = x + gain @ (y[:, t] - out[:, t]).T
        return out


def _joseph(p: ndarray, gain: ndarray, c: ndarray, r: ndarray) -> ndarray:
    """(I - KC) P (I - KC)' + K R K', symmetric and positive semi-definite; O(d^2 p) for d states and p outputs."""
    left = p - gain @ (c @ p)
    return left - (left @ c.T) @ gain.T + gain @ r @ gain.T


def _direct(system: System, u: ndarray) -> ndarray:
    """sum_i D_i u_{t-i}, the direct terms: no state is involved."""
    out = np.zeros((*u.shape[:2], len(system.c)))
    if not u.shape[2] or not system.taps:
        return out
    kernel = np.zeros((max(system.taps) + 1, u.shape[2], len(system.c)))
    for lag, gain in system.taps.items():
        kernel[lag] = gain.T
    return causal_convolution(torch.from_numpy(u), torch.from_numpy(kernel)).numpy()
