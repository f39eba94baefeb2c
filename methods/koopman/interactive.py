"""Networks for systems with inputs: latent states with linear or nonlinear dynamics, and a residual network of the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Count, Penalty, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.latent_dynamics import Bilinear, Dense, Diagonal, Gated, Residual
from dynamark.methods.koopman.networks import Scaling, mlp, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DrivenMLP", "InteractiveDynamics", "fastest_angle"]

# Share of the power below `fastest_angle`, and the factor by which angles of modes exceed it.
_SHARE, _BEYOND = 0.95, 1.5
_ACTION_UNITS = (32, 32)


def fastest_angle(paths: Float[Tensor, "trajectory time dim"]) -> float:
    """The angle, in radians per sample, below which 95 % of the power of the centered trajectories lies; pi/2 without power."""
    centered = paths - paths.mean(dim=1, keepdim=True)
    power = torch.fft.rfft(centered, dim=1).abs().square().sum(dim=(0, 2))
    if not float(power.sum()) > 0:
        return torch.pi / 2
    first = int((power.cumsum(0) < _SHARE * power.sum()).sum())
    return 2 * torch.pi * max(1, first) / paths.shape[1]


class LatentNetwork(nn.Module):
    """Encoder, encoder of inputs, latent dynamics, decoder; a window holds states and inputs, [x_t, u_t] at each time."""

    def __init__(self, dim: int, channels: int, size: int, hidden: tuple[int, ...], dynamics: nn.Module) -> None:
        super().__init__()
        self.dim, self.channels = dim, channels
        self.encoder = mlp((dim, *hidden, size), "gelu")
        self.decoder = mlp((size, *hidden[::-1], dim), "gelu")
        # Of the input alone: features of state and input would make the path no convolution.
        self.actions = mlp((channels, *_ACTION_UNITS, size), "gelu") if channels else None
        self.size = size
        self.dynamics = dynamics

    def drive(self, inputs: Float[Tensor, "batch time channel"]) -> Float[Tensor, "batch time state"]:
        """The features of the inputs; 0 without inputs."""
        if self.actions is None:
            return inputs.new_zeros(*inputs.shape[:-1], self.size)
        features: Tensor = self.actions(inputs)
        return features

    def forward(self, window: Float[Tensor, "batch time channel"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predictions from the first state, reconstructions, the latent path, and the latent states of the window."""
        x, u = window[..., : self.dim], window[..., self.dim :]
        latent = self.encoder(x)
        path = self.dynamics(latent[:, 0], self.drive(u[:, 1:]))
        return self.decoder(path), self.decoder(latent), path, latent


@dataclass(frozen=True)
class InteractiveDynamics:
    """z_0 = e(x_0), z_t = f(z_{t-1}, l(u_t)), x_t = d(z_t), e, l and d networks, trained on windows of `window` steps:

    mean |d(z_t) - x_t|^2 + alignment * mean |z_t - e(x_t)|^2 + mean |d(e(x_t)) - x_t|^2.

    dynamics: `diagonal`, lambda z + l with `modes` complex modes, all steps by one convolution; `bilinear`, the same with inputs
    whose effect depends on z, stepped; `dense`, K z + l; `residual` and `gated`, networks. All have 2 `modes` real latent
    states, equal encoders, decoders, losses and steps: they differ by the dynamics alone. Control whose effect depends on the
    state is outside the class of latent dynamics that are linear with features of the input alone.
    The moduli of eigenvalues are at most 1 and first e^{-0.02}; the angles of mode i are first 1.5 w i/modes, w the angle below
    which 95 % of the power of the training trajectories lies.

    Source: Mondal et al. 2024, section 3. Sizes, initial angles, and the weights of the loss are those of this benchmark.
    key: mondal2024
    """

    dynamics: Literal["diagonal", "bilinear", "dense", "residual", "gated"] = "diagonal"
    modes: Size = 32
    hidden: tuple[Size, ...] = (64, 64)
    window: Count = 50
    alignment: Penalty = 0.1
    decay: Positive = 0.02
    steps: Steps = 4000
    batch: Batch = 64
    rate: Positive = 3e-3
    search_space: ClassVar[SearchSpace] = {"rate": (3e-3, 1e-3), "window": (50, 20), "modes": (32, 64)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[DrivenNetwork]:
        """Train all seeds in one loop."""
        recipe = Recipe(self.steps, self.rate, schedule="one_cycle", clip=1.0)
        return _fit(self._network, self._loss, self.window, self.batch, recipe, problems, runs)

    def _network(self, problem: Forecasting, states: Tensor) -> LatentNetwork:
        size = 2 * self.modes
        dynamics: nn.Module
        if self.dynamics in ("diagonal", "bilinear"):
            angles = _BEYOND * fastest_angle(states) * torch.arange(self.modes) / self.modes
            kind = Diagonal if self.dynamics == "diagonal" else Bilinear
            dynamics = kind(self.decay, angles)
        else:
            kinds: dict[str, Callable[[int], nn.Module]] = {"dense": Dense, "residual": Residual, "gated": Gated}
            dynamics = kinds[self.dynamics](size)
        return LatentNetwork(problem.train.dim, problem.train.channels, size, self.hidden, dynamics)

    def _loss(self, network: Any, window: Tensor) -> Tensor:
        predicted, decoded, path, latent = network(window)
        x = window[..., : predicted.shape[-1]]
        return (
            (predicted - x).square().mean()
            + self.alignment * (path - latent).square().mean()
            + (decoded - x).square().mean()
        )


class DrivenStep(nn.Module):
    """x_t = x_{t-1} + f(x_{t-1}, u_t), f a multilayer perceptron."""

    def __init__(self, dim: int, channels: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.dim = dim
        self.change = mlp((dim + channels, *hidden, dim), "gelu")

    def forward(self, window: Float[Tensor, "batch time channel"]) -> tuple[Tensor, ...]:
        """The states predicted from the first state and the inputs of a window, after the first state itself."""
        x, states = window[:, 0, : self.dim], [window[:, 0, : self.dim]]
        for t in range(1, window.shape[1]):
            x = x + self.change(torch.cat([x, window[:, t, self.dim :]], dim=-1))
            states.append(x)
        return (torch.stack(states, dim=1),)


@dataclass(frozen=True)
class DrivenMLP:
    """x_t = x_{t-1} + f(x_{t-1}, u_t), f a multilayer perceptron trained on the mean squared error of rollouts of `window` steps.

    The input acts in every nonlinear way on the state. A standard baseline without a reference paper.
    """

    hidden: tuple[Size, ...] = (128, 128)
    window: Count = 10
    steps: Steps = 4000
    batch: Batch = 64
    rate: Positive = 1e-3
    search_space: ClassVar[SearchSpace] = {"rate": (1e-3, 3e-3), "window": (10, 5)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[DrivenNetwork]:
        """Train all seeds in one loop."""
        recipe = Recipe(self.steps, self.rate, schedule="one_cycle", clip=5.0)

        def build(problem: Forecasting, states: Tensor) -> nn.Module:
            return DrivenStep(problem.train.dim, problem.train.channels, self.hidden)

        def loss(network: Any, window: Tensor) -> Tensor:
            (predicted,) = network(window)
            return (predicted - window[..., : predicted.shape[-1]]).square().mean()

        return _fit(build, loss, self.window, self.batch, recipe, problems, runs)


@dataclass(frozen=True)
class DrivenNetwork:
    """A trained network with its scalings of states and inputs, in float64."""

    network: nn.Module
    states: Scaling
    inputs: Scaling | None

    @torch.no_grad()
    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Continue from the last context state; later states are unknown and not read."""
        start = self.states(context.observations[:, -1:].double())
        parts = [torch.cat([start, start.new_zeros(len(start), horizon, start.shape[2])], dim=1)]
        if self.inputs is not None and inputs is not None:
            driving = self.inputs(inputs.double())
            parts.append(torch.cat([torch.zeros_like(driving[:, :1]), driving], dim=1))
        predicted: Tensor = self.network(torch.cat(parts, dim=2))[0]
        return self.states.back(predicted[:, 1:])

    def parameter_count(self) -> int:
        """Weights and scalings."""
        scales = [self.states] if self.inputs is None else [self.states, self.inputs]
        return sum(p.numel() for p in self.network.parameters()) + sum(2 * s.mean.numel() for s in scales)


def _fit(
    build: Callable[[Forecasting, Tensor], nn.Module],
    loss: Callable[..., Tensor],
    window: int,
    count: int,
    recipe: Recipe,
    problems: Sequence[Forecasting],
    runs: Sequence[Run],
) -> list[DrivenNetwork]:
    """Train one network per seed on windows of a state and the `window` states after it, with their inputs."""
    scalings = [_scalings(problem.train) for problem in problems]
    paths = [_scaled(problem.train, *pair) for problem, pair in zip(problems, scalings, strict=True)]
    networks = []
    for problem, path, run in zip(problems, paths, runs, strict=True):
        with seeded(run):
            networks.append(build(problem, path[..., : problem.train.dim]))

    def batch(member: int, run: Run) -> tuple[Tensor]:
        return (windows(paths[member], window + 1, count, run.generator),)

    trained = train(networks, loss, batch, runs, recipe)
    return [DrivenNetwork(n.double().requires_grad_(False), *pair) for n, pair in zip(trained, scalings, strict=True)]


def _scalings(paths: Trajectories) -> tuple[Scaling, Scaling | None]:
    """Of the states, and of the inputs if there are any."""
    driven = paths.inputs is not None and paths.inputs.shape[2] > 0
    inputs = Scaling(replace(paths, observations=paths.inputs)) if driven and paths.inputs is not None else None
    return Scaling(paths), inputs


def _scaled(paths: Trajectories, states: Scaling, inputs: Scaling | None) -> Float[Tensor, "trajectory time channel"]:
    """States and inputs side by side, in float32."""
    parts = [states(paths.observations.double())]
    if inputs is not None and paths.inputs is not None:
        parts.append(inputs(paths.inputs.double()))
    return torch.cat(parts, dim=2).float()
