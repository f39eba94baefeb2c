"""Systems of many coordinates: a ring of forty sites, the Kuramoto-Sivashinsky equation, and a ring-star network of neurons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from dynamark.tasks.chaos.systems import Sampler, System, flow, lorenz96
from dynamark.tasks.numerics import exact
from dynamark.tasks.numerics.etdrk4 import ETDRK4, kept_modes, wavenumbers
from dynamark.tasks.numerics.fourier import packed, unpacked
from dynamark.tasks.numerics.fourier_plan import FourierPlan

__all__ = ["CHIALVO4", "KS22", "LORENZ96_40", "chialvo", "kuramoto_sivashinsky"]


def kuramoto_sivashinsky(length: float, points: int, dt: float, substeps: int) -> Sampler:
    """u_t = -u u_x - u_xx - u_xxxx, periodic, each sample computed by `substeps` steps of ETDRK4; states are grid values.

    Products are dealiased by the 2/3 rule, and the spatial mean is set to zero. `points` is a power of two. Each transform
    processes two orbits, so that the rounding errors of an orbit depend on its partner in the batch.
    """
    k, mask = wavenumbers(points, length)[:, None], kept_modes(points)[:, None]
    mask = np.where(k == 0, 0.0, mask)
    square = k * k
    # The transform of -(u^2)_x / 2 from that of u^2, with real and imaginary parts swapped; u is n times the field.
    slope = np.stack([k, -k]) * mask / (2.0 * points * points)

    def bind(state: ndarray) -> Callable[[], None]:
        plan, count = FourierPlan(points, (state.shape[1] + 1) // 2), state.shape[1]

        def steepening(modes: ndarray) -> ndarray:
            plan.source[:] = modes[::-1]  # the inverse transform, but for the factor 1/n, has both parts swapped
            field = plan()[::-1]
            np.multiply(field, field, plan.source)
            return np.asarray(slope * plan()[::-1])

        stepper = ETDRK4(square - square * square, steepening, dt / substeps)

        def sample() -> None:
            plan.source[:] = packed(state)
            modes = stepper.run(mask * plan(), substeps)
            plan.source[:] = modes[::-1]
            state[:] = unpacked(plan()[::-1] / points, count)

        return sample

    return bind


def chialvo(hub: float, ring: float) -> Sampler:
    """x_i <- x_i^2 exp(y_i - x_i) + 0.04 + C_i, y_i <- 0.89 y_i - 0.6 x_i + 0.28: node 0 is the hub of a ring of the others.

    C_0 = mu sum_j (x_j - x_0) and C_i = mu (x_0 - x_i) + sigma sum_j (x_j - x_i), j over the ring, with mu = `hub` and
    sigma = `ring`; on three nodes the neighbors on the ring are all the others. The state has all x before all y.
    """

    def bind(state: ndarray) -> Callable[[], None]:
        nodes = len(state) // 2
        x, y = state[:nodes], state[nodes:]

        def sample() -> None:
            total = x[1].copy()
            for neighbor in x[2:]:
                total += neighbor
            coupling = ring * (total - (nodes - 1) * x) + hub * (x[0] - x)
            coupling[0] = hub * (total - (nodes - 1) * x[0])
            ahead = x * x * exact.exp(y - x) + 0.04 + coupling
            y[:] = 0.89 * y - 0.6 * x + 0.28
            x[:] = ahead

        return sample

    return bind


# Lyapunov exponents per unit of time or per iterate: `tests/benchmarks/exponents.py`, standard errors of the largest below 2 %.
_LORENZ96_40 = (
    1.683,
    1.484,
    1.303,
    1.156,
    1.008,
    0.871,
    0.748,
    0.621,
    0.494,
    0.380,
    0.264,
    0.142,
    0.034,
    0.0,
    -0.080,
    -0.197,
    -0.313,
    -0.429,
    -0.548,
    -0.661,
    -0.775,
    -0.886,
    -0.997,
    -1.119,
    -1.224,
    -1.347,
    -1.476,
    -1.617,
    -1.769,
    -1.942,
    -2.109,
    -2.342,
    -2.575,
    -2.874,
    -3.253,
    -3.668,
    -4.052,
    -4.383,
    -4.646,
    -4.906,
)
_KS22 = (0.0489, 0.0021, 0.0, -0.005, -0.1865, -0.2562, -0.2886, -0.3087)
_CHIALVO4 = (0.1497, 0.0267, -0.0213, -0.0847, -0.1278, -0.2538, -0.3753, -1.2196)

LORENZ96_40 = System(flow(lorenz96, 0.04, 2), 0.04, (8.0,) * 40, _LORENZ96_40, transient=500)
KS22 = System(kuramoto_sivashinsky(22.0, 64, 1.0, 4), 1.0, (0.0,) * 64, _KS22, spread=0.1, transient=500)
CHIALVO4 = System(
    chialvo(-0.1, -0.1),
    1.0,
    (0.5,) * 8,
    (0.1497, 0.0267, -0.0213, -0.0847, -0.1278, -0.2538, -0.3753, -1.2196),
    spread=0.25,
    transient=1000,
)
