"""Layers as recurrences, one sample at a time, for rollouts at a cost per step that does not depend on the sequence length.

A step takes the input x [channel], updates the state [number] in place and writes the output y [dim], all in double precision
regardless of the training precision. Steps are compiled if numba is installed and run in NumPy otherwise; complex states are
stored as pairs of real numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.numerics.compiling import Kernel, kernel

__all__ = ["Stepwise", "arrays"]


@dataclass(frozen=True)
class Stepwise:
    """A layer as a recurrence: `advance(x, state, y, weights)`, its weights, and the size of its state, initially 0."""

    advance: Kernel
    weights: tuple[Any, ...]
    size: int


def arrays(*parts: Tensor) -> tuple[ndarray, ...]:
    """Convert weights to NumPy arrays in double precision (float64 or complex128)."""
    return tuple(
        (p.detach().to(torch.complex128) if p.is_complex() else p.detach().double()).cpu().contiguous().numpy()
        for p in parts
    )


@kernel
def _squash(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


@kernel
def banks(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One diagonal system per channel: s <- lambda s + x_c, y = sum_c Re(w s) + D x; w [channel, dim, mode]."""
    decay, read, direct = weights
    channels, modes = decay.shape
    s = state.view(np.complex128)
    y[:] = x @ direct
    for c in range(channels):
        own = s[c * modes : (c + 1) * modes]
        own[:] = decay[c] * own + x[c]
        y += (read[c] @ own).real


@kernel
def separate_banks(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One diagonal system per channel, unmixed: s <- lambda s + x_c, y_c = Re(w s) + D x_c; w [channel, 1, mode]."""
    decay, read, direct = weights
    channels, modes = decay.shape
    s = state.view(np.complex128)
    for c in range(channels):
        own = s[c * modes : (c + 1) * modes]
        own[:] = decay[c] * own + x[c]
        y[c] = (read[c, 0] * own).sum().real + direct[c, 0] * x[c]


@kernel
def shared(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One diagonal system for all channels: s <- lambda s + B x, y = Re(C s) + D x."""
    decay, drive, read, direct = weights
    s = state.view(np.complex128)
    s[:] = decay * s + x.astype(np.complex128) @ drive
    y[:] = (read @ s).real + x @ direct


@kernel
def dense(x: Any, state: Any, y: Any, weights: Any) -> None:
    """Dense systems, several per channel: s <- A s + b x_c, y = sum C s + D x; A [channel * bank, state, state]."""
    move, drive, read, direct = weights
    systems, size = drive.shape
    per = systems // len(x)
    y[:] = x @ direct
    for k in range(systems):
        own = state[k * size : (k + 1) * size]
        own[:] = move[k] @ own + drive[k] * x[k // per]
        y += read[k] @ own


@kernel
def separate_dense(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One dense system per channel: s <- A s + b x_c, y_c = C s + D x_c; A [channel, state, state], C [channel, 1, state]."""
    move, drive, read, direct = weights
    channels, size = drive.shape
    for c in range(channels):
        own = state[c * size : (c + 1) * size]
        own[:] = move[c] @ own + drive[c] * x[c]
        y[c] = (read[c, 0] * own).sum() + direct[c, 0] * x[c]


@kernel
def convolved(x: Any, state: Any, y: Any, weights: Any) -> None:
    """y = sum_i K_i x_{t-i}, computed directly. The state is the time, and a ring buffer of past inputs."""
    (response,) = weights  # [lag, channel, dim]
    lags, channels, _ = response.shape
    ring = state[1:].reshape(lags, channels)
    time = int(state[0])
    position = time % lags
    ring[position] = x
    y[:] = 0.0
    for i in range(min(time + 1, lags)):
        past, kernel_i = ring[position - i if position >= i else position - i + lags], response[i]
        for c in range(channels):
            for d in range(len(y)):
                y[d] += past[c] * kernel_i[c, d]
    state[0] = time + 1


@kernel
def gru(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `GRU`."""
    into, offset, recurrent, bias, out, shift = weights
    units = len(bias)
    from_input, from_state = x @ into + offset, state @ recurrent
    gates = _squash(from_input[: 2 * units] + from_state[: 2 * units])
    candidate = np.tanh(from_input[2 * units :] + gates[:units] * (from_state[2 * units :] + bias))
    state[:] = candidate + gates[units:] * (state - candidate)
    y[:] = state @ out + shift


@kernel
def lstm(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `LSTM`; the state is (h, c)."""
    into, offset, recurrent, out, shift = weights
    units = len(recurrent)
    h, c = state[:units], state[units:]
    gates = x @ into + offset + h @ recurrent
    both = _squash(gates[: 3 * units])
    c[:] = both[units : 2 * units] * c + both[:units] * np.tanh(gates[3 * units :])
    h[:] = both[2 * units :] * np.tanh(c)
    y[:] = h @ out + shift


@kernel
def cfc(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `CfC`; the scale factors of the backbone's tanh are included in the weights."""
    into, offset, recurrent, heads, bias, out, shift = weights
    units = len(recurrent)
    z = np.tanh(x[:-1] @ into + offset + state @ recurrent)
    head_values = z @ heads + bias
    first, second = np.tanh(head_values[:units]), np.tanh(head_values[units : 2 * units])
    mix = _squash(head_values[2 * units : 3 * units] * x[-1] + head_values[3 * units :])
    state[:] = first + mix * (second - first)
    y[:] = state @ out + shift


@kernel
def ltc(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `LTC`; input and recurrent synapses as (slope, threshold, strength, reversal), each [from, to]."""
    leak, rest, capacitance, unfolds, sensory, recurrent, out, shift = weights
    slope, threshold, strength, reversal = sensory
    bottom, top = leak.copy(), leak * rest
    for i in range(len(x) - 1):
        open_ = _squash(slope[i] * (x[i] - threshold[i])) * strength[i]
        bottom += open_
        top += open_ * reversal[i]
    rate = capacitance * (unfolds[0] / max(x[-1], 1e-6))
    slope, threshold, strength, reversal = recurrent
    for _ in range(int(unfolds[0])):
        below, above = bottom + rate, top + rate * state
        for i in range(len(state)):
            open_ = _squash(slope[i] * (state[i] - threshold[i])) * strength[i]
            below += open_
            above += open_ * reversal[i]
        state[:] = above / below
    y[:] = state @ out + shift


@kernel
def mamba(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `Mamba`; the state is the last taps - 1 inputs of the convolution, oldest first, and h [lane, state]."""
    enter, offset, taps, shift, select, widen, start, rates, direct, leave, last = weights
    count, lanes = taps.shape
    rank, states = len(widen), rates.shape[1]
    past, h = (
        state[: (count - 1) * lanes].reshape(count - 1, lanes),
        state[(count - 1) * lanes :].reshape(lanes, states),
    )
    projection = x @ enter + offset
    activation = shift + projection[:lanes] * taps[count - 1]
    for k in range(count - 1):
        activation += past[k] * taps[k]
    for k in range(count - 2):
        past[k] = past[k + 1]
    if count > 1:
        past[count - 2] = projection[:lanes]
    activation = activation * _squash(activation)
    selection = activation @ select
    step = selection[:rank] @ widen + start
    step = np.maximum(step, 0.0) + np.log1p(np.exp(-np.abs(step)))
    b, c = selection[rank : rank + states], selection[rank + states :]
    total = direct * activation
    for k in range(lanes):
        h[k] = np.exp(step[k] * rates[k]) * h[k] + (step[k] * activation[k]) * b
        total[k] += h[k] @ c
    gate = projection[lanes:]
    y[:] = (total * (gate * _squash(gate))) @ leave + last


# The step of the layers inside a stack, replaced for each stack by its own.
layer: Any = None


@kernel
def stacked(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `Stack`: encoder, residual blocks, decoder; the last channels of x, len(own), pass unchanged to the layers."""
    into, offset, blocks, out, shift, own, active = weights
    width, encoded_channels = len(offset), len(x) - len(own)
    size = len(state) // len(blocks)
    hidden, layer_input, layer_output = (
        x[:encoded_channels] @ into + offset,
        np.empty(width + len(own)),
        np.empty(width),
    )
    layer_input[width:] = x[encoded_channels:]
    for k in range(len(blocks)):
        scale, move, eps, mix, drift, inner = blocks[k]
        centered = hidden - hidden.mean()
        layer_input[:width] = centered / np.sqrt((centered * centered).mean() + eps[0]) * scale + move
        layer(layer_input, state[k * size : (k + 1) * size], layer_output, inner)
        if len(active):
            for i in range(width):
                layer_output[i] *= 0.5 * (1.0 + math.erf(layer_output[i] * math.sqrt(0.5)))
        hidden = hidden + (layer_output @ mix + drift if len(mix) else layer_output)
    y[:] = hidden @ out + shift
