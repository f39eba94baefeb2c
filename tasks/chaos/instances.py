"""The named reconstruction tasks: fully observed and partially observed systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from dynamark.tasks.base import Metric
from dynamark.tasks.chaos import systems
from dynamark.tasks.chaos.systems import System
from dynamark.tasks.chaos.tasks import Reconstruction

__all__ = [
    "BurstingNeuron",
    "Chua",
    "Lorenz63",
    "Lorenz63Partial",
    "Lorenz96",
    "Lorenz96Partial",
    "Lorenz96Small",
    "MackeyGlass",
    "Rossler",
]


@dataclass(frozen=True, kw_only=True)
class Lorenz63(Reconstruction):
    """x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - 8/3 z, sampled every 0.01 (Lorenz 1963).

    Largest Lyapunov exponent 0.906 per unit of time.

    key: lorenz1963
    """

    system: ClassVar[System] = systems.LORENZ63


@dataclass(frozen=True, kw_only=True)
class Rossler(Reconstruction):
    """x' = -y - z, y' = x + 0.2 y, z' = 0.2 + z (x - 5.7), sampled every 0.08 (Rössler 1976).

    Largest Lyapunov exponent 0.0714 per unit of time.
    """

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.ROSSLER
    plane: ClassVar[tuple[int, int]] = (0, 1)


@dataclass(frozen=True, kw_only=True)
class Lorenz63Partial(Reconstruction):
    """The Lorenz system with only x observed; D_stsp is computed in a delay embedding of dimension three.

    Largest Lyapunov exponent 0.906 per unit of time.
    """

    system: ClassVar[System] = replace(systems.LORENZ63, observed=(0,))


@dataclass(frozen=True, kw_only=True)
class Lorenz96Small(Reconstruction):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8, ten sites on a ring, sampled every 0.04 (Lorenz 1996).

    Largest Lyapunov exponent 1.184 per unit of time; three exponents are positive.
    """

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.LORENZ96_10


@dataclass(frozen=True, kw_only=True)
class Lorenz96(Reconstruction):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8, twenty sites on a ring, sampled every 0.04 (Lorenz 1996).

    Largest Lyapunov exponent 1.552 per unit of time; six exponents are positive.
    """

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.LORENZ96_20


@dataclass(frozen=True, kw_only=True)
class Lorenz96Partial(Reconstruction):
    """The Lorenz 96 system with twenty sites, of which every second one is observed."""

    version: ClassVar[int] = 2
    system: ClassVar[System] = replace(systems.LORENZ96_20, observed=tuple(range(0, 20, 2)))


@dataclass(frozen=True, kw_only=True)
class Chua(Reconstruction):
    """x' = 9 (y - x - f), y' = x - y + z, z' = -100/7 y, f = -5/7 x - 3/14 (|x + 1| - |x - 1|), sampled every 0.05.

    Largest Lyapunov exponent 0.327 per unit of time. The basin of attraction is bounded: distant initial
    states diverge, and so do a third of those in the bounding box of the data (Chua, Komuro & Matsumoto 1986).
    """

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.CHUA


@dataclass(frozen=True, kw_only=True)
class MackeyGlass(Reconstruction):
    """x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x, sampled every 1 (Mackey & Glass 1977).

    D_stsp is computed in a delay embedding of dimension three. Largest Lyapunov exponent 0.0051 per unit of time.
    """

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.MACKEY_GLASS


_PERIODS = {"valid_time": "period", "valid_time_mean": "period"}


@dataclass(frozen=True, kw_only=True)
class BurstingNeuron(Reconstruction):
    """A neuron of voltage V (mV), fast gate n and slow gate h that fires in bursts, sampled every 0.5 ms (Durstewitz 2009).

    6 V' = -8 (V + 80) - 20 m (V - 60) - (10 n + 25 h)(V + 90) - 10.2 V g, n' = n* - n, h' = (h* - h)/200, where m, n*, h*
    are logistic functions of (V + 20)/15, (V + 25)/5, (V + 15)/5 and g = 1/(1 + 0.33 exp(-V/16)). Two stable cycles coexist:
    bursts of period 148 ms between -67 and -10 mV, and single spikes between -53 and -13 mV. All orbits of this task lie on the
    bursting cycle; initial states in the other basin, about half of them, are redrawn. The largest exponent is 0, times are
    measured in periods, and `lyapunov_error` is the absolute error of the largest exponent times the period.
    """

    train: int = 20_000
    test: int = 20_000

    version: ClassVar[int] = 2
    system: ClassVar[System] = systems.BURSTING
    clock: ClassVar[str] = "period"
    units: ClassVar[int] = 3
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 2000, "test": 2000, "windows": 5, "updates": 300},
        "standard": {},
        "large": {"updates": 100_000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        replace(m, unit=_PERIODS.get(m.name, m.unit)) for m in Reconstruction.metrics
    )
