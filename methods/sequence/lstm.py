"""The long short-term memory (LSTM)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Size, Steps
from dynamark.methods.sequence import compiled_gated, steps
from dynamark.methods.sequence.recurrence import Recurrence, compiled_on, recur
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.tasks.numerics.thin import thin_affine

__all__ = ["LSTM"]


class _Cell(Recurrence):
    """Gates x + h U, in the order input, forget, output, candidate."""

    def run(self, x: Tensor, times: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        (recurrent,) = weights
        if compiled_on(x):
            return compiled_gated.lstm_forward(x, recurrent)
        units = recurrent.shape[-2]
        gates = torch.empty_like(x)
        states, cells = (x.new_empty(*x.shape[:-1], units) for _ in range(2))
        h = c = x.new_zeros((*x.shape[1:-1], units))
        for t in range(len(x)):
            torch.baddbmm(x[t], h, recurrent, out=gates[t])
            gates[t, ..., : 3 * units].sigmoid_()
            gates[t, ..., 3 * units :].tanh_()
            i, f, o, g = gates[t].chunk(4, dim=-1)
            torch.addcmul(f * c, i, g, out=cells[t])
            c = cells[t]
            torch.mul(o, c.tanh(), out=states[t])
            h = states[t]
        return states, cells, gates

    def pull(
        self, to_states: Tensor, x: Tensor, times: Tensor, weights: tuple[Tensor, ...], saved: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        states, cells, gates = saved
        if compiled_on(x):
            return compiled_gated.lstm_backward(to_states, weights[0], states, cells, gates)
        units = states.shape[-1]
        i, f, o, g = gates.chunk(4, dim=-1)
        before = torch.cat([torch.zeros_like(cells[:1]), cells[:-1]])
        tanh_cells = cells.tanh()
        by_state = tanh_cells * o * (1 - o)
        by_cell = torch.cat([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], dim=-1)
        by_output = o * (1 - tanh_cells * tanh_cells)
        to_gates, back = torch.empty_like(gates), weights[0].mT
        to_c = to_h = torch.zeros_like(states[0])
        for t in range(len(x) - 1, -1, -1):
            to_h = to_states[t] + to_h
            to_c = torch.addcmul(to_c, to_h, by_output[t])
            parts = to_c.repeat(1, 1, 3) * by_cell[t]
            to_gates[t, ..., : 2 * units] = parts[..., : 2 * units]
            torch.mul(to_h, by_state[t], out=to_gates[t, ..., 2 * units : 3 * units])
            to_gates[t, ..., 3 * units :] = parts[..., 2 * units :]
            to_c = to_c * f[t]
            to_h = torch.bmm(to_gates[t], back)
        past = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        return to_gates, torch.einsum("tmbi,tmbj->mij", past, to_gates)


class _LSTMLayer(nn.Module):
    """The recurrence after an affine map of the inputs and before an affine map of the states."""

    def __init__(self, units: int, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.inputs = Affine(channels, 4 * units, draw)
        self.recurrent = nn.Parameter(torch.randn(units, 4 * units, generator=draw) / units**0.5)
        self.outputs = Affine(units, dim, draw)
        with torch.no_grad():
            self.inputs.bias[units : 2 * units] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        x = thin_affine(x.movedim(-2, 0).contiguous(), self.inputs.weight, self.inputs.bias)
        states = recur(_Cell(), x, x[..., :1].detach(), self.recurrent)
        return thin_affine(states, self.outputs.weight, self.outputs.bias).movedim(0, -2)

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        inputs, outputs = self.inputs, self.outputs
        weights = arrays(inputs.weight, inputs.bias, self.recurrent, outputs.weight, outputs.bias)
        return Stepwise(steps.lstm, weights, 2 * len(self.recurrent))


@dataclass(frozen=True)
class LSTM(SequenceMethod):
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t; i, f, o = sigmoid and g = tanh of W x_t + U h_{t-1} + b.

    Outputs are y = C h + d. units: size of h and c. The weights are those of PyTorch's LSTM without its redundant
    bias, initialized with variance 1/fan-in; the bias of the forget gate starts at 1.

    Differs from the 1997 paper by the forget gate (Gers et al. 2000).

    key: hochreiter1997
    """

    units: Size = 32
    steps: Steps = 1000

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One LSTM layer."""
        return _LSTMLayer(self.units, channels, dim, draw)
