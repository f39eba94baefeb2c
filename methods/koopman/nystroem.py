"""Koopman operators on the span of a few kernel functions: the Nystroem approximation of kernel regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Penalty, SearchSpace, Size, Units
from dynamark.methods.koopman.kernel_regression import KernelModel, KernelName, kernel_matrix, scale_of
from dynamark.methods.koopman.lifted import pairs
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["Nystroem"]

_CHUNK = 8192


@dataclass(frozen=True)
class Nystroem:
    """`KernelKoopman` restricted to functions sum_j a_j k(z_j, .) of m of the n states z, drawn without replacement: O(n m^2).

    With phi = k(., z) E D^{-1/2}, k(z, z) = E D E', an orthonormal basis of their span, C = phi_x' phi_x/n + ridge I and
    T = phi_x' phi_y/n, the operator of rank r is C^{-1/2} [[C^{-1/2} T]]_r (rrr) or P C^{-1} T, P the projection onto the r
    leading eigenvectors of C (pcr). Directions of D below 1e-12 of the largest are dropped. centers: m. kernel, scale: as in
    `KernelKoopman`.

    Source: Meanti et al. 2023, Estimating Koopman operators with sketching to provably learn large scale dynamical systems.
    key: meanti2023
    """

    kernel: KernelName = "gaussian"
    scale: Penalty = 0.0
    centers: Size = 300
    estimator: Literal["rrr", "pcr"] = "rrr"
    rank: Size = 25
    ridge: Penalty = 1e-6
    search_space: ClassVar[SearchSpace] = {
        "ridge": (1e-6, 1e-8, 1e-4, 1e-3),
        "kernel": ("gaussian", "matern52", "laplacian"),
        "rank": (25, 10, 50, 100),
    }

    @property
    def data_units(self) -> Units:
        """Raw if `scale` is given, which is in units of the data; else standardized."""
        return "raw" if self.scale else "standardized"

    def fit_forecaster(self, problem: Forecasting, run: Run) -> KernelModel:
        """Sums over chunks of pairs, then decompositions of m x m matrices."""
        x, y = pairs(problem.train)
        sample = torch.from_numpy(run.numpy.permutation(len(x))[: self.centers])
        z = x[sample]
        scale = self.scale or scale_of(z)
        values, vectors = torch.linalg.eigh(kernel_matrix(self.kernel, z, z, scale))
        nonzero = values > 1e-12 * values[-1]
        basis = vectors[:, nonzero] / values[nonzero].sqrt()
        covariance, cross, targets = self._sums(x, y, z, scale, basis)
        left, right = self._factors(covariance, cross)
        return KernelModel(self.kernel, scale, z, basis @ left, right.T @ cross @ left, right.T @ targets)

    def _sums(self, x: Tensor, y: Tensor, z: Tensor, scale: float, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """C without its ridge, T, and phi_x' y/n."""
        m = basis.shape[1]
        covariance, cross, targets = (x.new_zeros(m, k) for k in (m, m, y.shape[1]))
        for start in range(0, len(x), _CHUNK):
            piece = slice(start, start + _CHUNK)
            at_x, at_y = (kernel_matrix(self.kernel, part[piece], z, scale) @ basis for part in (x, y))
            covariance += at_x.T @ at_x
            cross += at_x.T @ at_y
            targets += at_x.T @ y[piece]
        return covariance / len(x), cross / len(x), targets / len(x)

    def _factors(
        self, covariance: Float[Tensor, "feature feature"], cross: Float[Tensor, "feature feature"]
    ) -> tuple[Float[Tensor, "feature rank"], Float[Tensor, "feature rank"]]:
        """`left` and `right` with operator = left right' T: coefficients of features, and of the regression on successors."""
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp(min=0) + self.ridge
        if self.estimator == "pcr":
            leading = vectors[:, -self.rank :]
            return leading, leading / values[-self.rank :]
        root = (vectors / values.sqrt()) @ vectors.T
        best = root @ torch.linalg.svd(root @ cross, full_matrices=False).U[:, : self.rank]
        return best, best
