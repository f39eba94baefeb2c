"""Echo state networks: a fixed random recurrent network with a fitted linear readout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_array
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Penalty, Positive, Range, SearchSpace, Share, Size
from dynamark.methods.recurrent.compiled_maps import driven, echo_map
from dynamark.methods.recurrent.forecaster import StateForecaster, autonomous
from dynamark.tasks.numerics.compiling import available
from dynamark.tasks.numerics.least_squares import ridge_of_moments
from dynamark.tasks.numerics.maps import CompiledMap, compiled_map, free_run
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["EchoStateNetwork"]

# Number of samples whose features are in memory at once.
_PIECE = 4096


@dataclass(frozen=True)
class EchoStateNetwork:
    """r_t = (1 - g) r_{t-1} + g tanh(A r_{t-1} + B x_t + b), x_{t+1} = C' [r_t; r_t^2].

    A [unit, unit] has N(0, 1) entries with probability density/units and is rescaled to the spectral radius `radius`;
    B ~ U(+-input), b ~ U(+-bias). C minimizes |F C - x|^2 + penalty |C|^2 over the samples after `washout` steps, F the rows
    [r_t; r_t^2]; the Gram matrix is not normalized. If the penalized matrix is not numerically positive definite,
    the penalty is raised, first to the rounding error of the Gram matrix, then tenfold; the fact `penalty` is the value used.
    leak: g. Raises UserError if the trajectories have fewer than washout + 2 samples.
    Source: Jaeger & Haas, Science 304, 78 (2004); squared features and default values follow Lu, Hunt & Ott, Chaos 28, 061104
    (2018). With 5 % observation noise use input 0.3, penalty 1e-3.
    key: jaeger2004
    """

    units: Size = 500
    radius: Penalty = 0.4
    density: Positive = 6.0
    input: Positive = 0.1
    bias: Penalty = 0.5
    leak: Share = 1.0
    penalty: Positive = 1e-8
    washout: Annotated[int, Range(0, 1_000_000)] = 100
    search_space: ClassVar[SearchSpace] = {
        "input": (0.1, 0.3, 1.0),
        "penalty": (1e-8, 1e-6, 1e-4, 1e-3),
        "radius": (0.4, 0.8, 1.2),
    }

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Reservoir:
        """Run the network on all trajectories, then fit the readout by one ridge regression."""
        x = autonomous(problem).train.observations.double().numpy()
        if x.shape[1] < self.washout + 2:
            raise UserError(
                f"trajectories of {x.shape[1]} samples are too short for a washout of {self.washout}: decrease `washout`"
            )
        recurrent, drive, offset = self._draw(x.shape[-1], run.numpy)
        model = Reservoir(recurrent, drive, offset, self.leak, np.zeros((2 * self.units, x.shape[-1])))
        readout, penalty = self._readout(model, x)
        run.fact("penalty", penalty)
        return Reservoir(recurrent, drive, offset, self.leak, readout)

    def _draw(self, dim: int, rng: np.random.Generator) -> tuple[csr_array, ndarray, ndarray]:
        n = self.units
        dense = np.where(rng.random((n, n)) < self.density / n, rng.standard_normal((n, n)), 0.0)
        largest = np.abs(np.linalg.eigvals(dense)).max()
        dense *= self.radius / largest if largest > 0 else 1.0
        return csr_array(dense), rng.uniform(-self.input, self.input, (n, dim)), rng.uniform(-self.bias, self.bias, n)

    def _readout(self, model: Reservoir, x: ndarray) -> tuple[ndarray, float]:
        gram = torch.zeros(2 * self.units, 2 * self.units, dtype=torch.float64)
        cross = torch.zeros(2 * self.units, x.shape[-1], dtype=torch.float64)
        for states, target in model.driven(x, self.washout):
            features = torch.from_numpy(np.concatenate([states, states**2], axis=1))
            gram += features.T @ features
            cross += features.T @ torch.from_numpy(target)
        penalty, rounding = self.penalty, torch.finfo(gram.dtype).eps * float(gram.trace())
        while True:
            try:
                return ridge_of_moments(gram, cross, penalty).numpy(), penalty
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                penalty = max(10 * penalty, rounding)


@dataclass(frozen=True)
class Reservoir(StateForecaster):
    """The fitted network; its state is r, from which x is predicted."""

    recurrent: csr_array
    drive: Float[ndarray, "unit dim"]
    offset: Float[ndarray, " unit"]
    leak: float
    readout: Float[ndarray, "feature dim"]

    def _next(self, state: ndarray, x: ndarray) -> ndarray:
        """The next state [trajectory, unit] for the input x [trajectory, dim]."""
        inside = (self.recurrent @ state.T).T + x @ self.drive.T + self.offset
        fresh = np.tanh(inside)
        return fresh if self.leak == 1.0 else (1 - self.leak) * state + self.leak * fresh

    def driven(self, x: ndarray, washout: int) -> Iterator[tuple[ndarray, ndarray]]:
        """Yield, in pieces, the states after the washout and the next observations [sample, ...]."""
        state = np.zeros((len(x), len(self.offset)))
        if available():
            yield from self._driven_compiled(state, x, washout)
            return
        states: list[ndarray] = []
        for t in range(x.shape[1] - 1):
            state = self._next(state, x[:, t])
            if t >= washout:
                states.append(state)
            if states and (len(states) == _PIECE or t == x.shape[1] - 2):
                yield (
                    np.concatenate(states),
                    np.concatenate([x[:, t + 2 - len(states) + i] for i in range(len(states))]),
                )
                states = []

    def _driven_compiled(self, state: ndarray, x: ndarray, washout: int) -> Iterator[tuple[ndarray, ndarray]]:
        form, last = self.as_map(), x.shape[1] - 1
        driven(form, state, x[:, :washout], np.empty((0, *state.shape)))
        for begin in range(washout, last, _PIECE):
            end = min(begin + _PIECE, last)
            states = np.empty((end - begin, *state.shape))
            driven(form, state, x[:, begin:end], states)
            yield (
                states.reshape(-1, states.shape[-1]),
                x[:, begin + 1 : end + 1].swapaxes(0, 1).reshape(-1, x.shape[-1]),
            )

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the whole context, from a zero state."""
        x = context.observations.double().numpy()
        state = np.zeros((len(x), len(self.offset)))
        if available():
            driven(self.as_map(), state, x, np.empty((0, *state.shape)))
            return torch.from_numpy(state)
        for t in range(x.shape[1]):
            state = self._next(state, x[:, t])
        return torch.from_numpy(state)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the network with its prediction fed back as input."""
        rows = self.recurrent.data, self.recurrent.indices, self.recurrent.indptr
        return echo_map(rows, self.drive, self.offset, self.leak, self.readout)

    def _read(self, state: ndarray) -> ndarray:
        half = len(self.offset)
        return state @ self.readout[:half] + state**2 @ self.readout[half:]

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The state after the network receives its own prediction as input."""
        now = state.numpy()
        return torch.from_numpy(self._next(now, self._read(now)))

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The prediction of the next observation."""
        return torch.from_numpy(self._read(state.numpy()))

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run: each prediction is fed back as the next input."""
        state = self.initial_state(context).numpy()
        form = compiled_map(self)
        if form is not None:
            return free_run(form, torch.from_numpy(state), horizon, self.drive.shape[1], now=True)
        out = np.empty((horizon, len(state), self.drive.shape[1]))
        for row in out:
            row[:] = self._read(state)
            state = self._next(state, row)
        return torch.from_numpy(out.transpose(1, 0, 2).copy())

    def tangent(
        self, state: Float[Tensor, "trajectory state"], vectors: Float[Tensor, "trajectory state k"]
    ) -> Float[Tensor, "trajectory state k"]:
        """diag(g (1 - tanh^2)) (A v + B (dx/dr) v) + (1 - g) v: the derivative of `step` times vectors, without the Jacobian."""
        now, v = state.numpy(), vectors.numpy()
        half = len(self.offset)
        inside = (self.recurrent @ now.T).T + self._read(now) @ self.drive.T + self.offset
        slope = self.leak * (1 - np.tanh(inside) ** 2)
        read = np.einsum("ud,tuk->tdk", self.readout[:half], v)
        read += np.einsum("ud,tuk->tdk", self.readout[half:], 2 * now[..., None] * v)
        flat = (self.recurrent @ v.transpose(1, 0, 2).reshape(half, -1)).reshape(half, len(v), -1).transpose(1, 0, 2)
        return torch.from_numpy(slope[..., None] * (flat + self.drive @ read) + (1 - self.leak) * v)

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The dense Jacobian of `step`."""
        return self.tangent(state, torch.eye(state.shape[-1], dtype=state.dtype).repeat(len(state), 1, 1))

    def parameter_count(self) -> int:
        """The number of non-zero entries of A and of all entries of B, b and C."""
        return self.recurrent.nnz + self.drive.size + self.offset.size + self.readout.size
