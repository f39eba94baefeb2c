"""Linear time-invariant layers: each is an impulse response, applied by FFT."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError, unknown
from dynamark.methods.fields import Increasing, Order, Positive, Range, SearchSpace, Size
from dynamark.methods.sequence import steps
from dynamark.methods.sequence.stack import SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.methods.training import Recipe
from dynamark.tasks.numerics.channel_convolution import convolved
from dynamark.tasks.numerics.convolution import combined_convolution
from dynamark.tasks.numerics.exponential_sums import exponential_sums
from dynamark.tasks.numerics.hippo import legs_normal_poles
from dynamark.tasks.numerics.invariant_scan import invariant_scan
from dynamark.tasks.numerics.spectral_filters import spectral_filters

__all__ = ["LRU", "S4D", "S5", "STU", "KernelLayer", "S4DLayer", "computable", "s4d_poles"]


# The bounds of log-uniform time steps, and the modulus of a pole.
StepsRange = Annotated[tuple[Positive, Positive], Increasing()]
Radius = Annotated[float, Range(above=0, below=1)]


# Most values of an impulse response that is computed as a whole: with its gradient it takes about 2 GiB.
_MOST = 2**24


def computable(channels: int, dim: int, length: int) -> None:
    """Raise UserError if the impulse response from all inputs to all outputs is too large to compute."""
    if (values := channels * dim * length) > _MOST:
        raise UserError(
            f"a layer alone has an impulse response of {values:,} values ({channels} inputs, {dim} outputs, {length} steps), "
            f"more than {_MOST:,}; use depth=2, whose layers have one system per channel, or fewer channels"
        )


class KernelLayer(nn.Module):
    """y = K * x, a causal convolution with a kernel computed from the parameters.

    mixes: whether every output depends on every input; otherwise output c depends on input c only, and K is [lag, channel, 1].
    """

    mixes: bool = True

    @abstractmethod
    def kernel(self, length: int) -> Float[Tensor, "lag channel dim"]:
        """The impulse response K of the first `length` lags."""

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """The causal convolution of x with the kernel."""
        return convolved(x, self.kernel(x.shape[-2]).to(x), self.mixes)


def s4d_poles(init: str, modes: int) -> np.ndarray:
    """The poles a_n, n = 0 .. modes-1 (N = 2 modes counts conjugates), of an S4D initialization.

    lin: -1/2 + i pi n; inv: -1/2 + i (N/pi) (N/(2n+1) - 1); real: -(n+1); legs: poles of the normal part of HiPPO-LegS.
    Raises UserError for any other `init`.
    """
    n, size = np.arange(modes), 2 * modes
    if init == "lin":
        return -0.5 + 1j * np.pi * n
    if init == "inv":
        return -0.5 + 1j * size / np.pi * (size / (2 * n + 1) - 1)
    if init == "real":
        return -(n + 1.0) + 0j
    if init == "legs":
        return legs_normal_poles(size)
    raise unknown("S4D initialization", init, ["lin", "inv", "real", "legs"])


class S4DLayer(KernelLayer):
    """The layer of S4D: poles and time steps of each bank, output weights C and a direct term D."""

    def __init__(self, method: S4D, channels: int, dim: int, draw: torch.Generator, mixes: bool = True) -> None:
        super().__init__()
        self.mixes = mixes
        poles = torch.from_numpy(s4d_poles(method.init, method.modes))
        low, high = (math.log(bound) for bound in method.steps_range)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(channels, method.banks, 1, generator=draw))
        self.log_decay = nn.Parameter((-poles.real).log().float().repeat(channels, method.banks, 1))
        self.frequency = nn.Parameter(poles.imag.float().repeat(channels, method.banks, 1))
        scale = (2 * method.banks) ** -0.5
        self.c = nn.Parameter(scale * torch.randn(channels, dim, method.banks * method.modes, 2, generator=draw))
        self.d = nn.Parameter(torch.randn(channels, dim, generator=draw))

    def modes(self) -> tuple[Tensor, Tensor]:
        """Rates [channel, mode] and weights [channel, dim, mode]: K_l = Re sum_n weights_n e^{l rates_n}."""
        step = self.log_step.double().exp()
        a = torch.complex(-self.log_decay.double().exp(), self.frequency.double())
        b = (torch.expm1(a * step) / a).flatten(1)
        return (a * step).flatten(1), 2 * torch.view_as_complex(self.c.double()) * b[:, None]

    def steps(self) -> Stepwise:
        """The layer as a recurrence: one diagonal system per channel."""
        rates, weights = self.modes()
        form = steps.banks if self.mixes else steps.separate_banks
        return Stepwise(form, arrays(rates.exp(), weights, self.d), 2 * rates.numel())

    def kernel(self, length: int) -> Tensor:
        """The impulse response as sums of exponentials, plus D at lag 0."""
        response = exponential_sums(*self.modes(), length).permute(2, 0, 1)
        return torch.cat([response[:1] + self.d, response[1:]])


@dataclass(frozen=True)
class S4D(SequenceMethod):
    """K_l = 2 Re sum_n C_n Bbar_n e^{l Delta a_n}, Bbar = (e^{Delta a} - 1)/a (zero-order hold, B = 1).

    Each state-space model has `modes` conjugate pairs of poles and a step Delta, initially log-uniform in `steps_range`. In a
    stack every channel has one state-space model, and the linear layer of the block mixes channels, as in the paper. A layer
    alone has `banks` models per input channel, mixed by C. init: see `s4d_poles`. The learning rate of poles and steps is
    `rate` / 10.

    key: gu2022
    """

    modes: Size = 16
    banks: Size = 4
    init: Literal["legs", "lin", "inv", "real"] = "legs"
    steps_range: StepsRange = (1e-3, 1e-1)

    kind: ClassVar[Callable[..., nn.Module]] = S4DLayer

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S4D layer with a full matrix C for every bank."""
        computable(channels, dim, length)
        return self.kind(self, channels, dim, draw)

    def block_layer(self, width: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S4D layer with one state-space model per channel."""
        return self.kind(replace(self, banks=1), width, 1, draw, mixes=False)

    def recipe(self) -> Recipe:
        """Adam, with a smaller learning rate for poles and steps."""
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50, rates={"log_|frequency": 0.1})


class _SharedLayer(KernelLayer):
    """A layer with one diagonal system for all channels."""

    d: Tensor

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """The outputs, by FFT for few pairs of input and output channels, otherwise by a scan over the modes."""
        rates, b, c = self.modes()
        if self.d.numel() <= len(rates):
            return super().forward(x)
        rows = x.reshape(-1, x.shape[-1])
        drive = rows @ torch.cat([b.real, b.imag], dim=-1).to(x)
        h = invariant_scan(rates.exp(), drive.reshape(*x.shape[:-1], 2 * len(rates)))
        y = h.reshape(drive.shape) @ torch.cat([c.real, -c.imag], dim=-1).mT.to(x) + rows @ self.d.to(x)
        return y.reshape(*x.shape[:-1], len(c))

    @abstractmethod
    def modes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rates [mode], B [channel, mode] and C [dim, mode], complex."""

    def steps(self) -> Stepwise:
        """The layer as a diagonal recurrence."""
        rates, b, c = self.modes()
        return Stepwise(steps.shared, arrays(rates.exp(), b, c, self.d), 2 * len(rates))

    def kernel(self, length: int) -> Tensor:
        """The impulse response as sums of exponentials, plus D at lag 0."""
        rates, b, c = self.modes()
        weights = b[:, None] * c
        response = exponential_sums(rates, weights.flatten(0, 1), length)
        response = response.reshape(*weights.shape[:2], length).permute(2, 0, 1)
        return torch.cat([response[:1] + self.d, response[1:]])


class _LRULayer(_SharedLayer):
    def __init__(self, method: LRU, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        n, (low, high) = method.states, method.radius
        square = low**2 + (high**2 - low**2) * torch.rand(n, generator=draw, dtype=torch.float64)
        phase = method.phase * torch.rand(n, generator=draw, dtype=torch.float64).clamp(min=1e-6)
        self.log_decay = nn.Parameter((-0.5 * square.log()).log().float())
        self.log_phase = nn.Parameter(phase.log().float())
        self.log_scale = nn.Parameter((0.5 * torch.log1p(-square)).float())
        self.b = nn.Parameter(torch.randn(channels, n, 2, generator=draw) / (2 * max(1, channels)) ** 0.5)
        self.c = nn.Parameter(torch.randn(dim, n, 2, generator=draw) / n**0.5)
        self.d = nn.Parameter(torch.randn(channels, dim, generator=draw))

    def modes(self) -> tuple[Tensor, Tensor, Tensor]:
        rates = torch.complex(-self.log_decay.double().exp(), self.log_phase.double().exp())
        b = torch.view_as_complex(self.b.double()) * self.log_scale.double().exp()
        return rates, b, torch.view_as_complex(self.c.double())


@dataclass(frozen=True)
class LRU(SequenceMethod):
    """h_t = lambda h_{t-1} + gamma (B x_t), y_t = Re(C h_t) + D x_t, lambda = exp(-e^nu + i e^theta), gamma = sqrt(1-|lambda|^2).

    Initialization: |lambda|^2 ~ U(radius[0]^2, radius[1]^2), phases ~ U(0, `phase`); gamma is trained from this value.
    The modes are not conjugate pairs, so Re has no factor 2. The learning rate of poles and gamma is `rate` / 4.

    key: orvieto2023
    """

    states: Size = 64
    radius: Annotated[tuple[Radius, Radius], Increasing()] = (0.9, 0.999)
    phase: Annotated[float, Range(above=0, high=2 * math.pi)] = math.pi / 10
    search_space: ClassVar[SearchSpace] = {
        "rate": (1e-2, 3e-3, 1e-3, 3e-2),
        "activation": ("none", "gelu"),
        "phase": (math.pi / 10, math.pi),
    }

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One LRU layer."""
        return _LRULayer(self, channels, dim, draw)

    def recipe(self) -> Recipe:
        """Adam, with a smaller learning rate for the parameters of the recurrence."""
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50, rates={"log_": 0.25})


class _S5Layer(_SharedLayer):
    def __init__(self, method: S5, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        poles = torch.from_numpy(legs_normal_poles(2 * method.states))
        low, high = (math.log(bound) for bound in method.steps_range)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(method.states, generator=draw))
        self.decay = nn.Parameter(poles.real.float())
        self.frequency = nn.Parameter(poles.imag.float())
        self.b = nn.Parameter(torch.randn(channels, method.states, 2, generator=draw) / (2 * max(1, channels)) ** 0.5)
        self.c = nn.Parameter(torch.randn(dim, method.states, 2, generator=draw) * (2 / method.states) ** 0.5)
        self.d = nn.Parameter(torch.randn(channels, dim, generator=draw))

    def modes(self) -> tuple[Tensor, Tensor, Tensor]:
        a = torch.complex(self.decay.double().clamp(max=-1e-4), self.frequency.double())
        step = self.log_step.double().exp()
        b = torch.view_as_complex(self.b.double()) * torch.expm1(a * step) / a
        return a * step, b, torch.view_as_complex(self.c.double())


@dataclass(frozen=True)
class S5(SequenceMethod):
    """x_t = Abar x_{t-1} + Bbar u_t, y_t = Re(C x_t) + D u_t: one diagonal system for all channels, zero-order hold.

    The poles are initialized to those of the normal part of HiPPO-LegS with positive imaginary part; each state has its own step,
    initially log-uniform in `steps_range`. Real parts are clipped at -1e-4. The learning rate of poles and steps is `rate` / 4.

    Differs from the paper: B is initialized in the eigenbasis, and layers with few channels use an FFT instead of a scan.

    key: smith2023
    """

    states: Size = 64
    steps_range: StepsRange = (1e-3, 1e-1)

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S5 layer."""
        return _S5Layer(self, channels, dim, draw)

    def recipe(self) -> Recipe:
        """Adam, with a smaller learning rate for the parameters of the recurrence."""
        slow = {"log_|decay|frequency": 0.25}
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50, rates=slow)


class _STULayer(KernelLayer):
    filters: Tensor

    def __init__(self, method: STU, channels: int, dim: int, length: int) -> None:
        super().__init__()
        values, phi = spectral_filters(length, min(method.filters, length))
        scaled = phi * values**0.25
        sign = 1.0 - 2.0 * (torch.arange(length) % 2)
        self.register_buffer("filters", torch.cat([scaled, sign[:, None] * scaled], dim=1))
        self.taps = nn.Parameter(torch.zeros(method.taps, channels, dim))
        self.mix = nn.Parameter(torch.zeros(self.filters.shape[1], channels, dim))

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """The outputs, by the kernels for few pairs of channels, otherwise by transforms of the fixed filters."""
        time, pairs = x.shape[-2], self.mix[0].numel()
        if pairs <= self.filters.shape[1] or time < len(self.taps):
            return super().forward(x)
        return combined_convolution(x, self.filters[:time].to(x), self.mix, self.taps)

    def steps(self) -> Stepwise:
        """The layer as a direct convolution, because the filters have no low-dimensional recurrence."""
        response = self.kernel(len(self.filters))
        return Stepwise(steps.convolved, arrays(response), 1 + response.shape[0] * response.shape[1])

    def kernel(self, length: int) -> Tensor:
        response = torch.einsum("lf,fcd->lcd", self.filters[:length], self.mix.double())
        taps = self.taps.double()[:length]
        # If the training sequences are shorter than the number of taps.
        response = nn.functional.pad(response, (0, 0, 0, 0, 0, max(0, len(taps) - len(response))))
        return torch.cat([response[: len(taps)] + taps, response[len(taps) :]])


@dataclass(frozen=True)
class STU(SequenceMethod):
    """y_t = sum_{i<taps} M^u_i x_{t-i} + sum_j s_j^{1/4} (M^+_j U^+_{t,j} + M^-_j U^-_{t,j}): the spectral transform unit.

    U^+-: x convolved with the fixed filters phi_j and (-1)^i phi_j of spectral filtering. Only the matrices M are trained,
    from zero, by AdaGrad. With few pairs of input and output channels, they are contracted with the filters first.

    Differs from equation (3) of the paper: the filters are not delayed by two steps, and y_{t-2} is added only if
    `difference` is 2; otherwise y_{t-1} is an input of one-step prediction.

    key: agarwal2023
    """

    rate: Positive = 1.0
    filters: Annotated[int, Range(0, 500)] = 24
    taps: Order = 3
    search_space: ClassVar[SearchSpace] = {"rate": (1.0, 0.1, 0.3, 3.0), "activation": ("none", "gelu")}

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One STU layer; `draw` is not used."""
        return _STULayer(self, channels, dim, length)

    def recipe(self) -> Recipe:
        """AdaGrad at a constant rate."""
        return Recipe(
            steps=self.steps, rate=self.rate, schedule="constant", clip=None, optimizer="adagrad", validate_every=50
        )
