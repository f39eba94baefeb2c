"""Linear networks: the learning curves of their modes, the depth that an initialization can bear, and overtraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["DepthIndependence", "ModeCurves", "Overtraining"]


@dataclass(frozen=True)
class ModeCurves:
    """a(t) = s e^{2 s t/tau}/(e^{2 s t/tau} - 1 + s/a_0): a mode of a two-layer linear network under gradient flow.

    Whitened inputs, loss 1/2 |W_2 W_1 - W*|^2, tau = 1/eta in steps. `decoupled` starts on the modes of the teacher with a_0;
    `gaussian` with entries of size sqrt(a_0) sqrt(1/n), for which only the order of the half times is predicted. Scores:
    `deviation`, the largest |a(t) - curve| over s, over modes; `half_time_error`, the largest relative error of the half time
    (tau/2s) ln(s/a_0 - 1); `slope` of the half time in s, both logarithmic.
    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
    ICLR 2014, equations 8 and 9.
    """

    start: Literal["decoupled", "gaussian"] = "decoupled"
    values: tuple[float, ...] = (8.0, 4.0, 2.0, 1.0)
    n: int = 16
    a0: float = 1e-3
    step: float = 1e-3
    steps: int = 8000

    def measure(self, run: Run) -> Scores:
        """The strengths u_i^T W_2 W_1 v_i of the teacher's modes at each step."""
        count, s = len(self.values), np.array(self.values)
        u, v = (torch.from_numpy(orthonormal(run.numpy, self.n, self.n)) for _ in range(2))
        teacher = u[:, :count] * torch.tensor(self.values, dtype=torch.float64) @ v[:, :count].T
        if self.start == "decoupled":
            hidden = torch.from_numpy(orthonormal(run.numpy, self.n, self.n))
            first, second = self.a0**0.5 * hidden @ v.T, self.a0**0.5 * u @ hidden.T
        else:
            draws = torch.randn(2, self.n, self.n, generator=run.generator, dtype=torch.float64)
            first, second = (self.a0 / self.n) ** 0.5 * draws
        strengths = np.empty((self.steps + 1, count))
        for t in range(self.steps + 1):
            product = second @ first
            strengths[t] = torch.einsum("ia,ij,ja->a", u[:, :count], product, v[:, :count]).numpy()
            error = product - teacher
            first, second = first - self.step * second.T @ error, second - self.step * error @ first.T
        time = np.arange(self.steps + 1.0)[:, None] * self.step
        half = np.array([np.argmax(strengths[:, i] >= s[i] / 2) for i in range(count)]) * self.step
        slope = np.polyfit(np.log(s), np.log(half), 1)[0]
        values = {"slope": float(slope)}
        if self.start == "decoupled":
            curve = s / (1 + (s / self.a0 - 1) * np.exp(-2 * s * time))
            predicted = np.log(s / self.a0 - 1) / (2 * s)
            values["deviation"] = float(np.max(np.abs(strengths - curve) / s))
            values["half_time_error"] = float(np.max(np.abs(half / predicted - 1)))
        curves = [Curve(f"mode_{i + 1}", time[:, 0], strengths[:, i]) for i in range(count)]
        return Scores(values, tuple(curves))


@dataclass(frozen=True)
class DepthIndependence:
    """Steps until |W_L ... W_1 - W*| <= 0.05 |W*|, whitened inputs, at the best of a grid of learning rates.

    `orthogonal`: every factor a random orthogonal matrix; `gaussian`: entries N(0, 1/n), whose product degenerates with depth.
    The teacher has singular values in [0.5, 1.5] (so that an orthogonal product has their scale) and the sign of the
    determinant of the start, without which no path of gradient descent can reach it. Scores: `steps` (`limit` when never) and
    `reached`.
    Source: Saxe, McClelland and Ganguli 2014, section 3.
    """

    depth: int = 8
    start: Literal["orthogonal", "gaussian"] = "orthogonal"
    n: int = 16
    limit: int = 3000
    rates: tuple[float, ...] = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)

    def measure(self, run: Run) -> Scores:
        """Train with all learning rates at once, as one batch."""
        if self.start == "orthogonal":
            factors = [torch.from_numpy(orthonormal(run.numpy, self.n, self.n)) for _ in range(self.depth)]
        else:
            factors = [
                torch.from_numpy(run.numpy.standard_normal((self.n, self.n)) / self.n**0.5) for _ in range(self.depth)
            ]
        u, v = (torch.from_numpy(orthonormal(run.numpy, self.n, self.n)) for _ in range(2))
        teacher = u * torch.linspace(0.5, 1.5, self.n, dtype=torch.float64) @ v.T
        sign = torch.linalg.det(teacher) * torch.stack([torch.linalg.det(w) for w in factors]).prod()
        if float(sign) < 0:
            teacher = torch.cat([-teacher[:1], teacher[1:]])
        rates = torch.tensor(self.rates, dtype=torch.float64)[:, None, None]
        layers = [w.expand(len(self.rates), -1, -1).contiguous() for w in factors]
        for step in range(self.limit + 1):
            below = _prefixes(layers)
            error = below[-1] - teacher
            size = error.norm(dim=(1, 2)) / teacher.norm()
            if bool((size <= 0.05).any()):
                return Scores({"steps": float(step), "reached": 1.0})
            above = error
            for i in reversed(range(self.depth)):
                gradient = above if i == 0 else above @ below[i - 1].mT
                above = layers[i].mT @ above
                layers[i] = layers[i] - rates * gradient
        return Scores({"steps": float(self.limit), "reached": 0.0})


def _prefixes(layers: list[Tensor]) -> list[Tensor]:
    """W_1, W_2 W_1, ..., W_L ... W_1."""
    solutions = [layers[0]]
    for layer in layers[1:]:
        solutions.append(layer @ solutions[-1])
    return solutions


@dataclass(frozen=True)
class Overtraining:
    """Gradient flow of linear regression, P samples of N inputs: risk |w^ - w|^2/N when it has converged and at its best time.

    x ~ N(0, 1/N), y = x^T w + e, w ~ N(0, I), e ~ N(0, 1/snr), start w_0 ~ N(0, start_scale^2). In the eigenbasis of the
    covariance every mode is exponential, so that the flow and its limit are exact. Scores: `final` and `early` (the least over
    a grid of times: stopping by an oracle), their ratio `overtraining`, and `relative`, `final` over its mean
    (1 - P/N)(1 + start_scale^2) + P/(snr (N - P - 1)) for P < N - 1, N/(snr (P - N - 1)) for P > N + 1.
    Source: Advani, Saxe and Sompolinsky, High-dimensional dynamics of generalization error in neural networks, 2020.
    """

    samples: int = 100
    inputs: int = 100
    snr: float = 5.0
    start_scale: float = 0.0

    def measure(self, run: Run) -> Scores:
        """One draw of inputs, teacher and noise."""
        p, n, rng = self.samples, self.inputs, run.numpy
        x = rng.standard_normal((p, n)) / np.sqrt(n)
        w, start = rng.standard_normal(n), self.start_scale * rng.standard_normal(n)
        y = x @ w + rng.standard_normal(p) / np.sqrt(self.snr)
        _, s, vt = np.linalg.svd(x, full_matrices=True)
        values = np.zeros(n)
        values[: len(s)] = s**2
        target = np.zeros(n)
        target[: len(s)] = (vt @ (x.T @ y))[: len(s)] / values[: len(s)]
        truth, first = vt @ w, vt @ start
        target[len(s) :] = first[len(s) :]  # not seen: stays
        times = np.concatenate([[0.0], np.geomspace(1e-2, 1e8, 600)])
        paths = target + np.exp(-times[:, None] * values) * (first - target)
        risks = np.mean((paths - truth) ** 2, axis=1)
        final, early = float(np.mean((target - truth) ** 2)), float(risks.min())
        scores = {"final": final, "early": early, "overtraining": final / early}
        if p < n - 1:
            scores["expected"] = (1 - p / n) * (1 + self.start_scale**2) + p / (self.snr * (n - p - 1))
        elif p > n + 1:
            scores["expected"] = n / (self.snr * (p - n - 1))
        if "expected" in scores:
            scores["relative"] = final / scores["expected"]
        return Scores(scores, (Curve("risk_by_time", times, risks),))
