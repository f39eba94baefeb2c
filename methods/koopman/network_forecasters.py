"""Neural forecasters as baselines for linear latent dynamics: a residual network and a gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.networks import Scaling, mlp, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["GRUForecaster", "MLPForecaster"]


class ResidualStep(nn.Module):
    """x+ = x + f(x), f a multilayer perceptron."""

    def __init__(self, dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.change = mlp((dim, *hidden, dim), "gelu")

    def forward(self, context: Float[Tensor, "window time dim"], horizon: int) -> Float[Tensor, "window horizon dim"]:
        """The `horizon` states that follow the last state of the context."""
        x, states = context[:, -1], []
        for _ in range(horizon):
            x = x + self.change(x)
            states.append(x)
        return torch.stack(states, dim=1)


class GatedStep(nn.Module):
    """h+ = GRU(x, h), x+ = x + W h+: teacher-forced on the context, then run in closed loop on its predictions."""

    def __init__(self, dim: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.read = nn.Linear(dim, 3 * units)
        self.recur = nn.Linear(units, 3 * units)
        self.change = nn.Linear(units, dim)

    def _next(self, x: Tensor, h: Tensor) -> Tensor:
        read, recur = self.read(x).chunk(3, dim=-1), self.recur(h).chunk(3, dim=-1)
        reset, update = torch.sigmoid(read[0] + recur[0]), torch.sigmoid(read[1] + recur[1])
        return (1 - update) * torch.tanh(read[2] + reset * recur[2]) + update * h

    def forward(self, context: Float[Tensor, "window time dim"], horizon: int) -> Float[Tensor, "window horizon dim"]:
        """The `horizon` states that follow the context."""
        h = torch.zeros_like(context[:, 0, :1]).expand(-1, self.units)
        for x in context.unbind(1)[:-1]:
            h = self._next(x, h)
        x, states = context[:, -1], []
        for _ in range(horizon):
            h = self._next(x, h)
            x = x + self.change(h)
            states.append(x)
        return torch.stack(states, dim=1)


@dataclass(frozen=True)
class MLPForecaster:
    """x_{n+1} = x_n + f(x_n), f a multilayer perceptron trained on the mean squared error of rollouts of `window` steps.

    States are in units of the training data's standard deviation. A standard baseline without a reference paper.
    """

    hidden: tuple[Size, ...] = (128, 128)
    window: Count = 10
    steps: Steps = 5000
    batch: Batch = 256
    rate: Positive = 1e-3
    search_space: ClassVar[SearchSpace] = {"rate": (1e-3, 3e-4, 3e-3), "window": (10, 2, 5)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[RolloutModel]:
        """Train all seeds in one loop."""
        recipe = Recipe(self.steps, self.rate, schedule="one_cycle", clip=5.0)
        return _fit(lambda dim: ResidualStep(dim, self.hidden), self.window, self.batch, recipe, problems, runs)


@dataclass(frozen=True)
class GRUForecaster:
    """h+ = GRU(x, h), x+ = x + W h+, trained on closed-loop rollouts of `window` steps after a teacher-forced context.

    On tasks with a context of one state, the hidden state is zero at the start of every rollout. States are in units of the
    training data's standard deviation. Source: Cho et al. 2014 for the GRU.
    key: cho2014
    """

    units: Size = 64
    window: Count = 10
    steps: Steps = 5000
    batch: Batch = 256
    rate: Positive = 1e-3
    search_space: ClassVar[SearchSpace] = {"rate": (1e-3, 3e-4, 3e-3), "window": (10, 2, 5)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[RolloutModel]:
        """Train all seeds in one loop."""
        recipe = Recipe(self.steps, self.rate, schedule="one_cycle", clip=5.0)
        return _fit(lambda dim: GatedStep(dim, self.units), self.window, self.batch, recipe, problems, runs)


@dataclass(frozen=True)
class RolloutModel:
    """A trained step network with its scaling, in float64."""

    network: nn.Module
    scale: Scaling

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The closed-loop rollout of the network."""
        scaled: Tensor = self.network(self.scale(context.observations.double()), horizon)
        return self.scale.back(scaled)

    def parameter_count(self) -> int:
        """Weights and scaling."""
        return sum(p.numel() for p in self.network.parameters()) + 2 * self.scale.mean.numel()


def _fit(
    build: Any,
    window: int,
    count: int,
    recipe: Recipe,
    problems: Sequence[Forecasting],
    runs: Sequence[Run],
) -> list[RolloutModel]:
    """Train one step network per seed on windows of the context and the `window` states after it."""
    scalings = [Scaling(problem.train) for problem in problems]
    paths = [scale(p.train.observations.double()).float() for scale, p in zip(scalings, problems, strict=True)]
    context = max(1, min(problems[0].context, paths[0].shape[1] - 1))
    networks = []
    for problem, run in zip(problems, runs, strict=True):
        with seeded(run):
            networks.append(build(problem.train.dim))

    def batch(member: int, run: Run) -> tuple[Tensor]:
        return (windows(paths[member], context + window, count, run.generator),)

    def loss(network: Any, states: Tensor) -> Tensor:
        truth = states[:, context:]
        return (network(states[:, :context], truth.shape[1]) - truth).square().mean()

    trained = train(networks, loss, batch, runs, recipe)
    return [RolloutModel(n.double().requires_grad_(False), s) for n, s in zip(trained, scalings, strict=True)]
