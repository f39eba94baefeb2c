"""DMD and its kin on signals with known rates: tones, noisy exponentials, and rotations that no finite orbit tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from dynamark.methods.koopman.dmd import DMD, HankelDMD
from dynamark.methods.koopman.edmd import EDMD, MPEDMD
from dynamark.methods.koopman.kernel_regression import KernelKoopman
from dynamark.methods.koopman.optdmd import OptDMD
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.processes import double_well_modes, double_well_paths
from dynamark.tasks.koopman.torus import GOLDEN
from dynamark.tasks.numerics.exponentials import fit_exponentials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["NearRational", "NoisyExponentials", "RankRegressions", "ThreeTones"]


def _posed(paths: ndarray, dt: float = 1.0) -> Forecasting:
    given = Trajectories(torch.from_numpy(paths), dt=dt)
    return Forecasting(given, given)


@dataclass(frozen=True)
class ThreeTones:
    """Hankel-DMD of cos(2 pi w t) + .5 cos(2 pi (sqrt(2)-1) t + .3) + .2 cos(2 pi (w + sqrt(2)-1) t): six eigenvalues."""

    delays: int = 6
    samples: int = 4000

    def measure(self, run: Run) -> Scores:
        """Largest distance of a true eigenvalue to the estimated ones, at rank min(6, delays)."""
        t, other = np.arange(self.samples), math.sqrt(2) - 1
        tones = 2 * np.pi * np.array([GOLDEN, other, GOLDEN + other])
        signal = np.array([1, 0.5, 0.2]) @ np.cos(np.outer(tones, t) + np.array([[0], [0.3], [0]]))
        method = HankelDMD(delays=self.delays, rank=min(6, self.delays))
        model = method.fit_forecaster(_posed(signal[None, :, None]), run)
        truth = torch.from_numpy(np.exp(1j * np.concatenate([tones, -tones])))
        return Scores({"error": float((truth[:, None] - model.eigenvalues()).abs().amin(1).max())})


@dataclass(frozen=True)
class NoisyExponentials:
    """Six rates in 200 channels of complex Gaussian modes, 300 samples at .1, complex noise of standard deviation `noise`."""

    noise: float = 0.5
    channels: int = 200
    samples: int = 300

    def measure(self, run: Run) -> Scores:
        """Largest error of a rate by exact DMD of rank 6 and by optimized DMD, and their ratio."""
        rates = np.array([-0.02 + 1.1j, -0.02 - 1.1j, -0.05 + 2.3j, -0.05 - 2.3j, 0.4j, -0.4j])
        t, dt = 0.1 * np.arange(self.samples), 0.1

        def normal(*shape: int) -> ndarray:
            return (run.numpy.standard_normal(shape) + 1j * run.numpy.standard_normal(shape)) / math.sqrt(2)

        clean = np.exp(np.outer(t, rates)) @ normal(6, self.channels)
        noisy = clean + self.noise * normal(self.samples, self.channels)
        u, s, vh = np.linalg.svd(noisy[:-1], full_matrices=False)
        reduced = (u[:, :6] / s[:6]).conj().T @ noisy[1:] @ vh[:6].conj().T
        first = np.log(np.linalg.eigvals(reduced)) / dt
        fitted, _ = fit_exponentials(noisy, t, first)
        errors = [float(np.abs(rates[:, None] - rates_found).min(axis=1).max()) for rates_found in (first, fitted)]
        return Scores({"dmd": errors[0], "optdmd": errors[1], "ratio": errors[1] / errors[0]})


@dataclass(frozen=True)
class NearRational:
    """One orbit of the rotation by 1/5 answers for the rotation by 1/5 + 1e-12 too, whose spectrum is the whole circle.

    The orbits differ by less than 1e-6 over 10^4 steps, the spectra by 2 sin(pi/10) in Hausdorff distance: whatever is read off
    the orbit errs by half of that on one of them, by the triangle inequality.
    """

    steps: int = 10_000
    shift: float = 1e-12

    def measure(self, run: Run) -> Scores:
        """The distance of orbits and of spectra, and by method the larger of its distances to both."""
        t = np.arange(self.steps + 1)
        angles = [2 * np.pi * np.remainder(t * 0.2 + drift, 1.0) for drift in (0.0, t * self.shift)]
        orbit, other = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in angles)
        roots, circle = (np.exp(2j * np.pi * np.arange(n) / n) for n in (5, 3600))
        scores = {
            "orbits": float(np.abs(orbit - other).max()),
            "spectra": hausdorff(roots, circle),
        }
        methods: dict[str, Any] = {
            "dmd": DMD(),
            "hankel": HankelDMD(delays=8),
            "optdmd": OptDMD(),
            "edmd": EDMD(size=4),
            "edmd_gaussian": EDMD("gaussian", 5),
            "mpedmd": MPEDMD(size=1),
        }
        for name, method in methods.items():
            values = method.fit_forecaster(_posed(orbit[None]), run).eigenvalues().numpy()
            scores[name] = max(hausdorff(values, roots), hausdorff(values, circle))
        scores["least"] = min(scores[name] for name in methods)
        return Scores(scores)


@dataclass(frozen=True)
class RankRegressions:
    """Reduced-rank and principal-component regression on one trajectory of the double well, rank 4, k = exp(-2 |x - y|^2)."""

    samples: int = 1000
    ridge: float = 1e-5

    def measure(self, run: Run) -> Scores:
        """The error of |lambda_2|, |lambda_3|, |lambda_4|, averaged, by estimator."""
        path = double_well_paths(1, self.samples, run.numpy)[..., None]
        truth = np.exp(0.1 * double_well_modes()[0][1:4])
        scores = {}
        for estimator in ("rrr", "pcr"):
            method = KernelKoopman(estimator, rank=4, ridge=self.ridge, scale=0.5, points=self.samples)
            moduli = np.abs(method.fit_forecaster(_posed(path, 0.1), run).eigenvalues().numpy())
            scores[estimator] = float(np.abs(np.sort(moduli)[::-1][1:4] - truth).mean())
        return Scores({**scores, "difference": scores["rrr"] - scores["pcr"]})


def hausdorff(some: ndarray, others: ndarray) -> float:
    """The larger of both directed distances; a circle given by n points makes it too small by pi/n at most."""
    gaps = np.abs(some[:, None] - others[None, :])
    return float(max(gaps.min(axis=0).max(), gaps.min(axis=1).max()))
