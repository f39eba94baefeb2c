"""Dynamic mode decomposition: the state itself as the dictionary, truncated by a singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.koopman.lifted import pairs
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["Dmd", "DmdModel", "dmd", "energy_rank"]


@dataclass(frozen=True)
class Dmd:
    """X ~ U S V*, K~ = U* Y V S^{-1} (snapshots in columns): the best linear map on the leading r left singular vectors.

    rank: r; 0 keeps every direction above rounding. exact: steps leave the span of X for that of Y, x+ = Y V S^{-1} U* x
    (exact DMD, whose modes are Y V S^{-1} w); otherwise they are projected, x+ = U K~ U* x.

    Source: Schmid 2010; Tu et al. 2014, algorithms 1 and 2.
    key: tu2014
    """

    rank: int = 0
    exact: bool = True

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DmdModel:
        """One singular value decomposition."""
        return dmd(*pairs(problem.train), rank=self.rank, exact=self.exact)


@dataclass(frozen=True)
class DmdModel:
    """z = x U, x+ = z B, B [rank, dim]: the map of one step, of rank r. Rows are states."""

    basis: Float[Tensor, "dim rank"]
    step: Float[Tensor, "rank dim"]

    def reduced(self) -> Float[Tensor, "rank rank"]:
        """The map z+ = z B U."""
        return self.step @ self.basis

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """x_n = x_0 U (B U)^{n-1} B."""
        z, reduced, latent = context.observations[:, -1].double() @ self.basis, self.reduced(), []
        for _ in range(horizon):
            latent.append(z)
            z = z @ reduced
        return torch.stack(latent, dim=1) @ self.step

    def eigenvalues(self) -> Tensor:
        """Eigenvalues of the reduced map."""
        return torch.linalg.eig(self.reduced()).eigenvalues

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """x U v, v the eigenvectors of the reduced map: linear functions of the state."""
        vectors = torch.linalg.eig(self.reduced()).eigenvectors
        return (points[:, -1].double() @ self.basis).to(vectors) @ vectors

    def parameter_count(self) -> int:
        """The two factors."""
        return self.basis.numel() + self.step.numel()


def dmd(x: Float[Tensor, "pair dim"], y: Float[Tensor, "pair dim"], rank: int = 0, exact: bool = True) -> DmdModel:
    """The rank-r linear map of least squared error from x to y; rank 0 keeps singular values above rounding.

    Of a wide problem (more channels than pairs) or a tall one only the small side is decomposed.
    """
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    kept = int((s > s[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
    rank = min(rank or kept, kept)
    basis = vh[:rank].T
    step = (u[:, :rank] / s[:rank]).T @ y
    return DmdModel(basis, step if exact else step @ basis @ basis.T)


def energy_rank(singular: Float[Tensor, " value"], share: float) -> int:
    """The least r whose leading singular values hold this share of the energy sum s^2."""
    held = singular.square().cumsum(0) / singular.square().sum()
    return int((held < share).sum()) + 1
