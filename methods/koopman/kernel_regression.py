"""Koopman operators in reproducing kernel Hilbert spaces: reduced-rank, principal-component and ridge regression."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import unknown
from dynamark.methods.fields import Penalty, Range, SearchSpace, Size, Units
from dynamark.methods.koopman.lifted import pairs
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["KERNELS", "KernelKoopman", "KernelModel", "KernelName", "kernel_matrix", "scale_of"]

KernelName = Literal["gaussian", "laplacian", "matern32", "matern52"]

# Kernels by name, as functions of r/l, r the distance and l the scale.
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda r: torch.exp(-r.square() / 2),
    "laplacian": lambda r: torch.exp(-r),
    "matern32": lambda r: (1 + math.sqrt(3) * r) * torch.exp(-math.sqrt(3) * r),
    "matern52": lambda r: (1 + math.sqrt(5) * r + 5 * r.square() / 3) * torch.exp(-math.sqrt(5) * r),
}


def scale_of(x: Float[Tensor, "point dim"]) -> float:
    """The median distance between two points, the usual scale of a kernel."""
    return float(torch.cdist(x, x).median().clamp(min=1e-150))


def kernel_matrix(
    name: str, x: Float[Tensor, "some dim"], y: Float[Tensor, "others dim"], scale: float
) -> Float[Tensor, "some others"]:
    """k(|x - y| / scale) for the kernel with the given name; UserError if it is unknown."""
    if name not in KERNELS:
        raise unknown("kernel", name, list(KERNELS))
    return KERNELS[name](torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") / scale)


@dataclass(frozen=True)
class KernelKoopman:
    """G = S* U V' Z, S f = f(x_i)/sqrt n, Z f = f(y_i)/sqrt n, k(x, y) = h(|x - y|/scale), with K = SS*, L = ZZ*:

    rrr  reduced-rank regression: the r leading solutions of L K u = s^2 (K + ridge I) u, u' K (K + ridge I) u = 1, V = K U;
    pcr  principal components: K U = U diag(l), V = U diag(1/(l + ridge)), the r leading ones;
    krr  ridge regression: as pcr, with all components above rounding errors.

    The eigenvalues of G are those of V' M U, M = ZS*. kernel: a name in `KERNELS`, for instance gaussian, exp(-r^2/2). scale: 0
    uses the median distance of the data. At most `points` pairs are used, evenly spaced. A forecast applies G^n to the
    coordinate functions, which estimates E[x_n | x_0].

    Source: Kostic et al. 2022, Learning dynamical systems via Koopman operator regression in RKHS, theorem 2 and appendix.
    key: kostic2022
    """

    estimator: Literal["rrr", "pcr", "krr"] = "rrr"
    rank: Size = 25
    ridge: Penalty = 1e-6
    kernel: KernelName = "gaussian"
    scale: Penalty = 0.0
    points: Annotated[int, Range(2, 100_000)] = 1000
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
        """Two eigendecompositions of at most `points` x `points` matrices."""
        x, y = pairs(problem.train)
        sample = torch.linspace(0, len(x) - 1, min(self.points, len(x))).long()
        x, y = x[sample], y[sample]
        scale = self.scale or scale_of(x)
        n = len(x)
        k_xx, k_yy = (kernel_matrix(self.kernel, part, part, scale) / n for part in (x, y))
        left, right = self._factors(k_xx, k_yy)
        reduced = right.T @ (kernel_matrix(self.kernel, y, x, scale) / n) @ left
        root = math.sqrt(n)
        return KernelModel(self.kernel, scale, x, left / root, reduced, right.T @ y / root)

    def _factors(self, k_xx: Tensor, k_yy: Tensor) -> tuple[Tensor, Tensor]:
        """U and V of the estimator."""
        values, vectors = torch.linalg.eigh(k_xx)
        values = values.clamp(min=0)
        if self.estimator != "rrr":
            rank = self.rank if self.estimator == "pcr" else int((values > 1e-14 * values[-1]).sum())
            leading, basis = values[-rank:], vectors[:, -rank:]
            return basis, basis / (leading + self.ridge)
        # Symmetric form: s = (K + ridge)^{1/2} K^{1/2} u is an eigenvector of T L T, T = K^{1/2} (K + ridge)^{-1/2}.
        half = (vectors * (values / (values + self.ridge)).sqrt()) @ vectors.T
        squared, s = torch.linalg.eigh(half @ k_yy @ half)
        right = half @ s[:, -self.rank :]
        # u = s^{-2} (K + ridge)^{-1} L V, from the equation itself: K^{-1/2} is never formed.
        solved = vectors @ ((vectors.T @ (k_yy @ right)) / (values + self.ridge)[:, None])
        return solved / squared[-self.rank :], right


@dataclass(frozen=True)
class KernelModel:
    """z = k(x, centers) U, G^n x = z R^{n-1} D."""

    kernel: str
    scale: float
    centers: Float[Tensor, "point dim"]
    weights: Float[Tensor, "point rank"]
    reduced: Float[Tensor, "rank rank"]
    readout: Float[Tensor, "rank dim"]

    def _lift(self, x: Float[Tensor, "state dim"]) -> Float[Tensor, "state rank"]:
        return kernel_matrix(self.kernel, x.double(), self.centers, self.scale) @ self.weights

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The conditional mean E[x_n | x_0], n = 1 .. horizon."""
        z, latent = self._lift(context.observations[:, -1]), []
        for _ in range(horizon):
            latent.append(z)
            z = z @ self.reduced
        return torch.stack(latent, dim=1) @ self.readout

    @cached_property
    def _eig(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eig(self.reduced)
        return values, vectors

    def eigenvalues(self) -> Tensor:
        """The eigenvalues of V' M U."""
        return self._eig[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """k(x, centers) U c at the last state x of each window, c the eigenvectors of V' M U."""
        return self._lift(points[:, -1]).to(torch.complex128) @ self._eig[1]

    def parameter_count(self) -> int:
        """Entries of the centers, weights, reduced map and readout."""
        return self.centers.numel() + self.weights.numel() + self.reduced.numel() + self.readout.numel()
