"""Lyapunov spectra of all systems in breadth, measured again and compared with the stated ones and with the literature.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/exponents.py [--seconds 60] [NAME ...]
Prints a line per system: the spectrum, the standard error of the largest exponent, the stated and the published value. Exit code
1 if a largest exponent differs from the stated one by more than 2 % and four standard errors.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.chaos import extended
from dynamark.tasks.chaos.flows import FLOWS
from dynamark.tasks.chaos.systems import System, orbits
from dynamark.tasks.numerics.formula_maps import FormulaMap
from dynamark.tasks.numerics.formulas import parse

__all__ = ["Measured", "by_differences", "measured", "ring"]

# Systems outside the table of flows: the number of exponents that are measured, and the largest one in the literature.
EXTENDED: dict[str, tuple[System, int, float]] = {
    "lorenz96_40": (extended.LORENZ96_40, 40, 1.69),
    "ks22": (extended.KS22, 8, 0.048),
    "chialvo4": (extended.CHIALVO4, 8, math.nan),
}


class Measured(NamedTuple):
    """Exponents per unit of time, each with its standard error over independent orbits."""

    exponents: ndarray
    errors: ndarray


def ring(sites: int) -> str:
    """The Lorenz 96 system as formulas."""
    return "; ".join(
        f"x{i}' = (x{(i + 1) % sites} - x{(i - 2) % sites})*x{(i - 1) % sites} - x{i} + 8" for i in range(sites)
    )


def compiled(model: FormulaMap, system: System, seconds: float, starts: int = 16) -> Measured:
    """All exponents by compiled tangent maps of the discretization, for about `seconds` after compiling."""
    state = orbits(system, {"a": (starts, 1)}, np.random.default_rng(0))["a"][:, 0]
    align = math.ceil(10 / (system.lyapunov[0] * system.dt))
    length, elapsed = 100, 0.0
    while elapsed < 0.1:  # the first round compiles
        start = time.process_time()
        model.spectrum(torch.from_numpy(state[:1]), length, 0, 1)
        elapsed = time.process_time() - start if length > 100 else 0.0
        length *= 4
    steps = max(1000, int(seconds * (length // 4) / elapsed / starts) - align)
    return summary(model.spectrum(torch.from_numpy(state), steps, align, 1).numpy())


def by_differences(system: System, count: int, starts: int, steps: int, align: int) -> Measured:
    """The leading exponents from orbits 1e-7 apart, made orthogonal after each sample: uses the sampler alone."""
    rng, size = np.random.default_rng(0), 1e-7
    state = orbits(system, {"a": (starts, 1)}, rng)["a"][:, 0].T
    vectors = np.linalg.qr(rng.standard_normal((starts, len(state), count)))[0]
    total = np.zeros((starts, count))
    bundle = np.empty((len(state), starts * (1 + count)))
    sample, orbit = system.bind(bundle), bundle.reshape(len(state), starts, 1 + count)
    orbit[:, :, 0] = state
    for t in range(align + steps):
        orbit[:, :, 1:] = orbit[:, :, :1] + size * vectors.transpose(1, 0, 2)
        sample()
        vectors, growth = np.linalg.qr((orbit[:, :, 1:] - orbit[:, :, :1]).transpose(1, 0, 2) / size)
        if t >= align:
            total += np.log(np.abs(np.diagonal(growth, axis1=1, axis2=2)))
    return summary(-np.sort(-total / (steps * system.dt), axis=1))


def summary(spectra: ndarray) -> Measured:
    """Means and standard errors over orbits."""
    return Measured(spectra.mean(axis=0), spectra.std(axis=0, ddof=1) / math.sqrt(len(spectra)))


def measured(name: str, seconds: float) -> Measured:
    """The spectrum of a system, in about `seconds` of one core."""
    if name in FLOWS:
        flow = FLOWS[name]
        return compiled(FormulaMap(flow.formulas, flow.dt, flow.substeps), flow.system, seconds)
    system, count, _ = EXTENDED[name]
    if name == "lorenz96_40":
        return compiled(FormulaMap(parse(ring(40)), system.dt, 2), system, seconds)
    align = math.ceil(10 * system.unit / system.dt)
    once = timed(lambda: by_differences(system, count, 40, 20, 0))
    return by_differences(system, count, 40, max(100, int(seconds / once * 20) - align), align)


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description="Lyapunov spectra of the systems in breadth.")
    parser.add_argument("names", nargs="*", metavar="NAME", default=[*FLOWS, *EXTENDED])
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time per system (default: %(default)s)")
    args, failed = parser.parse_args(), False
    for name in args.names:
        estimate = measured(name, args.seconds)
        largest, error = float(estimate.exponents[0]), float(estimate.errors[0])
        if name in FLOWS:
            stated, published = FLOWS[name].lyapunov[0], FLOWS[name].published
        else:
            stated, published = EXTENDED[name][0].lyapunov[0], EXTENDED[name][2]
        differs = abs(largest - stated) > max(0.02 * stated, 4 * error)
        failed |= differs
        spectrum = ", ".join(f"{x:.5g}" for x in estimate.exponents)
        print(f"{'FAIL' if differs else 'ok':4} {name}: {spectrum}; +- {error:.2g}; {stated}; {published}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
