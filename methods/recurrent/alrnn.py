"""Almost-linear recurrent networks: piecewise linear networks with few nonlinear units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Count, Penalty, Positive, Range, SearchSpace, Size, Steps
from dynamark.methods.recurrent.compiled import available
from dynamark.methods.recurrent.compiled_maps import piecewise_map
from dynamark.methods.recurrent.compiled_rollout import roll
from dynamark.methods.recurrent.forcing import forced
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.methods.recurrent.observed import ObservedUnits
from dynamark.methods.recurrent.symbolic import describe_code
from dynamark.methods.recurrent.windows import draw_windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["AlmostLinearModel", "AlmostLinearRNN"]

# Fixed points are computed for at most this many rectified units; the symbolic code is measured on `_ORBITS` free runs of
# `_STEPS` steps.
_TELLABLE, _ORBITS, _STEPS = 10, 16, 1000


@dataclass(frozen=True)
class AlmostLinearRNN:
    """z_{t+1} = a z_t + W phi(z_t) + h, x_t = the first N units; phi is ReLU on the last P units and the identity on the others.

    Trained by identity teacher forcing: every `interval` steps the observed units are replaced by the data; the other units are
    not. Windows start at z_1 = [x_1; L x_1] with L trained. Loss: mean squared error of the observed units before replacement.
    units: M. rectified: P. window: T, steps of a training window. batch: windows per update. updates: maximum number of updates.
    rate, final_rate: initial and final learning rate of RAdam, with exponential decay. noise: standard deviation of the Gaussian
    noise added to each batch. Initialization: K = (R'R/M + I) / l_max with R_ij ~ N(0, 1), a = diag K, W ~ 0.01 N(0, 1), h = 0,
    L ~ U(+-sqrt(6/M)). Trained in float32, evaluated in float64. Raises UserError if there are fewer units than channels or
    rectified units, or the trajectories are not longer than the window.
    Source: Brenner, Hemmer, Monfared & Durstewitz, Almost-linear RNNs yield highly interpretable symbolic codes in dynamical
    systems reconstruction, NeurIPS 2024, equations 3 to 5. The paper uses 100 000 updates.
    key: brenner2024
    """

    units: Size = 20
    rectified: Annotated[int, Range(0, 100_000)] = 2
    interval: Count = 16
    window: Annotated[int, Range(1, 1_000_000)] = 200
    batch: Batch = 16
    updates: Steps = 100_000
    rate: Positive = 1e-3
    final_rate: Positive = 1e-5
    noise: Penalty = 0.0
    search_space: ClassVar[SearchSpace] = {"rectified": (2, 5, 10, 15), "interval": (16, 8, 32), "rate": (1e-3, 3e-3)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[AlmostLinearModel]:
        """Train one model per seed, all seeds in one batch."""
        dim = problems[0].train.dim
        if self.units < max(dim, self.rectified):
            raise UserError(
                f"{self.units} units are too few for {dim} channels and {self.rectified} rectified units: increase `units`"
            )
        modules = [_Cell(self, dim, run.generator) for run in runs]
        data = [autonomous(problem).train.observations.float() for problem in problems]
        recipe = Recipe(
            self.updates, self.rate, "exponential", self.final_rate / self.rate, clip=None, optimizer="radam"
        )

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (draw_windows(data[member], self.batch, self.window + 1, self.noise, run.generator),)

        train(modules, _loss, batch, runs, recipe)
        models = [AlmostLinearModel.of(module) for module in modules]
        for model, problem, run in zip(models, problems, runs, strict=True):
            model.describe(problem.train, run)
        return models


def _loss(module: Callable[..., Tensor], x: Tensor) -> Tensor:
    return module(x)


class _Cell(nn.Module):
    """The parameters and the loss of a batch of windows; batched over seeds if parameters and windows are stacked."""

    stacked = True

    def __init__(self, method: AlmostLinearRNN, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        m = method.units
        r = torch.randn(m, m, generator=generator)
        k = r.T @ r / m + torch.eye(m)
        self.a = nn.Parameter(k.diagonal() / torch.linalg.eigvalsh(k)[-1])
        self.w = nn.Parameter(0.01 * torch.randn(m, m, generator=generator))
        self.h = nn.Parameter(torch.zeros(m))
        self.start = nn.Parameter((2 * torch.rand(m - dim, dim, generator=generator) - 1) * (6 / m) ** 0.5)
        self.rectified, self.interval = method.rectified, method.interval

    def forward(self, x: Float[Tensor, "R S samples N"]) -> Float[Tensor, " R"]:
        first = x[:, :, 0]
        z = torch.cat([first, first @ self.start.mT], dim=-1)
        states = forced(self.a, self.w, self.h, z, x[:, :, :-1], self.rectified, self.interval)
        return (states[..., : x.shape[-1]] - x[:, :, 1:].transpose(1, 2)).square().mean((1, 2, 3))


@dataclass(frozen=True)
class AlmostLinearModel(ObservedUnits):
    """The trained map F(z) = (diag a + W D(z)) z + h, D(z) diagonal: 1 for linear units, [z > 0] for rectified ones."""

    a: Float[Tensor, " M"]
    w: Float[Tensor, "M M"]
    h: Float[Tensor, " M"]
    start: Float[Tensor, "hidden N"]
    rectified: int

    @classmethod
    def of(cls, cell: _Cell) -> AlmostLinearModel:
        """Convert a trained cell to float64."""
        a, w, h, start = (p.detach().double() for p in (cell.a, cell.w, cell.h, cell.start))
        return cls(a, w, h, start, cell.rectified)

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state F(z)."""
        phi = state.clone()
        phi[..., len(self.a) - self.rectified :].clamp_(min=0)
        return torch.addcmul(self.h, self.a, state) + phi @ self.w.T

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run from the last observation of the context."""
        return self.walk(self.initial_state(context), horizon, context.dim)

    def _pieces_of_a_step(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, bool]:
        """A, h, W, U, b of z <- A z + h + W relu(U z + b), and False: no second relu is subtracted."""
        m, n = len(self.a), len(self.a) - self.rectified
        linear = torch.diag(self.a)
        linear[:, :n] += self.w[:, :n]
        return linear, self.h, self.w[:, n:], torch.eye(m, dtype=self.a.dtype)[n:], self.h.new_zeros(m - n), False

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the piecewise linear map."""
        return piecewise_map(*self._pieces_of_a_step())

    def walk(
        self, state: Float[Tensor, "trajectory state"], steps: int, units: int
    ) -> Float[Tensor, "trajectory steps N"]:
        """The first `units` units of the next `steps` states; compiled if numba is installed."""
        if available():
            return roll(*self._pieces_of_a_step(), state, steps, units)
        out = state.new_empty(steps, len(state), units)
        for row in out.unbind(0):
            state = self.step(state)
            row.copy_(state[:, :units])
        return out.transpose(0, 1)

    def code(self, state: Float[Tensor, "*batch state"]) -> Int[Tensor, "*batch"]:
        """The symbol of a region: the bits [z > 0] of the rectified units as an integer, the last unit the lowest bit."""
        bits = state[..., len(self.a) - self.rectified :] > 0
        return (bits.long() * (2 ** torch.arange(self.rectified - 1, -1, -1))).sum(-1)

    def pieces(self, bits: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch M M"]:
        """The matrix diag a + W D of the regions with these bits."""
        ones = torch.ones(*bits.shape[:-1], len(self.a) - self.rectified, dtype=self.a.dtype)
        return torch.diag(self.a) + self.w * torch.cat([ones, bits], dim=-1)[..., None, :]

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The matrix diag a + W D of the region that contains the state."""
        return self.pieces((state[..., len(self.a) - self.rectified :] > 0).double())

    def fixed_points(self) -> tuple[Float[Tensor, "region M"], Float[Tensor, "region P"]]:
        """(I - diag a - W D)^{-1} h and the bits of every region; a fixed point of F only where the solution has these bits."""
        codes = torch.arange(2**self.rectified)
        bits = (codes[:, None] // 2 ** torch.arange(self.rectified - 1, -1, -1) % 2).double()
        unit = torch.eye(len(self.a), dtype=self.a.dtype)
        return torch.linalg.solve(unit - self.pieces(bits), self.h.expand(len(codes), -1)), bits

    def describe(self, data: Trajectories, run: Run) -> None:
        """Record facts: the symbolic code of free runs, and the number of fixed points and of unstable ones."""
        places = torch.linspace(0, data.observations.shape[1] - 1, _ORBITS).long()
        state = self.initial_state(Trajectories(data.observations[:1, places].transpose(0, 1), dt=data.dt))
        describe_code(self.code(self.walk(state, _STEPS, len(self.a))[:, _STEPS // 5 :]).numpy(), run)
        if self.rectified <= _TELLABLE:
            points, bits = self.fixed_points()
            real = ((points[:, len(self.a) - self.rectified :] > 0).double() == bits).all(-1)
            # Matrices with non-finite entries are left out: LAPACK does not handle them.
            pieces = self.pieces(bits[real])
            radius = torch.linalg.eigvals(pieces[pieces.isfinite().all(-1).all(-1)]).abs().amax(-1)
            run.fact("fixed_points", int(real.sum()))
            run.fact("unstable_fixed_points", int((radius > 1).sum()))

    def parameter_count(self) -> int:
        """The number of entries of a, W, h and L."""
        return sum(p.numel() for p in (self.a, self.w, self.h, self.start))
