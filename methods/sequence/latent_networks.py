"""The networks of a deep Kalman filter: gated inference, a transition close to linear, an emission. Every axis 0 is the seed."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.sequence.gru import gru_scan

__all__ = ["KalmanNetwork", "Latents", "Linear"]

# Bounds of the logarithm of a variance.
_LEAST, _MOST = -8.0, 4.0

Series = Float[Tensor, "seed series time _"]


class Linear(nn.Module):
    """x W + b, W ~ N(0, 1/channels) and b = 0; after stacking, of each seed its own."""

    def __init__(self, channels: int, dim: int, draw: torch.Generator, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(channels, dim, generator=draw) / max(1, channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "seed *batch channel"]) -> Tensor:
        """One product for each seed."""
        flat = torch.baddbmm(self.bias[:, None], x.flatten(1, -2), self.weight)
        return flat.reshape(*x.shape[:-1], flat.shape[-1])


class Latents:
    """What a pass over series leaves [seed, series, time, latent]: samples, and both means and log variances."""

    def __init__(self, parts: tuple[list[Tensor], ...]) -> None:
        self.z, self.prior_mean, self.prior_log, self.mean, self.log = (torch.stack(part, 2) for part in parts)


class KalmanNetwork(nn.Module):
    """p(z_t | z_{t-1}) = N(A z_{t-1} + f, e^g), q = N(prior mean + k, e^l), y_t ~ N(B z_t + b(z_t), s^2).

    f, g: functions of z_{t-1} and c_t; k, l: of h_t, the prior mean and c_t. c_t: the known inputs of step t, with the logarithm
    of the gap. h: a GRU over (y_t, c_t). f and g, and k and l, are the two
    outputs of one perceptron with a hidden layer of tanh; z_{-1} and the variance of z_0 are learned. leak: h_{t+1} for h_t,
    a posterior that has seen y_{t+1}.
    """

    stacked = True

    def __init__(self, dim: int, known: int, latent: int, units: int, draw: torch.Generator) -> None:
        super().__init__()
        self.units = units
        self.gates = Linear(dim + known, 3 * units, draw)
        self.recurrent = nn.Parameter(torch.randn(units, 3 * units, generator=draw) / units**0.5)
        self.bias = nn.Parameter(torch.zeros(units))
        self.dynamics = nn.Parameter(0.9 * torch.eye(latent) + 0.1 * torch.randn(latent, latent, generator=draw))
        self.enter, self.known, self.leave = (
            Linear(latent, units, draw),
            Linear(known, units, draw),
            Linear(units, 2 * latent, draw, 0.3),
        )
        self.state, self.offered, self.seen = (
            Linear(units, units, draw),
            Linear(latent + known, units, draw),
            Linear(units, 2 * latent, draw, 0.3),
        )
        self.linear, self.inner, self.outer = (
            Linear(latent, dim, draw),
            Linear(latent, units, draw),
            Linear(units, dim, draw, 0.3),
        )
        self.start, self.start_log = nn.Parameter(torch.zeros(latent)), nn.Parameter(torch.zeros(latent))
        self.noise_log = nn.Parameter(-torch.ones(dim))

    def forward(self, y: Series, known: Series, noise: Series, weight: Tensor, leak: bool = False) -> Tensor:
        """-(log p(y | z) - weight KL)/T, the mean over series of each seed; weight [seed]."""
        fit, divergence = self.terms(y, known, noise, leak)
        return ((weight[:, None] * divergence - fit) / y.shape[2]).mean(1)

    def terms(self, y: Series, known: Series, noise: Series, leak: bool = False) -> tuple[Tensor, Tensor]:
        """log p(y | z) and KL(q | p) [seed, series], with one sample of z for each of `noise`."""
        latents = self.filtered(y, known, noise, leak)
        log = self.noise_log[:, None, None]
        fit = -((y - self.emitted(latents.z)).square() * (-log).exp() + log + math.log(2 * math.pi)) / 2
        spread = (latents.log.exp() + (latents.mean - latents.prior_mean).square()) * (-latents.prior_log).exp()
        divergence = (latents.prior_log - latents.log + spread - 1) / 2
        return fit.sum((2, 3)), divergence.sum((2, 3))

    def filtered(self, y: Series, known: Series, noise: Series, leak: bool = False) -> Latents:
        """A pass over series, with one sample of each z."""
        h = self._read(y, known)
        if leak:
            h = torch.cat([h[:, :, 1:], h[:, :, -1:]], 2)
        entered, state, offered = self.known(known), self.state(h), self._of_known(known)
        latent = noise.shape[-1]
        z = self.start[:, None].expand(-1, y.shape[1], -1)
        out: tuple[list[Tensor], ...] = ([], [], [], [], [])
        for t in range(y.shape[2]):
            prior_mean, prior_log = self._moved(z, entered[:, :, t])
            if t == 0:
                prior_log = self.start_log[:, None].clamp(_LEAST, _MOST).expand_as(prior_mean)
            inside = state[:, :, t] + offered[:, :, t]
            both = self.seen(torch.baddbmm(inside, prior_mean, self.offered.weight[:, :latent]).tanh())
            mean, log = prior_mean + both[..., :latent], both[..., latent:].clamp(_LEAST, _MOST)
            z = torch.addcmul(mean, (log / 2).exp(), noise[:, :, t])
            for parts, part in zip(out, (z, prior_mean, prior_log, mean, log), strict=True):
                parts.append(part)
        return Latents(out)

    def moved(self, z: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the next latent, given z [seed, series, latent] and what is known [seed, series, known]."""
        return self._moved(z, self.known(known))

    def _moved(self, z: Tensor, entered: Tensor) -> tuple[Tensor, Tensor]:
        latent = z.shape[-1]
        both = self.leave((self.enter(z) + entered).tanh())
        return torch.baddbmm(both[..., :latent], z, self.dynamics), both[..., latent:].clamp(_LEAST, _MOST)

    def emitted(self, z: Float[Tensor, "seed *batch latent"]) -> Tensor:
        """The mean of y given z."""
        return self.linear(z) + self.outer(self.inner(z).tanh())

    def _of_known(self, known: Series) -> Tensor:
        """The part of the posterior's hidden layer that does not depend on z."""
        latent = self.dynamics.shape[-1]
        flat = torch.baddbmm(self.offered.bias[:, None], known.flatten(1, 2), self.offered.weight[:, latent:])
        return flat.reshape(*known.shape[:3], flat.shape[-1])

    def _read(self, y: Series, known: Series) -> Float[Tensor, "seed series time unit"]:
        gates = self.gates(torch.cat([y, known], -1)).movedim(2, 1).contiguous()
        h: Tensor = torch.func.vmap(gru_scan)(gates, self.recurrent, self.bias)
        return h.movedim(1, 2)
