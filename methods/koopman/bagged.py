"""Bagged dynamic mode decomposition: linear maps of resampled trajectories, with or without residual noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Count, Order, SearchSpace
from dynamark.methods.koopman.dmd import dmd
from dynamark.methods.koopman.gaussian_walk import square_root
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["BaggedDMD", "BaggedModel"]


@dataclass(frozen=True)
class BaggedDMD:
    """x+ = x A_b + c_b + e, e ~ N(0, S_b): the DMD of each of `bags` resampled data sets; draw d follows map d mod bags.

    Each bag resamples the trajectories with replacement, or the pairs of states if there is one trajectory. S_b is the covariance
    of the residuals of map b; with noise "none" e = 0, and only the uncertainty of the map spreads the draws. rank: of the maps
    as in `dmd`, on the state with a constant appended; 0 is full rank. The point forecast is the mean over maps without noise.
    Source: Sashidhar & Kutz 2022 for bagging, there of the optimized DMD of noisy deterministic data.
    key: sashidhar2022
    """

    bags: Count = 16
    rank: Order = 0
    noise: Literal["gaussian", "none"] = "gaussian"
    search_space: ClassVar[SearchSpace] = {"noise": ("gaussian", "none"), "bags": (16, 64)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> BaggedModel:
        """One singular value decomposition per bag."""
        data = autonomous(problem).train.observations.double()
        x, y = data[:, :-1], data[:, 1:]
        if len(x) == 1:
            x, y = x.transpose(0, 1), y.transpose(0, 1)
        maps, roots = [], []
        for _ in range(self.bags):
            chosen = torch.randint(len(x), (len(x),), generator=run.generator)
            before, after = with_constant(x[chosen].flatten(0, 1)), y[chosen].flatten(0, 1)
            basis, step = dmd(before, with_constant(after), self.rank)
            maps.append(basis @ step[:, :-1])
            residual = after - before @ maps[-1]
            roots.append(square_root(residual.mT @ residual / len(residual)))
        noise = torch.stack(roots) if self.noise == "gaussian" else torch.zeros_like(torch.stack(roots))
        return BaggedModel(torch.stack(maps), noise)


def with_constant(x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch more"]:
    """States with a 1 appended."""
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


@dataclass(frozen=True)
class BaggedModel:
    """maps: [A_b; c_b]. roots: square roots of S_b, zero without noise."""

    maps: Float[Tensor, "bag more dim"]
    roots: Float[Tensor, "bag dim dim"]

    def _paths(
        self, x: Float[Tensor, "bag point dim"], noise: Float[Tensor, "horizon bag point dim"]
    ) -> Float[Tensor, "horizon bag point dim"]:
        out = torch.empty_like(noise)
        for place, kick in zip(out.unbind(0), noise, strict=True):
            x = with_constant(x) @ self.maps + kick @ self.roots
            place.copy_(x)
        return out

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The mean over maps, without noise."""
        x = context.observations[:, -1].double().expand(len(self.maps), -1, -1)
        return self._paths(x, x.new_zeros(horizon, *x.shape)).mean(1).transpose(0, 1)

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Draw d follows map d mod bags, with its own noise."""
        x, bags = context.observations[:, -1].double(), len(self.maps)
        per_bag = -(-draws // bags)
        states = x.repeat(per_bag, 1).expand(bags, -1, -1)
        noise = torch.randn(horizon, *states.shape, generator=generator, dtype=torch.float64)
        paths = self._paths(states, noise).reshape(horizon, bags, per_bag, len(x), -1)
        return paths.permute(3, 2, 1, 0, 4).flatten(1, 2)[:, :draws]

    def parameter_count(self) -> int:
        """The entries of all maps, and of S_b on and above the diagonal where there is noise."""
        dim = self.roots.shape[1]
        noisy = bool((self.roots != 0).any())
        return self.maps.numel() + len(self.roots) * dim * (dim + 1) // 2 * noisy
