"""LSTM and GRU networks that predict one step ahead and forecast by feeding back their own predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Positive, Range, SearchSpace, Size, Steps
from dynamark.methods.recurrent.compiled_maps import gru_map, lstm_map
from dynamark.methods.recurrent.feedback import FeedbackModel, trained
from dynamark.methods.training import Recipe
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["GatedModel", "GatedNetwork"]

Cell = Literal["lstm", "gru"]
# Gates of a cell, and parts of its state: (c, h) of the LSTM, h of the GRU.
_GATES, _PARTS = {"lstm": 4, "gru": 3}, {"lstm": 2, "gru": 1}


@dataclass(frozen=True)
class GatedNetwork:
    """s_t = cell(x_t, s_{t-1}), x_{t+1} = C h_t + d; trained on the one-step error; forecasts feed back predictions.

    lstm: (i, f, o) = sigmoid(W x + U h + b)_ifo, g = tanh(W x + U h + b)_g, c' = f c + i g, h' = o tanh c'; b_f starts at 1.
    gru: (r, u) = sigmoid(W x + U h + b)_ru, n = tanh(W_n x + b_n + r (U_n h)), h' = n + u (h - n).
    Trained by truncated backpropagation through time: `batch` streams advance along the data by `window` steps per update and
    pass their state, but not its gradient, to the next update. A stream that reaches the end of the data restarts at a random
    position with a zero state. Weights are initialized from N(0, 1/fan-in). Trained in float32, evaluated in float64; a context
    is processed from a zero state. Raises UserError if the trajectories are not longer than the window.
    Source: Hochreiter & Schmidhuber 1997; Cho et al. 2014; training for chaotic systems as in Vlachas et al., Neural Networks
    126, 191 (2020), who compare these networks with reservoir computers.
    key: vlachas2020
    """

    cell: Cell = "lstm"
    units: Size = 64
    window: Annotated[int, Range(1, 1_000_000)] = 40
    batch: Batch = 16
    updates: Steps = 50_000
    rate: Positive = 2e-3
    final_rate: Positive = 1e-5
    search_space: ClassVar[SearchSpace] = {"rate": (2e-3, 5e-4, 5e-3), "units": (64, 32, 128)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[GatedModel]:
        """Train one model per seed, all seeds in one batch."""
        recipe = Recipe(self.updates, self.rate, "exponential", self.final_rate / self.rate, clip=1.0)
        modules = trained(
            problems, runs, lambda dim, draw: _Network(self, dim, draw), recipe, batch=self.batch, window=self.window
        )
        return [GatedModel.of(module) for module in modules]


class _Network(nn.Module):
    """The parameters, the state of the streams and the loss of a window; batched over seeds."""

    stacked = True
    state: Tensor

    def __init__(self, method: GatedNetwork, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        units, gates = method.units, _GATES[method.cell]
        self.cell: Cell = method.cell

        def drawn(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) / rows**0.5)

        self.read, self.recur = drawn(dim, gates * units), drawn(units, gates * units)
        self.bias = nn.Parameter(torch.zeros(gates * units))
        if method.cell == "lstm":
            self.bias.data[units : 2 * units] = 1.0
        self.out, self.shift = drawn(units, dim), nn.Parameter(torch.zeros(dim))
        self.register_buffer("state", torch.zeros(method.batch, _PARTS[method.cell] * units))

    def forward(self, x: Float[Tensor, "R S samples N"], fresh: Tensor) -> Float[Tensor, " R"]:
        state = torch.where(fresh[..., None], 0.0, self.state)
        inputs = (x[:, :, :-1] @ self.read[:, None] + self.bias[:, None, None]).unbind(2)
        hidden = []
        for gates in inputs:
            state = advanced(self.cell, gates, state, self.recur)
            hidden.append(state[..., -self.out.shape[-2] :])
        self.state.copy_(state.detach())
        predictions = torch.stack(hidden, dim=2) @ self.out[:, None] + self.shift[:, None, None]
        return (predictions - x[:, :, 1:]).square().mean((1, 2, 3))


def advanced(
    cell: Cell, gates: Float[Tensor, "*batch gates"], state: Float[Tensor, "*batch state"], recur: Tensor
) -> Float[Tensor, "*batch state"]:
    """The next state of a cell. gates: the input's contribution W x + b to the gates; the last part of a state is h."""
    if cell == "lstm":
        c, h = state.chunk(2, dim=-1)
        inside = gates + h @ recur
        i, f, o, g = inside.chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return torch.cat([c, o.sigmoid() * c.tanh()], dim=-1)
    (r, u, n), (pull_r, pull_u, pull_n) = gates.chunk(3, dim=-1), (state @ recur).chunk(3, dim=-1)
    new = (n + (r + pull_r).sigmoid() * pull_n).tanh()
    return new + (u + pull_u).sigmoid() * (state - new)


@dataclass(frozen=True)
class GatedModel(FeedbackModel):
    """The trained network; its state is that of the cell, (c, h) for an LSTM and h for a GRU."""

    cell: Cell
    read: Float[Tensor, "dim gates"]
    recur: Float[Tensor, "unit gates"]
    bias: Float[Tensor, " gates"]
    out: Float[Tensor, "unit dim"]
    shift: Float[Tensor, " dim"]

    @classmethod
    def of(cls, network: _Network) -> GatedModel:
        """Convert a trained network to float64."""
        parts = (network.read, network.recur, network.bias, network.out, network.shift)
        return cls(network.cell, *(p.detach().double() for p in parts))

    @property
    def size(self) -> int:
        """Number of entries of the state."""
        return _PARTS[self.cell] * len(self.recur)

    def after(self, x: Float[Tensor, "trajectory dim"], state: Tensor) -> Tensor:
        """The state after an observation."""
        return advanced(self.cell, x @ self.read + self.bias, state, self.recur)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the cell with its prediction fed back as input."""
        return (lstm_map if self.cell == "lstm" else gru_map)(self.read, self.recur, self.bias, self.out, self.shift)

    def tangent(
        self, state: Float[Tensor, "trajectory state"], vectors: Float[Tensor, "trajectory state k"]
    ) -> Float[Tensor, "trajectory state k"]:
        """The derivative of `step` times vectors, by the chain rule, without forming the Jacobian."""
        v, x = vectors.mT, self.observe(state)[:, None]
        products = (_lstm_tangent if self.cell == "lstm" else _gru_tangent)(self, x, state[:, None], v)
        return products.mT

    def parameter_count(self) -> int:
        """The number of entries of W, U, b, C and d."""
        return sum(p.numel() for p in (self.read, self.recur, self.bias, self.out, self.shift))


def _lstm_tangent(model: GatedModel, x: Tensor, state: Tensor, v: Tensor) -> Tensor:
    (c, h), (dc, dh) = state.chunk(2, dim=-1), v.chunk(2, dim=-1)
    inside = x @ model.read + model.bias + h @ model.recur
    d_gates = dh @ (model.out @ model.read + model.recur)
    i, f, o = (part.sigmoid() for part in inside.chunk(4, dim=-1)[:3])
    g = inside.chunk(4, dim=-1)[3].tanh()
    di, df, do, dg = d_gates.chunk(4, dim=-1)
    dc = f * dc + c * f * (1 - f) * df + g * i * (1 - i) * di + i * (1 - g * g) * dg
    tanh_c = (f * c + i * g).tanh()
    return torch.cat([dc, o * (1 - tanh_c * tanh_c) * dc + tanh_c * o * (1 - o) * do], dim=-1)


def _gru_tangent(model: GatedModel, x: Tensor, h: Tensor, v: Tensor) -> Tensor:
    (r, u, n), (pull_r, pull_u, pull_n) = (
        (x @ model.read + model.bias).chunk(3, dim=-1),
        (h @ model.recur).chunk(3, dim=-1),
    )
    r, u = (r + pull_r).sigmoid(), (u + pull_u).sigmoid()
    n = (n + r * pull_n).tanh()
    dr, du, dn = (v @ (model.out @ model.read)).chunk(3, dim=-1)
    push_r, push_u, push_n = (v @ model.recur).chunk(3, dim=-1)
    dr, du = r * (1 - r) * (dr + push_r), u * (1 - u) * (du + push_u)
    dn = (1 - n * n) * (dn + dr * pull_n + r * push_n)
    return dn + du * (h - n) + u * (v - dn)
