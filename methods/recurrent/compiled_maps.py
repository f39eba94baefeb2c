"""Compiled kernels of one step of each model and its action on tangent vectors; see `dynamark.tasks.numerics.maps`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array, kernel
from dynamark.tasks.numerics.elementary import hyperbolic
from dynamark.tasks.numerics.maps import CompiledMap, first_numbers
from dynamark.tasks.numerics.polynomials import monomial_steps

__all__ = [
    "driven",
    "echo_map",
    "gru_map",
    "lstm_map",
    "network_flow",
    "piecewise_map",
    "polynomial_flow",
    "polynomial_map",
]


def polynomial_flow(weights: Tensor, degree: int, step: float, substeps: int) -> CompiledMap:
    """x' = W' p(x) by `substeps` Runge-Kutta steps of size `step`."""
    tables = _tables(weights, weights.shape[1], degree)
    return CompiledMap(_runge_kutta.given(field=_polynomial), first_numbers, (tables, np.array([step]), substeps))


def polynomial_map(weights: Tensor, degree: int, taps: int, skip: int) -> CompiledMap:
    """x_{t+1} = x_t + W' p(x_t, x_{t-skip}, ...), the newest observation first in the state."""
    return CompiledMap(
        _shift, first_numbers, (_tables(weights, taps * weights.shape[1], degree), weights.shape[1], skip)
    )


def network_flow(weights: tuple[Tensor, ...], shifts: tuple[Tensor, ...]) -> CompiledMap:
    """x' = f(x), f a perceptron with tanh, by one Runge-Kutta step of length 1."""
    layers = tuple(as_array(w.mT) for w in weights), tuple(map(as_array, shifts))
    return CompiledMap(_runge_kutta.given(field=_perceptron), first_numbers, (layers, np.array([1.0]), 1))


def echo_map(
    recurrent: tuple[ndarray, ndarray, ndarray], drive: ndarray, offset: ndarray, leak: float, readout: ndarray
) -> CompiledMap:
    """r <- (1 - g) r + g tanh(A r + B x + b), x = C' [r; r^2]; A in CSR format: (data, indices, indptr)."""
    units = len(offset)
    parts = (*recurrent, np.ascontiguousarray(drive), offset, readout[:units].copy(), readout[units:].copy())
    return CompiledMap(_echo, _echo_read, (*parts, float(leak)))


def driven(echo: CompiledMap, state: ndarray, x: ndarray, states: ndarray) -> None:
    """Run an echo state network on the inputs x [trajectory, time, dim]; `state` [trajectory, unit] is advanced in place.

    The states are written to `states` [time, trajectory, unit], unless it has length 0.
    """
    _drive(state, np.ascontiguousarray(x), states, echo.weights)


def gru_map(read: Tensor, recur: Tensor, bias: Tensor, out: Tensor, shift: Tensor) -> CompiledMap:
    """A GRU with its prediction fed back as input; the state is h."""
    return CompiledMap(_gru, _read_last, _fed(read, recur, bias, out, shift))


def lstm_map(read: Tensor, recur: Tensor, bias: Tensor, out: Tensor, shift: Tensor) -> CompiledMap:
    """An LSTM with its prediction fed back as input; the state is (c, h)."""
    return CompiledMap(_lstm, _read_last, _fed(read, recur, bias, out, shift))


def piecewise_map(linear: Tensor, shift: Tensor, out: Tensor, into: Tensor, bias: Tensor, clipped: bool) -> CompiledMap:
    """z <- A z + h + W (relu(U z + b) - relu(U z)), if not `clipped` without the second relu."""
    return CompiledMap(_piecewise, first_numbers, (*map(as_array, (linear, shift, out, into, bias)), clipped))


def _tables(weights: Tensor, dim: int, degree: int) -> tuple[ndarray, ...]:
    """Each non-constant monomial as an earlier one times a coordinate; the weights, and the indices of non-zero rows."""
    prefix, last = monomial_steps(dim, degree)
    w = as_array(weights)
    return prefix, last, w, np.flatnonzero(np.abs(w).max(1) > 0)


def _fed(read: Tensor, recur: Tensor, bias: Tensor, out: Tensor, shift: Tensor) -> tuple[ndarray, ...]:
    """The weights of a gated cell as arrays, matrices transposed."""
    return tuple(map(as_array, (read.mT, recur.mT, bias, out.mT, shift)))


# The vector field, replaced by each flow with its own.
field: Any = None


@kernel
def _runge_kutta(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    inner, step, substeps = weights
    h = step[0]
    for _ in range(substeps):
        k1, d1 = field(x, q, inner)
        k2, d2 = field(x + (h / 2) * k1, q + (h / 2) * d1, inner)
        k3, d3 = field(x + (h / 2) * k2, q + (h / 2) * d2, inner)
        k4, d4 = field(x + h * k3, q + h * d3, inner)
        x[:] = x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)
        q[:] = q + (h / 6) * (d1 + 2 * d2 + 2 * d3 + d4)


@kernel
def _polynomial(x: Any, q: Any, weights: Any) -> Any:  # pragma: no cover - compiled
    """W' p(x) and its Jacobian times q."""
    prefix, last, w, nonzero = weights
    dim, count = w.shape[1], q.shape[1]
    p, d = np.empty(len(w)), np.empty((len(w), count))
    p[0] = 1.0
    d[0] = 0.0
    for m in range(len(prefix)):
        i, j = prefix[m], last[m]
        p[m + 1] = p[i] * x[j]
        for k in range(count):
            d[m + 1, k] = d[i, k] * x[j] + p[i] * q[j, k]
    value, tangent = np.zeros(dim), np.zeros((dim, count))
    for m in nonzero:
        for i in range(dim):
            value[i] += p[m] * w[m, i]
        if count:
            for i in range(dim):
                share = w[m, i]
                for k in range(count):
                    tangent[i, k] += share * d[m, k]
    return value, tangent


@kernel
def _shift(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    tables, dim, skip = weights
    delays = -(-len(x) // (dim * skip))
    taps, vectors = np.empty(delays * dim), np.empty((delays * dim, q.shape[1]))
    for k in range(delays):
        for i in range(dim):
            taps[k * dim + i] = x[k * skip * dim + i]
            vectors[k * dim + i] = q[k * skip * dim + i]
    change, tangent = _polynomial(taps, vectors, tables)
    for i in range(len(x) - 1, dim - 1, -1):
        x[i] = x[i - dim]
        q[i] = q[i - dim]
    # After the shift the first block still contains x_t: adding the change gives x_{t+1}.
    for i in range(dim):
        x[i] += change[i]
        q[i] += tangent[i]


@kernel
def _perceptron(x: Any, q: Any, weights: Any) -> Any:  # pragma: no cover - compiled
    matrices, shifts = weights
    last = len(matrices) - 1
    activation, tangent = x, q
    for k in range(len(matrices)):
        activation = matrices[k] @ activation + shifts[k]
        if q.shape[1]:
            tangent = matrices[k] @ tangent
        if k < last:
            for i in range(len(activation)):
                activation[i] = hyperbolic(activation[i], 1.0)
                slope = 1.0 - activation[i] * activation[i]
                if q.shape[1]:
                    tangent[i] *= slope
    return activation, tangent


@kernel
def _echo_read(x: Any, y: Any, weights: Any) -> None:  # pragma: no cover - compiled
    plain, square = weights[5], weights[6]
    y[:] = 0.0
    for u in range(len(x)):
        for d in range(len(y)):
            y[d] += x[u] * plain[u, d] + x[u] * x[u] * square[u, d]


@kernel
def _echo(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    values, columns, rows, drive, offset, plain, square, leak = weights
    units, dim = drive.shape
    count = q.shape[1]
    y, activation = np.empty(dim), np.empty(units)
    _echo_read(x, y, weights)
    d_output, tangent = np.zeros((dim, count)), np.empty((units, count))
    for u in range(units if count else 0):
        for d in range(dim):
            slope = plain[u, d] + 2.0 * x[u] * square[u, d]
            for k in range(count):
                d_output[d, k] += slope * q[u, k]
    for u in range(units):
        inside = offset[u]
        for d in range(dim):
            inside += drive[u, d] * y[d]
        for place in range(rows[u], rows[u + 1]):
            inside += values[place] * x[columns[place]]
        activation[u] = inside
    for u in range(units):
        activation[u] = hyperbolic(activation[u], 1.0)
    for u in range(units if count else 0):
        row = tangent[u]
        row[:] = 0.0
        for place in range(rows[u], rows[u + 1]):
            source, weight = q[columns[place]], values[place]
            for k in range(count):
                row[k] += weight * source[k]
        for d in range(dim):
            weight = drive[u, d]
            for k in range(count):
                row[k] += weight * d_output[d, k]
    for u in range(units):
        x[u] = (1.0 - leak) * x[u] + leak * activation[u]
        slope = leak * (1.0 - activation[u] * activation[u])
        for k in range(count):
            q[u, k] = (1.0 - leak) * q[u, k] + slope * tangent[u, k]


@kernel
def _drive(state: Any, x: Any, states: Any, weights: Any) -> None:  # pragma: no cover - compiled
    values, columns, rows, drive, offset, _, _, leak = weights
    units, dim = drive.shape
    activation = np.empty(units)
    for n in range(len(x)):
        current = state[n]
        for t in range(x.shape[1]):
            for u in range(units):
                inside = offset[u]
                for d in range(dim):
                    inside += drive[u, d] * x[n, t, d]
                for place in range(rows[u], rows[u + 1]):
                    inside += values[place] * current[columns[place]]
                activation[u] = inside
            for u in range(units):
                current[u] = (1.0 - leak) * current[u] + leak * hyperbolic(activation[u], 1.0)
            if len(states):
                states[t, n] = current


@kernel
def _read_last(x: Any, y: Any, weights: Any) -> None:  # pragma: no cover - compiled
    out, shift = weights[3], weights[4]
    y[:] = out @ x[len(x) - out.shape[1] :] + shift


@kernel
def _gru(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    read, recur, bias, out, shift = weights
    units, count = len(x), q.shape[1]
    from_input, from_state = read @ (out @ x + shift) + bias, recur @ x
    gates = 1.0 / (1.0 + np.exp(-(from_input[: 2 * units] + from_state[: 2 * units])))
    n = np.tanh(from_input[2 * units :] + gates[:units] * from_state[2 * units :])
    if count:
        d_input, d_state = read @ (out @ q), recur @ q
        for i in range(units):
            r, u, fresh, inner = gates[i], gates[units + i], n[i], from_state[2 * units + i]
            for k in range(count):
                dr = r * (1.0 - r) * (d_input[i, k] + d_state[i, k])
                du = u * (1.0 - u) * (d_input[units + i, k] + d_state[units + i, k])
                dn = (1.0 - fresh * fresh) * (d_input[2 * units + i, k] + dr * inner + r * d_state[2 * units + i, k])
                q[i, k] = dn + du * (x[i] - fresh) + u * (q[i, k] - dn)
    x[:] = n + gates[units:] * (x - n)


@kernel
def _lstm(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    read, recur, bias, out, shift = weights
    units, count = len(x) // 2, q.shape[1]
    h = x[units:]
    inside = read @ (out @ h + shift) + bias + recur @ h
    gates, g = 1.0 / (1.0 + np.exp(-inside[: 3 * units])), np.tanh(inside[3 * units :])
    i, f, o = gates[:units], gates[units : 2 * units], gates[2 * units :]
    cell = f * x[:units] + i * g
    tanh_cell = np.tanh(cell)
    if count:
        tail = q[units:]
        d_gates = read @ (out @ tail) + recur @ tail
        for j in range(units):
            di, df = g[j] * i[j] * (1.0 - i[j]), x[j] * f[j] * (1.0 - f[j])
            dg, do = i[j] * (1.0 - g[j] * g[j]), tanh_cell[j] * o[j] * (1.0 - o[j])
            through = o[j] * (1.0 - tanh_cell[j] * tanh_cell[j])
            for k in range(count):
                dc = f[j] * q[j, k] + df * d_gates[units + j, k] + di * d_gates[j, k] + dg * d_gates[3 * units + j, k]
                q[j, k] = dc
                q[units + j, k] = through * dc + do * d_gates[2 * units + j, k]
    x[:units] = cell
    x[units:] = o * tanh_cell


@kernel
def _piecewise(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    linear, shift, out, into, bias, clipped = weights
    u = into @ x
    slope, phi = np.empty(len(u)), np.empty(len(u))
    for k in range(len(u)):
        top, off = u[k] + bias[k], clipped and u[k] > 0.0
        slope[k] = (1.0 if top > 0.0 else 0.0) - (1.0 if off else 0.0)
        phi[k] = max(top, 0.0) - (u[k] if off else 0.0)
    if q.shape[1]:
        inner = into @ q
        for k in range(len(u)):
            inner[k] *= slope[k]
        q[:] = linear @ q + out @ inner
    x[:] = linear @ x + out @ phi + shift
