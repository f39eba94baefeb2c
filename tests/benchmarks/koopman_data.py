"""1,000 Duffing trajectories of 40 samples: the batched integrator of order 8 against a loop of SciPy's adaptive one."""

from __future__ import annotations

import time

import numpy as np
from scipy.integrate import solve_ivp

from dynamark.tasks.koopman.systems import duffing
from dynamark.tasks.numerics.integrators import dop853


def main() -> None:
    """Print seconds and errors; the loop runs a twentieth of the trajectories and is scaled up."""
    start, rates, times = np.random.default_rng(0).uniform(-2, 2, (1000, 2)), duffing(0.5), 0.25 * np.arange(41)
    begun = time.process_time()
    made = dop853(rates, start, 0.25, 40, 4)
    batched = time.process_time() - begun
    exact = np.stack(
        [
            solve_ivp(lambda _, x: rates(x), (0, 10), x0, "DOP853", times, rtol=1e-13, atol=1e-13).y.T
            for x0 in start[:50]
        ]
    )
    begun = time.process_time()
    for x0 in start[:50]:
        solve_ivp(lambda _, x: rates(x), (0, 10), x0, "DOP853", times, rtol=1e-12, atol=1e-12)
    loop = 20 * (time.process_time() - begun)
    print(
        f"batched {batched:.3f} s, error {np.abs(made[:50] - exact).max():.1e}; loop {loop:.1f} s; {loop / batched:.0f} times"
    )


if __name__ == "__main__":
    main()
