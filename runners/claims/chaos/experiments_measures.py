"""Measures of series and of samples, on data for which their values are known or bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.fields import Count
from dynamark.tasks.base import Scores
from dynamark.tasks.chaos.axes import lorenz63_orbits
from dynamark.tasks.chaos.extended import CHIALVO4, chialvo
from dynamark.tasks.chaos.smape import smape_valid_time
from dynamark.tasks.numerics.irregularity import decorrelation_stride, sample_entropy, zero_one_test
from dynamark.tasks.numerics.kernel_distance import bandwidths, squared_discrepancy
from dynamark.tasks.problems import Run

__all__ = ["ChialvoIrregularity", "MetricChecks"]


@dataclass(frozen=True)
class MetricChecks:
    """0-1 test of the Lorenz system at stride 1 and at its decorrelation stride; entropy of noise; discrepancy; valid time.

    k_fine, k_stride: K of the first coordinate at the two strides. white_entropy: sample entropy of Gaussian noise, minus
    -ln(erf(0.1)). true_over_floor: |MMD^2| of two independent sets of true states over the floor, the median |MMD^2| of `pairs`
    further pairs; gaussian_over_floor: of a true set and Gaussian noise of its mean and covariance. exact_share: the valid time
    of the exact flow over the horizon, and shifted_share: of a flow that starts 1 % elsewhere.
    """

    samples: Count = 3000
    states: Count = 1000
    pairs: Count = 10

    def measure(self, run: Run) -> Scores:
        """One draw of orbits and of noise."""
        rng = run.numpy
        starts = np.array([0.0, 0.0, 25.0]) + rng.standard_normal((2 * self.pairs + 3, 3))
        stride = decorrelation_stride(lorenz63_orbits(starts[:1], self.samples, transient=1000)[0, :, 0])
        orbits = lorenz63_orbits(starts, max(self.samples, self.states) * stride, transient=1000)
        long, sets = orbits[0, : self.samples * stride, 0], orbits[1:, : self.states * stride : stride]
        widths = bandwidths(sets[0])
        floor = np.median([abs(squared_discrepancy(a, b, widths)) for a, b in zip(sets[2::2], sets[3::2], strict=True)])
        noise = rng.multivariate_normal(sets[0].mean(axis=0), np.cov(sets[0].T), self.states)
        near = lorenz63_orbits(np.stack([starts[1], 1.01 * starts[1]]), 1500)
        horizon = near.shape[1] * 0.01
        return Scores(
            {
                "k_fine": zero_one_test(long[: self.samples]),
                "k_stride": zero_one_test(long[::stride]),
                "stride": float(stride),
                "white_entropy": sample_entropy(rng.standard_normal(self.samples)) + math.log(math.erf(0.1)),
                "true_over_floor": abs(squared_discrepancy(sets[0], sets[1], widths)) / float(floor),
                "gaussian_over_floor": squared_discrepancy(sets[0], noise, widths) / float(floor),
                "exact_share": float(smape_valid_time(near[:1], near[:1], 0.01)[0]) / horizon,
                "shifted_share": float(smape_valid_time(near[:1], near[1:], 0.01)[0]) / horizon,
            }
        )


@dataclass(frozen=True)
class ChialvoIrregularity:
    """0-1 test and sample entropy of node 1 of the ring-star network of four Chialvo neurons, coupled or not.

    hub, ring: the strengths of the coupling; -0.1 and -0.1 is the chaotic network of `chaos/chialvo4`, without coupling every
    node runs on a closed curve of its own. `samples` iterates after as many that are discarded. Scores: `k`, `entropy`.
    Source: Nair, Ghosh, Fatoyinbo & Muni 2024.
    """

    hub: float = -0.1
    ring: float = -0.1
    samples: Count = 3000

    def measure(self, run: Run) -> Scores:
        """One orbit."""
        series = self._orbit(run.numpy)
        return Scores({"k": zero_one_test(series), "entropy": sample_entropy(series)})

    def _orbit(self, rng: np.random.Generator) -> Float[ndarray, " time"]:
        """The first coordinate of node 1, from a start that does not escape."""
        while True:
            state = CHIALVO4.starts(1, rng)
            sample = chialvo(self.hub, self.ring)(state)
            out = np.empty(2 * self.samples)
            with np.errstate(over="ignore", invalid="ignore"):
                for t in range(len(out)):
                    sample()
                    out[t] = state[1, 0]
            if np.isfinite(out).all():
                return out[self.samples :]
