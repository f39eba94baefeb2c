"""The residual stack that is common to all sequence layers, its training, and its predictions.

A layer is a causal map of sequences [batch, time, channel] -> [batch, time, dim]. With `depth` 1 and no activation the network
is the layer alone; otherwise it is an encoder, `depth` residual blocks x + W f(layer(norm(x))), and a decoder. Without
activation, W is omitted if the layer itself mixes channels. Methods therefore differ in their layers only. If samples are
unevenly spaced, the last channel of x is the time since the previous sample; continuous-time layers receive this channel
unchanged, also inside the stack.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dynamark.methods.fields import Batch, Order, Positive, Range, SearchSpace, Size, Steps, Units
from dynamark.methods.sequence import steps
from dynamark.methods.sequence.rollout import ahead, roll
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = ["Affine", "SequenceMethod", "SequenceModel", "Sight", "Stack"]


class Affine(nn.Module):
    """x W + b, W ~ N(0, 1/channels), b = 0."""

    def __init__(self, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, dim, generator=draw) / max(1, channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis; the other axes are flattened, because `vmap` would make one small product per time step."""
        return (x.reshape(-1, x.shape[-1]) @ self.weight + self.bias).reshape(*x.shape[:-1], self.bias.shape[-1])


class _Block(nn.Module):
    """x + W gelu(layer(norm(x))); without activation x + layer(norm(x)), or x + W layer(norm(x)) for a channelwise layer."""

    def __init__(self, layer: nn.Module, width: int, activation: bool, draw: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layer = layer
        self.active = activation
        self.mix = Affine(width, width, draw) if activation or not getattr(layer, "mixes", True) else None

    def forward(self, x: Tensor, gaps: Tensor) -> Tensor:
        y = self.layer(torch.cat([self.norm(x), gaps], dim=-1))
        y = functional.gelu(y) if self.active else y
        return x + (y if self.mix is None else self.mix(y))

    def steps(self, form: Stepwise) -> tuple[Any, ...]:
        """The weights of one step of the block; those of its layer are last."""
        norm, mix = self.norm, self.mix
        norm_weights = arrays(norm.weight, norm.bias)
        mix_weights = (np.zeros((0, 0)), np.zeros(0)) if mix is None else arrays(mix.weight, mix.bias)
        return *norm_weights, np.array([norm.eps]), *mix_weights, form.weights


class Stack(nn.Module):
    """The network: encoder, residual blocks with the layers of a method, decoder; or the layer alone."""

    def __init__(self, method: SequenceMethod, channels: int, dim: int, length: int, draw: torch.Generator) -> None:
        super().__init__()
        self.plain = method.depth == 1 and method.activation == "none"
        # Continuous-time layers receive the last channel, the gap, unchanged.
        self.own = int(method.timed)
        if self.plain:
            self.layer = method.layer(channels, dim, length, draw)
            return
        width, active = method.width, method.activation != "none"
        self.encoder = Affine(channels - self.own, width, draw)
        layers = [method.block_layer(width, length, draw) for _ in range(method.depth)]
        self.blocks = nn.ModuleList([_Block(layer, width, active, draw) for layer in layers])
        self.decoder = Affine(width, dim, draw)

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """The outputs of sequences, from a zero initial state."""
        if self.plain:
            return self.layer(x)
        x, gaps = x.tensor_split((x.shape[-1] - self.own,), dim=-1)
        x = self.encoder(x)
        for block in self.blocks:
            x = block(x, gaps)
        return self.decoder(x)

    def steps(self) -> Stepwise | None:
        """The network as a recurrence, one sample at a time; None if a layer does not define `steps`."""
        layers: list[Any] = [self.layer] if self.plain else [block.layer for block in self.blocks]
        if not all(hasattr(layer, "steps") for layer in layers):
            return None
        forms: list[Stepwise] = [layer.steps() for layer in layers]
        if self.plain:
            return forms[0]
        blocks = tuple(cast(_Block, block).steps(form) for block, form in zip(self.blocks, forms, strict=True))
        own, active = np.zeros(self.own), np.zeros(int(cast(_Block, self.blocks[0]).active))
        entry, out = (arrays(part.weight, part.bias) for part in (self.encoder, self.decoder))
        return Stepwise(
            steps.stacked.given(layer=forms[0].advance), (*entry, blocks, *out, own, active), sum(f.size for f in forms)
        )


@dataclass(frozen=True)
class SequenceMethod(ABC):
    """The base class of trained sequence layers.

    depth, width, activation: of the stack. steps, rate, batch: training steps, learning rate, sequences per step.
    difference: lag k of y^_t = y_{t-k} + f(u)_t, where the input of the network f is u only; 0: y^_t = f.
    blind: ignore the time between samples of unevenly spaced data.
    For prediction and for forecasts from a context, the input is (u_t, y_{t-1}) and the target y_t; for forecasts from rest, the
    input is u_t. The loss is the mean squared error over whole sequences, in float32; the weights with the smallest validation
    loss are used.
    """

    depth: Annotated[int, Range(1, 100)] = 1
    width: Size = 32
    activation: Literal["none", "gelu"] = "none"
    steps: Steps = 1000
    rate: Positive = 1e-2
    batch: Batch = 8
    difference: Order = 0
    blind: bool = False

    # Whether this is a continuous-time layer: the last channel of its input is the time since the previous sample.
    timed: ClassVar[bool] = False
    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"  # from rest, the input is u only, and a state of rest must be zero
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 3e-3, 1e-3, 3e-2), "activation": ("none", "gelu")}

    @abstractmethod
    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """A new layer for sequences of this length, initialized with the generator `draw`."""

    def block_layer(self, width: int, length: int, draw: torch.Generator) -> nn.Module:
        """The layer of a residual block. If its `mixes` is False, output c depends on channel c only, and the block mixes."""
        return self.layer(width + int(self.timed), width, length, draw)

    def recipe(self) -> Recipe:
        """The optimizer and its schedule."""
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50)

    def fit_predictors(self, problems: Sequence[Prediction], runs: Sequence[Run]) -> list[SequenceModel]:
        """Train to predict one step ahead from inputs and past outputs."""
        return self._fit(problems, runs, recursive=True)

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[SequenceModel]:
        """Train to simulate outputs from inputs (forecasts from rest), or to predict one step ahead (from a context)."""
        return self._fit(problems, runs, recursive=problems[0].context > 0)

    def _fit(
        self, problems: Sequence[Prediction | Forecasting], runs: Sequence[Run], recursive: bool
    ) -> list[SequenceModel]:
        sight = Sight(recursive and not self.difference, self.blind, self.timed)
        data = [[self._pairs(sight, paths) for paths in (p.train, p.validation)] for p in problems]
        x, y = data[0][0]
        shape = (x.shape[2], y.shape[2], x.shape[1])
        networks = [Stack(self, *shape, run.generator).to(run.device) for run in runs]

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            x, y = data[member][0]
            index = torch.randperm(len(x), generator=run.generator)[: self.batch].to(x.device)
            return x[index], y[index]

        validation = [member[1] for member in data]
        trained = train(networks, _loss, batch, runs, self.recipe(), validation)
        return [SequenceModel(network, sight, self.difference) for network in trained]

    def _pairs(self, sight: Sight, paths: Trajectories) -> tuple[Tensor, Tensor]:
        """The inputs and the targets of the network."""
        y = paths.observations
        return sight(paths), (y - _before(y, self.difference)).float()


def _loss(network: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()


def _before(y: Float[Tensor, "trajectory time dim"], lag: int) -> Float[Tensor, "trajectory time dim"]:
    """y_{t-lag}, 0 before the start; zeros for lag 0."""
    past = torch.zeros_like(y)
    if lag:
        past[:, lag:] = y[:, :-lag]
    return past


@dataclass(frozen=True)
class Sight:
    """The input of a network at t: u_t, y_{t-1} if `recursive`, and the time since the previous sample unless `blind`.

    Evenly spaced data has no such gaps. A `timed` layer always receives a gap: 1 for evenly spaced data or if `blind`.
    """

    recursive: bool
    blind: bool = False
    timed: bool = False

    def __call__(self, paths: Trajectories) -> Float[Tensor, "trajectory time channel"]:
        """The input of the network for these trajectories."""
        y = paths.observations
        parts = [y.new_zeros(*y.shape[:2], 0)] if paths.inputs is None else [paths.inputs]
        if self.recursive:
            parts.append(_before(y, 1))
        if paths.gaps is not None and not self.blind:
            parts.append(paths.gaps[..., None])
        elif self.timed:
            parts.append(y.new_ones(*y.shape[:2], 1))
        return torch.cat(parts, dim=2).float()


@dataclass(frozen=True)
class SequenceModel:
    """A trained network: predicts y_t from u_{<=t} and y_{<t}, or simulates y_t from u_{<=t}."""

    network: nn.Module
    sight: Sight
    difference: int = 0

    def parameter_count(self) -> int:
        """The number of trained parameters."""
        return sum(p.numel() for p in self.network.parameters())

    @torch.no_grad()
    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """One step ahead in a single pass; h steps ahead by rollouts of h steps from every time."""
        out = sequences.observations.new_zeros(len(horizons), *sequences.observations.shape)
        time = out.shape[2]
        for row, h in enumerate(horizons):
            if h == 1 or not self.sight.recursive:
                simulated = self._repeated(self.network(self.sight(sequences)), sequences.observations, h)
                out[row, :, : max(0, time - h + 1)] = simulated[:, h - 1 :]
            elif (form := self._steps()) is not None and sequences.gaps is None:
                x = self.sight(sequences).double().cpu().numpy()
                out[row] = torch.from_numpy(ahead(form, x, h, self._slot(sequences), sequences.dim)).to(out)
            else:
                for t in range(time - h + 1):
                    u = sequences.inputs
                    context = Trajectories(sequences.observations[:, :t], None if u is None else u[:, :t])
                    out[row, :, t] = self.forecast(context, h, None if u is None else u[:, t : t + h])[:, -1]
        return out

    def _repeated(self, change: Tensor, y: Tensor, horizon: int) -> Tensor:
        """The prediction at t from outputs up to t - horizon: the changes are summed until an output is known."""
        if not self.difference:
            return change.to(y)
        count = -(-horizon // self.difference)
        total = sum((_before(change.to(y), j * self.difference) for j in range(1, count)), change.to(y))
        return total + _before(y, count * self.difference)

    def _steps(self) -> Stepwise | None:
        return self.network.steps() if isinstance(self.network, Stack) else None

    def _slot(self, paths: Trajectories) -> int:
        """The index of the first input channel that holds the previous output."""
        return 0 if paths.inputs is None else paths.inputs.shape[-1]

    @torch.no_grad()
    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The outputs after each context; a recursive network receives its own predictions as inputs."""
        length = context.observations.shape[1]
        y = torch.cat([context.observations, context.observations.new_zeros(len(context), horizon, context.dim)], dim=1)
        u = inputs
        if inputs is not None and context.inputs is not None:
            u = torch.cat([context.inputs[:, :length], inputs], dim=1)
        full = Trajectories(y, u)
        if not self.sight.recursive:
            y[:, length:] = self.network(self.sight(full))[:, length:]
            for t in range(max(length, self.difference), length + horizon if self.difference else 0):
                y[:, t] += y[:, t - self.difference]
            return y[:, length:]
        form = self._steps()
        if form is not None:
            x = self.sight(full).double().cpu().numpy()
            return torch.from_numpy(roll(form, x, length, self._slot(full), context.dim)).to(y)
        for t in range(length, length + horizon):
            past = replace(full, observations=y[:, : t + 1], inputs=None if u is None else u[:, : t + 1])
            y[:, t] = self.network(self.sight(past))[:, -1]
        return y[:, length:]
