"""Neural ordinary differential equations, trained by multiple shooting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Size, Steps
from dynamark.methods.recurrent.compiled_maps import network_flow
from dynamark.methods.recurrent.forecaster import StateForecaster, autonomous
from dynamark.methods.recurrent.windows import draw_windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.numerics.integrators import rk4_jacobian
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["NeuralODE", "NeuralODEModel"]


@dataclass(frozen=True)
class NeuralODE:
    """x' = f(x), f a perceptron with tanh, integrated by the classical Runge-Kutta method with one step per sample.

    Trained by multiple shooting: segments of `segment` steps start at observations; the loss is their mean squared error.
    The unit of time is one sample. hidden: widths of the hidden layers of f. batch: segments per update.
    rate, final_rate: initial and final learning rate of RAdam, with exponential decay.
    Weights are initialized from N(0, 1/fan-in), times 0.1 in the last layer. Trained in float32, evaluated in float64.
    Raises UserError if the trajectories are not longer than a segment.
    Source: Chen, Rubanova, Bettencourt & Duvenaud, Neural ordinary differential equations, NeurIPS 2018, equation 2; the
    gradient is backpropagated through the discrete steps instead of solving the adjoint equation.
    key: chen2018
    """

    hidden: tuple[Size, ...] = (64, 64, 64)
    segment: Count = 20
    batch: Batch = 16
    updates: Steps = 50_000
    rate: Positive = 2e-3
    final_rate: Positive = 1e-5
    search_space: ClassVar[SearchSpace] = {"rate": (2e-3, 5e-4, 5e-3), "segment": (20, 5, 10)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[NeuralODEModel]:
        """Train one model per seed, all seeds in one batch."""
        data = [autonomous(problem).train.observations.float() for problem in problems]
        modules = [_Field((data[0].shape[-1], *self.hidden, data[0].shape[-1]), run.generator) for run in runs]
        decay = self.final_rate / self.rate
        recipe = Recipe(self.updates, self.rate, "exponential", decay, clip=10.0, optimizer="radam")

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (draw_windows(data[member], self.batch, self.segment + 1, 0.0, run.generator),)

        train(modules, _loss, batch, runs, recipe)
        return [NeuralODEModel(*(tuple(p.detach().double() for p in part) for part in m.parts())) for m in modules]


def _loss(module: Callable[..., Tensor], x: Tensor) -> Tensor:
    return module(x)


def field(weights: Sequence[Tensor], shifts: Sequence[Tensor], x: Float[Tensor, "*R S N"]) -> Float[Tensor, "*R S N"]:
    """f(x); the parameters may be stacked over seeds."""
    for weight, shift in zip(weights[:-1], shifts[:-1], strict=True):
        x = (x @ weight + shift[..., None, :]).tanh()
    return x @ weights[-1] + shifts[-1][..., None, :]


def runge_kutta(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """One step of the classical Runge-Kutta method, of length 1."""
    k1 = f(x)
    k2 = f(x + k1 / 2)
    k3 = f(x + k2 / 2)
    return x + (k1 + 2 * (k2 + k3) + f(x + k3)) / 6


class _Field(nn.Module):
    """The parameters of f and the loss of a batch of segments; batched over seeds."""

    stacked = True

    def __init__(self, widths: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        matrices = [torch.randn(n, m, generator=generator) / n**0.5 for n, m in pairwise(widths)]
        matrices[-1] *= 0.1
        self.weights = nn.ParameterList([nn.Parameter(w) for w in matrices])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(m)) for m in widths[1:]])

    def parts(self) -> tuple[list[Tensor], list[Tensor]]:
        """The weights and the shifts of all layers."""
        return list(self.weights), list(self.shifts)

    def forward(self, x: Float[Tensor, "R S samples N"]) -> Float[Tensor, " R"]:
        weights, shifts = self.parts()
        state, states = x[:, :, 0], []
        for _ in range(x.shape[2] - 1):
            state = runge_kutta(lambda at: field(weights, shifts, at), state)
            states.append(state)
        return (torch.stack(states, dim=2) - x[:, :, 1:]).square().mean((1, 2, 3))


@dataclass(frozen=True)
class NeuralODEModel(StateForecaster):
    """The trained vector field; its state is the last observation."""

    weights: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The last observation."""
        return context.observations[:, -1].double()

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The observation, which is the state."""
        return state

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """Integrate over one sample by one Runge-Kutta step."""
        return runge_kutta(self.field, state)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the perceptron and the Runge-Kutta step."""
        return network_flow(self.weights, self.shifts)

    def field(self, x: Float[Tensor, "trajectory dim"]) -> Float[Tensor, "trajectory dim"]:
        """The vector field f(x)."""
        return field(self.weights, self.shifts, x)

    def derivative(self, x: Float[Tensor, "trajectory dim"]) -> Float[Tensor, "trajectory dim dim"]:
        """The Jacobian of f."""
        total = torch.eye(x.shape[-1], dtype=x.dtype).expand(*x.shape, -1)
        for weight, shift in zip(self.weights[:-1], self.shifts[:-1], strict=True):
            x = (x @ weight + shift).tanh()
            total = total @ weight * (1 - x * x)[..., None, :]
        return (total @ self.weights[-1]).mT

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The Jacobian of `step`."""
        return rk4_jacobian(self.field, self.derivative, state, 1.0)[1]

    def parameter_count(self) -> int:
        """The number of entries of the weights and shifts of f."""
        return sum(p.numel() for p in (*self.weights, *self.shifts))
