"""The liquid time-constant network: neurons with conductance-based synapses, integrated by a fused semi-implicit step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dynamark.methods.fields import Range, Size, Steps
from dynamark.methods.sequence import compiled_continuous, steps
from dynamark.methods.sequence.recurrence import Recurrence, compiled_on, recur
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays

__all__ = ["LTC", "LTCLayer"]


class _Cell(Recurrence):
    """x: conductances and currents of the input synapses and the leak [.., 2 unit]. times: the gap.

    weights: capacitance [1, unit]; strength w, slope, threshold and reversal potential of the recurrent synapses
    [from, to]. Only potentials are stored; the backward pass recomputes the unit^2 synapses of each step.
    """

    def __init__(self, unfolds: int) -> None:
        self.unfolds = unfolds

    def run(self, x: Tensor, times: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        if compiled_on(x):
            return compiled_continuous.ltc_forward(x, times, weights, self.unfolds)
        capacitance, strength, slope, threshold, reversal = weights
        units = capacitance.shape[-1]
        inner = x.new_empty(len(x), *x.shape[1:-1], self.unfolds, units)
        v, current = x.new_zeros((*x.shape[1:-1], units)), strength * reversal
        shift = -slope * threshold
        for t in range(len(x)):
            rate = capacitance * (self.unfolds / times[t])
            lead, drive = rate + x[t, ..., :units], x[t, ..., units:]
            for k in range(self.unfolds):
                open_ = torch.addcmul(shift[:, None], slope[:, None], v[..., None]).sigmoid_()
                top = (open_ * current[:, None]).sum(-2).add_(drive).addcmul_(rate, v)
                bottom = (open_ * strength[:, None]).sum(-2).add_(lead)
                v = torch.div(top, bottom, out=inner[t, ..., k, :])
        return inner[..., -1, :].clone(), inner

    def pull(
        self, to_states: Tensor, x: Tensor, times: Tensor, weights: tuple[Tensor, ...], saved: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        if compiled_on(x):
            return compiled_continuous.ltc_backward(to_states, x, times, weights, saved[1])
        capacitance, strength, slope, threshold, reversal = weights
        inner = saved[1]
        units, shift = capacitance.shape[-1], -slope * threshold
        to_x, carry = torch.zeros_like(x), torch.zeros_like(to_states[0])
        to_capacitance = torch.zeros_like(carry)
        # Sums over time of the gradients with respect to the synapses, weighted for each parameter.
        by_bottom, by_top, by_slope, by_shift = (torch.zeros_like(strength) for _ in range(4))
        for t in range(len(x) - 1, -1, -1):
            carry = carry + to_states[t]
            per = self.unfolds / times[t]
            rate = capacitance * per
            lead = rate + x[t, ..., :units]
            for k in range(self.unfolds - 1, -1, -1):
                after = inner[t, ..., k, :]
                before = inner[t, ..., k - 1, :] if k else (inner[t - 1, ..., -1, :] if t else torch.zeros_like(after))
                open_ = torch.addcmul(shift[:, None], slope[:, None], before[..., None]).sigmoid_()
                bottom = (open_ * strength[:, None]).sum(-2).add_(lead)
                to_top = carry / bottom
                to_bottom = -to_top * after
                to_x[t, ..., :units] += to_bottom
                to_x[t, ..., units:] += to_top
                to_capacitance += per * (to_top * before + to_bottom)
                # Sums over the batch instead of matrix products, whose rounding depends on the number of seeds in the batch.
                by_top += (open_ * to_top[..., None, :]).sum(1)
                by_bottom += (open_ * to_bottom[..., None, :]).sum(1)
                reach = torch.addcmul(to_bottom[..., None, :], reversal[:, None], to_top[..., None, :])
                reach = reach.mul_(strength[:, None]).mul_(open_ - open_ * open_)
                by_shift += reach.sum(1)
                by_slope += (reach * before[..., None]).sum(1)
                carry = torch.addcmul((reach * slope[:, None]).sum(-1), rate, to_top)
        return (
            to_x,
            to_capacitance.sum(1, keepdim=True),
            by_bottom + reversal * by_top,
            by_slope - threshold * by_shift,
            -slope * by_shift,
            strength * by_top,
        )


class _Synapses(nn.Module):
    """Synapses from `sources` to `units`: positive strengths, slopes, thresholds, and reversal potentials of +-1."""

    def __init__(self, sources: int, units: int, draw: torch.Generator) -> None:
        super().__init__()
        shape = (sources, units)
        self.strength = nn.Parameter(_softened(0.001, 1.0, shape, draw))
        self.slope = nn.Parameter(_uniform(3.0, 8.0, shape, draw))
        self.threshold = nn.Parameter(_uniform(0.3, 0.8, shape, draw))
        self.reversal = nn.Parameter(2.0 * torch.randint(0, 2, shape, generator=draw) - 1.0)


def _uniform(low: float, high: float, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=draw)


def _softened(low: float, high: float, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Samples x such that softplus(x) is uniform in [low, high]."""
    return _uniform(low, high, shape, draw).expm1().log()


class LTCLayer(nn.Module):
    """The neurons with input synapses and an affine map of the potentials; the last input channel is the gap."""

    def __init__(self, units: int, unfolds: int, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.cell = _Cell(unfolds)
        self.sensory = _Synapses(channels - 1, units, draw)
        self.recurrent = _Synapses(units, units, draw)
        self.leak = nn.Parameter(_softened(0.001, 1.0, (units,), draw))
        self.rest = nn.Parameter(_uniform(-0.2, 0.2, (units,), draw))
        self.capacitance = nn.Parameter(_softened(0.4, 0.6, (units,), draw))
        self.outputs = Affine(units, dim, draw)

    def potentials(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "time *batch unit"]:
        """The potentials v_t of sequences that start at zero."""
        x = x.movedim(-2, 0)
        s, r, leak = self.sensory, self.recurrent, functional.softplus(self.leak)
        open_ = torch.sigmoid(s.slope * (x[..., :-1, None] - s.threshold)) * functional.softplus(s.strength)
        sensory = torch.cat([leak + open_.sum(-2), leak * self.rest + (open_ * s.reversal).sum(-2)], dim=-1)
        capacitance = functional.softplus(self.capacitance)[None]
        weights = (capacitance, functional.softplus(r.strength), r.slope, r.threshold, r.reversal)
        return recur(self.cell, sensory.contiguous(), x[..., -1:].clamp(min=1e-6), *weights)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs y = C v + d."""
        return self.outputs(self.potentials(x).movedim(0, -2))

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        softplus, outputs = functional.softplus, self.outputs
        sensory, recurrent = (
            arrays(part.slope, part.threshold, softplus(part.strength), part.reversal)
            for part in (self.sensory, self.recurrent)
        )
        leak, rest, capacitance = arrays(softplus(self.leak), self.rest, softplus(self.capacitance))
        out, shift = arrays(outputs.weight, outputs.bias)
        unfolds = np.array([self.cell.unfolds], dtype=np.float64)
        weights = (leak, rest, capacitance, unfolds, sensory, recurrent, out, shift)
        return Stepwise(steps.ltc, weights, len(rest))


@dataclass(frozen=True)
class LTC(SequenceMethod):
    """c v' = -g (v - v_l) + sum_j w_j s_j (E_j - v), s_j = sigmoid(slope_j (v_j - mu_j)) over neurons and inputs; y = C v + d.

    Integrated by `unfolds` fused steps of size d = gap / unfolds: v <- (c v/d + g v_l + sum w s E) / (c/d + g + sum w s). This is
    a weighted mean, so v stays between the extremes of v_l, E and the initial value 0. Softplus keeps c, g, w positive.

    units: number of neurons. gap: time since the previous sample; 1 for evenly spaced samples or if `blind`.
    Source: Hasani et al. 2021, algorithm 1, with all neurons connected.

    key: hasani2021
    """

    units: Size = 16
    unfolds: Annotated[int, Range(1, 1000)] = 6
    steps: Steps = 1000

    timed: ClassVar[bool] = True

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One LTC layer."""
        return LTCLayer(self.units, self.unfolds, channels, dim, draw)
