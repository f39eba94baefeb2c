"""Compiled forward and backward passes of GRU and LSTM: all gates of a step in one loop, one seed after another.

Seeds never share a matrix product, so the results of a seed are bitwise independent of the others in its batch. Stored tensors
have the memory layout [member, time, batch, .], so that the gradient of the weights is one product over all times, without a
copy. Shapes: T steps, M members (seeds), B sequences, H units, G = 3 H or 4 H gates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array
from dynamark.tasks.numerics.elementary import by_precision, hyperbolic, logistic

__all__ = ["by_recurrence", "gru_backward", "gru_forward", "lstm_backward", "lstm_forward"]


def by_recurrence(states: Tensor, products: Tensor) -> Tensor:
    """The sum over time and batch of h_{t-1}' p_t for each seed; h_{-1} = 0."""
    return states[:, :-1].flatten(1, 2).mT @ products[:, 1:].flatten(1, 2)


def gru_forward(gates: Tensor, recurrent: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    """The states, the gates (r, z), U_n h + b, and the candidate n, all [T, M, B, .]."""
    time, members, batch, three = gates.shape
    outputs = [gates.new_empty(members, time, batch, k * three // 3) for k in (1, 2, 1, 1)]
    _gru_walk(*map(as_array, (gates.transpose(0, 1), recurrent, bias, *outputs)))
    return tuple(part.transpose(0, 1) for part in outputs)


def gru_backward(
    to_states: Tensor, recurrent: Tensor, states: Tensor, rz: Tensor, inner: Tensor, candidate: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients with respect to the gates, U and b."""
    outputs = [part.transpose(0, 1) for part in (states, rz, inner, candidate)]
    to_gates, products = (states.new_empty(*outputs[0].shape[:-1], recurrent.shape[-1]) for _ in range(2))
    _gru_walk_back(*map(as_array, (to_states.transpose(0, 1), recurrent.mT, *outputs, to_gates, products)))
    to_bias = products[..., -states.shape[-1] :].sum((1, 2))[:, None]
    return to_gates.transpose(0, 1), by_recurrence(outputs[0], products), to_bias


@by_precision
def _gru_walk(  # pragma: no cover - compiled
    gates: Any, recurrent: Any, bias: Any, states: Any, rz: Any, inner: Any, candidate: Any
) -> None:
    members, time, batch, units = states.shape
    one = gates.dtype.type(1)
    h, pull = np.empty((batch, units), gates.dtype), np.empty((batch, 3 * units), gates.dtype)
    for m in range(members):
        h[:] = 0
        for t in range(time):
            np.dot(h, recurrent[m], pull)
            for b in range(batch):
                from_input, from_state, state, gate = gates[m, t, b], pull[b], h[b], rz[m, t, b]
                inside, fresh, out = inner[m, t, b], candidate[m, t, b], states[m, t, b]
                for i in range(units):
                    r = logistic(from_input[i] + from_state[i], one)
                    z = logistic(from_input[units + i] + from_state[units + i], one)
                    inner_value = from_state[2 * units + i] + bias[m, 0, i]
                    n = hyperbolic(from_input[2 * units + i] + r * inner_value, one)
                    value = n + z * (state[i] - n)
                    gate[i], gate[units + i], inside[i], fresh[i] = r, z, inner_value, n
                    out[i] = value
                    state[i] = value


@by_precision
def _gru_walk_back(  # pragma: no cover - compiled
    to_states: Any, back: Any, states: Any, rz: Any, inner: Any, candidate: Any, to_gates: Any, products: Any
) -> None:
    members, time, batch, units = states.shape
    one = states.dtype.type(1)
    carry, pull = np.empty((batch, units), states.dtype), np.empty((batch, units), states.dtype)
    rest = np.zeros((batch, units), states.dtype)
    for m in range(members):
        carry[:] = 0
        pull[:] = 0
        for t in range(time - 1, -1, -1):
            past = states[m, t - 1] if t else rest
            for b in range(batch):
                total, recurrent_part, upstream, last, gate = (
                    carry[b],
                    pull[b],
                    to_states[m, t, b],
                    past[b],
                    rz[m, t, b],
                )
                inside, fresh, to_gate, product = (
                    inner[m, t, b],
                    candidate[m, t, b],
                    to_gates[m, t, b],
                    products[m, t, b],
                )
                for i in range(units):
                    g = upstream[i] + total[i] + recurrent_part[i]
                    r, z, n = gate[i], gate[units + i], fresh[i]
                    by_new = g * (one - z) * (one - n * n)
                    by_reset = by_new * inside[i] * r * (one - r)
                    by_update = g * (last[i] - n) * z * (one - z)
                    to_gate[i], to_gate[units + i], to_gate[2 * units + i] = by_reset, by_update, by_new
                    product[i], product[units + i], product[2 * units + i] = by_reset, by_update, by_new * r
                    total[i] = g * z
            np.dot(products[m, t], back[m], pull)


def lstm_forward(x: Tensor, recurrent: Tensor) -> tuple[Tensor, ...]:
    """The states, cells and gates, all [T, M, B, .]."""
    time, members, batch, four = x.shape
    outputs = [x.new_empty(members, time, batch, k * four // 4) for k in (1, 1, 4)]
    _lstm_walk(*map(as_array, (x.transpose(0, 1), recurrent, *outputs)))
    return tuple(part.transpose(0, 1) for part in outputs)


def lstm_backward(
    to_states: Tensor, recurrent: Tensor, states: Tensor, cells: Tensor, gates: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients with respect to the preactivations of the gates, and U."""
    outputs = [part.transpose(0, 1) for part in (states, cells, gates)]
    to_gates = torch.empty_like(outputs[2], memory_format=torch.contiguous_format)
    _lstm_walk_back(*map(as_array, (to_states.transpose(0, 1), recurrent.mT, *outputs[1:], to_gates)))
    return to_gates.transpose(0, 1), by_recurrence(outputs[0], to_gates)


@by_precision
def _lstm_walk(x: Any, recurrent: Any, states: Any, cells: Any, gates: Any) -> None:  # pragma: no cover - compiled
    members, time, batch, units = states.shape
    one = x.dtype.type(1)
    h, c = np.empty((batch, units), x.dtype), np.empty((batch, units), x.dtype)
    pull = np.empty((batch, 4 * units), x.dtype)
    for m in range(members):
        h[:] = 0
        c[:] = 0
        for t in range(time):
            np.dot(h, recurrent[m], pull)
            for b in range(batch):
                from_input, from_state, cell, state = x[m, t, b], pull[b], c[b], h[b]
                gate, out, inside = gates[m, t, b], states[m, t, b], cells[m, t, b]
                for k in range(3 * units):
                    gate[k] = logistic(from_input[k] + from_state[k], one)
                for k in range(3 * units, 4 * units):
                    gate[k] = hyperbolic(from_input[k] + from_state[k], one)
                for k in range(units):
                    value = gate[units + k] * cell[k] + gate[k] * gate[3 * units + k]
                    cell[k] = value
                    inside[k] = value
                    hidden = gate[2 * units + k] * hyperbolic(value, one)
                    state[k] = hidden
                    out[k] = hidden


@by_precision
def _lstm_walk_back(  # pragma: no cover - compiled
    to_states: Any, back: Any, cells: Any, gates: Any, to_gates: Any
) -> None:
    members, time, batch, units = cells.shape
    one = cells.dtype.type(1)
    carry, pull = np.empty((batch, units), cells.dtype), np.empty((batch, units), cells.dtype)
    rest = np.zeros((batch, units), cells.dtype)
    for m in range(members):
        carry[:] = 0
        pull[:] = 0
        for t in range(time - 1, -1, -1):
            past = cells[m, t - 1] if t else rest
            for b in range(batch):
                total, recurrent_part, upstream, last = carry[b], pull[b], to_states[m, t, b], past[b]
                gate, cell, to_gate = gates[m, t, b], cells[m, t, b], to_gates[m, t, b]
                for k in range(units):
                    i, f, o, g = gate[k], gate[units + k], gate[2 * units + k], gate[3 * units + k]
                    to_h = upstream[k] + recurrent_part[k]
                    tanh_cell = hyperbolic(cell[k], one)
                    to_c = total[k] + to_h * o * (one - tanh_cell * tanh_cell)
                    to_gate[k] = to_c * g * i * (one - i)
                    to_gate[units + k] = to_c * last[k] * f * (one - f)
                    to_gate[2 * units + k] = to_h * tanh_cell * o * (one - o)
                    to_gate[3 * units + k] = to_c * i * (one - g * g)
                    total[k] = to_c * f
            np.dot(to_gates[m, t], back[m], pull)
