"""The structured state space model S4, diagonal plus low rank, initialized from HiPPO; and S4-PTD, a perturbed diagonal form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from dynamark.methods.fields import Positive, Size
from dynamark.methods.sequence import steps
from dynamark.methods.sequence.convolutional import S4D, KernelLayer, S4DLayer, StepsRange, computable
from dynamark.methods.sequence.stack import SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.methods.training import Recipe
from dynamark.tasks.numerics.cauchy import resolvent_response
from dynamark.tasks.numerics.hippo import low_rank_form, perturbed_legs

__all__ = ["S4", "S4PTD", "dplr_kernel"]

# The radius, to the power of the length, of the circle on which the generating function is inverted: aliasing errors are
# multiplied by it and rounding errors by its inverse.
_CIRCLE = 1e-7


def dplr_kernel(
    poles: Complex[Tensor, "*bank mode"],
    p: Complex[Tensor, "*bank rank mode"],
    b: Complex[Tensor, "*bank mode"],
    c: Complex[Tensor, "*bank row mode"],
    step: Float[Tensor, "*bank 1"],
    length: int,
) -> Float[Tensor, "*bank row time"]:
    """K_l = 2 Re C Abar^l Bbar over half of the modes, for x' = (diag(poles) - P* P) x + B u discretized by the bilinear rule.

    sum_l K_l z^l = 2/(1+z) C (g - A)^{-1} B, g = 2/step (1-z)/(1+z); by the Woodbury identity, (g - A)^{-1} needs only sums over
    modes. Evaluated at z = r w, w the roots of unity and r^length = 1e-7, and inverted by an FFT: aliasing errors are below 1e-7,
    rounding errors below 1e-8. Only one mode of each conjugate pair is given.
    """
    return _from_circle(_on_circle(poles, p, b, c, step, length), length)


def _circle(length: int, device: torch.device) -> Complex[Tensor, " frequency"]:
    """The points z = r w."""
    turn = torch.arange(length // 2 + 1, dtype=torch.float64, device=device)
    return _CIRCLE ** (1 / length) * torch.exp(-2j * math.pi / length * turn)


def _on_circle(
    poles: Tensor, p: Tensor, b: Tensor, c: Tensor, step: Tensor, length: int
) -> Complex[Tensor, "*bank row frequency"]:
    """C (g - A)^{-1} B on the circle; arguments as in `dplr_kernel`.

    Computed as step C (g step - step A)^{-1} B, so that the points g step are the same for all banks.
    """
    z = _circle(length, step.device)
    columns = torch.cat([b[..., None, :], p.conj()], dim=-2) * step[..., None]
    return resolvent_response(2 * (1 - z) / (1 + z), poles * step, torch.cat([c, p], dim=-2), columns)


def _from_circle(response: Complex[Tensor, "*bank frequency"], length: int) -> Float[Tensor, "*bank time"]:
    """The kernel with this response on the circle."""
    spectrum = response * (2 / (1 + _circle(length, response.device)))
    growth = _CIRCLE ** (-torch.arange(length, dtype=torch.float64, device=response.device) / length)
    return torch.fft.irfft(spectrum, length, dim=-1) * growth


class _S4Layer(KernelLayer):
    def __init__(self, method: S4, channels: int, dim: int, draw: torch.Generator, mixes: bool = True) -> None:
        super().__init__()
        self.mixes = mixes
        poles, p, b = (torch.from_numpy(part) for part in low_rank_form(method.basis, 2 * method.modes))
        low, high = (math.log(bound) for bound in method.steps_range)
        shape = (channels, method.banks)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(*shape, 1, generator=draw))
        self.log_decay = nn.Parameter((-poles.real).clamp(min=1e-4).log().float().repeat(*shape, 1))
        self.frequency = nn.Parameter(poles.imag.float().repeat(*shape, 1))
        self.p = nn.Parameter(torch.view_as_real(p).float().repeat(*shape, 1, 1, 1))
        self.b = nn.Parameter(torch.view_as_real(b).float().repeat(*shape, 1, 1))
        scale = (2 * method.banks) ** -0.5
        self.c = nn.Parameter(scale * torch.randn(*shape, dim, method.modes, 2, generator=draw))
        self.d = nn.Parameter(torch.randn(channels, dim, generator=draw))

    def kernel(self, length: int) -> Tensor:
        poles = torch.complex(-self.log_decay.double().exp(), self.frequency.double())
        p, b, c = (torch.view_as_complex(part.double()) for part in (self.p, self.b, self.c))
        response = _on_circle(poles, p, b, c, self.log_step.double().exp(), length).sum(1)  # over banks
        response = _from_circle(response, length).permute(2, 0, 1)
        return torch.cat([response[:1] + self.d, response[1:]])

    def steps(self) -> Stepwise:
        """The layer as a recurrence: one dense system per bank, for the real and imaginary parts of half of the modes."""
        poles = torch.complex(-self.log_decay.double().exp(), self.frequency.double())
        p, b, c = (torch.view_as_complex(part.double()) for part in (self.p, self.b, self.c))
        # The other half of the modes is conjugate, so the sum P z over all modes is 2 Re(P z) over this half.
        back = torch.cat([p.real, p.imag], dim=-1).mT.clone()
        back[..., len(poles[0, 0]) :, :] *= -1
        move = torch.cat(
            [
                torch.cat([torch.diag_embed(poles.real), torch.diag_embed(-poles.imag)], dim=-1),
                torch.cat([torch.diag_embed(poles.imag), torch.diag_embed(poles.real)], dim=-1),
            ],
            dim=-2,
        ) - 2 * back @ torch.cat([p.real, -p.imag], dim=-1)
        half, unit = self.log_step.double().exp()[..., None] / 2, torch.eye(move.shape[-1]).to(move)
        left = unit - half * move
        transition = torch.linalg.solve(left, unit + half * move)
        drive = torch.linalg.solve(left, 2 * half * torch.cat([b.real, b.imag], dim=-1)[..., None])[..., 0]
        read = 2 * torch.cat([c.real, -c.imag], dim=-1)
        weights = arrays(*(part.flatten(0, 1) for part in (transition, drive, read)), self.d)
        return Stepwise(steps.dense if self.mixes else steps.separate_dense, weights, drive.numel())


@dataclass(frozen=True)
class S4(SequenceMethod):
    """x' = (Lambda - P* P) x + B u, y = 2 Re(C x) + D u: HiPPO in the eigenbasis of its normal part, bilinear rule.

    Each state-space model has `modes` conjugate pairs of poles and a step, initially log-uniform in `steps_range`. In a stack
    every channel has one state-space model, and the linear layer of the block mixes channels, as in the paper. A layer alone has
    `banks` models per input channel, mixed by C. basis: `legs`, `legt` or `fout`; P has rank 1, 2, 1. All parameters are
    trained; the learning rate of Lambda, P, B and steps is `rate` / 10.

    Differs from the paper: C is trained instead of C (1 - Abar^length), because the kernel is computed from its generating
    function on a circle inside the unit circle; a trained model therefore applies to sequences of any length.

    key: gu2022b, gu2020
    """

    modes: Size = 16
    banks: Size = 4
    basis: Literal["legs", "legt", "fout"] = "legs"
    steps_range: StepsRange = (1e-3, 1e-1)

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S4 layer with a full matrix C for every bank."""
        computable(channels, dim, length)
        return _S4Layer(self, channels, dim, draw)

    def block_layer(self, width: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S4 layer with one state-space model per channel."""
        return _S4Layer(replace(self, banks=1), width, 1, draw, mixes=False)

    def recipe(self) -> Recipe:
        """Adam, with a smaller learning rate for the state matrix, B and steps."""
        slow = {r"log_|frequency|\.p$|\.b$": 0.1}
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50, rates=slow)


class _PerturbedLayer(S4DLayer):
    """S4D with the poles of A + E and weights (C V)_n (V^{-1} B)_n, where C is initialized in the basis of A."""

    def __init__(self, method: S4PTD, channels: int, dim: int, draw: torch.Generator, mixes: bool = True) -> None:
        super().__init__(method, channels, dim, draw, mixes)
        seed = int(torch.randint(2**31, (1,), generator=draw))
        poles, vectors, b = perturbed_legs(2 * method.modes, method.size, np.random.default_rng(seed))
        scale = (2 * method.banks) ** -0.5
        c = scale * torch.randn(channels, dim, method.banks, 2 * method.modes, generator=draw).double()
        weights = (c.to(torch.complex128) @ torch.from_numpy(vectors)) * torch.from_numpy(b)
        repeats = (channels, method.banks, 1)
        self.log_decay = nn.Parameter(torch.from_numpy(-poles.real).log().float().repeat(*repeats))
        self.frequency = nn.Parameter(torch.from_numpy(poles.imag.copy()).float().repeat(*repeats))
        self.c = nn.Parameter(torch.view_as_real(weights.flatten(2)).float())


@dataclass(frozen=True)
class S4PTD(S4D):
    """S4D from a perturbed LegS: A + E = V Lambda V^{-1}, K_l = 2 Re sum_n (C V)_n (V^{-1} Bbar)_n e^{l Delta lambda_n}.

    E is real Gaussian with |E|_2 = size |A|_2, chosen among ten samples for the best-conditioned V; Re lambda <= -1e-4. Since
    A + E is real, its modes are conjugate pairs and a few real modes, which are weighted by 1/2.

    Differs from the paper, which minimizes the condition number over E and uses sizes from 0.01 to 1.

    key: yu2024
    """

    size: Positive = 1e-3
    kind: ClassVar[Callable[..., nn.Module]] = _PerturbedLayer
