"""What fixed state spaces remember: reading a delayed input back from the states of HiPPO and of diagonal systems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.hippo import fout, legs, legt
from dynamark.tasks.problems import Run

__all__ = ["DelayMemory"]


@dataclass(frozen=True)
class DelayMemory:
    """nmse of u_{t-lag} read linearly from the states of x' = (A x + B u) span/lag, u white noise below a cutoff.

    basis: `legs`, `legt`, `fout`, or `lin` and `real`, the diagonal systems of S4D (lin: real and imaginary parts of half as
    many modes). cycles: cutoff, in cycles a lag. span: lag in units of the basis' own time. Zero-order hold; least squares on
    16 sequences, error on 8 others, both after the first two lags.

    Source: Gu et al. 2023, section 4.2, with shorter sequences.
    """

    basis: str = "legt"
    cycles: int = 15
    span: float = 1.0
    states: int = 64
    lag: int = 200
    length: int = 1200

    def measure(self, run: Run) -> Scores:
        """The error of the delayed input on the 8 held-out sequences."""
        u = self._noise(run.numpy, 24)
        features, targets = self._features(u)[:, 2 * self.lag :], u[:, self.lag : -self.lag]
        train, test = features[:16].reshape(-1, self.states), features[16:].reshape(-1, self.states)
        scale = np.sqrt(np.mean(train**2, axis=0))
        scale[scale == 0] = 1.0  # FouT's sine of frequency 0
        weights = scipy.linalg.lstsq(train / scale, targets[:16].ravel(), cond=1e-14)[0]
        rest = test / scale @ weights - targets[16:].ravel()
        return Scores({"nmse": float(np.mean(rest**2) / np.mean(targets[16:] ** 2))})

    def _noise(self, rng: np.random.Generator, count: int) -> ndarray:
        """Gaussian noise without frequencies above the cutoff, of unit power."""
        spectrum = np.fft.rfft(rng.standard_normal((count, self.length)))
        spectrum[:, np.fft.rfftfreq(self.length) > self.cycles / self.lag] = 0
        u = np.fft.irfft(spectrum, self.length)
        return u / np.sqrt(np.mean(u**2))

    def _features(self, u: ndarray) -> ndarray:
        """States [sequence, time, state] from rest."""
        step = self.span / self.lag
        a, b = self._system()
        n = self.states
        # expm of [[A, B], [0, 0]] holds both matrices of the zero-order hold.
        exponential = scipy.linalg.expm(step * np.block([[a, b[:, None]], [np.zeros((1, n + 1))]]))
        x, out = np.zeros((len(u), n)), np.empty((*u.shape, n))
        for t in range(u.shape[1]):
            x = x @ exponential[:n, :n].T + u[:, t, None] * exponential[:n, n]
            out[:, t] = x
        return out

    def _system(self) -> tuple[ndarray, ndarray]:
        n = self.states
        if self.basis == "real":
            return -np.diag(1.0 + np.arange(n)), np.ones(n)
        if self.basis == "lin":
            blocks = [np.array([[-0.5, -np.pi * k], [np.pi * k, -0.5]]) for k in range(n // 2)]
            return scipy.linalg.block_diag(*blocks), np.tile([1.0, 0.0], n // 2)
        return {"legs": legs, "legt": legt, "fout": fout}[self.basis](n)
