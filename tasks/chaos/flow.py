"""A chaotic flow as data: equations, parameters, sampling, initial states, and its Lyapunov spectrum."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from dynamark.tasks.chaos.systems import System, flow
from dynamark.tasks.numerics.formulas import Formulas, parse

__all__ = ["Flow"]

# The transient in Lyapunov times, and its least length in samples. Initial states are 1 % apart, so orbits forget them in five.
_TRANSIENT, _LEAST = 15, 1000


@dataclass(frozen=True)
class Flow:
    """x' = f(x), sampled every hundredth of `period` by `substeps` steps of the classical Runge-Kutta method.

    equations, parameters: f as `numerics.formulas` reads it, and its constants as "a=1 b=2".
    period: about the mean time between two maxima.
    substeps: the smallest power of two for which the error of one sample is at most a millionth of the standard deviation of
        every coordinate, on a thousand states of the attractor.
    start: a state on the attractor; initial states are start (1 + 0.01 N(0, 1)), by coordinate.
    lyapunov: all exponents per unit of time, measured along orbits of this discretization; `error` is the standard error of the
        largest one.
    published: the largest exponent as stated in `reference`.
    source: where the equations are from.
    """

    equations: str
    parameters: str
    period: float
    substeps: int
    start: tuple[float, ...]
    lyapunov: tuple[float, ...]
    error: float
    published: float
    reference: str
    source: str

    @property
    def dt(self) -> float:
        """The time between two samples."""
        return self.period / 100

    @functools.cached_property
    def formulas(self) -> Formulas:
        """The vector field."""
        pairs = (pair.split("=") for pair in self.parameters.split())
        return parse(self.equations, {name: float(value) for name, value in pairs})

    @functools.cached_property
    def system(self) -> System:
        """The flow with its sampling and its initial states."""
        return System(
            flow(self.formulas, self.dt, self.substeps),
            self.dt,
            self.start,
            self.lyapunov,
            spread=tuple(0.01 * abs(x) for x in self.start),
            transient=max(_LEAST, math.ceil(_TRANSIENT / (self.lyapunov[0] * self.dt))),
        )
