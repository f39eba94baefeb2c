"""Latent dynamics with inputs, z_t = f(z_{t-1}, l_t): diagonal (all steps by one convolution), bilinear, dense, and networks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Bilinear", "Dense", "Diagonal", "Gated", "Latent", "Residual", "convolved"]

Start = Float[Tensor, "batch state"]
Drive = Float[Tensor, "batch time state"]
Path = Float[Tensor, "batch states state"]
# Spectral angles per sample stay below this, in radians: larger ones alias.
_MOST_ANGLE = 3.1


class Latent(nn.Module):
    """The path z_0 ... z_T of latent states from z_0 and the features l_1 ... l_T of the inputs."""

    def step(self, z: Start, drive: Start) -> Start:
        """One step."""
        raise NotImplementedError

    def forward(self, start: Start, drive: Drive) -> Path:
        """Step by step."""
        states = [start]
        for t in range(drive.shape[1]):
            states.append(self.step(states[-1], drive[:, t]))
        return torch.stack(states, dim=1)


class Diagonal(Latent):
    """z_t = lambda z_{t-1} + l_t for complex z, stored as [Re z, Im z]; lambda = e^{a + i b}, a <= 0.

    decay: first -a. angles: first b of each mode, in radians per sample.
    """

    def __init__(self, decay: float, angles: Float[Tensor, " mode"]) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.full_like(angles, -decay))
        self.angle = nn.Parameter(angles.clamp(max=_MOST_ANGLE))

    def powers(self, count: int) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of lambda^0 ... lambda^{count-1}, each [time, mode]."""
        t = torch.arange(count, dtype=self.rate.dtype)[:, None]
        size = torch.exp(t * self.rate.clamp(max=0.0))
        return size * torch.cos(t * self.angle), size * torch.sin(t * self.angle)

    def forward(self, start: Start, drive: Drive) -> Path:
        """z_t = lambda^t z_0 + sum_{1 <= j <= t} lambda^{t-j} l_j."""
        powers = torch.complex(*self.powers(drive.shape[1] + 1))
        path = powers * _complex(start)[:, None]
        driven = convolved(powers[:-1], _complex(drive))
        return _real(torch.cat([path[:, :1], path[:, 1:] + driven], dim=1))


def convolved(kernel: Tensor, drive: Tensor) -> Tensor:
    """sum_{1 <= j <= t} kernel_{t-j} drive_j along time, complex, by FFTs of length 2 T: a shorter one would wrap around."""
    length = 2 * drive.shape[-2]
    spectrum = torch.fft.fft(kernel, length, dim=-2) * torch.fft.fft(drive, length, dim=-2)
    return torch.fft.ifft(spectrum, dim=-2)[..., : drive.shape[-2], :]


def _complex(z: Tensor) -> Tensor:
    return torch.complex(*z.chunk(2, dim=-1))


def _real(z: Tensor) -> Tensor:
    return torch.cat([z.real, z.imag], dim=-1)


class Bilinear(Diagonal):
    """z_t = lambda z_{t-1} + (1 + w z_{t-1}) l_t, componentwise and complex: inputs whose effect depends on the state."""

    def __init__(self, decay: float, angles: Float[Tensor, " mode"]) -> None:
        super().__init__(decay, angles)
        self.weight = nn.Parameter(torch.zeros(2 * len(angles)))

    def step(self, z: Start, drive: Start) -> Start:
        """One step."""
        re, im = self.powers(2)
        factor, state, weight = torch.complex(re[1], im[1]), _complex(z), _complex(self.weight)
        return _real(factor * state + (1 + weight * state) * _complex(drive))

    def forward(self, start: Start, drive: Drive) -> Path:
        """Step by step: no convolution."""
        return Latent.forward(self, start, drive)


class Dense(Latent):
    """z_t = z_{t-1} K + l_t, K a full matrix; first 0.98 I + 0.01 N(0, 1)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(0.98 * torch.eye(size) + 0.01 * torch.randn(size, size))

    def step(self, z: Start, drive: Start) -> Start:
        """One step."""
        return z @ self.matrix + drive


class Residual(Latent):
    """z_t = z_{t-1} + W_2 gelu(W_1 [z_{t-1}, l_t])."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.Linear(2 * size, size), nn.GELU(), nn.Linear(size, size))

    def step(self, z: Start, drive: Start) -> Start:
        """One step."""
        change: Tensor = self.change(torch.cat([z, drive], dim=-1))
        return z + change


class Gated(Latent):
    """z_t = GRU(l_t, z_{t-1})."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.read, self.recur = nn.Linear(size, 3 * size), nn.Linear(size, 3 * size)

    def step(self, z: Start, drive: Start) -> Start:
        """One step."""
        read, recur = self.read(drive).chunk(3, dim=-1), self.recur(z).chunk(3, dim=-1)
        reset, update = torch.sigmoid(read[0] + recur[0]), torch.sigmoid(read[1] + recur[1])
        return (1 - update) * torch.tanh(read[2] + reset * recur[2]) + update * z
