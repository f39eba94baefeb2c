"""Transfer functions of systems that are diagonal plus low rank, from compiled Cauchy sums, and their gradient in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor
from torch.nn import functional

from dynamark.tasks.numerics import compiling

__all__ = ["resolvent_response"]


def resolvent_response(
    points: Complex[Tensor, " point"],
    poles: Complex[Tensor, "*bank mode"],
    rows: Complex[Tensor, "*bank row mode"],
    columns: Complex[Tensor, "*bank column mode"],
) -> Complex[Tensor, "*bank out point"]:
    """C (g - A)^{-1} B at every point g, for A = diag(poles) - P* P, where one mode of each conjugate pair is given.

    rows: those of C, then those of P. columns: B, then the columns of P*. With R_ij(g) = sum_k w_k / (g - poles_k) +
    conj(w_k) / (g - conj(poles_k)), w_k = rows_ik columns_jk, the result is R_CB - R_CP (I + R_PP)^{-1} R_PB (Woodbury
    identity), computed by elimination without pivoting. All tensors are complex128.
    """
    weights = rows[..., :, None, :] * columns[..., None, :, :]
    if not (compiling.available() and poles.device.type == "cpu"):
        return _recorded(points, poles, weights)
    flat = poles.reshape(-1, poles.shape[-1]), weights.reshape(-1, *weights.shape[-3:])
    response: Tensor = _Response.apply(points, *flat)[0]  # type: ignore[no-untyped-call]
    return response.reshape(*poles.shape[:-1], *response.shape[1:])


def _recorded(points: Tensor, poles: Tensor, weights: Tensor) -> Tensor:
    """The same with operations that autograd records."""
    resolvent = 1 / (points - poles[..., None])
    mirrored = 1 / (points - poles[..., None].conj())
    flat = weights.flatten(-3, -2)
    sums = flat @ resolvent + flat.conj() @ mirrored
    table = sums.reshape(*weights.shape[:-1], len(points))
    rank = table.shape[-2] - 1
    identity = torch.eye(rank, dtype=table.dtype, device=table.device)
    table = table + functional.pad(identity, (1, 0, table.shape[-3] - rank, 0))[..., None]
    for _ in range(rank):  # one row of P at a time
        table = table - table[..., :, -1:, :] * table[..., -1:, :, :] / table[..., -1:, -1:, :]
        table = table[..., :-1, :-1, :]
    return table[..., 0, :]


class _Response(torch.autograd.Function):
    """The response of several systems: poles [system, mode], weights [system, row, column, mode].

    The second output is the table of sums after elimination [system, row, column, 2, point]: the entries of an eliminated row and
    column no longer change, so that it holds all that the backward pass needs.
    """

    @staticmethod
    def forward(points: Tensor, poles: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        systems, rows, columns, _ = weights.shape
        table = torch.zeros(systems, rows, columns, 2, len(points), dtype=torch.float64)
        _tabulate(*map(_parts, (points, poles, weights)), compiling.as_array(table))
        outputs = table[:, : rows - columns + 1, 0]
        return torch.complex(outputs[..., 0, :], outputs[..., 1, :]), table

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        points, poles, weights, table = ctx.saved_tensors
        if gradients[0] is None:
            return None, None, None
        to_table = torch.zeros_like(table)
        outputs = to_table[:, : table.shape[1] - table.shape[2] + 1, 0]
        outputs[..., 0, :], outputs[..., 1, :] = gradients[0].real, gradients[0].imag
        to_poles, to_weights = torch.zeros_like(poles), torch.zeros_like(weights)
        arrays = [compiling.as_array(part) for part in (table, to_table)]
        _tabulate_back(*map(_parts, (points, poles, weights)), *arrays, _pairs(to_poles), _pairs(to_weights))
        return None, to_poles, to_weights

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Any, Any]:
        size = info.batch_size
        poles, weights = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs[1:], in_dims[1:], strict=True)
        )
        out = _Response.apply(inputs[0], poles.flatten(0, 1), weights.flatten(0, 1))  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, (size, -1)) for part in out), (0, 0)


def _pairs(x: Tensor) -> Any:
    """Real and imaginary parts along the last axis, in the memory of x."""
    return torch.view_as_real(x).numpy()


def _parts(x: Tensor) -> Any:
    """Real and imaginary parts along the second to last axis: loops over the last one vectorize."""
    x = x.detach()
    return torch.stack([x.real, x.imag], dim=-2).numpy()


@compiling.kernel
def _tabulate(points: Any, poles: Any, weights: Any, table: Any) -> None:  # pragma: no cover - compiled
    """All sums R_ij, plus the identity, eliminated."""
    systems, rows, columns, _, count = table.shape
    modes, out = poles.shape[2], rows - columns + 1
    x, y = points[0], points[1]
    half_sum, half_difference = np.empty((2, count)), np.empty((2, count))
    for s in range(systems):
        for k in range(modes):
            _resolvents(x, y, poles[s, 0, k], poles[s, 1, k], half_sum, half_difference)
            for i in range(rows):
                for j in range(columns):
                    # w / (g - p) + conj(w / (conj(g) - p)) = 2 Re(w) P - 2 Im(w) Q
                    u, v, entry = 2 * weights[s, i, j, 0, k], -2 * weights[s, i, j, 1, k], table[s, i, j]
                    _accumulate(u, half_sum[0], v, half_difference[0], entry[0])
                    _accumulate(u, half_sum[1], v, half_difference[1], entry[1])
        for last in range(columns - 1, 0, -1):
            _eliminate(table[s], out - 1 + last, last)


@compiling.kernel
def _resolvents(x: Any, y: Any, a: float, b: float, half_sum: Any, half_difference: Any) -> None:  # pragma: no cover
    """P = (1/(g-p) + 1/(g-p*)) / 2 = (g-a) / D and Q = (1/(g-p) - 1/(g-p*)) / 2i = b / D, D = (g-p)(g-p*), at g = x + iy."""
    p_real, p_imag, q_real, q_imag = half_sum[0], half_sum[1], half_difference[0], half_difference[1]
    for f in range(len(x)):
        u = x[f] - a
        real, imag = u * u - (y[f] - b) * (y[f] + b), 2 * u * y[f]
        scale = 1 / (real * real + imag * imag)
        real, imag = real * scale, -imag * scale
        p_real[f], p_imag[f] = u * real - y[f] * imag, u * imag + y[f] * real
        q_real[f], q_imag[f] = b * real, b * imag


@compiling.kernel
def _accumulate(u: float, p: Any, v: float, q: Any, total: Any) -> None:  # pragma: no cover - compiled
    for f in range(len(total)):
        total[f] += u * p[f] + v * q[f]


@compiling.kernel
def _eliminate(table: Any, row: int, column: int) -> None:  # pragma: no cover - compiled
    """T_ij - T_ic T_rj / (1 + T_rc) for all rows i < r and columns j < c, in place; T_rc becomes 1 / (1 + T_rc)."""
    real, imag = table[row, column, 0], table[row, column, 1]
    for f in range(len(real)):
        x, y = 1 + real[f], imag[f]
        scale = 1 / (x * x + y * y)
        real[f], imag[f] = x * scale, -y * scale
    for i in range(row):
        left_real, left_imag = table[i, column, 0], table[i, column, 1]
        for j in range(column):
            right_real, right_imag = table[row, j, 0], table[row, j, 1]
            to_real, to_imag = table[i, j, 0], table[i, j, 1]
            for f in range(len(real)):
                x = left_real[f] * real[f] - left_imag[f] * imag[f]
                y = left_real[f] * imag[f] + left_imag[f] * real[f]
                to_real[f] -= x * right_real[f] - y * right_imag[f]
                to_imag[f] -= x * right_imag[f] + y * right_real[f]


@compiling.kernel
def _eliminate_back(table: Any, to_table: Any, row: int, column: int) -> None:  # pragma: no cover - compiled
    """The gradients with respect to row r and column c from those of all T_ij, i < r, j < c."""
    real, imag = table[row, column, 0], table[row, column, 1]
    own_real, own_imag = to_table[row, column, 0], to_table[row, column, 1]
    for i in range(row):
        left_real, left_imag = table[i, column, 0], table[i, column, 1]
        by_left_real, by_left_imag = to_table[i, column, 0], to_table[i, column, 1]
        for j in range(column):
            right_real, right_imag = table[row, j, 0], table[row, j, 1]
            by_right_real, by_right_imag = to_table[row, j, 0], to_table[row, j, 1]
            pull_real, pull_imag = to_table[i, j, 0], to_table[i, j, 1]
            for f in range(len(real)):
                # -conj(1 / (1 + T_rc)) times the upstream gradient
                x = -(pull_real[f] * real[f] + pull_imag[f] * imag[f])
                y = -(pull_imag[f] * real[f] - pull_real[f] * imag[f])
                by_left_real[f] += x * right_real[f] + y * right_imag[f]
                by_left_imag[f] += y * right_real[f] - x * right_imag[f]
                by_x, by_y = x * left_real[f] + y * left_imag[f], y * left_real[f] - x * left_imag[f]
                by_right_real[f] += by_x
                by_right_imag[f] += by_y
                # conj(T_ic T_rj / (1 + T_rc)^2), with the opposite sign
                z = by_x * right_real[f] + by_y * right_imag[f]
                w = by_y * right_real[f] - by_x * right_imag[f]
                own_real[f] -= z * real[f] + w * imag[f]
                own_imag[f] -= w * real[f] - z * imag[f]


@compiling.kernel
def _tabulate_back(  # pragma: no cover - compiled
    points: Any, poles: Any, weights: Any, table: Any, to_table: Any, to_poles: Any, to_weights: Any
) -> None:
    """The gradients with respect to poles and weights; `to_table` holds those of the outputs, and zeros elsewhere."""
    systems, rows, columns, _, count = table.shape
    modes, out = poles.shape[2], rows - columns + 1
    x, y = points[0], points[1]
    # P, Q, and their derivatives by the real part of the pole: (1/(g-p)^2 +- 1/(g-p*)^2) / 2 and / 2i.
    basis = np.empty((4, 2, count))
    for s in range(systems):
        for first in range(1, columns):
            _eliminate_back(table[s], to_table[s], out - 1 + first, first)
        for k in range(modes):
            _resolvents(x, y, poles[s, 0, k], poles[s, 1, k], basis[0], basis[1])
            _squares(basis)
            by_real, by_imag = 0.0, 0.0
            for i in range(rows):
                for j in range(columns):
                    u, v = weights[s, i, j, 0, k], weights[s, i, j, 1, k]
                    p, q, slope_p, slope_q = _projections(to_table[s, i, j], basis)
                    to_weights[s, i, j, k, 0], to_weights[s, i, j, k, 1] = 2 * p, -2 * q
                    by_real += u * slope_p - v * slope_q
                    by_imag -= u * slope_q + v * slope_p
            to_poles[s, k, 0], to_poles[s, k, 1] = 2 * by_real, 2 * by_imag


@compiling.kernel
def _squares(basis: Any) -> None:  # pragma: no cover - compiled
    """From P and Q, with 1/(g-p) = P + iQ and 1/(g-p*) = P - iQ: P^2 - Q^2 and 2 P Q."""
    p_real, p_imag, q_real, q_imag = basis[0, 0], basis[0, 1], basis[1, 0], basis[1, 1]
    a_real, a_imag, b_real, b_imag = basis[2, 0], basis[2, 1], basis[3, 0], basis[3, 1]
    for f in range(len(p_real)):
        a, b, c, d = p_real[f], p_imag[f], q_real[f], q_imag[f]
        a_real[f], a_imag[f] = a * a - b * b - c * c + d * d, 2 * (a * b - c * d)
        b_real[f], b_imag[f] = 2 * (a * c - b * d), 2 * (a * d + b * c)


@compiling.kernel
def _projections(pull: Any, basis: Any) -> Any:  # pragma: no cover - compiled
    """Re sum_f conj(G_f) times each function of the basis."""
    real, imag = pull[0], pull[1]
    p, q, slope_p, slope_q = 0.0, 0.0, 0.0, 0.0
    p_real, p_imag, q_real, q_imag = basis[0, 0], basis[0, 1], basis[1, 0], basis[1, 1]
    a_real, a_imag, b_real, b_imag = basis[2, 0], basis[2, 1], basis[3, 0], basis[3, 1]
    for f in range(len(real)):
        g, h = real[f], imag[f]
        p += g * p_real[f] + h * p_imag[f]
        q += g * q_real[f] + h * q_imag[f]
        slope_p += g * a_real[f] + h * a_imag[f]
        slope_q += g * b_real[f] + h * b_imag[f]
    return p, q, slope_p, slope_q
