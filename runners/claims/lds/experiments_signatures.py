"""The states of random linear controlled differential equations as random projections of the signature of their path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.methods.sequence.controlled import Maps, MapsKind
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SignatureKernel", "signature_kernel"]

_LEAST_KERNEL = 10.0


def signature_kernel(x: Float[ndarray, "time channel"], y: Float[ndarray, "other channel"]) -> float:
    """sum over words of S(x) S(y), S the iterated sums over strictly increasing times, from the increments x and y.

    K_{s+1,t+1} = K_{s+1,t} + K_{s,t+1} - K_{s,t} + <x_s, y_t> K_{s,t}, K = 1 on the edges.
    """
    products = x @ y.T
    table = np.ones((len(x) + 1, len(y) + 1))
    for s in range(len(x)):
        for t in range(len(y)):
            table[s + 1, t + 1] = table[s + 1, t] + table[s, t + 1] + (products[s, t] - 1) * table[s, t]
    return float(table[-1, -1])


@dataclass(frozen=True)
class SignatureKernel:
    """<Z^X, Z^Y>/N -> K(X, Y) at rate N^{-1/2}, Z_{t+1} = Z_t + sum_i A_i Z_t dX^i_t, Z_0 ~ N(0, I), A_i of variance 1/N.

    X, Y: two Brownian paths of two coordinates on [0, 1], times `scale`, with time as first coordinate; the same for every seed,
    the first pair of a fixed stream with K >= 10 at scale 1.5 (an error relative to K means little for paths that are unlike).
    A_i: `dense`, entries N(0, 1/N); `diag`, entries N(0, 1); `block`, of size 4; `sparse`, 16 entries in each row. error:
    (<Z^X, Z^Y>/N - K)/K. reversal: |Z' - Z|/|Z|, Z' of the increments of X in reverse order, 0 for matrices that commute.
    Source: Muca Cirone et al. 2024, theorem 4.1, for sums instead of integrals: E <Z^X, Z^Y>/N over independent A_i is the kernel
    of iterated sums.
    """

    structure: MapsKind = "dense"
    width: int = 128
    scale: float = 1.5
    length: int = 32

    def measure(self, run: Run) -> Scores:
        """The relative error of one draw of (A, Z_0), and the effect of reversing the path."""
        x, y = self.increments()
        density = min(1.0, 16 / self.width)
        size = density**-0.5 if self.structure == "sparse" else 1.0
        maps = Maps(self.structure, 3, self.width, run.generator, size, density=density).double()
        start = torch.from_numpy(run.numpy.standard_normal(self.width))
        with torch.no_grad():
            z_x, z_y, z_back = (self._end(maps, start, path) for path in (x, y, x[::-1].copy()))
        kernel = signature_kernel(x, y)
        values = {
            "error": (float(z_x @ z_y) / self.width - kernel) / kernel,
            "reversal": float((z_back - z_x).norm() / z_x.norm()),
            "kernel": kernel,
        }
        return Scores(values)

    def increments(self) -> tuple[ndarray, ndarray]:
        """The increments of both paths [time, 3]."""
        rng, kernel = np.random.default_rng(0), 0.0
        while kernel < _LEAST_KERNEL:
            noise = rng.standard_normal((2, self.length, 2)) / self.length**0.5
            kernel = signature_kernel(*self._with_time(1.5 * noise))
        return self._with_time(self.scale * noise)

    def _with_time(self, steps: Float[ndarray, "2 time 2"]) -> tuple[ndarray, ndarray]:
        time = np.full((self.length, 1), 1 / self.length)
        return np.hstack([time, steps[0]]), np.hstack([time, steps[1]])

    def _end(self, maps: Maps, start: Tensor, path: ndarray) -> Tensor:
        """Z at the end of a path."""
        theta = maps(torch.from_numpy(path))[None]
        nothing = theta.new_zeros(1, len(path), len(start))
        return maps.scan(theta, nothing, torch.ones_like(start), start)[0, -1]
