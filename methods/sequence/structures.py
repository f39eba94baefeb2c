"""Products of a structured matrix, whose entries change at every step, with a state; and their gradients.

Every structure is a pair of kernels with the same arguments, so that one scan serves all of them:

    forth(theta, pairs, columns, h, out)                          out = N h
    back(g, theta, pairs, columns, h, to_theta, to_pairs, carry)  to_theta, to_pairs and carry += gradients of g' N h

theta: the entries of N at this step. pairs [2, rank, state] and columns [state, entry] do not change with time; only `low_rank`
has pairs, and only `sparse` has columns.

structure   N                                        entries of theta
diagonal    diag(theta)                              state
blocks      block-diagonal, row by row               state * block; dense if block = state
sparse      theta in row i at columns[i]             state * per_row
hadamard    H diag(theta) / sqrt(state)              state; H of Sylvester, state a power of two
low_rank    diag(theta_1) + P_0' diag(theta_2) P_1   state + rank
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.tasks.numerics.compiling import Kernel, kernel
from dynamark.tasks.numerics.hadamard import walsh_hadamard

__all__ = ["STRUCTURES", "Structure"]


@dataclass(frozen=True)
class Structure:
    """A structure: its compiled product and gradient, and the product of whole batches in torch.

    product(theta, pairs, columns, h): N h for theta [..., entry] and h [..., state].
    """

    forth: Kernel
    back: Kernel
    product: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@kernel
def _diagonal_forth(theta: Any, pairs: Any, columns: Any, h: Any, out: Any) -> None:  # pragma: no cover - compiled
    for i in range(len(h)):
        out[i] = theta[i] * h[i]


@kernel
def _diagonal_back(  # pragma: no cover - compiled
    g: Any, theta: Any, pairs: Any, columns: Any, h: Any, to_theta: Any, to_pairs: Any, carry: Any
) -> None:
    for i in range(len(h)):
        to_theta[i] += g[i] * h[i]
        carry[i] += g[i] * theta[i]


def _diagonal(theta: Tensor, pairs: Tensor, columns: Tensor, h: Tensor) -> Tensor:
    return theta * h


@kernel
def _blocks_forth(theta: Any, pairs: Any, columns: Any, h: Any, out: Any) -> None:  # pragma: no cover - compiled
    size = len(h)
    block = len(theta) // size
    if block == 4:  # unrolled: loops of four steps take longer to start than to run
        for i in range(size):
            j = i - i % 4
            out[i] = (
                theta[4 * i] * h[j]
                + theta[4 * i + 1] * h[j + 1]
                + theta[4 * i + 2] * h[j + 2]
                + theta[4 * i + 3] * h[j + 3]
            )
        return
    for first in range(0, size, block):
        own = h[first : first + block]
        for i in range(first, first + block):
            row = theta[i * block : (i + 1) * block]
            total = h.dtype.type(0)
            for j in range(block):
                total += row[j] * own[j]
            out[i] = total


@kernel
def _blocks_back(  # pragma: no cover - compiled
    g: Any, theta: Any, pairs: Any, columns: Any, h: Any, to_theta: Any, to_pairs: Any, carry: Any
) -> None:
    size = len(h)
    block = len(theta) // size
    if block == 4:
        for first in range(0, size, 4):
            for i in range(first, first + 4):
                to_theta[4 * i] += g[i] * h[first]
                to_theta[4 * i + 1] += g[i] * h[first + 1]
                to_theta[4 * i + 2] += g[i] * h[first + 2]
                to_theta[4 * i + 3] += g[i] * h[first + 3]
            for j in range(4):
                at = 4 * first + j
                carry[first + j] += (
                    g[first] * theta[at]
                    + g[first + 1] * theta[at + 4]
                    + g[first + 2] * theta[at + 8]
                    + g[first + 3] * theta[at + 12]
                )
        return
    for first in range(0, size, block):
        own, back = h[first : first + block], carry[first : first + block]
        for i in range(first, first + block):
            row, to_row = theta[i * block : (i + 1) * block], to_theta[i * block : (i + 1) * block]
            pull = g[i]
            for j in range(block):
                to_row[j] += pull * own[j]
                back[j] += pull * row[j]


def _blocks(theta: Tensor, pairs: Tensor, columns: Tensor, h: Tensor) -> Tensor:
    size = h.shape[-1]
    block = theta.shape[-1] // size
    matrices = theta.reshape(*theta.shape[:-1], size // block, block, block)
    return (matrices @ h.reshape(*h.shape[:-1], size // block, block, 1)).flatten(-3)


@kernel
def _sparse_forth(theta: Any, pairs: Any, columns: Any, h: Any, out: Any) -> None:  # pragma: no cover - compiled
    size, per_row = columns.shape
    for i in range(size):
        total = h.dtype.type(0)
        for j in range(per_row):
            total += theta[i * per_row + j] * h[columns[i, j]]
        out[i] = total


@kernel
def _sparse_back(  # pragma: no cover - compiled
    g: Any, theta: Any, pairs: Any, columns: Any, h: Any, to_theta: Any, to_pairs: Any, carry: Any
) -> None:
    size, per_row = columns.shape
    for i in range(size):
        for j in range(per_row):
            to_theta[i * per_row + j] += g[i] * h[columns[i, j]]
            carry[columns[i, j]] += g[i] * theta[i * per_row + j]


def _sparse(theta: Tensor, pairs: Tensor, columns: Tensor, h: Tensor) -> Tensor:
    places = columns.flatten().expand(*h.shape[:-1], -1)
    return (theta * h.gather(-1, places)).reshape(*h.shape[:-1], *columns.shape).sum(-1)


@kernel
def _transform(values: Any) -> None:  # pragma: no cover - compiled
    """H x / sqrt(n) in place."""
    size, half = len(values), 1
    while half < size:
        for first in range(0, size, 2 * half):
            for i in range(first, first + half):
                upper, lower = values[i], values[i + half]
                values[i], values[i + half] = upper + lower, upper - lower
        half *= 2
    scale = values.dtype.type(1.0 / np.sqrt(size))
    for i in range(size):
        values[i] *= scale


@kernel
def _hadamard_forth(theta: Any, pairs: Any, columns: Any, h: Any, out: Any) -> None:  # pragma: no cover - compiled
    for i in range(len(h)):
        out[i] = theta[i] * h[i]
    _transform(out)


@kernel
def _hadamard_back(  # pragma: no cover - compiled
    g: Any, theta: Any, pairs: Any, columns: Any, h: Any, to_theta: Any, to_pairs: Any, carry: Any
) -> None:
    pull = g.copy()
    _transform(pull)
    for i in range(len(h)):
        to_theta[i] += pull[i] * h[i]
        carry[i] += pull[i] * theta[i]


def _hadamard(theta: Tensor, pairs: Tensor, columns: Tensor, h: Tensor) -> Tensor:
    return walsh_hadamard(theta * h) / h.shape[-1] ** 0.5


@kernel
def _low_rank_forth(theta: Any, pairs: Any, columns: Any, h: Any, out: Any) -> None:  # pragma: no cover - compiled
    size, rank = len(h), pairs.shape[1]
    for i in range(size):
        out[i] = theta[i] * h[i]
    for k in range(rank):
        weight = theta[size + k]
        if weight != 0:  # with one input channel at a time, few of the pairs count
            left, right, total = pairs[0, k], pairs[1, k], h.dtype.type(0)
            for i in range(size):
                total += right[i] * h[i]
            total *= weight
            for i in range(size):
                out[i] += total * left[i]


@kernel
def _low_rank_back(  # pragma: no cover - compiled
    g: Any, theta: Any, pairs: Any, columns: Any, h: Any, to_theta: Any, to_pairs: Any, carry: Any
) -> None:
    size, rank = len(h), pairs.shape[1]
    for i in range(size):
        to_theta[i] += g[i] * h[i]
        carry[i] += g[i] * theta[i]
    for k in range(rank):
        weight, left, right = theta[size + k], pairs[0, k], pairs[1, k]
        seen, pulled = h.dtype.type(0), h.dtype.type(0)
        for i in range(size):
            seen += right[i] * h[i]
            pulled += left[i] * g[i]
        to_theta[size + k] += seen * pulled
        if weight != 0:
            by_left, by_right = weight * seen, weight * pulled
            for i in range(size):
                to_pairs[0, k, i] += by_left * g[i]
                to_pairs[1, k, i] += by_right * h[i]
                carry[i] += by_right * right[i]


def _low_rank(
    theta: Float[Tensor, "*batch entry"],
    pairs: Float[Tensor, "2 rank state"],
    columns: Int[Tensor, "state per_row"],
    h: Float[Tensor, "*batch state"],
) -> Float[Tensor, "*batch state"]:
    diagonal, weights = theta.tensor_split((h.shape[-1],), dim=-1)
    return diagonal * h + (weights * (h @ pairs[1].mT)) @ pairs[0]


STRUCTURES: dict[str, Structure] = {
    "diagonal": Structure(_diagonal_forth, _diagonal_back, _diagonal),
    "blocks": Structure(_blocks_forth, _blocks_back, _blocks),
    "sparse": Structure(_sparse_forth, _sparse_back, _sparse),
    "hadamard": Structure(_hadamard_forth, _hadamard_back, _hadamard),
    "low_rank": Structure(_low_rank_forth, _low_rank_back, _low_rank),
}
