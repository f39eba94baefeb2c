"""How linear recurrent networks learn a filter: the time to learn a mode, and where the eigenvalues go."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["LearnedFilter", "ModeWidth"]


@dataclass(frozen=True)
class ModeWidth:
    """b' = (s - e b.c) c, c' = (s - e b.c) b in R^N, s = e = 1, entries of b and c |N(0, scale^2)|: when is b.c half of s/e?

    total: divide the entries by sqrt(N), so that the start of b.c does not depend on N.

    In u = (b + c)/2 and v = (b - c)/2 the flow is u_0 e^x and v_0 e^{-x} with x' = 1 - p, p = b.c = |u|^2 - |v|^2: the time is an
    integral over x, with an end that solves a quadratic equation.
    """

    width: int = 1
    scale: float = 0.1
    total: bool = False

    def measure(self, run: Run) -> Scores:
        """The time at which b.c reaches half of its limit s/e."""
        b, c = self.scale * np.abs(run.numpy.standard_normal((2, self.width)))
        if self.total:
            b, c = b / math.sqrt(self.width), c / math.sqrt(self.width)
        grow, shrink = float(np.sum((b + c) ** 2)) / 4, float(np.sum((b - c) ** 2)) / 4
        # grow q - shrink / q = 1/2 for q = e^{2x}.
        end = 0.5 * math.log((0.5 + math.sqrt(0.25 + 4 * grow * shrink)) / (2 * grow))
        x = np.linspace(0.0, end, 20_001)
        speed = 1 - grow * np.exp(2 * x) + shrink * np.exp(-2 * x)
        return Scores({"time": float(np.trapezoid(1 / speed, x))})


@dataclass(frozen=True)
class LearnedFilter:
    """Eigenvalues of W after gradient descent on 1/2 sum_s (v' W^s u - a^s cos(w s))^2.

    W_0 = gain N(0, 1)/sqrt(N), u and v ~ N(0, 1/N). Steps of `rate`, gradients clipped at norm 1, until the loss is below
    `aim` or for `steps`.

    outlier: distance of the largest eigenvalue (with w > 0: of the pair) to a e^{+-iw}; bulk: the largest modulus of the others;
    gap: between the two largest moduli, one of each conjugate pair; gap_untrained: of W_0; loss: at the end.
    """

    decay: float = 0.95
    frequency: float = 0.0
    gain: float = 0.05
    width: int = 64
    lags: int = 80
    rate: float = 0.02
    aim: float = 1e-3
    steps: int = 20_000

    def measure(self, run: Run) -> Scores:
        """The eigenvalues after training, and the loss reached."""
        n, s = self.width, np.arange(self.lags)
        target = self.decay**s * np.cos(self.frequency * s)
        w = self.gain * run.numpy.standard_normal((n, n)) / math.sqrt(n)
        u, v = run.numpy.standard_normal((2, n)) / math.sqrt(n)
        untrained = _gap(np.linalg.eigvals(w))
        for step in range(self.steps + 1):
            error, gradients = self._gradients(w, u, v, target)
            loss = 0.5 * float(error @ error)
            if loss < self.aim or step == self.steps:
                break
            norm = math.sqrt(sum(float(np.sum(g * g)) for g in gradients))
            rate = self.rate / max(1.0, norm)
            w, u, v = (part - rate * g for part, g in zip((w, u, v), gradients, strict=True))
        values = np.linalg.eigvals(w)
        values = values[np.argsort(-np.abs(values), kind="stable")]
        wanted = self.decay * np.exp(1j * self.frequency * np.array([1, -1] if self.frequency else [0]))
        outlier = max(float(np.abs(values[: len(wanted)] - pole).min()) for pole in wanted)
        return Scores(
            {
                "outlier": outlier,
                "bulk": float(np.abs(values[len(wanted)])),
                "gap": _gap(values),
                "gap_untrained": untrained,
                "loss": loss,
                "steps": float(step),
            }
        )

    def _gradients(
        self, w: ndarray, u: ndarray, v: ndarray, target: ndarray
    ) -> tuple[ndarray, tuple[ndarray, ndarray, ndarray]]:
        """Errors of the kernel, and the gradients of W, u, v by the adjoint recursion."""
        states, adjoint = np.empty((self.lags, len(u))), np.empty((self.lags, len(u)))
        states[0] = u
        for s in range(1, self.lags):
            states[s] = w @ states[s - 1]
        error = states @ v - target
        back, up = np.ascontiguousarray(w.T), np.zeros_like(u)
        for s in range(self.lags - 1, -1, -1):
            up = error[s] * v + back @ up
            adjoint[s] = up
        return error, (adjoint[1:].T @ states[:-1], adjoint[0], error @ states)


def _gap(values: ndarray) -> float:
    """Between the two largest moduli, one of each conjugate pair: a pair has equal moduli."""
    apart = np.sort(np.abs(values[values.imag >= 0]))
    return float(apart[-1] - apart[-2])
