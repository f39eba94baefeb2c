"""The one residual stack around all sequence layers, how it is trained, and how it answers.

A layer is a causal map of sequences [batch, time, channel] -> [batch, time, dim]. With `depth` 1 and no activation the network
is the layer alone; else an encoder, `depth` residual blocks x + W f(layer(norm(x))), and a decoder. So a comparison of
methods compares layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = ["Affine", "SequenceMethod", "SequenceModel", "Stack"]


class Affine(nn.Module):
    """x W + b, W ~ N(0, 1/channels), b = 0."""

    def __init__(self, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, dim, generator=draw) / max(1, channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """The affine map of the last axis."""
        return x @ self.weight + self.bias


class _Block(nn.Module):
    """x + W gelu(layer(norm(x))); without activation x + layer(norm(x))."""

    def __init__(self, layer: nn.Module, width: int, activation: bool, draw: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layer = layer
        self.mix = Affine(width, width, draw) if activation else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.norm(x))
        return x + (y if self.mix is None else self.mix(functional.gelu(y)))


class Stack(nn.Module):
    """The network around the layers of a method."""

    def __init__(self, method: SequenceMethod, channels: int, dim: int, length: int, draw: torch.Generator) -> None:
        super().__init__()
        self.plain = method.depth == 1 and method.activation == "none"
        if self.plain:
            self.layer = method.layer(channels, dim, length, draw)
            return
        width, active = method.width, method.activation != "none"
        self.encoder = Affine(channels, width, draw)
        layers = [method.layer(width, width, length, draw) for _ in range(method.depth)]
        self.blocks = nn.ModuleList([_Block(layer, width, active, draw) for layer in layers])
        self.decoder = Affine(width, dim, draw)

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """Outputs of sequences, from rest."""
        if self.plain:
            return self.layer(x)
        x = self.encoder(x)
        for block in self.blocks:
            x = block(x)
        return self.decoder(x)


@dataclass(frozen=True)
class SequenceMethod(ABC):
    """A trained sequence layer.

    depth, width, activation: of the stack. steps, rate, batch: training steps, learning rate, sequences a step.
    Prediction problems and forecasts from a context feed (u_t, y_{t-1}) and train one step; forecasts from rest feed u_t.
    The loss is the mean squared error over whole sequences, in float32; the weights that validate best are kept.
    """

    depth: int = 1
    width: int = 32
    activation: Literal["none", "gelu"] = "none"
    steps: int = 1000
    rate: float = 1e-2
    batch: int = 8

    @abstractmethod
    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """A fresh layer for sequences of this length, drawn from `draw`."""

    def recipe(self) -> Recipe:
        """How it is trained."""
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50)

    def fit_predictors(self, problems: Sequence[Prediction], runs: Sequence[Run]) -> list[SequenceModel]:
        """One step ahead, from inputs and past outputs."""
        return self._fit(problems, runs, recursive=True)

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[SequenceModel]:
        """From rest: a simulation of the inputs. From a context: the one-step model, rolled on."""
        return self._fit(problems, runs, recursive=problems[0].context > 0)

    def _fit(
        self, problems: Sequence[Prediction | Forecasting], runs: Sequence[Run], recursive: bool
    ) -> list[SequenceModel]:
        data = [[_pairs(paths, recursive) for paths in (p.train, p.validation)] for p in problems]
        x, y = data[0][0]
        shape = (x.shape[2], y.shape[2], x.shape[1])
        networks = [Stack(self, *shape, run.generator).to(run.device) for run in runs]

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            x, y = data[member][0]
            chosen = torch.randperm(len(x), generator=run.generator)[: self.batch].to(x.device)
            return x[chosen], y[chosen]

        held = [member[1] for member in data]
        trained = train(networks, _loss, batch, runs, self.recipe(), held)
        return [SequenceModel(network, recursive) for network in trained]


def _loss(network: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()


def _pairs(paths: Trajectories, recursive: bool) -> tuple[Tensor, Tensor]:
    """What the network sees at t, and output t."""
    return _seen(paths, recursive), paths.observations.float()


def _seen(paths: Trajectories, recursive: bool) -> Float[Tensor, "trajectory time channel"]:
    """(u_t, y_{t-1}), or u_t alone."""
    y = paths.observations
    parts = [] if paths.inputs is None else [paths.inputs]
    if recursive:
        parts.append(torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], dim=1))
    return torch.cat([*parts, y.new_zeros(*y.shape[:2], 0)], dim=2).float()


@dataclass(frozen=True)
class SequenceModel:
    """A trained network: predicts y_t from (u_t, y_{t-1}) and what came before, or simulates it from inputs."""

    network: nn.Module
    recursive: bool

    def parameter_count(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.network.parameters())

    @torch.no_grad()
    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """One step in a single pass; further ahead by a roll-out from every time, which costs time^2."""
        out = sequences.observations.new_zeros(len(horizons), *sequences.observations.shape)
        time = out.shape[2]
        for place, h in enumerate(horizons):
            if h == 1:
                out[place] = self.network(_seen(sequences, self.recursive))
                continue
            for t in range(time - h + 1):
                u = sequences.inputs
                context = Trajectories(sequences.observations[:, :t], None if u is None else u[:, :t])
                out[place, :, t] = self.forecast(context, h, None if u is None else u[:, t : t + h])[:, -1]
        return out

    @torch.no_grad()
    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The outputs that follow each context; a recursive model takes its own predictions for outputs."""
        seen = context.observations.shape[1]
        y = torch.cat([context.observations, context.observations.new_zeros(len(context), horizon, context.dim)], dim=1)
        u = inputs
        if inputs is not None and context.inputs is not None:
            u = torch.cat([context.inputs[:, :seen], inputs], dim=1)
        whole = Trajectories(y, u)
        if not self.recursive:
            return self.network(_seen(whole, False))[:, seen:].double()
        for t in range(seen, seen + horizon):
            known = replace(whole, observations=y[:, : t + 1], inputs=None if u is None else u[:, : t + 1])
            y[:, t] = self.network(_seen(known, True))[:, -1]
        return y[:, seen:]
