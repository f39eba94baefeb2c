"""The latent ODE: a variational autoencoder of unevenly spaced series whose decoder is an ordinary differential equation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Size, Steps
from dynamark.methods.sequence.deep_kalman import RAMP
from dynamark.methods.sequence.gru import gru_scan
from dynamark.methods.sequence.latent_networks import Linear
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Prediction, Run, Trajectories

__all__ = ["LatentODE", "LatentODEModel", "ODENetwork"]

# Longest step of the integration and most steps in a gap, bounds of the log variance, windows encoded at once.
_STEP, _MOST_STEPS, _LEAST, _MOST, _CHUNK = 0.5, 8, -8.0, 4.0, 2048

Series = Float[Tensor, "seed series time _"]


class ODENetwork(nn.Module):
    """q(z_0 | window) by a GRU that reads backward, z' = f(z, u) by RK4, y_t ~ N(B z_t + b, s^2). Every axis 0 is the seed."""

    stacked = True

    def __init__(self, dim: int, channels: int, latent: int, units: int, draw: torch.Generator) -> None:
        super().__init__()
        self.gates = Linear(dim + channels + 1, 3 * units, draw)
        self.recurrent = nn.Parameter(torch.randn(units, 3 * units, generator=draw) / units**0.5)
        self.bias = nn.Parameter(torch.zeros(units))
        self.posterior = Linear(units, 2 * latent, draw)
        self.enter, self.driven, self.leave = (
            Linear(latent, units, draw),
            Linear(channels, units, draw),
            Linear(units, latent, draw),
        )
        self.output, self.noise_log = Linear(latent, dim, draw), nn.Parameter(-torch.ones(dim))

    def forward(
        self,
        y: Series,
        u: Series,
        gaps: Float[Tensor, "seed series time"],
        noise: Tensor,
        weight: Float[Tensor, " seed"],
    ) -> Tensor:
        """-(E log p(y | z) - weight KL)/T by one sample, T the length of y; all but its last sample are encoded.

        gaps: before each sample of y, the first unused.
        """
        full = torch.full(y.shape[:2], y.shape[2] - 1, device=y.device)
        mean, log = self.encoded(y[:, :, :-1], u[:, :, :-1], gaps[:, :, 1:], full)
        z = self.solved(mean + (log / 2).exp() * noise, u[:, :, 1:], gaps[:, :, 1:])
        variance = self.noise_log[:, None, None]
        surprise = (y - self.output(z)).square() * (-variance).exp() + variance + math.log(2 * math.pi)
        divergence = (log.exp() + mean.square() - 1 - log).sum(2) / 2
        return ((surprise.sum((2, 3)) / 2 + weight[:, None] * divergence) / y.shape[2]).mean(1)

    def encoded(self, y: Series, u: Series, after: Tensor, count: Int[Tensor, "seed series"]) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z at the first of the last `count` samples; after: the gap to the next sample.

        With no sample they are those of the prior, 0.
        """
        x = torch.cat([y, u, after[..., None]], -1).flip(2)
        h = torch.func.vmap(gru_scan)(self.gates(x).movedim(2, 1).contiguous(), self.recurrent, self.bias)
        place = (count - 1).clamp(min=0)[:, None, :, None].expand(-1, 1, -1, h.shape[-1])
        both = self.posterior(h.gather(1, place)[:, 0]) * (count > 0)[..., None]
        mean, log = both.chunk(2, dim=-1)
        return mean, log.clamp(_LEAST, _MOST)

    def solved(
        self, z: Float[Tensor, "seed series latent"], u: Series, gaps: Float[Tensor, "seed series gap"]
    ) -> Tensor:
        """z at the start and after each gap [seed, series, gap + 1, latent]; u is constant in a gap.

        A gap takes max(1, ceil(gap/0.5)) steps of the classical Runge-Kutta method, at most 8, and none where it is 0. Series do
        not wait for each other: the steps of one follow without pause, and steps of length 0 leave what has ended as it is.
        """
        counts = ((gaps / _STEP).ceil().clamp(1, _MOST_STEPS) * (gaps > 0)).long()
        ends = counts.cumsum(-1)
        total = int(ends[..., -1].max())
        step = torch.arange(total, device=z.device)
        gap = (ends[..., None] <= step).sum(-2).clamp(max=gaps.shape[-1] - 1)  # of each step
        h = (gaps / counts.clamp(min=1)).gather(-1, gap) * (step < ends[..., -1:])
        force = self.driven(u)  # bias included, so also without inputs
        states = [z]
        for k in range(total):
            place = gap[..., k, None, None].expand(-1, -1, 1, force.shape[-1])
            z = self._stepped(z, force.gather(2, place)[:, :, 0], h[..., k, None])
            states.append(z)
        path = torch.stack(states, 2)
        index = torch.cat([torch.zeros_like(ends[..., :1]), ends], -1)[..., None]
        return path.gather(2, index.expand(*index.shape[:-1], z.shape[-1]))

    def _stepped(self, z: Tensor, force: Tensor, h: Tensor) -> Tensor:
        """One step of the classical Runge-Kutta method."""

        def field(x: Tensor) -> Tensor:
            return self.leave((self.enter(x) + force).tanh())

        k1 = field(z)
        k2 = field(torch.addcmul(z, k1, h / 2))
        k3 = field(torch.addcmul(z, k2, h / 2))
        k4 = field(torch.addcmul(z, k3, h))
        return torch.addcmul(z, k1 + 2 * (k2 + k3) + k4, h / 6)


@dataclass(frozen=True)
class LatentODE:
    """z' = f(z, u), z(t_0) ~ q = N(m, e^v), y_t ~ N(B z(t) + b, s^2): maximizes E_q sum_t log p(y_t | z(t)) - KL(q | N(0, I)).

    f: a perceptron with one hidden layer of `units`; (m, v): affine in the state of a GRU that reads a window from its last
    sample to its first. Trained on windows of `window` samples and the one that follows; a prediction solves the equation from
    the mean m of the encoding of the last `window` samples, u constant in each gap. blind: all gaps are 1.
    Source: Rubanova, Chen and Duvenaud 2019, with a GRU that is told the gaps instead of an ODE-RNN as encoder.
    key: rubanova2019
    """

    latent: Size = 8
    units: Size = 32
    window: Count = 32
    blind: bool = False
    steps: Steps = 400
    batch: Batch = 32
    rate: Positive = 5e-3
    search_space: ClassVar[SearchSpace] = {"rate": (5e-3, 2e-3), "latent": (8, 4)}

    def fit_predictors(self, problems: Sequence[Prediction], runs: Sequence[Run]) -> list[LatentODEModel]:
        """Train all seeds in one loop."""
        parts = [tuple(x.float() for x in _shown(problem.train, self.blind)) for problem in problems]
        y, u, _ = parts[0]
        length = min(self.window + 1, y.shape[1])
        networks = [
            ODENetwork(y.shape[2], u.shape[2], self.latent, self.units, run.generator).to(run.device) for run in runs
        ]

        total, done = runs[0].limit(self.steps), [0] * len(runs)

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            y, u, gaps = parts[member]
            done[member] += 1
            weight = torch.tensor(min(1.0, done[member] / max(1.0, RAMP * total)))
            chosen = torch.randint(len(y), (self.batch,), generator=run.generator)
            start = torch.randint(y.shape[1] - length + 1, (self.batch,), generator=run.generator)
            place = (chosen[:, None], start[:, None] + torch.arange(length))
            noise = torch.randn(self.batch, self.latent, generator=run.generator)
            return tuple(x.to(run.device) for x in (y[place], u[place], gaps[place], noise, weight))

        def loss(network: Callable[..., Tensor], *parts: Tensor) -> Tensor:
            return network(*parts)

        if length > 1:
            networks = train(networks, loss, batch, runs, Recipe(self.steps, self.rate, "constant"))  # type: ignore[assignment]
        return [LatentODEModel(network.double().requires_grad_(False), self.window, self.blind) for network in networks]


def _shown(paths: Trajectories, blind: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, inputs (without any, of no channel) and the gap before each sample."""
    y = paths.observations
    gaps = torch.ones_like(y[..., 0]) if paths.gaps is None or blind else paths.gaps.clamp(min=1e-6)
    return y, y.new_zeros(*y.shape[:2], 0) if paths.inputs is None else paths.inputs, gaps


@dataclass(frozen=True)
class LatentODEModel:
    """A trained network in float64."""

    network: ODENetwork
    window: int
    blind: bool

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """Every prediction encodes the window before it anew, and solves the equation up to its target."""
        y, u, gaps = (x.double() for x in _shown(sequences, self.blind))
        count, time, dim = y.shape
        out = y.new_zeros(len(horizons), count, time, dim)
        for row, horizon in enumerate(horizons):
            series, target = (
                x.flatten() for x in torch.meshgrid(torch.arange(count), torch.arange(horizon - 1, time), indexing="ij")
            )
            for own, last in zip(torch.split(series, _CHUNK), torch.split(target, _CHUNK), strict=True):
                out[row, own, last - horizon + 1] = self._predicted(y[own], u[own], gaps[own], last, horizon)
        return out.to(sequences.observations)

    def _predicted(self, y: Tensor, u: Tensor, gaps: Tensor, last: Int[Tensor, " series"], horizon: int) -> Tensor:
        """The outputs at `last`, from windows that end `horizon` samples earlier."""
        first = last - horizon - self.window + 1  # of the window; what lies before the sequence is left out
        place = first[:, None] + torch.arange(self.window + horizon)
        inside, own = place >= 0, torch.arange(len(y))[:, None]
        place = place.clamp(min=0)
        known = (last - horizon + 1).clamp(max=self.window)
        # A gap counts from the first sample of the window on.
        after = (gaps[own, place] * inside)[:, 1:] * inside[:, :-1]
        shown = slice(0, self.window)
        parts = y[own, place[:, shown]], u[own, place[:, shown]], after[:, : self.window]
        mean, _ = self._call("encoded", *parts, known)
        (z,) = self._call("solved", mean, u[own, place[:, 1:]], after)
        (answer,) = self._call("output", z[:, -1])
        return answer

    def _call(self, name: str, *parts: Tensor) -> tuple[Tensor, ...]:
        """A method of the network on tensors without the axis of seeds."""
        own = {f"network.{key}": value[None] for key, value in self.network.named_parameters()}
        return functional_call(_Named(self.network), own, (name, *parts))

    def parameter_count(self) -> int:
        """The number of trained parameters."""
        return sum(p.numel() for p in self.network.parameters())


class _Named(nn.Module):
    """The methods of a network by name, for one seed: tensors get an axis of seeds, and results lose it."""

    def __init__(self, network: ODENetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, name: str, *parts: Tensor) -> tuple[Tensor, ...]:
        result = getattr(self.network, name)(*(part[None] for part in parts))
        return tuple(part[0] for part in result) if isinstance(result, tuple) else (result[0],)
