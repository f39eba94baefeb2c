"""Compiled kernels of Long Expressive Memory: the forward and backward pass of a training window, and one step of a free run.

Seeds never share a matrix product, so the results of a seed are bitwise independent of the others in its batch.
Shapes: R seeds, T steps, S streams, U units. The gates of a step are (1, 2, z, y); the first three see y_{t-1}, the last z_t.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array, kernel
from dynamark.tasks.numerics.elementary import by_precision, hyperbolic, logistic
from dynamark.tasks.numerics.maps import CompiledMap

__all__ = ["backward", "forward", "lem_map"]


def forward(gates: Tensor, recur: Tensor, inner: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The states (z, y) [R, T, S, 2U] after each step, and the activations of the gates [R, T, S, 4U]."""
    seeds, time, streams, four = gates.shape
    states, active = gates.new_empty(seeds, time, streams, four // 2), torch.empty_like(gates)
    _walk(*map(as_array, (gates, recur, inner, state, states, active)))
    return states, active


def backward(
    to_states: Tensor, recur: Tensor, inner: Tensor, state: Tensor, states: Tensor, active: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients with respect to the gates [R, T, S, 4U], U [R, U, 3U] and V [R, U, U]; none flows into the first state."""
    to_gates, units = torch.empty_like(active), inner.shape[-1]
    _walk_back(*map(as_array, (to_states, recur.mT, inner.mT, state, states, active, to_gates)))
    past_y = torch.cat([state[:, None], states[:, :-1]], dim=1)[..., units:]
    to_recur = past_y.flatten(1, 2).mT @ to_gates[..., : 3 * units].flatten(1, 2)
    to_inner = states[..., :units].flatten(1, 2).mT @ to_gates[..., 3 * units :].flatten(1, 2)
    return to_gates, to_recur, to_inner


@by_precision
def _walk(  # pragma: no cover - compiled
    gates: Any, recur: Any, inner: Any, state: Any, states: Any, active: Any
) -> None:
    seeds, time, streams, double = states.shape
    units, one = double // 2, gates.dtype.type(1)
    z, y = np.empty((streams, units), gates.dtype), np.empty((streams, units), gates.dtype)
    pull, push = np.empty((streams, 3 * units), gates.dtype), np.empty((streams, units), gates.dtype)
    for r in range(seeds):
        z[:], y[:] = state[r, :, :units], state[r, :, units:]
        for t in range(time):
            np.dot(y, recur[r], pull)
            for s in range(streams):
                given, from_y, memory, gate, out = gates[r, t, s], pull[s], z[s], active[r, t, s], states[r, t, s]
                for i in range(2 * units):
                    gate[i] = logistic(given[i] + from_y[i], one)
                for i in range(2 * units, 3 * units):
                    gate[i] = hyperbolic(given[i] + from_y[i], one)
                for i in range(units):
                    value = memory[i] + gate[i] * (gate[2 * units + i] - memory[i])
                    memory[i] = value
                    out[i] = value
            np.dot(z, inner[r], push)
            for s in range(streams):
                given, from_z, hidden, gate, out = gates[r, t, s], push[s], y[s], active[r, t, s], states[r, t, s]
                for i in range(units):
                    fresh = hyperbolic(given[3 * units + i] + from_z[i], one)
                    value = hidden[i] + gate[units + i] * (fresh - hidden[i])
                    gate[3 * units + i] = fresh
                    hidden[i] = value
                    out[units + i] = value


@by_precision
def _walk_back(  # pragma: no cover - compiled
    to_states: Any, back: Any, inner_back: Any, state: Any, states: Any, active: Any, to_gates: Any
) -> None:
    seeds, time, streams, double = states.shape
    units, one = double // 2, states.dtype.type(1)
    by_z, by_y = np.empty((streams, units), states.dtype), np.empty((streams, units), states.dtype)
    pull, push = np.empty((streams, units), states.dtype), np.empty((streams, units), states.dtype)
    first, last = np.empty((streams, 3 * units), states.dtype), np.empty((streams, units), states.dtype)
    for r in range(seeds):
        by_z[:] = 0
        by_y[:] = 0
        pull[:] = 0
        for t in range(time - 1, -1, -1):
            past = states[r, t - 1] if t else state[r]
            for s in range(streams):
                upstream, total, gate, to_gate = to_states[r, t, s], by_y[s], active[r, t, s], to_gates[r, t, s]
                for i in range(units):
                    g = upstream[units + i] + total[i] + pull[s, i]
                    step, fresh = gate[units + i], gate[3 * units + i]
                    to_gate[units + i] = g * (fresh - past[s, units + i]) * step * (one - step)
                    to_gate[3 * units + i] = g * step * (one - fresh * fresh)
                    last[s, i] = to_gate[3 * units + i]
                    total[i] = g * (one - step)
            np.dot(last, inner_back[r], push)
            for s in range(streams):
                upstream, total, gate, to_gate = to_states[r, t, s], by_z[s], active[r, t, s], to_gates[r, t, s]
                for i in range(units):
                    g = upstream[i] + total[i] + push[s, i]
                    step, fresh = gate[i], gate[2 * units + i]
                    to_gate[i] = g * (fresh - past[s, i]) * step * (one - step)
                    to_gate[2 * units + i] = g * step * (one - fresh * fresh)
                    total[i] = g * (one - step)
                for i in range(3 * units):
                    first[s, i] = to_gate[i]
            np.dot(first, back[r], pull)


def lem_map(read: Tensor, recur: Tensor, inner: Tensor, bias: Tensor, out: Tensor, shift: Tensor) -> CompiledMap:
    """The network with its prediction fed back as input; the state is (z, y)."""
    return CompiledMap(_lem, _read_last, tuple(map(as_array, (read.mT, recur.mT, inner.mT, bias, out.mT, shift))))


@kernel
def _read_last(x: Any, y: Any, weights: Any) -> None:  # pragma: no cover - compiled
    out, shift = weights[4], weights[5]
    y[:] = out @ x[len(x) - out.shape[1] :] + shift


@kernel
def _lem(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    read, recur, inner, bias, out, shift = weights
    units, count = len(x) // 2, q.shape[1]
    z, y = x[:units], x[units:]
    given = read @ (out @ y + shift) + bias
    first = given[: 3 * units] + recur @ y
    gates, fresh = 1.0 / (1.0 + np.exp(-first[: 2 * units])), np.tanh(first[2 * units :])
    memory = z + gates[:units] * (fresh - z)
    content = np.tanh(given[3 * units :] + inner @ memory)
    if count:
        tail = q[units:]
        d_given = read @ (out @ tail)
        d_first = d_given[: 3 * units] + recur @ tail
        for i in range(units):
            slow, d_step = 1.0 - gates[i], gates[i] * (1.0 - gates[i]) * (fresh[i] - z[i])
            d_fresh = gates[i] * (1.0 - fresh[i] * fresh[i])
            for k in range(count):
                q[i, k] = slow * q[i, k] + d_step * d_first[i, k] + d_fresh * d_first[2 * units + i, k]
        d_content = d_given[3 * units :] + inner @ q[:units]
        for i in range(units):
            step = gates[units + i]
            d_step, d_fresh = step * (1.0 - step) * (content[i] - y[i]), step * (1.0 - content[i] * content[i])
            for k in range(count):
                q[units + i, k] = (
                    (1.0 - step) * q[units + i, k] + d_step * d_first[units + i, k] + d_fresh * d_content[i, k]
                )
    x[units:] = y + gates[units:] * (content - y)
    x[:units] = memory
