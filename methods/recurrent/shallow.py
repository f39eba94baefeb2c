"""Shallow piecewise linear recurrent networks, trained by generalized, adaptive or sparse teacher forcing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Count, Penalty, Positive, Range, SearchSpace, Size, Steps
from dynamark.methods.recurrent.compiled import available
from dynamark.methods.recurrent.compiled_maps import piecewise_map
from dynamark.methods.recurrent.compiled_rollout import roll
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.methods.recurrent.generalized import mixed
from dynamark.methods.recurrent.observed import ObservedUnits
from dynamark.methods.recurrent.windows import draw_windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["ShallowModel", "ShallowPLRNN", "adapted"]

# Updates between two adaptations of alpha, and the weight of the old value when alpha decreases.
_EVERY, _INERTIA = 5, 0.999


@dataclass(frozen=True)
class ShallowPLRNN:
    """z_{t+1} = a z_t + W1 (relu(W2 z_t + h2) - relu(W2 z_t)) + h1, x_t = the first N units; if not clipped, no second relu.

    Trained by generalized teacher forcing: z_{t+1} = F((1 - alpha) z_t + alpha x_t) on the observed units, the loss on z_{t+1}.
    alpha: forcing strength; None: adapted during training (`adapted`). 0: backpropagation through time, 1: one-step regression.
    interval: steps between two forcings, 1 in the paper; alpha = 1 with interval tau is sparse teacher forcing.
    hidden: H. units: M, by default N; additional units are initialized to L x_1 with L trained. clipped: see above.
    window, batch, updates, rate, final_rate: as in `AlmostLinearRNN`. penalty: L2 penalty on 1 - a, W1, W2, h1, h2.
    Initialization: a as in `AlmostLinearRNN`, W1 ~ U(+-1/sqrt H), W2 ~ U(+-1/sqrt M), h1 = 0, h2 ~ U(+-1/sqrt H), 0 if not
    clipped. Trained in float32, evaluated in float64. Raises UserError if units < N or trajectories are shorter than a window.
    Source: Hess, Monfared, Brenner & Durstewitz, Generalized teacher forcing for learning chaotic dynamics, ICML 2023,
    equations 1 to 5 and section 3.3. The paper uses 250 000 updates.
    key: hess2023
    """

    hidden: Size = 50
    units: Size | None = None
    alpha: Annotated[float, Range(0, 1)] | None = None
    interval: Count = 1
    clipped: bool = True
    window: Annotated[int, Range(1, 1_000_000)] = 200
    batch: Batch = 16
    updates: Steps = 100_000
    rate: Positive = 1e-3
    final_rate: Positive = 1e-6
    noise: Penalty = 0.0
    penalty: Penalty = 0.0
    search_space: ClassVar[SearchSpace] = {"hidden": (50, 100, 200), "rate": (1e-3, 3e-3, 5e-3)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[ShallowModel]:
        """Train one model per seed, all seeds in one batch."""
        data = [autonomous(problem).train.observations.float() for problem in problems]
        dim = data[0].shape[-1]
        if self.units is not None and self.units < dim:
            raise UserError(f"{self.units} units are too few for {dim} channels: increase `units`")
        modules = [_Cell(self, dim, run.generator) for run in runs]
        recipe = Recipe(
            self.updates, self.rate, "exponential", self.final_rate / self.rate, clip=None, optimizer="radam"
        )

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (draw_windows(data[member], self.batch, self.window + 1, self.noise, run.generator),)

        train(modules, _loss, batch, runs, recipe)
        for module, run, path in zip(modules, runs, data, strict=True):
            if self.alpha is None:
                run.fact("forcing", float(module.needed_forcing(path[:, :1000])))
        return [ShallowModel.of(module) for module in modules]


def _loss(module: Callable[..., Tensor], x: Tensor) -> Tensor:
    return module(x)


def adapted(alpha: Tensor, needed: Tensor) -> Tensor:
    """The next alpha: `needed` if it is larger than alpha, else .999 alpha + .001 needed (annealing)."""
    return torch.where(needed > alpha, needed, _INERTIA * alpha + (1 - _INERTIA) * needed)


class _Cell(nn.Module):
    """The parameters, alpha and the loss of a batch of windows; batched over seeds if they are stacked."""

    stacked = True
    alpha: Tensor

    def __init__(self, method: ShallowPLRNN, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        m, h = method.units or dim, method.hidden
        r = torch.randn(m, m, generator=generator)
        k = r.T @ r / m + torch.eye(m)

        def uniform(*shape: int, width: float) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(*shape, generator=generator) - 1) * width)

        self.a = nn.Parameter(k.diagonal() / torch.linalg.eigvalsh(k)[-1])
        self.w1, self.w2 = uniform(m, h, width=h**-0.5), uniform(h, m, width=m**-0.5)
        self.h1 = nn.Parameter(torch.zeros(m))
        self.h2 = uniform(h, width=h**-0.5 if method.clipped else 0.0)
        self.start = uniform(m - dim, dim, width=(6 / m) ** 0.5)
        self.register_buffer("alpha", torch.tensor(1.0 if method.alpha is None else method.alpha))
        self.adaptive, self.interval = method.alpha is None, method.interval
        self.clipped, self.penalty, self.updates = method.clipped, method.penalty, 0

    def forward(self, x: Float[Tensor, "R S samples N"]) -> Float[Tensor, " R"]:
        if self.adaptive and self.updates % _EVERY == 0:
            # In place, because this updates the stacked buffer of all seeds.
            self.alpha.copy_(adapted(self.alpha, self.needed_forcing(x[:, :, 1:-1])))
        self.updates += 1
        parameters = self.a, self.w1, self.w2, self.h1, self.h2
        z = torch.cat([x[:, :, 0], x[:, :, 0] @ self.start.mT], dim=-1)
        # A copy, because the buffer may change before the backward pass.
        states = mixed(parameters, z, x[:, :, :-1], self.alpha.clone(), self.interval, self.clipped)
        error = (states[..., : x.shape[-1]] - x[:, :, 1:].transpose(1, 2)).square().mean((1, 2, 3))
        if self.penalty:
            for p in (1 - self.a, *parameters[1:]):
                error = error + self.penalty * p.square().flatten(1).sum(1)
        return error

    @torch.no_grad()
    def needed_forcing(self, x: Float[Tensor, "*R S T N"]) -> Float[Tensor, "*R"]:
        """max(0, 1 - 1/kappa), kappa the largest spectral norm over windows of the mean Jacobian along the data.

        The mean Jacobian is a + W1 (mean slope) W2: the cheapest of the paper's approximations of a product of Jacobians.
        """
        w1, w2 = self.w1.unsqueeze(-3), self.w2.unsqueeze(-3)  # [*R, 1, ...]: the same for all windows
        z = torch.cat([x, x @ self.start.mT.unsqueeze(-3)], dim=-1)
        u = z @ w2.mT
        slope = (u > -self.h2[..., None, None, :]).to(x.dtype)
        if self.clipped:
            slope = slope - (u > 0).to(x.dtype)
        mean = torch.diag_embed(self.a).unsqueeze(-3) + (w1 * slope.mean(dim=-2).unsqueeze(-2)) @ w2
        return (1 - 1 / torch.linalg.matrix_norm(mean, ord=2).amax(-1)).clamp(min=0)


@dataclass(frozen=True)
class ShallowModel(ObservedUnits):
    """The trained map F."""

    a: Float[Tensor, " M"]
    w1: Float[Tensor, "M H"]
    w2: Float[Tensor, "H M"]
    h1: Float[Tensor, " M"]
    h2: Float[Tensor, " H"]
    start: Float[Tensor, "hidden N"]
    clipped: bool

    @classmethod
    def of(cls, cell: _Cell) -> ShallowModel:
        """Convert a trained cell to float64."""
        parts = (cell.a, cell.w1, cell.w2, cell.h1, cell.h2, cell.start)
        a, w1, w2, h1, h2, start = (p.detach().double() for p in parts)
        return cls(a, w1, w2, h1, h2, start, cell.clipped)

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state F(z)."""
        u = state @ self.w2.T
        phi = (u + self.h2).relu()
        if self.clipped:
            phi = phi - u.relu()
        return torch.addcmul(self.h1, self.a, state) + phi @ self.w1.T

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run; compiled if numba is installed."""
        if not available():
            return super().forecast(context, horizon, inputs)
        parts = torch.diag(self.a), self.h1, self.w1, self.w2, self.h2, self.clipped
        return roll(*parts, self.initial_state(context), horizon, context.dim)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the piecewise linear map."""
        return piecewise_map(torch.diag(self.a), self.h1, self.w1, self.w2, self.h2, self.clipped)

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The Jacobian diag a + W1 diag(s) W2, s = 1[u > -h2] - 1[u > 0], if not clipped s = 1[u > -h2]; u = W2 z."""
        u = state @ self.w2.T
        slope = (u > -self.h2).to(state.dtype)
        if self.clipped:
            slope = slope - (u > 0).to(state.dtype)
        return torch.diag(self.a) + (self.w1 * slope[..., None, :]) @ self.w2

    def parameter_count(self) -> int:
        """The number of entries of a, W1, W2, h1, h2 and L."""
        return sum(p.numel() for p in (self.a, self.w1, self.w2, self.h1, self.h2, self.start))
