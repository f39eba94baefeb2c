"""The Koopman variational autoencoder: a generator of series whose latent prior is close to linear dynamics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Count, Penalty, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.networks import windows
from dynamark.methods.koopman.variational import PriorKind, VariationalNetwork, linear_map
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["KoopmanVAE", "KoopmanVAEModel"]

# Series of the prior from which the eigenvalues of a trained model are computed.
_SERIES = 1000


@dataclass(frozen=True)
class KoopmanVAE:
    """sum_t |x_t - D(z_{<=t})|^2 + a sum_t KL(q(z_t | x_{<=t}) | p(z_t | zb_{<t})) + b sum_t |zb_{t+1} - zb_t A|^2.

    a: `divergence`, b: `prediction`. q: a GRU of `layers` layers. p: a GRU on the prior's own samples zb (`prior` "own", as in
    the paper), on the samples z of q
    ("posterior": with it the first two terms are a bound of the likelihood), or N(0, I) at each step ("standard"). D: a GRU, then
    a sigmoid between the least and the largest training value of each channel. A: least squares of zb_{t+1} on zb_t in each
    batch. spectrum > 0 adds spectrum sum_i (|lambda_i| - 1)^2 over the `constrained` largest eigenvalues of A. Sums over the
    series, means over the batch: the paper's weights collapse the posterior where the squared error is averaged over time too.

    Trained on windows of `window` samples by Adam. A sample draws the prior, after posterior samples of the context (its last
    window/2 samples) if there is one, and decodes; the point forecast does so without noise. Without a context it generates
    series. There is no encoder for unevenly spaced samples.
    Source: Naiman, Erichson, Ren, Mahoney and Azencot 2024, section 4; sizes and weights are those of its experiment on sines.
    key: naiman2024
    """

    latent: Size = 16
    units: Size = 20
    layers: Count = 3
    window: Count = 24
    prior: PriorKind = "own"
    divergence: Penalty = 0.007
    prediction: Penalty = 0.005
    spectrum: Penalty = 0.0
    constrained: Count = 2
    steps: Steps = 3000
    batch: Batch = 64
    rate: Positive = 7e-4
    from_rest: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {"prior": ("own", "posterior"), "rate": (7e-4, 3e-3)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[KoopmanVAEModel]:
        """Train all seeds in one loop. Raises UserError if there are inputs or fewer than three samples."""
        data, ranges = [], []
        for problem in problems:
            low, span = _range(problem)
            data.append(((problem.train.observations.double() - low) / span).float())
            ranges.append((low, span))
        dim = problems[0].train.dim
        networks = [
            VariationalNetwork(dim, self.latent, self.units, self.layers, self.prior, run.generator) for run in runs
        ]
        weights = (self.divergence, self.prediction, self.spectrum)

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            x = windows(data[member], self.window, self.batch, run.generator)
            noise = torch.randn(2, *x.shape[:2], self.latent, generator=run.generator)
            return x, noise[0], noise[1]

        def loss(network: Callable[..., Tensor], x: Tensor, noise: Tensor, prior_noise: Tensor) -> Tensor:
            return network(x, noise, prior_noise, weights, self.constrained)

        trained = train(networks, loss, batch, runs, Recipe(self.steps, self.rate, "constant", clip=5.0))
        return [
            KoopmanVAEModel(network.double().requires_grad_(False), *own, self.window)  # type: ignore[arg-type]
            for network, own in zip(trained, ranges, strict=True)
        ]


def _range(problem: Forecasting) -> tuple[Tensor, Tensor]:
    """The least value and the range of each channel of the training data, 1 for a constant channel."""
    if problem.train.inputs is not None:
        raise UserError("this method supports only autonomous systems, and this task has inputs")
    flat = problem.train.observations.double().flatten(0, 1)
    if problem.train.observations.shape[1] < 3:
        raise UserError("this method needs trajectories of at least 3 samples")
    low, span = flat.amin(0), flat.amax(0) - flat.amin(0)
    return low, torch.where(span > 0, span, 1.0)


@dataclass(frozen=True)
class KoopmanVAEModel:
    """A trained network in float64, the range of each channel, and the length of the training windows."""

    network: VariationalNetwork
    low: Float[Tensor, " dim"]
    span: Float[Tensor, " dim"]
    window: int

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The decoded means of the prior after the means of the posterior."""
        seen = min(context.observations.shape[1], max(1, self.window // 2))
        shape = (len(context), seen + horizon, self.network.latent)
        return self._continued(context, torch.zeros(shape, dtype=torch.float64))

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Decoded samples of the prior after samples of the posterior of the context; without a context, series."""
        seen = min(context.observations.shape[1], max(1, self.window // 2))
        shape = (len(context) * draws, seen + horizon, self.network.latent)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        repeated = Trajectories(context.observations.repeat_interleave(draws, 0), dt=context.dt)
        drawn = self._continued(repeated, noise)
        return drawn.reshape(len(context), draws, *drawn.shape[1:])

    def _continued(self, context: Trajectories, noise: Float[Tensor, "series time latent"]) -> Tensor:
        """The series after each context; `noise` is that of the latents of the end of the context, and of what follows."""
        seen = min(context.observations.shape[1], max(1, self.window // 2))
        start = noise[:, :0]
        if seen:
            x = (context.observations[:, -seen:].double() - self.low) / self.span
            mean, log_variance = self.network.posterior(self.network.encoder(x))
            start = mean + (log_variance / 2).exp() * noise[:, :seen]
        z = self.network.continued(start, noise[:, seen:])
        x = self.network.decode(torch.cat([start, z], 1))[:, seen:]
        return x * self.span + self.low

    def eigenvalues(self) -> Tensor:
        """Eigenvalues of the linear map fitted to 1,000 series of the prior, by descending modulus."""
        generator = torch.Generator().manual_seed(0)
        shape = (_SERIES, self.window, self.network.latent)
        path = self.network.drawn(torch.randn(shape, generator=generator, dtype=torch.float64))[0]
        values = torch.linalg.eigvals(linear_map(path))
        return values[values.abs().argsort(descending=True)]

    def parameter_count(self) -> int:
        """The weights, and the ranges."""
        return sum(p.numel() for p in self.network.parameters()) + 2 * len(self.low)
