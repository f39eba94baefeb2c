"""The deep Kalman filter: a latent state-space model with learned transition and emission, and an amortized filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Size, Steps
from dynamark.methods.sequence.latent_networks import KalmanNetwork
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = ["RAMP", "DeepKalman", "DeepKalmanModel"]

# The part of training in which the weight of the divergence grows to 1, and the smallest gap whose logarithm is taken.
RAMP, _SMALLEST = 0.1, 1e-6


@dataclass(frozen=True)
class DeepKalman:
    """max sum_t E_q log N(y_t; B z_t + b(z_t), s^2) - KL(q(z_t | z_{t-1}, y_{<=t}) | N(A z_{t-1} + f, e^g)).

    f, g: functions of z_{t-1} and c_t. c_t: the inputs and the logarithm of the gap before sample t, which is 0 if `blind` or if
    samples are evenly spaced. q is
    N(prior mean + k(h_t, prior mean, c_t), e^{l(..)}), h_t a GRU over y_{<=t}: with k = 0 it is the prior. f, g, k, l, b:
    perceptrons with one hidden layer of `units`. One sample of z; the weight of the divergence grows over the first tenth of
    training; Adam on windows of `window` samples.

    A prediction is the mean over `paths` samples of z_{t-1} of the emission of the prior mean. A sample continues a sampled z by
    the prior and the emission with their noise.
    Source: Krishnan, Shalit and Sontag 2015, with a filter as q instead of a smoother.
    key: krishnan2015
    """

    latent: Size = 4
    units: Size = 32
    window: Count = 64
    paths: Count = 16
    blind: bool = False
    steps: Steps = 400
    batch: Batch = 32
    rate: Positive = 5e-3
    from_rest: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {"latent": (4, 8), "rate": (5e-3, 2e-3)}

    def fit_predictors(self, problems: Sequence[Prediction], runs: Sequence[Run]) -> list[DeepKalmanModel]:
        """Train all seeds in one loop."""
        return self.fit([problem.train for problem in problems], runs)

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[DeepKalmanModel]:
        """Train all seeds in one loop."""
        return self.fit([problem.train for problem in problems], runs)

    def fit(self, data: Sequence[Trajectories], runs: Sequence[Run], leak: bool = False) -> list[DeepKalmanModel]:
        """Train on trajectories. leak: q sees y_{t+1}, and the divergence is left out: no bound, for tests of the bound."""
        parts = [(paths.observations.float(), known_of(paths, self.blind).float()) for paths in data]
        (y, known), length = parts[0], min(self.window, parts[0][0].shape[1])
        networks = [
            KalmanNetwork(y.shape[2], known.shape[2], self.latent, self.units, run.generator).to(run.device)
            for run in runs
        ]
        total = runs[0].limit(self.steps)
        done = [0] * len(runs)

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            y, known = parts[member]
            chosen = torch.randint(len(y), (self.batch,), generator=run.generator)
            start = torch.randint(y.shape[1] - length + 1, (self.batch,), generator=run.generator)
            place = (chosen[:, None], start[:, None] + torch.arange(length))
            noise = torch.randn(self.batch, length, self.latent, generator=run.generator)
            done[member] += 1
            weight = 0.0 if leak else min(1.0, done[member] / max(1.0, RAMP * total))
            return tuple(x.to(run.device) for x in (y[place], known[place], noise, torch.tensor(weight)))

        def loss(network: Callable[..., Tensor], *parts: Tensor) -> Tensor:
            return network(*parts, leak=leak)

        trained = train(networks, loss, batch, runs, Recipe(self.steps, self.rate, "constant"))
        return [
            DeepKalmanModel(network.double().requires_grad_(False), self.paths, self.blind)  # type: ignore[arg-type]
            for network in trained
        ]


def known_of(paths: Trajectories, blind: bool) -> Float[Tensor, "series time known"]:
    """The inputs, and the logarithm of the gap before each sample."""
    y = paths.observations
    gaps = torch.ones_like(y[..., 0]) if paths.gaps is None or blind else paths.gaps
    parts = [] if paths.inputs is None else [paths.inputs[:, : y.shape[1]]]
    return torch.cat([*parts, gaps.clamp(min=_SMALLEST).log()[..., None]], -1)


@dataclass(frozen=True)
class DeepKalmanModel:
    """A trained network in float64."""

    network: KalmanNetwork
    paths: int
    blind: bool

    def _call(self, name: str, *parts: Tensor, **more: bool) -> tuple[Tensor, ...]:
        """A method of the network on tensors without the axis of seeds."""
        own = {key: value[None] for key, value in self.network.named_parameters()}
        return functional_call(_Named(self.network), {f"network.{k}": v for k, v in own.items()}, (name, *parts), more)

    def _noise(self, generator: torch.Generator, time: int, paths: int) -> Float[Tensor, "time path latent"]:
        latent = self.network.dynamics.shape[0]
        return torch.randn(time, paths, latent, generator=generator, dtype=torch.float64)

    def bound(self, sequences: Trajectories, generator: torch.Generator, leak: bool = False) -> tuple[Tensor, Tensor]:
        """E_q log p(y | z) and KL(q | p) of each sequence, by one sample; their mean difference is at most the evidence."""
        y, known = sequences.observations.double(), known_of(sequences, self.blind).double()
        noise = self._noise(generator, y.shape[1], len(y)).transpose(0, 1)
        fit, divergence = self._call("terms", y, known, noise, leak=leak)
        return fit, divergence

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """Means over sampled paths; every sequence gets the same noise, so that no prediction depends on other sequences."""
        y, known = sequences.observations.double(), known_of(sequences, self.blind).double()
        _, time, dim = y.shape
        noise = self._noise(torch.Generator().manual_seed(0), time, self.paths)
        mean = self._filtered(y, known, noise)[1]
        out = y.new_zeros(len(horizons), *y.shape)
        for step in range(1, max(horizons) + 1 if horizons else 1):
            if step > 1:  # the mean at t is now that of t + step - 1
                mean = mean[:, :, : time - step + 1]
                ahead = known[:, None, step - 1 :].expand(-1, self.paths, -1, -1)
                (mean,) = self._call("means", mean.flatten(0, 2), ahead.flatten(0, 2))
                mean = _split(mean, len(y), self.paths, max(0, time - step + 1))
            if step in horizons:
                (emitted,) = self._call("emissions", mean.flatten(0, 2))
                answer = emitted.reshape(len(y), self.paths, mean.shape[2], dim).mean(1)
                out[[i for i, h in enumerate(horizons) if h == step], :, : mean.shape[2]] = answer
        return out.to(sequences.observations)

    def _filtered(self, y: Tensor, known: Tensor, noise: Float[Tensor, "time path latent"]) -> tuple[Tensor, Tensor]:
        """Samples of z and prior means [series, path, time, latent]."""
        paths = noise.shape[1]
        repeated = [x[:, None].expand(-1, paths, -1, -1).flatten(0, 1) for x in (y, known)]
        own = noise.transpose(0, 1)[None].expand(len(y), -1, -1, -1).flatten(0, 1)
        z, prior_mean = self._call("paths", *repeated, own)
        return _split(z, len(y), paths), _split(prior_mean, len(y), paths)

    def _last(self, context: Trajectories, noise: Float[Tensor, "time path latent"]) -> Float[Tensor, "draw latent"]:
        """Samples of the latent at the end of each context, all paths of the first context first."""
        y, paths = context.observations.double(), noise.shape[1]
        if not y.shape[1]:
            return self.network.start.expand(len(y) * paths, -1)
        return self._filtered(y, known_of(context, self.blind).double(), noise)[0][:, :, -1].flatten(0, 1)

    def _ahead(self, context: Trajectories, horizon: int, inputs: Tensor | None) -> Float[Tensor, "series time known"]:
        """What is known of the steps that follow: their inputs, and gaps of 1."""
        empty = context.observations.new_zeros(len(context), horizon, context.dim)
        return known_of(
            replace(context, observations=empty, inputs=inputs, gaps=None, seen=None, twin=None), True
        ).double()

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Means over sampled paths of the emissions of prior means."""
        noise = self._noise(torch.Generator().manual_seed(0), context.observations.shape[1], self.paths)
        z, out = self._last(context, noise), []
        for known in self._ahead(context, horizon, inputs).repeat_interleave(self.paths, 0).unbind(1):
            (z,) = self._call("means", z, known)
            (emitted,) = self._call("emissions", z)
            out.append(_split(emitted, len(context), self.paths).mean(1))
        return torch.stack(out, 1)

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """A sample of the latent after the context, continued by the prior and the emission with their noise."""
        z, out = self._last(context, self._noise(generator, context.observations.shape[1], draws)), []
        begins = context.observations.shape[1] == 0
        sd = (self.network.noise_log / 2).exp()
        for step, known in enumerate(self._ahead(context, horizon, inputs).repeat_interleave(draws, 0).unbind(1)):
            mean, log = self._call("moved", z, known)
            if begins and step == 0:
                log = self.network.start_log.clamp(-8, 4)
            z = mean + (log / 2).exp() * torch.randn(mean.shape, generator=generator, dtype=torch.float64)
            (emitted,) = self._call("emissions", z)
            noise = torch.randn(emitted.shape, generator=generator, dtype=torch.float64)
            out.append(_split(emitted + sd * noise, len(context), draws))
        return torch.stack(out, 2)

    def parameter_count(self) -> int:
        """The number of trained parameters."""
        return sum(p.numel() for p in self.network.parameters())


class _Named(torch.nn.Module):
    """The methods of a network by name, for one seed: tensors get an axis of seeds, and results lose it."""

    def __init__(self, network: KalmanNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, name: str, *parts: Tensor, **more: bool) -> tuple[Tensor, ...]:
        own, network = [part[None] for part in parts], cast(Any, self.network)
        if name == "paths":
            latents = network.filtered(*own)
            return latents.z[0], latents.prior_mean[0]
        if name == "emissions":
            return (network.emitted(own[0][:, :, None])[0, :, 0],)
        both = network.terms(*own, **more) if name == "terms" else network.moved(*own)
        return (both[0][0],) if name == "means" else (both[0][0], both[1][0])


def _split(x: Tensor, *sizes: int) -> Tensor:
    """The first axis as axes of these sizes."""
    return x.reshape(*sizes, *x.shape[1:])
