"""Compiled maps: free runs and Lyapunov spectra without Python calls per step.

A model provides kernels for one step of the state and of tangent vectors; the loops are compiled here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.compiling import Kernel, as_array, kernel

__all__ = ["CompiledMap", "compiled_map", "first_numbers", "free_run", "spectrum"]

# Placeholders, replaced by the kernels of a model.
push: Any = None
observe: Any = None


@dataclass(frozen=True)
class CompiledMap:
    """push(x, q, weights): x [state] <- f(x) and q [state, k] <- Df(x) q, in place; observe(x, y, weights): writes y [dim].

    With k = 0 only the state is advanced.
    """

    push: Kernel
    observe: Kernel
    weights: tuple[Any, ...]


@kernel
def first_numbers(x: Any, y: Any, weights: Any) -> None:
    """Observation of the leading state variables: y_i = x_i."""
    for i in range(len(y)):
        y[i] = x[i]


def compiled_map(model: Any) -> CompiledMap | None:
    """`model.as_map()`, or None if the model has no such method or numba is not installed."""
    return model.as_map() if compiling.available() and hasattr(model, "as_map") else None


def free_run(
    model: CompiledMap, state: Float[Tensor, "trajectory state"], steps: int, dim: int, now: bool = False
) -> Float[Tensor, "trajectory steps dim"]:
    """Observations after 1 ... `steps` steps; with `now`, after 0 ... `steps` - 1 steps."""
    path = np.empty((len(state), steps, dim))
    run = _run.given(push=model.push, observe=model.observe)
    run(as_array(state.double()).copy(), path, now, model.weights)
    return torch.from_numpy(path)


def spectrum(
    model: CompiledMap, state: Float[Tensor, "start state"], exponents: int, steps: int, burn_in: int, every: int
) -> Float[Tensor, "start exponent"]:
    """Mean of ln |R_ii| per step along each orbit; NaN if it diverges. See `lyapunov_spectrum`."""
    total = np.zeros((len(state), exponents))
    _benettin.given(push=model.push)(as_array(state.double()).copy(), total, steps, burn_in, every, model.weights)
    return torch.from_numpy(total)


@kernel
def _run(state: Any, path: Any, now: bool, weights: Any) -> None:  # pragma: no cover - compiled
    none = np.empty((state.shape[1], 0))
    for n in range(len(state)):
        for t in range(path.shape[1]):
            if now:
                observe(state[n], path[n, t], weights)
            push(state[n], none, weights)
            if not now:
                observe(state[n], path[n, t], weights)


@kernel
def _benettin(  # pragma: no cover - compiled
    state: Any, total: Any, steps: int, burn_in: int, every: int, weights: Any
) -> None:
    size, count = state.shape[1], total.shape[1]
    for n in range(len(state)):
        q, norms = np.zeros((size, count)), np.empty(count)
        for k in range(count):
            q[k, k] = 1.0
        for step in range(1, burn_in + steps + 1):
            push(state[n], q, weights)
            if step % every == 0 or step in (burn_in, burn_in + steps):
                _orthonormalize(q, norms)
                if step > burn_in:
                    total[n] += np.log(norms)
            bounded = True
            for i in range(size):
                bounded = bounded and abs(state[n, i]) < 1e12
            if not bounded:
                total[n] = np.nan
                break
        total[n] /= steps


@kernel
def _orthonormalize(q: Any, norms: Any) -> None:  # pragma: no cover - compiled
    """Modified Gram-Schmidt in place; q is row-major, so the inner loops run over columns."""
    size, count = q.shape
    projection = np.empty(count)
    for k in range(count):
        square = 0.0
        for i in range(size):
            square += q[i, k] * q[i, k]
        norms[k] = np.sqrt(square)
        scale = 1.0 / norms[k] if square > 0.0 else 0.0
        projection[:] = 0.0
        for i in range(size):
            q[i, k] *= scale
            for j in range(k + 1, count):
                projection[j] += q[i, k] * q[i, j]
        for i in range(size):
            for j in range(k + 1, count):
                q[i, j] -= projection[j] * q[i, k]
