"""The weights of filter attention against those of a Kalman filter and of dot-product attention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray

from dynamark.methods.sequence.attention import filter_logits, path_variance
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["AttentionLimit", "FilterWeights", "error_of", "kalman_weights"]

_LIGHT = 1e12  # nu at which the term of the residuals is below rounding


def kalman_weights(
    pole: complex, process: float, measured: float, prior: float, length: int
) -> Complex[ndarray, "time past"]:
    """w_ij of x^_i = sum_{j<=i} w_ij y_j: x_i = pole x_{i-1} + noise(process), y = x + noise(measured), x_0 ~ N(0, prior)."""
    weights = np.zeros((length, length), dtype=complex)
    variance, past = prior, np.zeros(length, dtype=complex)
    for i in range(length):
        if i:
            variance, past = abs(pole) ** 2 * variance + process, pole * past
        gain = variance / (variance + measured)
        past = (1 - gain) * past
        past[i], variance = gain, (1 - gain) * variance
        weights[i] = past
    return weights


def error_of(weights: Complex[ndarray, " past"], pole: complex, process: float, measured: float) -> float:
    """E |x_i - sum_j w_j y_j|^2 / (w is unbiased: sum_j w_j pole^(j-i) = 1), i the last time.

    y_j = pole^(j-i) (x_i - sum_{s=j+1..i} pole^(i-s) e_s) + v_j, so that errors of tokens j share the noises e_s, s > j.
    """
    count = len(weights)
    lag = np.arange(count)[::-1]
    back = weights * pole ** (-lag.astype(float))
    # The noise e_s reaches all tokens before s, with the factor pole^(i-s).
    shares = np.concatenate([[0], np.cumsum(back)[:-1]]) * pole**lag
    return float(measured * np.sum(np.abs(weights) ** 2) + process * np.sum(np.abs(shares[1:]) ** 2))


@dataclass(frozen=True)
class FilterWeights:
    """a_ij e^{lambda (i - j)}, a_ij = softmax_j(-ln V_ij), against the weights of the Kalman filter, nu -> inf and no anchor.

    x' = lambda x + noise, lambda = -mu + i w, one complex state sampled at unit gaps, of noise variance `process`^2 per unit of
    time; measured with noise variance `measured`; prior variance 1e6. difference: the largest over all pairs j <= i.
    difference_undecayed: the same with V_ij = `measured`. error_ratio: mean squared error at the last time, exactly, over that of
    the Kalman filter. Source: Racioppo 2025, section 4.
    """

    process: float = 0.0
    measured: float = 0.1
    decay: float = 0.1
    frequency: float = 0.5
    length: int = 64

    def measure(self, run: Run) -> Scores:
        """The differences and the ratio; no random number enters."""
        pole = complex(np.exp(complex(-self.decay, self.frequency)))
        stationary = self.process**2 / (2 * self.decay)
        step_noise = stationary * (1 - abs(pole) ** 2)
        kalman = kalman_weights(pole, step_noise, self.measured, 1e6, self.length)
        own, undecayed = (self._weights(pole, stationary, decayed) for decayed in (True, False))
        errors = [error_of(w[-1], pole, step_noise, self.measured) for w in (own, kalman)]
        return Scores(
            {
                "difference": float(np.abs(own - kalman).max()),
                "difference_undecayed": float(np.abs(undecayed - kalman).max()),
                "error_ratio": errors[0] / errors[1],
            }
        )

    def _weights(self, pole: complex, stationary: float, decayed: bool) -> ndarray:
        """a_ij pole^(i-j)."""
        lag = np.subtract.outer(np.arange(self.length), np.arange(self.length)).clip(0)
        modulus = torch.from_numpy(abs(pole) ** lag.astype(float))
        process, measured, nothing, one = (
            torch.tensor(v, dtype=torch.float64) for v in (stationary, self.measured, 0.0, 1.0)
        )
        variance = path_variance(modulus if decayed else torch.ones_like(modulus), process, measured, nothing)
        logits = filter_logits(torch.ones_like(variance), variance, one, one, torch.tensor(_LIGHT).double())
        future = torch.ones_like(variance, dtype=torch.bool).triu(1)
        return np.asarray(logits.masked_fill(future, -math.inf).softmax(-1)) * pole**lag


@dataclass(frozen=True)
class AttentionLimit:
    """softmax_j b [-ln V - ln(1 + |q - k_j|^2 / (nu m V))], b = kappa nu, against softmax_j(2 kappa q.k_j / (m V)), V constant.

    q and k: unit vectors of m complex numbers; mu = w = 0, so that all lags are alike. scaled_difference: nu times the largest
    difference; |q - k|^2 = 2 - 2 q.k, and the next order of the logarithm is kappa |q - k|^4 / (2 nu (m V)^2).
    difference_unscaled, scaled_unscaled: those to softmax_j(2 kappa q.k_j), plain and times nu. Source: Racioppo 2025.
    """

    nu: float = 1e3
    variance: float = 0.125
    kappa: float = 4.0
    modes: int = 8
    tokens: int = 64

    def measure(self, run: Run) -> Scores:
        """Both differences."""
        q, k = self._unit(run, self.tokens), self._unit(run, self.tokens)
        products = torch.from_numpy(q @ k.T)
        variance = torch.full_like(products, self.variance)
        power, scale = (torch.tensor(v, dtype=torch.float64) for v in (self.kappa * self.nu, self.nu * self.modes))
        weights = filter_logits(2 - 2 * products, variance, power, power, scale).softmax(-1)
        limit, unscaled = ((2 * self.kappa * products / by).softmax(-1) for by in (self.modes * self.variance, 1.0))
        return Scores(
            {
                "scaled_difference": self.nu * float((weights - limit).abs().max()),
                "difference_unscaled": float((weights - unscaled).abs().max()),
                "scaled_unscaled": self.nu * float((weights - unscaled).abs().max()),
            }
        )

    def _unit(self, run: Run, count: int) -> Float[ndarray, "token coordinate"]:
        """Unit vectors: real and imaginary parts of m complex numbers."""
        z = run.numpy.standard_normal((count, 2 * self.modes))
        return np.asarray(z / np.linalg.norm(z, axis=1, keepdims=True))
