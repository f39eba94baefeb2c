"""1,000 trajectories at once: Duffing against a loop of SciPy's integrator, Lorenz against one default trajectory of dysts.

dysts is left out where it is not installed; install it beside, without what it does not need here:
    pip install --no-deps --target /tmp/peers dysts gluonts toolz tqdm
    OMP_NUM_THREADS=1 PYTHONPATH=/tmp/peers python tests/benchmarks/koopman_data.py
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from dynamark.tasks.chaos.systems import LORENZ63, orbits
from dynamark.tasks.koopman.systems import duffing
from dynamark.tasks.numerics.integrators import dop853


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of CPU and the result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def solved(rates: Callable[[np.ndarray], np.ndarray], start: np.ndarray, times: np.ndarray, tolerance: float) -> Any:
    """One trajectory after the other by SciPy's adaptive method of the same order."""
    span = (times[0], times[-1])
    return np.stack(
        [
            solve_ivp(lambda _, x: rates(x), span, x0, "DOP853", times, rtol=tolerance, atol=tolerance).y.T
            for x0 in start
        ]
    )


def oscillators() -> None:
    """The loop runs a twentieth of the trajectories and is scaled up."""
    start, rates, times = np.random.default_rng(0).uniform(-2, 2, (1000, 2)), duffing(0.5), 0.25 * np.arange(41)
    batched, result = timed(lambda: dop853(rates, start, 0.25, 40, 4))
    loop = 20 * timed(lambda: solved(rates, start[:50], times, 1e-12))[0]
    error = np.abs(result[:50] - solved(rates, start[:50], times, 1e-13)).max()
    print(f"Duffing, batched {batched:.3f} s, error {error:.1e}; loop {loop:.1f} s: {loop / batched:.0f} times")


def attractors() -> None:
    """1,000 orbits of 1,000 samples as the tasks make them, with their transient, and at dysts' sampling to its tolerance."""
    rng, period = np.random.default_rng(0), 1.5008
    task, _ = timed(lambda: orbits(LORENZ63, {"train": (1000, 1000)}, rng))
    start = rng.standard_normal((1000, 3)) + np.array([0.0, 0.0, 25.0])

    def rates(state: np.ndarray) -> np.ndarray:
        x, y, z = state
        return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    step = period / 100
    fine, result = timed(lambda: dop853(rates, start, step, 999, 2))
    error = np.abs(result[:20, 67] - solved(rates, start[:20], step * np.arange(68), 1e-13)[:, -1]).max()
    print(f"Lorenz, of the tasks {task:.2f} s; of order 8 {fine:.2f} s, error {error:.1e} at time 1", end="; ")
    try:
        lorenz = importlib.import_module("dysts.flows").Lorenz()
    except ImportError:
        print("no dysts")
        return
    one, _ = timed(lambda: lorenz.make_trajectory(1000))
    print(f"one trajectory of dysts {one:.1f} s: {one / task:.0f} and {one / fine:.0f} times")


def main() -> None:
    """Print a line a system."""
    oscillators()
    attractors()


if __name__ == "__main__":
    main()
