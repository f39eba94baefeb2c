"""Compiled forward and backward passes of the continuous-time cells CfC and LTC; see `compiled_gated.py`.

Shapes: T steps, M members (seeds), B sequences, H units, K units of the backbone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.methods.sequence.compiled_gated import by_recurrence
from dynamark.tasks.numerics.compiling import as_array
from dynamark.tasks.numerics.elementary import by_precision, hyperbolic, logistic

__all__ = ["cfc_backward", "cfc_forward", "ltc_backward", "ltc_forward"]


def cfc_forward(
    x: Tensor, times: Tensor, recurrent: Tensor, heads: Tensor, bias: Tensor, height: float, slope: float
) -> tuple[Tensor, ...]:
    """The states, the tanh of the backbone, the two tanh heads and the mixing weight, all [T, M, B, .]."""
    time, members, batch, width = x.shape
    units = recurrent.shape[-2]
    outputs = [x.new_empty(members, time, batch, k) for k in (units, width, 2 * units, units)]
    scaled = slope * recurrent, height * heads
    _cfc_walk(*map(as_array, (slope * x.transpose(0, 1), times.transpose(0, 1), *scaled, bias, *outputs)))
    return tuple(part.transpose(0, 1) for part in outputs)


def cfc_backward(
    to_states: Tensor,
    times: Tensor,
    weights: tuple[Tensor, ...],
    saved: tuple[Tensor, ...],
    height: float,
    slope: float,
) -> tuple[Tensor, ...]:
    """The gradients with respect to x, the recurrent matrix, the heads and their bias."""
    recurrent, heads, _ = weights
    states, backbone, head_values, mix = (part.transpose(0, 1) for part in saved)
    to_x = torch.empty_like(backbone, memory_format=torch.contiguous_format)
    to_heads = states.new_empty(*states.shape[:-1], 4 * states.shape[-1])
    # The scale factors of the tanh enter the loop only as their product, through the heads.
    arguments = (to_states.transpose(0, 1), times.transpose(0, 1), recurrent.mT, height * slope * heads.mT)
    _cfc_walk_back(*map(as_array, (*arguments, backbone, head_values, mix, to_heads, to_x)))
    return (
        to_x.transpose(0, 1),
        by_recurrence(states, to_x),
        height * (backbone.flatten(1, 2).mT @ to_heads.flatten(1, 2)),
        to_heads.sum((1, 2))[:, None],
    )


@by_precision
def _cfc_walk(  # pragma: no cover - compiled
    x: Any, times: Any, recurrent: Any, heads: Any, bias: Any, states: Any, backbone: Any, read: Any, mixed: Any
) -> None:
    members, time, batch, units = states.shape
    width = x.shape[3]
    one = x.dtype.type(1)
    h, backbone_tanh = np.empty((batch, units), x.dtype), np.empty((batch, width), x.dtype)
    pull, inside = np.empty((batch, width), x.dtype), np.empty((batch, 4 * units), x.dtype)
    for m in range(members):
        h[:] = 0
        for t in range(time):
            np.dot(h, recurrent[m], pull)
            for b in range(batch):
                from_input, from_state, z, stored = x[m, t, b], pull[b], backbone_tanh[b], backbone[m, t, b]
                for k in range(width):
                    value = hyperbolic(from_input[k] + from_state[k], one)
                    z[k] = value
                    stored[k] = value
            np.dot(backbone_tanh, heads[m], inside)
            for b in range(batch):
                head, shift, gap, state = inside[b], bias[m, 0], times[m, t, b, 0], h[b]
                head_tanh, mix, out = read[m, t, b], mixed[m, t, b], states[m, t, b]
                for i in range(units):
                    first = hyperbolic(head[i] + shift[i], one)
                    second = hyperbolic(head[units + i] + shift[units + i], one)
                    rate, level = head[2 * units + i] + shift[2 * units + i], head[3 * units + i] + shift[3 * units + i]
                    s = logistic(rate * gap + level, one)
                    value = first + s * (second - first)
                    head_tanh[i], head_tanh[units + i], mix[i] = first, second, s
                    out[i] = value
                    state[i] = value


@by_precision
def _cfc_walk_back(  # pragma: no cover - compiled
    to_states: Any,
    times: Any,
    back: Any,
    forth: Any,
    backbone: Any,
    read: Any,
    mixed: Any,
    to_read: Any,
    to_x: Any,
) -> None:
    members, time, batch, units = mixed.shape
    width = backbone.shape[3]
    one = backbone.dtype.type(1)
    pull, inside = np.empty((batch, units), backbone.dtype), np.empty((batch, width), backbone.dtype)
    for m in range(members):
        pull[:] = 0
        for t in range(time - 1, -1, -1):
            for b in range(batch):
                recurrent_part, upstream, head_tanh, mix = (
                    pull[b],
                    to_states[m, t, b],
                    read[m, t, b],
                    mixed[m, t, b],
                )
                gap, out = times[m, t, b, 0], to_read[m, t, b]
                for i in range(units):
                    g, first, second, s = upstream[i] + recurrent_part[i], head_tanh[i], head_tanh[units + i], mix[i]
                    by_mix = g * (second - first) * s * (one - s)
                    out[i] = g * (one - s) * (one - first * first)
                    out[units + i] = g * s * (one - second * second)
                    out[2 * units + i] = by_mix * gap
                    out[3 * units + i] = by_mix
            np.dot(to_read[m, t], forth[m], inside)
            for b in range(batch):
                z, to_backbone, out = backbone[m, t, b], inside[b], to_x[m, t, b]
                for k in range(width):
                    out[k] = to_backbone[k] * (one - z[k] * z[k])
            np.dot(to_x[m, t], back[m], pull)


def ltc_forward(x: Tensor, times: Tensor, weights: tuple[Tensor, ...], unfolds: int) -> tuple[Tensor, Tensor]:
    """The potentials after each step [T, M, B, H], and after each unfold [T, M, B, unfold, H]."""
    capacitance, strength, slope, threshold, reversal = weights
    time, members, batch, two = x.shape
    inner = x.new_empty(members, time, batch, unfolds, two // 2)
    synapses = strength, strength * reversal, slope, -slope * threshold
    _ltc_walk(*map(as_array, (x.transpose(0, 1), times.transpose(0, 1), capacitance, *synapses, inner)))
    return inner[..., -1, :].transpose(0, 1).clone(), inner.transpose(0, 1)


def ltc_backward(
    to_states: Tensor, x: Tensor, times: Tensor, weights: tuple[Tensor, ...], inner: Tensor
) -> tuple[Tensor, ...]:
    """The gradients with respect to x, capacitance, strength, slope, threshold and reversal."""
    capacitance, strength, slope, threshold, reversal = weights
    to_x = torch.empty_like(x.transpose(0, 1), memory_format=torch.contiguous_format)
    to_capacitance = torch.zeros_like(capacitance, memory_format=torch.contiguous_format)
    sums = [torch.zeros_like(strength, memory_format=torch.contiguous_format) for _ in range(4)]
    arguments = (to_states.transpose(0, 1), x.transpose(0, 1), times.transpose(0, 1), capacitance)
    synapses = (strength, reversal, slope, -slope * threshold)
    _ltc_walk_back(*map(as_array, (*arguments, *synapses, inner.transpose(0, 1), to_x, to_capacitance, *sums)))
    by_bottom, by_top, by_slope, by_shift = sums
    return (
        to_x.transpose(0, 1),
        to_capacitance,
        by_bottom + reversal * by_top,
        by_slope - threshold * by_shift,
        -slope * by_shift,
        strength * by_top,
    )


@by_precision
def _ltc_walk(  # pragma: no cover - compiled
    x: Any, times: Any, capacitance: Any, strength: Any, current: Any, slope: Any, shift: Any, inner: Any
) -> None:
    members, time, batch, unfolds, units = inner.shape
    one = x.dtype.type(1)
    v, top, bottom = np.empty(units, x.dtype), np.empty(units, x.dtype), np.empty(units, x.dtype)
    for m in range(members):
        for b in range(batch):
            v[:] = 0
            for t in range(time):
                from_input, per = x[m, t, b], x.dtype.type(unfolds) / times[m, t, b, 0]
                for k in range(unfolds):
                    for j in range(units):
                        rate = capacitance[m, 0, j] * per
                        bottom[j] = rate + from_input[j]
                        top[j] = from_input[units + j] + rate * v[j]
                    for i in range(units):
                        source, steep, offset = v[i], slope[m, i], shift[m, i]
                        weight, drive = strength[m, i], current[m, i]
                        for j in range(units):
                            s = logistic(steep[j] * source + offset[j], one)
                            top[j] += s * drive[j]
                            bottom[j] += s * weight[j]
                    out = inner[m, t, b, k]
                    for j in range(units):
                        value = top[j] / bottom[j]
                        v[j] = value
                        out[j] = value


@by_precision
def _ltc_walk_back(  # pragma: no cover - compiled
    to_states: Any, x: Any, times: Any, capacitance: Any, strength: Any, reversal: Any, slope: Any, shift: Any,
    inner: Any, to_x: Any, to_capacitance: Any, by_bottom: Any, by_top: Any, by_slope: Any, by_shift: Any,
) -> None:  # fmt: skip
    members, time, batch, unfolds, units = inner.shape
    one, zero = x.dtype.type(1), x.dtype.type(0)
    rest, carry, bottom = np.zeros(units, x.dtype), np.empty(units, x.dtype), np.empty(units, x.dtype)
    to_top, to_bottom, to_potential = np.empty(units, x.dtype), np.empty(units, x.dtype), np.empty(units, x.dtype)
    open_ = np.empty((units, units), x.dtype)
    for m in range(members):
        for b in range(batch):
            carry[:] = 0
            for t in range(time - 1, -1, -1):
                from_input, per, out = x[m, t, b], x.dtype.type(unfolds) / times[m, t, b, 0], to_x[m, t, b]
                for j in range(units):
                    carry[j] += to_states[m, t, b, j]
                    out[j] = zero
                    out[units + j] = zero
                for k in range(unfolds - 1, -1, -1):
                    after = inner[m, t, b, k]
                    last = inner[m, t, b, k - 1] if k else (inner[m, t - 1, b, unfolds - 1] if t else rest)
                    for j in range(units):
                        bottom[j] = capacitance[m, 0, j] * per + from_input[j]
                    for i in range(units):
                        source, steep, offset, weight, gate = (
                            last[i],
                            slope[m, i],
                            shift[m, i],
                            strength[m, i],
                            open_[i],
                        )
                        for j in range(units):
                            s = logistic(steep[j] * source + offset[j], one)
                            gate[j] = s
                            bottom[j] += s * weight[j]
                    for j in range(units):
                        pull = carry[j] / bottom[j]
                        to_top[j] = pull
                        to_bottom[j] = -pull * after[j]
                        out[j] += to_bottom[j]
                        out[units + j] += pull
                        to_capacitance[m, 0, j] += per * (pull * last[j] + to_bottom[j])
                    for i in range(units):
                        source, steep, weight, level, gate = (
                            last[i],
                            slope[m, i],
                            strength[m, i],
                            reversal[m, i],
                            open_[i],
                        )
                        sum_top, sum_bottom, sum_slope, sum_shift = (
                            by_top[m, i],
                            by_bottom[m, i],
                            by_slope[m, i],
                            by_shift[m, i],
                        )
                        total = zero
                        for j in range(units):
                            s = gate[j]
                            sum_top[j] += s * to_top[j]
                            sum_bottom[j] += s * to_bottom[j]
                            reach = (to_bottom[j] + level[j] * to_top[j]) * weight[j] * (s - s * s)
                            sum_shift[j] += reach
                            sum_slope[j] += reach * source
                            total += reach * steep[j]
                        to_potential[i] = total
                    for j in range(units):
                        carry[j] = to_potential[j] + capacitance[m, 0, j] * per * to_top[j]
