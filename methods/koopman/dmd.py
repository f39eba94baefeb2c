"""Dynamic mode decomposition of states or of delay windows, truncated by a singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Order, Range, SearchSpace, Share, Units
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DMD", "DMDModel", "HankelDMD", "delayed_pairs", "dmd"]


@dataclass(frozen=True)
class DMD:
    """X ~ U S V*, K~ = U* Y V S^{-1} (snapshots in columns): the best linear map on the leading r left singular vectors.

    rank: r; 0 uses all directions above rounding errors. exact: True maps into the span of Y, x+ = Y V S^{-1} U* x (exact DMD,
    whose modes are Y V S^{-1} w); False projects onto the span of X, x+ = U K~ U* x (projected DMD).

    Source: Schmid 2010; Tu et al. 2014, algorithms 1 and 2.
    key: tu2014
    """

    rank: Order = 0
    exact: bool = True
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"rank": (0, 4, 8, 16)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DMDModel:
        """One singular value decomposition."""
        x, y = delayed_pairs(problem.train, 1)
        return DMDModel(*dmd(x, y, self.rank, exact=self.exact), problem.train.dim)


@dataclass(frozen=True)
class HankelDMD:
    """DMD of windows (x_{n-d+1}, ..., x_n): a linear recurrence, exact for m sinusoids if d >= 2m.

    delays: d. rank: r; 0 uses the smallest r whose singular values contain the share `energy` of sum s^2. The newest block of a
    predicted window is the next state. A context shorter than d is padded by repeating its first state.

    Source: Arbabi and Mezic 2017, section 3.
    key: arbabi2017
    """

    delays: Annotated[int, Range(1, 4096)] = 32
    rank: Order = 0
    energy: Share = 0.999
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"delays": (32, 8, 16, 64), "energy": (0.999, 0.99, 0.99999, 1.0)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DMDModel:
        """One singular value decomposition, of the smaller Gram matrix where windows are long."""
        delays = min(self.delays, problem.train.observations.shape[1] - 1)
        x, y = delayed_pairs(problem.train, delays)
        return DMDModel(*dmd(x, y, self.rank, self.energy), problem.train.dim)


@dataclass(frozen=True)
class DMDModel:
    """z = w U, w+ = z B, B [rank, window * dim]: a linear map of rank r on windows w, which are rows, oldest state first."""

    basis: Float[Tensor, "entry rank"]
    step: Float[Tensor, "rank entry"]
    dim: int

    def _window(self, states: Float[Tensor, "trajectory time dim"]) -> Float[Tensor, "trajectory rank"]:
        """The coordinates z of the latest window."""
        delays = len(self.basis) // self.dim
        states = states.double()[:, -delays:]
        padded = torch.cat([states[:, :1].expand(-1, delays - states.shape[1], -1), states], dim=1)
        return padded.flatten(1) @ self.basis

    @cached_property
    def reduced(self) -> Float[Tensor, "rank rank"]:
        """The map z+ = z B U."""
        return self.step @ self.basis

    @cached_property
    def _eig(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eig(self.reduced)
        return values, vectors

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """x_n is the newest block of w_0 U (B U)^{n-1} B."""
        z, latent = self._window(context.observations), []
        for _ in range(horizon):
            latent.append(z)
            z = z @ self.reduced
        return torch.stack(latent, dim=1) @ self.step[:, -self.dim :]

    def eigenvalues(self) -> Tensor:
        """The eigenvalues of the reduced map."""
        return self._eig[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """w U v, v the eigenvectors of the reduced map: linear functions of the window."""
        return self._window(points).to(torch.complex128) @ self._eig[1]

    def parameter_count(self) -> int:
        """The numbers that a forecast needs: the basis, the reduced map and the newest block of B."""
        rank = self.step.shape[0]
        return self.basis.numel() + rank * rank + rank * self.dim


def delayed_pairs(
    trajectories: Trajectories, delays: int
) -> tuple[Float[Tensor, "pair entry"], Float[Tensor, "pair entry"]]:
    """All windows of `delays` states that have a successor, oldest state first, and the windows one step later."""
    x = trajectories.observations.double()
    windows = x.unfold(1, delays, 1).transpose(-1, -2).flatten(2)
    return windows[:, :-1].flatten(0, 1), windows[:, 1:].flatten(0, 1)


def dmd(
    x: Float[Tensor, "pair entry"],
    y: Float[Tensor, "pair entry"],
    rank: int = 0,
    energy: float = 1.0,
    exact: bool = True,
) -> tuple[Float[Tensor, "entry rank"], Float[Tensor, "rank entry"]]:
    """U and B of the linear map x -> x U B of rank r with the least squared error to y.

    rank: r; 0 uses as many directions as contain the share `energy` of sum s^2, all above rounding errors if it is 1. If energy
    is below 1 and there are fewer rows than columns, the Gram matrix of the rows is decomposed instead: faster, with half as
    many correct digits in the directions that are dropped.
    """
    if energy < 1 and len(x) < x.shape[1]:
        values, vectors = torch.linalg.eigh(x @ x.T)
        s, u = values.flip(0).clamp(min=0).sqrt(), vectors.flip(1)
        vh = u.T @ x / torch.where(s > 0, s, 1.0)[:, None]
    else:
        u, s, vh = torch.linalg.svd(x, full_matrices=False)
    numerical_rank = int((s > s[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
    if not rank and energy < 1:
        cumulative = s.square().cumsum(0) / s.square().sum()
        rank = int((cumulative < energy).sum()) + 1
    rank = min(rank or numerical_rank, numerical_rank)
    basis = vh[:rank].T
    step = (u[:, :rank] / s[:rank]).T @ y
    return basis, step if exact else step @ basis @ basis.T
