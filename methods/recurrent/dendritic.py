"""Dendritic piecewise linear recurrent networks, trained by sparse teacher forcing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Count, Penalty, Positive, Range, SearchSpace, Size, Steps
from dynamark.methods.recurrent.branching import branched, dendrites
from dynamark.methods.recurrent.compiled import available
from dynamark.methods.recurrent.compiled_rollout import roll
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.methods.recurrent.observed import ObservedUnits
from dynamark.methods.recurrent.windows import draw_windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DendriticModel", "DendriticPLRNN"]


@dataclass(frozen=True)
class DendriticPLRNN:
    """z_{t+1} = a z_t + W phi(z_t) + h, phi(z)_i = sum_b alpha_b (relu(z_i - H_ib) - relu(z_i)), x_t = the first N units.

    The clipped form; the diagonal of W is zero and replaced by a. Trained by sparse teacher forcing: every `interval`
    steps, a predictability time, the observed units are replaced by the data; the other units are initialized to L x_1 and never
    replaced. Loss: mean squared error of the observed units before replacement.
    units: M. branches: B. window, batch, updates, rate, final_rate: as in `AlmostLinearRNN`. clip: maximum gradient norm.
    Initialization: K = (R'R/M + I) / l_max with R_ij ~ N(0, 1), a its diagonal and W its off-diagonal part;
    alpha ~ U(+-1/sqrt B), H_ib ~ U(min, max) over the data, h ~ U(+-1/sqrt M), L as in `AlmostLinearRNN`.
    Trained in float32, evaluated in float64. Raises UserError if there are fewer units than channels, or the trajectories are
    not longer than the window.
    Source: Brenner, Hess, Mikhaeil, Bereska, Monfared, Kuo & Durstewitz, Tractable dendritic RNNs for reconstructing
    nonlinear dynamical systems, ICML 2022, with the settings of its Lorenz-63 experiments; forcing by Mikhaeil, Monfared &
    Durstewitz, NeurIPS 2022. The paper trains an observation matrix and divides the learning rate by ten at 10, 80 and 90 % of
    the run; here the first units are observed, and the rate decays exponentially as for the other networks of this package.
    key: brenner2022
    """

    units: Size = 22
    branches: Size = 20
    interval: Count = 25
    window: Annotated[int, Range(1, 1_000_000)] = 200
    batch: Batch = 16
    updates: Steps = 100_000
    rate: Positive = 1e-3
    final_rate: Positive = 1e-6
    clip: Positive | None = 10.0
    noise: Penalty = 0.0
    search_space: ClassVar[SearchSpace] = {"interval": (25, 10, 16), "rate": (1e-3, 3e-3), "branches": (20, 10)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[DendriticModel]:
        """Train one model per seed, all seeds in one batch."""
        data = [autonomous(problem).train.observations.float() for problem in problems]
        if self.units < data[0].shape[-1]:
            raise UserError(f"{self.units} units are too few for {data[0].shape[-1]} channels: increase `units`")
        modules = [_Cell(self, path, run.generator) for path, run in zip(data, runs, strict=True)]
        decay = self.final_rate / self.rate
        recipe = Recipe(self.updates, self.rate, "exponential", decay, clip=self.clip, optimizer="radam")

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (draw_windows(data[member], self.batch, self.window + 1, self.noise, run.generator),)

        train(modules, _loss, batch, runs, recipe)
        return [DendriticModel.of(module) for module in modules]


def _loss(module: Callable[..., Tensor], x: Tensor) -> Tensor:
    return module(x)


class _Cell(nn.Module):
    """The parameters and the loss of a batch of windows; batched over seeds."""

    stacked = True

    def __init__(self, method: DendriticPLRNN, data: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        m, b, dim = method.units, method.branches, data.shape[-1]
        r = torch.randn(m, m, generator=generator)
        k = r.T @ r / m + torch.eye(m)
        k = k / torch.linalg.eigvalsh(k)[-1]

        def uniform(*shape: int, width: float) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(*shape, generator=generator) - 1) * width)

        self.a = nn.Parameter(k.diagonal().clone())
        self.w = nn.Parameter(k - torch.diag(k.diagonal()))
        self.h, self.alpha = uniform(m, width=m**-0.5), uniform(b, width=b**-0.5)
        low, high = data.min(), data.max()
        self.thresholds = nn.Parameter(low + (high - low) * torch.rand(m, b, generator=generator))
        self.start = uniform(m - dim, dim, width=(6 / m) ** 0.5)
        self.interval = method.interval

    def forward(self, x: Float[Tensor, "R S samples N"]) -> Float[Tensor, " R"]:
        z = torch.cat([x[:, :, 0], x[:, :, 0] @ self.start.mT], dim=-1)
        weights = _without_diagonal(self.w)
        states = branched((self.a, weights, self.h, self.alpha, self.thresholds), z, x[:, :, :-1], self.interval)
        return (states[..., : x.shape[-1]] - x[:, :, 1:].transpose(1, 2)).square().mean((1, 2, 3))


def _without_diagonal(w: Float[Tensor, "*R M M"]) -> Float[Tensor, "*R M M"]:
    return w - torch.diag_embed(w.diagonal(dim1=-2, dim2=-1))


@dataclass(frozen=True)
class DendriticModel(ObservedUnits):
    """The trained map F."""

    a: Float[Tensor, " M"]
    w: Float[Tensor, "M M"]
    h: Float[Tensor, " M"]
    alpha: Float[Tensor, " B"]
    thresholds: Float[Tensor, "M B"]
    start: Float[Tensor, "hidden N"]

    @classmethod
    def of(cls, cell: _Cell) -> DendriticModel:
        """Convert a trained cell to float64."""
        parts = (cell.a, _without_diagonal(cell.w), cell.h, cell.alpha, cell.thresholds, cell.start)
        return cls(*(p.detach().double() for p in parts))

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state F(z)."""
        phi = dendrites(state, self.alpha, self.thresholds)
        return torch.addcmul(self.h, self.a, state) + phi @ self.w.T

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run; if numba is installed, compiled as a shallow network with one hidden unit per branch."""
        if not available():
            return super().forecast(context, horizon, inputs)
        m, b = self.thresholds.shape
        into = torch.eye(m, dtype=self.a.dtype).repeat_interleave(b, dim=0)
        out = (self.w[:, :, None] * self.alpha).flatten(1)
        parts = torch.diag(self.a), self.h, out, into, -self.thresholds.flatten(), True
        return roll(*parts, self.initial_state(context), horizon, context.dim)

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The Jacobian diag a + W diag(phi'), phi'_i = sum_b alpha_b (1[z_i > H_ib] - 1[z_i > 0])."""
        on = (state[..., None] > self.thresholds).to(state.dtype) - (state > 0).to(state.dtype)[..., None]
        return torch.diag(self.a) + self.w * (on @ self.alpha)[..., None, :]

    def parameter_count(self) -> int:
        """The number of entries of a, h, alpha, H, L and the off-diagonal of W."""
        return sum(p.numel() for p in (self.a, self.w, self.h, self.alpha, self.thresholds, self.start)) - len(self.a)
