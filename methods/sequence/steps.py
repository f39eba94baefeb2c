"""Layers one sample at a time: what a roll-out needs, at a cost a step that does not depend on how many came before.

A step takes the input x [channel], changes the state [number] and writes the output y [dim], all in double precision, whatever
the weights were trained in. It is compiled where numba is installed and runs in NumPy elsewhere; complex states are pairs.
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
    """A layer as a recurrence: `advance(x, state, y, weights)`, its weights, and the size of its state, which starts at 0."""

    advance: Kernel
    weights: tuple[Any, ...]
    size: int


def arrays(*parts: Tensor) -> tuple[ndarray, ...]:
    """Weights in double precision (complex where they are complex) in main memory."""
    return tuple(
        (p.detach().to(torch.complex128) if p.is_complex() else p.detach().double()).cpu().contiguous().numpy()
        for p in parts
    )


@kernel
def _squash(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


@kernel
def banks(x: Any, state: Any, y: Any, weights: Any) -> None:
    """Channels with diagonal systems of their own: s <- lambda s + x_c, y = Re(w s) + D x; w [channel, dim, mode]."""
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
    """A diagonal system for every channel: s <- lambda s + x_c, y_c = Re(w s) + D x_c; w [channel, 1, mode]."""
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
    """Systems of banks of every channel: s <- A s + b x_c, y = sum C s + D x; A [channel * bank, state, state]."""
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
    """A system for every channel: s <- A s + b x_c, y_c = C s + D x_c; A [channel, state, state], C [channel, 1, state]."""
    move, drive, read, direct = weights
    channels, size = drive.shape
    for c in range(channels):
        own = state[c * size : (c + 1) * size]
        own[:] = move[c] @ own + drive[c] * x[c]
        y[c] = (read[c, 0] * own).sum() + direct[c, 0] * x[c]


@kernel
def convolved(x: Any, state: Any, y: Any, weights: Any) -> None:
    """y = sum_i K_i x_{t-i} as it stands: lags x channels products a step. The state is a ring of inputs and its place."""
    (response,) = weights  # [lag, channel, dim]
    lags, channels, _ = response.shape
    ring = state[1:].reshape(lags, channels)
    now = int(state[0])
    ring[now] = x
    y[:] = 0.0
    for i in range(lags):
        past, own = ring[now - i if now >= i else now - i + lags], response[i]
        for c in range(channels):
            for d in range(len(y)):
                y[d] += past[c] * own[c, d]
    state[0] = now + 1 if now + 1 < lags else 0


@kernel
def gru(x: Any, state: Any, y: Any, weights: Any) -> None:
    """See `GRU`."""
    into, offset, recurrent, bias, out, shift = weights
    units = len(bias)
    given, pull = x @ into + offset, state @ recurrent
    both = _squash(given[: 2 * units] + pull[: 2 * units])
    fresh = np.tanh(given[2 * units :] + both[:units] * (pull[2 * units :] + bias))
    state[:] = fresh + both[units:] * (state - fresh)
    y[:] = state @ out + shift


@kernel
def lstm(x: Any, state: Any, y: Any, weights: Any) -> None:
    """See `LSTM`; the state is (h, c)."""
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
    """See `CfC`; the scalings of the backbone's tanh are in the weights."""
    into, offset, recurrent, heads, bias, out, shift = weights
    units = len(recurrent)
    z = np.tanh(x[:-1] @ into + offset + state @ recurrent)
    read = z @ heads + bias
    first, second = np.tanh(read[:units]), np.tanh(read[units : 2 * units])
    mix = _squash(read[2 * units : 3 * units] * x[-1] + read[3 * units :])
    state[:] = first + mix * (second - first)
    y[:] = state @ out + shift


@kernel
def ltc(x: Any, state: Any, y: Any, weights: Any) -> None:
    """See `LTC`; synapses of inputs and of neurons as (slope, threshold, strength, reversal), [from, to]."""
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
    """See `Mamba`; the state is the last taps - 1 inputs of the convolution, the oldest first, and h [lane, state]."""
    enter, offset, taps, shift, select, widen, start, rates, direct, leave, last = weights
    count, lanes = taps.shape
    rank, states = len(widen), rates.shape[1]
    past, h = (
        state[: (count - 1) * lanes].reshape(count - 1, lanes),
        state[(count - 1) * lanes :].reshape(lanes, states),
    )
    both = x @ enter + offset
    seen = shift + both[:lanes] * taps[count - 1]
    for k in range(count - 1):
        seen += past[k] * taps[k]
    for k in range(count - 2):
        past[k] = past[k + 1]
    if count > 1:
        past[count - 2] = both[:lanes]
    seen = seen * _squash(seen)
    read = seen @ select
    step = read[:rank] @ widen + start
    step = np.maximum(step, 0.0) + np.log1p(np.exp(-np.abs(step)))
    b, c = read[rank : rank + states], read[rank + states :]
    shown = direct * seen
    for k in range(lanes):
        h[k] = np.exp(step[k] * rates[k]) * h[k] + (step[k] * seen[k]) * b
        shown[k] += h[k] @ c
    gate = both[lanes:]
    y[:] = (shown * (gate * _squash(gate))) @ leave + last


# The step of a layer inside a stack; every stack has its own.
layer: Any = None


@kernel
def stacked(x: Any, state: Any, y: Any, weights: Any) -> None:
    """See `Stack`: encoder, residual blocks, decoder; `own` channels at the end of x go to the layers as they are."""
    into, offset, blocks, out, shift, own, active = weights
    width, seen = len(offset), len(x) - len(own)
    size = len(state) // len(blocks)
    now, entered, left = x[:seen] @ into + offset, np.empty(width + len(own)), np.empty(width)
    entered[width:] = x[seen:]
    for k in range(len(blocks)):
        scale, move, eps, mix, drift, inner = blocks[k]
        centered = now - now.mean()
        entered[:width] = centered / np.sqrt((centered * centered).mean() + eps[0]) * scale + move
        layer(entered, state[k * size : (k + 1) * size], left, inner)
        if len(active):
            for i in range(width):
                left[i] *= 0.5 * (1.0 + math.erf(left[i] * math.sqrt(0.5)))
        now = now + (left @ mix + drift if len(mix) else left)
    y[:] = now @ out + shift
