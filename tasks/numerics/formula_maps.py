"""Compiled Runge-Kutta maps of formulas with their tangent maps, for Lyapunov spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.numerics.compiling import kernel
from dynamark.tasks.numerics.formulas import OPERATIONS, Formulas
from dynamark.tasks.numerics.maps import CompiledMap, first_numbers, spectrum

__all__ = ["FormulaMap", "slopes_and_tangents"]


@dataclass(frozen=True)
class FormulaMap:
    """One sample of x' = f(x): `substeps` steps of the classical Runge-Kutta method over dt, and its exact tangent map."""

    formulas: Formulas
    dt: float
    substeps: int

    def as_map(self) -> CompiledMap:
        """The map as compiled kernels."""
        return CompiledMap(_push, first_numbers, (*_arrays(self.formulas), self.dt / self.substeps, self.substeps))

    def spectrum(
        self, state: Float[Tensor, "start dim"], steps: int, burn_in: int, every: int
    ) -> Float[Tensor, "start exponent"]:
        """All Lyapunov exponents per unit of time along several orbits, in descending order; NaN if an orbit diverges."""
        rates = spectrum(self.as_map(), state, state.shape[1], steps, burn_in, every) / self.dt
        return rates.sort(dim=-1, descending=True).values


def slopes_and_tangents(
    formulas: Formulas, state: Float[ndarray, " dim"], vectors: Float[ndarray, "dim k"]
) -> tuple[Float[ndarray, " dim"], Float[ndarray, "dim k"]]:
    """f(x) and Df(x) q for one state x and k tangent vectors q, by forward differentiation."""
    both = np.concatenate([state[:, None], vectors], axis=1)
    slope, (codes, values, outputs) = np.empty_like(both), _arrays(formulas)
    _slope(both, slope, np.empty((len(codes), both.shape[1])), codes, values, outputs)
    return slope[:, 0], slope[:, 1:]


def _arrays(formulas: Formulas) -> tuple[ndarray, ndarray, ndarray]:
    """Codes and arguments [register, 3], values of constants, and the registers of the derivatives."""
    codes = np.array([(OPERATIONS.index(name), left, right) for name, left, right, _ in formulas.registers])
    return codes, np.array([value for *_, value in formulas.registers]), np.array(formulas.slopes)


@kernel
def _push(x: Any, q: Any, weights: Any) -> None:  # pragma: no cover - compiled
    codes, values, outputs, h, substeps = weights
    n, count = q.shape
    # The state and the vectors of a stage, and their weighted sums of slopes, as columns of one array: [x, q].
    start, stage = np.empty((n, 1 + count)), np.empty((n, 1 + count))
    slope, total = np.empty((n, 1 + count)), np.empty((n, 1 + count))
    registers = np.empty((len(codes), 1 + count))
    for i in range(n):
        start[i, 0] = x[i]
        for j in range(count):
            start[i, 1 + j] = q[i, j]
    for _ in range(substeps):
        _slope(start, slope, registers, codes, values, outputs)
        _advance(start, slope, h / 2, stage)
        _advance(start, slope, h / 6, total)
        _slope(stage, slope, registers, codes, values, outputs)
        _advance(start, slope, h / 2, stage)
        _advance(total, slope, h / 3, total)
        _slope(stage, slope, registers, codes, values, outputs)
        _advance(start, slope, h, stage)
        _advance(total, slope, h / 3, total)
        _slope(stage, slope, registers, codes, values, outputs)
        _advance(total, slope, h / 6, start)
    for i in range(n):
        x[i] = start[i, 0]
        for j in range(count):
            q[i, j] = start[i, 1 + j]


@kernel
def _advance(x: Any, slope: Any, h: float, out: Any) -> None:  # pragma: no cover - compiled
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] + h * slope[i, j]


@kernel
def _slope(  # pragma: no cover - compiled
    x: Any, slope: Any, r: Any, codes: Any, values: Any, outputs: Any
) -> None:
    """Values in column 0, their derivatives along the vectors in the others."""
    width = x.shape[1]
    for i in range(len(codes)):
        code, a, b = codes[i, 0], codes[i, 1], codes[i, 2]
        if code == 0:
            for j in range(width):
                r[i, j] = x[a, j]
        elif code == 1:
            r[i, 0] = values[i]
            for j in range(1, width):
                r[i, j] = 0.0
        elif code == 2:
            for j in range(width):
                r[i, j] = r[a, j] + r[b, j]
        elif code == 3:
            for j in range(width):
                r[i, j] = r[a, j] - r[b, j]
        elif code == 4:
            r[i, 0] = r[a, 0] * r[b, 0]
            for j in range(1, width):
                r[i, j] = r[a, j] * r[b, 0] + r[a, 0] * r[b, j]
        elif code == 5:
            r[i, 0] = r[a, 0] / r[b, 0]
            for j in range(1, width):
                r[i, j] = (r[a, j] - r[i, 0] * r[b, j]) / r[b, 0]
        else:  # negative, or absolute
            sign = -1.0 if code == 6 or r[a, 0] < 0 else 1.0
            for j in range(width):
                r[i, j] = sign * r[a, j]
    for k in range(len(outputs)):
        for j in range(width):
            slope[k, j] = r[outputs[k], j]
