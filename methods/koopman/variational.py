"""The networks of the Koopman variational autoencoder: encoder, prior and decoder with gates, and the linear map of the prior."""

from __future__ import annotations

from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.koopman.latent_scan import LEAST, MOST, latent_scan
from dynamark.methods.sequence.gru import gru_scan
from dynamark.methods.sequence.stack import Affine

__all__ = ["PriorKind", "VariationalNetwork", "gaussian_divergence", "linear_map"]

# What the prior of a step is conditioned on: its own samples, those of the posterior, or nothing.
PriorKind = Literal["own", "posterior", "standard"]

Path = Float[Tensor, "series time latent"]


def gaussian_divergence(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor) -> Tensor:
    """KL(N(m, v) | N(p, w)) = (log w - log v + (v + (m - p)^2)/w - 1)/2, for each number."""
    spread = (log_variance.exp() + (mean - prior_mean).square()) * (-prior_log_variance).exp()
    return (prior_log_variance - log_variance + spread - 1) / 2


def linear_map(path: Path) -> Float[Tensor, "latent latent"]:
    """A that minimizes sum |z_{t+1} - z_t A|^2 over all series, by a QR factorization of the z_t; differentiable."""
    before, after = path[:, :-1].flatten(0, 1), path[:, 1:].flatten(0, 1)
    q, r = torch.linalg.qr(before)
    return torch.linalg.solve_triangular(r, q.mT @ after, upper=True)


class _Gated(nn.Module):
    """GRU layers, each of `units` units, from series to states."""

    def __init__(self, channels: int, units: int, layers: int, draw: torch.Generator) -> None:
        super().__init__()
        sizes = [channels, *[units] * (layers - 1)]
        self.inputs = nn.ModuleList([Affine(size, 3 * units, draw) for size in sizes])
        self.recurrent = nn.ParameterList(
            [nn.Parameter(torch.randn(units, 3 * units, generator=draw) / units**0.5) for _ in sizes]
        )
        self.bias = nn.ParameterList([nn.Parameter(torch.zeros(units)) for _ in sizes])

    def forward(self, x: Float[Tensor, "series time channel"]) -> Float[Tensor, "series time unit"]:
        h = x.movedim(1, 0).contiguous()
        for inputs, recurrent, bias in zip(self.inputs, self.recurrent, self.bias, strict=True):
            h = gru_scan(inputs(h), recurrent, bias)
        return h.movedim(0, 1)

    def advance(self, x: Float[Tensor, "series channel"], h: Float[Tensor, "series unit"]) -> Tensor:
        """One step of a single layer from the state h."""
        units = h.shape[-1]
        gates, own = self.inputs[0](x), h @ self.recurrent[0]
        r, z = (gates[..., : 2 * units] + own[..., : 2 * units]).sigmoid().chunk(2, dim=-1)
        candidate = (gates[..., 2 * units :] + r * (own[..., 2 * units :] + self.bias[0])).tanh()
        return candidate + z * (h - candidate)


class _Gaussian(nn.Module):
    """Mean and logarithm of the variance of a latent, affine in a state."""

    def __init__(self, units: int, latent: int, draw: torch.Generator) -> None:
        super().__init__()
        self.read = Affine(units, 2 * latent, draw)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.read(h).chunk(2, dim=-1)
        return mean, log_variance.clamp(LEAST, MOST)


class VariationalNetwork(nn.Module):
    """q(z_t | x_{<=t}), p(z_t | z_{<t}) and x_t = sigmoid(W g_t + b), with GRUs for the three."""

    def __init__(self, dim: int, latent: int, units: int, layers: int, prior: PriorKind, draw: torch.Generator) -> None:
        super().__init__()
        self.prior_kind, self.latent, self.units = prior, latent, units
        self.encoder, self.posterior = _Gated(dim, units, layers, draw), _Gaussian(units, latent, draw)
        self.decoder, self.output = _Gated(latent, units, 1, draw), Affine(units, dim, draw)
        if prior != "standard":
            self.dynamics, self.prior = _Gated(latent, units, 1, draw), _Gaussian(units, latent, draw)

    def forward(
        self,
        x: Float[Tensor, "series time dim"],
        noise: Path,
        prior_noise: Path,
        weights: tuple[float, float, float],
        constrained: int,
    ) -> Float[Tensor, ""]:
        """The loss of a batch of series: mean over series of the sums over time (see `KoopmanVAE`)."""
        divergence_weight, prediction_weight, spectrum_weight = weights
        mean, log_variance = self.posterior(self.encoder(x))
        z = mean + (log_variance / 2).exp() * noise
        own = None
        if self.prior_kind == "own" or prediction_weight or spectrum_weight:
            own, *parameters = self.drawn(prior_noise)
        if self.prior_kind == "posterior":
            parameters = list(self.prior(self.dynamics(_delayed(z))))
        if self.prior_kind == "standard":
            parameters = [torch.zeros_like(mean), torch.zeros_like(mean)]
        divergence = gaussian_divergence(mean, log_variance, *parameters)
        loss = (self.decode(z) - x).square().sum() + divergence_weight * divergence.sum()
        if own is not None and (prediction_weight or spectrum_weight):
            step = linear_map(own)
            residual = own[:, 1:] - own[:, :-1] @ step
            loss = loss + prediction_weight * residual.square().sum()
            if spectrum_weight:
                moduli = torch.linalg.eigvals(step).abs().sort(descending=True)[0][:constrained]
                loss = loss + spectrum_weight * len(x) * (moduli - 1).square().sum()
        return loss / len(x)

    def decode(self, z: Path) -> Float[Tensor, "series time dim"]:
        """Series in (0, 1)."""
        return self.output(self.decoder(z)).sigmoid()

    def drawn(self, noise: Path) -> tuple[Path, Path, Path]:
        """Samples of the prior, one step for each of `noise`, with their means and log variances."""
        if self.prior_kind == "standard":
            return noise, torch.zeros_like(noise), torch.zeros_like(noise)
        dynamics, read = self.dynamics, self.prior.read
        first = cast(Affine, dynamics.inputs[0])
        weights = (first.weight, first.bias, dynamics.recurrent[0], dynamics.bias[0])
        parts = latent_scan(noise.movedim(1, 0).contiguous(), *weights, read.weight, read.bias)
        return parts[0].movedim(0, 1), parts[1].movedim(0, 1), parts[2].movedim(0, 1)

    def continued(self, start: Float[Tensor, "series before latent"], noise: Path) -> Path:
        """Samples of the prior after the latents `start`, one step for each of `noise`."""
        if self.prior_kind == "standard":
            return noise
        if not start.shape[1]:
            return self.drawn(noise)[0]
        h, previous = noise.new_zeros(len(noise), self.units), torch.zeros_like(start[:, 0])
        for z in start.unbind(1):
            h, previous = self.dynamics.advance(previous, h), z
        samples = []
        for kick in noise.unbind(1):
            h = self.dynamics.advance(previous, h)
            mean, log_variance = self.prior(h)
            previous = mean + (log_variance / 2).exp() * kick
            samples.append(previous)
        return torch.stack(samples, 1)


def _delayed(z: Path) -> Path:
    """z_{t-1}, 0 at the start."""
    return torch.cat([torch.zeros_like(z[:, :1]), z[:, :-1]], 1)
