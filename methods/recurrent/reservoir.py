"""Echo state networks: a fixed random recurrent network with a fitted linear readout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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

# With fewer samples than features the readout interpolates the training data and free runs may diverge: validation data chooses
# among these multiples of the penalty.
_MULTIPLES = (1.0, 1e2, 1e4, 1e6, 1e8, 1e10)

# Free runs that are compared; how much farther from the mean they start to see whether they stay bounded; and the multiple of the
# largest observation that they may not exceed.
_STARTS, _FARTHER, _BOUND = 16, 2.0, 3.0


@dataclass(frozen=True)
class EchoStateNetwork:
    """r_t = (1 - g) r_{t-1} + g tanh(A r_{t-1} + B x_t + b), x_{t+1} = C' [r_t; r_t^2].

    A [unit, unit] has N(0, 1) entries with probability density/units and is rescaled to the spectral radius `radius`;
    B ~ U(+-input), b ~ U(+-bias). C minimizes |F C - x|^2 + penalty |C|^2 over the samples after `washout` steps (at most a
    quarter of a trajectory), F the rows [r_t; r_t^2]; the Gram matrix is not normalized. If the penalized matrix is not
    numerically positive definite, the penalty is raised, first to the rounding error of the Gram matrix, then tenfold. If there
    are fewer samples than features, the penalty is the best of 1, 1e2, ... 1e10 times `penalty` for free runs on validation
    data. The fact `penalty` is the value used. leak: g. Raises UserError if the trajectories have a single sample.
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
        if x.shape[1] < 2:
            raise UserError("trajectories of a single sample have no next sample to predict: give at least two")
        recurrent, drive, offset = self._draw(x.shape[-1], run.numpy)
        model = Reservoir(recurrent, drive, offset, self.leak, np.zeros((2 * self.units, x.shape[-1])))
        washout = min(self.washout, x.shape[1] // 4)
        moments = model.moments(x, washout)
        few = len(x) * (x.shape[1] - 1 - washout) < 2 * self.units
        readouts = [_readout(*moments, self.penalty * multiple) for multiple in (_MULTIPLES if few else (1.0,))]
        models = [(replace(model, readout=readout), penalty) for readout, penalty in readouts]
        # Of equals, such as runs that all diverge, the one with the largest penalty.
        best, penalty = min(reversed(models), key=lambda pair: _rollout_error(pair[0], problem)) if few else models[0]
        run.fact("penalty", penalty)
        return best

    def _draw(self, dim: int, rng: np.random.Generator) -> tuple[csr_array, ndarray, ndarray]:
        n = self.units
        dense = np.where(rng.random((n, n)) < self.density / n, rng.standard_normal((n, n)), 0.0)
        largest = np.abs(np.linalg.eigvals(dense)).max()
        dense *= self.radius / largest if largest > 0 else 1.0
        return csr_array(dense), rng.uniform(-self.input, self.input, (n, dim)), rng.uniform(-self.bias, self.bias, n)


def _readout(gram: Tensor, cross: Tensor, penalty: float) -> tuple[ndarray, float]:
    """The weights of the ridge regression, and the penalty with which it could be solved."""
    rounding = torch.finfo(gram.dtype).eps * float(gram.trace())
    while True:
        try:
            return ridge_of_moments(gram, cross, penalty).numpy(), penalty
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            penalty = max(10 * penalty, rounding)


def _rollout_error(model: Reservoir, problem: Forecasting) -> float:
    """The mean logarithm over lead times of the squared error of free runs in units of the variance, between 1e-6 and 1.

    The runs start at times after the first quarter of the validation trajectories and are as long as these; infinite if one
    diverges, from its context or from twice its context.
    """
    x = problem.validation.observations.double()
    train = problem.train.observations.double()
    length, middle = x.shape[1], train.mean(dim=(0, 1))
    limit, variance = _BOUND * float(train.abs().max()), float((train - middle).square().mean())
    errors: list[list[Tensor]] = [[] for _ in range(length)]
    for start in np.unique(np.linspace(max(1, length // 4), max(1, length - 1), _STARTS).astype(int)):
        for scale in (1.0, _FARTHER):
            context = Trajectories(middle + scale * (x[:, :start] - middle), dt=problem.validation.dt)
            forecast = model.forecast(context, length)
            if not float(forecast.abs().max()) <= limit:
                return np.inf
            if scale == 1.0:
                for lead in range(length - start):
                    errors[lead].append((forecast[:, lead] - x[:, start + lead]).square().mean())
    relative = torch.stack([torch.stack(own).mean() for own in errors if own] or [x.new_ones(())]) / max(
        variance, 1e-300
    )
    return float(relative.clamp(1e-6, 1.0).log().mean())


@dataclass(frozen=True)
class Reservoir(StateForecaster):
    """The fitted network; its state is r, from which x is predicted."""

    recurrent: csr_array
    drive: Float[ndarray, "unit dim"]
    offset: Float[ndarray, " unit"]
    leak: float
    readout: Float[ndarray, "feature dim"]

    def moments(self, x: ndarray, washout: int) -> tuple[Tensor, Tensor]:
        """F'F and F'Y of the readout's regression on trajectories x [trajectory, time, dim]."""
        features = 2 * len(self.offset)
        gram = torch.zeros(features, features, dtype=torch.float64)
        cross = torch.zeros(features, x.shape[-1], dtype=torch.float64)
        for states, target in self.driven(x, washout):
            rows = torch.from_numpy(np.concatenate([states, states**2], axis=1))
            gram += rows.T @ rows
            cross += rows.T @ torch.from_numpy(target)
        return gram, cross

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
