"""Systems with a simple impulse response: a leaky integrator and a damped oscillator, driven by white noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dynamark.tasks.lds.data import normalized
from dynamark.tasks.lds.simulation import Simulation
from dynamark.tasks.lds.systems import System
from dynamark.tasks.numerics import exact

__all__ = ["KnownResponse"]


@dataclass(frozen=True, kw_only=True)
class KnownResponse(Simulation):
    """y = k * u with k_s = a^s cos(w s), scaled to mean square 1; all seeds share the system, but not the inputs.

    decay: a. frequency: w, in radians per step; 0 is a leaky integrator. The system has one real pole or one conjugate pair,
    so a recurrent network has to learn a single number.
    """

    decay: float = 0.95
    frequency: float = 0.0
    order: int = 2

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        tier: {name: value for name, value in fields.items() if name != "order"}
        for tier, fields in Simulation.tiers.items()
    }

    def system(self, seed: int) -> System:
        """One real pole, or a damped rotation in the plane with input and output on the first coordinate."""
        unit = np.ones((1, 1))
        if not self.frequency:
            real = System(np.array([[[self.decay]]]), unit, unit, np.ones(1))
            return normalized(real, self.length, self.inputs)
        cos, sin = self.decay * exact.cos(self.frequency), self.decay * exact.sin(self.frequency)
        first = np.array([[1.0], [0.0]])
        pair = System(np.array([[[cos, -sin], [sin, cos]]]), first, first.T, np.ones(2))
        return normalized(pair, self.length, self.inputs)
