"""Long Expressive Memory: a gated network with two time scales that predicts one step ahead and feeds back its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Positive, Range, SearchSpace, Size, Steps
from dynamark.methods.recurrent import compiled_lem
from dynamark.methods.recurrent.feedback import FeedbackModel, trained
from dynamark.methods.training import Recipe
from dynamark.tasks.numerics.compiling import available
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["LEM", "LEMModel"]


@dataclass(frozen=True)
class LEM:
    """z_t = z_{t-1} + d1 (tanh(W_z x + U_z y_{t-1} + b_z) - z_{t-1}), y_t = y_{t-1} + d2 (tanh(W_y x + V z_t + b_y) - y_{t-1}).

    The learned steps are d1 = sigmoid(W_1 x + U_1 y_{t-1} + b_1) and d2 = sigmoid(W_2 x + U_2 y_{t-1} + b_2), both at most 1, so
    that |z| and |y| never exceed 1 after a zero state. x_{t+1} = C y_t + d; trained on the one-step error by truncated
    backpropagation through time, with the streams, schedule and initialization of `lstm_tbptt`; forecasts feed back predictions.
    Trained in float32, evaluated in float64; a context is processed from a zero state. Raises UserError if the trajectories are
    not longer than the window.
    Source: Rusch, Mishra, Erichson & Mahoney 2022, equation 2, with the largest step 1.
    key: rusch2022
    """

    units: Size = 64
    window: Annotated[int, Range(1, 1_000_000)] = 40
    batch: Batch = 16
    updates: Steps = 50_000
    rate: Positive = 2e-3
    final_rate: Positive = 1e-5
    search_space: ClassVar[SearchSpace] = {"rate": (2e-3, 5e-4, 5e-3), "units": (64, 32, 128)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[LEMModel]:
        """Train one model per seed, all seeds in one batch."""
        recipe = Recipe(self.updates, self.rate, "exponential", self.final_rate / self.rate, clip=1.0)
        modules = trained(
            problems, runs, lambda dim, draw: _Network(self, dim, draw), recipe, batch=self.batch, window=self.window
        )
        return [LEMModel.of(module) for module in modules]


class _Network(nn.Module):
    """The parameters, the state of the streams and the loss of a window; batched over seeds."""

    stacked = True
    state: Tensor

    def __init__(self, method: LEM, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        units = method.units

        def drawn(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) / rows**0.5)

        self.read, self.recur, self.inner = drawn(dim, 4 * units), drawn(units, 3 * units), drawn(units, units)
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.out, self.shift = drawn(units, dim), nn.Parameter(torch.zeros(dim))
        self.register_buffer("state", torch.zeros(method.batch, 2 * units))

    def forward(self, x: Float[Tensor, "R S samples N"], fresh: Tensor) -> Float[Tensor, " R"]:
        state = torch.where(fresh[..., None], 0.0, self.state)
        gates = x[:, :, :-1].transpose(1, 2) @ self.read[:, None] + self.bias[:, None, None]  # [R, T, S, 4U]
        states = states_of(gates, self.recur, self.inner, state)
        self.state.copy_(states[:, -1].detach())
        predictions = states[..., self.recur.shape[-2] :] @ self.out[:, None] + self.shift[:, None, None]
        return (predictions - x[:, :, 1:].transpose(1, 2)).square().mean((1, 2, 3))


def advanced(
    gates: Float[Tensor, "*batch gates"], state: Float[Tensor, "*batch state"], recur: Tensor, inner: Tensor
) -> Float[Tensor, "*batch state"]:
    """The next state (z, y). gates: the input's contribution W x + b to the gates 1, 2, z and y."""
    z, y = state.chunk(2, dim=-1)
    first, last = gates.tensor_split([3 * y.shape[-1]], dim=-1)
    step_z, step_y, fresh = (first + y @ recur).chunk(3, dim=-1)
    z = z + step_z.sigmoid() * (fresh.tanh() - z)
    return torch.cat([z, y + step_y.sigmoid() * ((last + z @ inner).tanh() - y)], dim=-1)


def states_of(
    gates: Float[Tensor, "R T S gates"],
    recur: Float[Tensor, "R U three"],
    inner: Float[Tensor, "R U U"],
    state: Float[Tensor, "R S state"],
) -> Float[Tensor, "R T S state"]:
    """The states after each step of a window that starts at `state`, which gets no gradient."""
    if available() and gates.device.type == "cpu":
        states: Tensor = _Window.apply(gates, recur, inner, state)[0]  # type: ignore[no-untyped-call]
        return states
    rows = []
    for gate in gates.unbind(1):
        state = advanced(gate, state, recur, inner)
        rows.append(state)
    return torch.stack(rows, dim=1)


class _Window(torch.autograd.Function):
    """The compiled window and its hand-written gradient."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, recur: Tensor, inner: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        states, active = compiled_lem.forward(gates, recur, inner, state)
        ctx.save_for_backward(recur, inner, state, states, active)
        ctx.mark_non_differentiable(active)
        return states, active

    @staticmethod
    def backward(ctx: Any, to_states: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        recur, inner, state, states, active = ctx.saved_tensors
        return (*compiled_lem.backward(to_states, recur, inner, state, states, active), None)


@dataclass(frozen=True)
class LEMModel(FeedbackModel):
    """The trained network; its state is (z, y)."""

    read: Float[Tensor, "dim gates"]
    recur: Float[Tensor, "unit three"]
    inner: Float[Tensor, "unit unit"]
    bias: Float[Tensor, " gates"]
    out: Float[Tensor, "unit dim"]
    shift: Float[Tensor, " dim"]

    @classmethod
    def of(cls, network: _Network) -> LEMModel:
        """Convert a trained network to float64."""
        parts = (network.read, network.recur, network.inner, network.bias, network.out, network.shift)
        return cls(*(p.detach().double() for p in parts))

    @property
    def size(self) -> int:
        """Number of entries of the state."""
        return 2 * len(self.recur)

    def after(self, x: Float[Tensor, "trajectory dim"], state: Tensor) -> Tensor:
        """The state after an observation."""
        return advanced(x @ self.read + self.bias, state, self.recur, self.inner)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the cell with its prediction fed back as input."""
        return compiled_lem.lem_map(self.read, self.recur, self.inner, self.bias, self.out, self.shift)

    def tangent(
        self, state: Float[Tensor, "trajectory state"], vectors: Float[Tensor, "trajectory state k"]
    ) -> Float[Tensor, "trajectory state k"]:
        """The derivative of `step` times vectors, by the chain rule, without forming the Jacobian."""
        (z, y), (dz, dy) = state[:, None].chunk(2, dim=-1), vectors.mT.chunk(2, dim=-1)
        first, last = (self.observe(state)[:, None] @ self.read + self.bias).tensor_split([3 * y.shape[-1]], dim=-1)
        step_z, step_y, fresh = (first + y @ self.recur).chunk(3, dim=-1)
        step_z, step_y, fresh = step_z.sigmoid(), step_y.sigmoid(), fresh.tanh()
        d_given = dy @ (self.out @ self.read)
        d_first = d_given[..., : 3 * y.shape[-1]] + dy @ self.recur
        d_step_z, d_step_y, d_fresh = d_first.chunk(3, dim=-1)
        dz = (1 - step_z) * dz + step_z * (1 - step_z) * (fresh - z) * d_step_z + step_z * (1 - fresh * fresh) * d_fresh
        content = (last + (z + step_z * (fresh - z)) @ self.inner).tanh()
        d_content = (1 - content * content) * (d_given[..., 3 * y.shape[-1] :] + dz @ self.inner)
        dy = (1 - step_y) * dy + step_y * (1 - step_y) * (content - y) * d_step_y + step_y * d_content
        return torch.cat([dz, dy], dim=-1).mT

    def parameter_count(self) -> int:
        """The number of entries of W, U, V, b, C and d."""
        return sum(p.numel() for p in (self.read, self.recur, self.inner, self.bias, self.out, self.shift))
