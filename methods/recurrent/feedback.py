"""Networks that predict one step ahead and feed back their predictions: training windows, training, and the free run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.recurrent.forecaster import StateForecaster, autonomous
from dynamark.methods.training import Recipe, train
from dynamark.tasks.numerics.maps import compiled_map, free_run
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["FeedbackModel", "Streams", "trained"]


Network = TypeVar("Network", bound=nn.Module)


class Streams:
    """Streams that advance along the trajectories by one window per update.

    A stream that reaches the end of its trajectory restarts at a random position of a random trajectory.
    """

    def __init__(self, data: Float[Tensor, "trajectory time dim"], count: int, window: int, run: Run) -> None:
        self.data, self.window, self.generator = data, window, run.generator
        self.path, self.place = torch.zeros(count, dtype=torch.long), torch.full((count,), data.shape[1])

    def advance(self) -> tuple[Tensor, Tensor]:
        """The next window of every stream [S, window + 1, N], and which streams restart [S]."""
        trajectories, time, _ = self.data.shape
        fresh = self.place + self.window >= time
        count = int(fresh.sum())
        self.path[fresh] = torch.randint(trajectories, (count,), generator=self.generator)
        self.place[fresh] = torch.randint(time - self.window, (count,), generator=self.generator)
        windows = self.data[self.path[:, None], self.place[:, None] + torch.arange(self.window + 1)]
        self.place += self.window
        return windows, fresh


def trained(
    problems: Sequence[Forecasting],
    runs: Sequence[Run],
    network: Callable[[int, torch.Generator], Network],
    recipe: Recipe,
    *,
    batch: int,
    window: int,
) -> list[Network]:
    """One network per seed, trained in float32 on `batch` streams by windows of `window` samples; all seeds in one batch.

    network: makes a network for a number of channels; called with a window and which streams are fresh, it returns its loss.
    Raises UserError if the trajectories are not longer than the window.
    """
    data = [autonomous(problem).train.observations.float() for problem in problems]
    if data[0].shape[1] <= window:
        raise UserError(
            f"trajectories of {data[0].shape[1]} samples are too short for windows of {window} samples: "
            "decrease `window`"
        )
    modules = [network(data[0].shape[-1], run.generator) for run in runs]
    streams = [Streams(path, batch, window, run) for path, run in zip(data, runs, strict=True)]
    train(modules, _loss, lambda member, run: streams[member].advance(), runs, recipe)
    return modules


def _loss(module: Callable[..., Tensor], x: Tensor, fresh: Tensor) -> Tensor:
    return module(x, fresh)


class FeedbackModel(StateForecaster):
    """A trained network s+ = f(x, s) with the prediction x = C h + d, h the last entries of the state s."""

    out: Float[Tensor, "unit dim"]
    shift: Float[Tensor, " dim"]

    @abstractmethod
    def after(self, x: Float[Tensor, "trajectory dim"], state: Tensor) -> Tensor:
        """The state after an observation."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of entries of the state."""

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the whole context, from a zero state."""
        x = context.observations.double()
        state = x.new_zeros(len(x), self.size)
        for sample in x.unbind(1):
            state = self.after(sample, state)
        return state

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The state after the network receives its own prediction as input."""
        return self.after(self.observe(state), state)

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The prediction of the next observation."""
        return state[..., -len(self.out) :] @ self.out + self.shift

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run: each prediction is fed back as the next input."""
        state = self.initial_state(context)
        form = compiled_map(self)
        if form is not None and state.device.type == "cpu":
            return free_run(form, state, horizon, context.dim, now=True)
        out = state.new_empty(horizon, len(state), context.dim)
        for row in out.unbind(0):
            row.copy_(self.observe(state))
            state = self.after(row, state)
        return out.transpose(0, 1)

    @abstractmethod
    def tangent(
        self, state: Float[Tensor, "trajectory state"], vectors: Float[Tensor, "trajectory state k"]
    ) -> Float[Tensor, "trajectory state k"]:
        """The derivative of `step` times vectors, by the chain rule, without forming the Jacobian."""

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The dense Jacobian of `step`."""
        return self.tangent(state, torch.eye(state.shape[-1], dtype=state.dtype).repeat(len(state), 1, 1))
