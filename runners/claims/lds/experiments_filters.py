"""Identities, bounds and expected errors behind the claims on linear systems: filters, Chebyshev polynomials, HiPPO."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.special
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.lds.systems import Shape, draw
from dynamark.tasks.numerics.hippo import fout, legs, legt
from dynamark.tasks.numerics.polynomials import monic_chebyshev
from dynamark.tasks.numerics.spectral_filters import hankel, quadrature_root, spectral_filters, wedge_filters
from dynamark.tasks.problems import Run

__all__ = [
    "ChebyshevGrowth",
    "FilterBounds",
    "HankelIdentity",
    "LegSKernel",
    "NormalLegS",
    "PerturbedLegS",
    "PopulationError",
    "WindowLeak",
]


@dataclass(frozen=True)
class HankelIdentity:
    """Z_ij = 2/((i+j)^3-(i+j)) against quadrature of int_0^1 mu(a) mu(a)' da, and the least eigenvalue of Z."""

    length: int = 1024

    def measure(self, run: Run) -> Scores:
        """The largest difference of two entries; the least eigenvalue."""
        z, root = hankel(self.length), quadrature_root(self.length)
        least = float(np.linalg.eigvalsh(z)[0])
        return Scores({"difference": float(np.abs(root @ root.T - z).max()), "least_eigenvalue": least})


@dataclass(frozen=True)
class FilterBounds:
    """max_a |<phi_j, mu(a)>| over 6^{1/4} s_j^{1/4}, and s_j over min(3/4, 10^6 exp(-pi^2 j / (4 ln T))), for j <= filters.

    slope: least-squares slope of ln s_j in j, times ln T; the bound's is -pi^2/4.
    """

    length: int = 1024
    filters: int = 40

    def measure(self, run: Run) -> Scores:
        """The largest ratios, at most 1 where the bounds hold."""
        values, phi = (x.numpy() for x in spectral_filters(self.length, self.filters))
        gap = np.geomspace(1e-8, 1 - 1e-9, 20_000)
        reach = np.zeros(self.filters)
        for part in np.array_split(gap, 20):
            mu = part * np.exp(np.arange(self.length)[:, None] * np.log1p(-part))
            reach = np.maximum(reach, np.abs(phi.T @ mu).max(axis=1))
        j = np.arange(1, self.filters + 1)
        decay = np.minimum(0.75, 1e6 * np.exp(-(np.pi**2) * j / (4 * math.log(self.length))))
        slope = np.polyfit(j[4:], np.log(values[4:]), 1)[0] * math.log(self.length)
        return Scores(
            {
                "reach": float((reach / (6 * values) ** 0.25).max()),
                "decay": float((values / decay).max()),
                "slope": float(slope),
            }
        )


@dataclass(frozen=True)
class PopulationError:
    """min over weights of sum_i (T-i)(G_i - sum_j w_j f_{ij})^2 / sum_i (T-i) G_i^2: the nmse expected over white inputs.

    A system of `order` states is drawn from `spectrum`; f are three taps and the first k filters of `basis`: `spectral`,
    `spectral_both` (with those of alternating sign), `wedge` (of angle `beta`). No data, no noise: what a basis can do.
    """

    spectrum: str = "sym_pos"
    beta: float = math.pi
    order: int = 128
    length: int = 1024
    filters: tuple[int, ...] = (20,)
    basis: str = "spectral"

    def measure(self, run: Run) -> Scores:
        """`error_<k>` for each number of filters; `slope`, of ln error in k, where there are several."""
        system = draw(self.spectrum, Shape(self.order, self.length, 1, 1, self.beta), run.numpy)
        g = system.markov(self.length)[:, 0, 0]
        weight = np.sqrt(self.length - np.arange(self.length))
        errors = {k: self._error(weight, g, self._bank(k)) for k in self.filters}
        values = {f"error_{k}": e for k, e in errors.items()}
        if len(errors) > 1:
            values["slope"] = float(np.polyfit(list(errors), np.log(list(errors.values())), 1)[0])
        return Scores(values)

    def _bank(self, count: int) -> ndarray:
        taps = np.eye(self.length, 3)
        if self.basis == "wedge":
            return np.hstack([taps, wedge_filters(self.length, count, self.beta).numpy()])
        phi = spectral_filters(self.length, count)[1].numpy()
        mirrored = [phi * (-1.0) ** np.arange(self.length)[:, None]] if self.basis == "spectral_both" else []
        return np.hstack([taps, phi, *mirrored])

    def _error(self, weight: ndarray, g: ndarray, bank: ndarray) -> float:
        weighted, target = weight[:, None] * bank, weight * g
        basis = scipy.linalg.orth(weighted / np.linalg.norm(weighted, axis=0), rcond=1e-13)
        rest = target - basis @ (basis.T @ target)
        rest -= basis @ (basis.T @ rest)  # once more, against rounding
        return float(rest @ rest / (target @ target))


@dataclass(frozen=True)
class ChebyshevGrowth:
    """max |p_n| of the monic Chebyshev polynomial, over 2^{1-n}: on [-1, 1], on the wedge |arg| <= 1/(64 n^2), at arg `wide`.

    coefficient: its largest coefficient over 2^{0.3 n}.
    """

    degree: int = 20
    wide: float = 0.05

    def measure(self, run: Run) -> Scores:
        """The maxima over each sector; on the real line the exact value is 1."""
        c, unit = monic_chebyshev(self.degree), 2.0 ** (1 - self.degree)
        radius = np.cos(np.linspace(0, np.pi / 2, 4001))

        def largest(angle: float) -> float:
            # By the recurrence of T_n, which is stable; powers of the variable are not.
            x = radius[:, None] * np.exp(1j * np.linspace(0, angle, 25))
            before, now = np.ones_like(x), x
            for _ in range(self.degree - 1):
                before, now = now, 2 * x * now - before
            return float(np.abs(now).max())

        return Scores(
            {
                "line": largest(0.0),
                "wedge": largest(1 / (64 * self.degree**2)),
                "wide": largest(self.wide),
                "coefficient": float(np.abs(c).max() / 2 ** (0.3 * self.degree)),
                "by_coefficients": float(np.abs(np.polyval(c, radius)).max() / unit),
            }
        )


@dataclass(frozen=True)
class LegSKernel:
    """e^{tA} B of HiPPO-LegS against sqrt(2n+1) P_n(2 e^{-t} - 1) e^{-t}, at t = 0.1, 1.3, 3."""

    states: int = 32

    def measure(self, run: Run) -> Scores:
        """The largest difference over the three times and all states."""
        a, b = legs(self.states)
        n = np.arange(self.states)
        differences = [
            scipy.linalg.expm(t * a) @ b
            - np.sqrt(2 * n + 1) * scipy.special.eval_legendre(n, 2 * math.exp(-t) - 1) * math.exp(-t)
            for t in (0.1, 1.3, 3.0)
        ]
        return Scores({"difference": float(np.abs(differences).max())})


@dataclass(frozen=True)
class WindowLeak:
    """Energy of the kernels e^{tA} B beyond their window, (e^A W e^{A'})_nn / W_nn with A W + W A' + B B' = 0.

    basis: `fout` or `legt`; FouT's state 1 is identically 0 and left out.
    """

    basis: str = "fout"
    states: int = 128

    def measure(self, run: Run) -> Scores:
        """`leak_0`, `leak_2`, `leak_10`: shares of the states' energy."""
        a, b = {"fout": fout, "legt": legt}[self.basis](self.states)
        keep = np.array([n for n in range(self.states) if not (self.basis == "fout" and n == 1)])
        a, b = a[np.ix_(keep, keep)], b[keep]
        gram = scipy.linalg.solve_continuous_lyapunov(a, -np.outer(b, b))
        moved = scipy.linalg.expm(a)
        leak = np.diag(moved @ gram @ moved.T) / np.diag(gram)
        return Scores({f"leak_{n}": float(leak[np.searchsorted(keep, n)]) for n in (0, 2, 10)})


@functools.lru_cache(maxsize=4)
def _normal(states: int) -> tuple[ndarray, ndarray]:
    """A + P P' of LegS and its eigenvalues."""
    a, _ = legs(states)
    p = np.sqrt(np.arange(states) + 0.5)
    normal = a + np.outer(p, p)
    return normal, -0.5 + 1j * np.linalg.eigvalsh(-1j * (normal + 0.5 * np.eye(states)))


@dataclass(frozen=True)
class NormalLegS:
    """S4D-LegS (A + P P', B/2) against LegS (A, B): input by input it converges, uniformly over frequencies it does not.

    low: max |G - G_N| over 0 <= w <= 10 relative to max |G| there, the worst of states 0 .. 4.
    peak: max_k |(i w_k - A)^{-1} B - (i w_k - A_N)^{-1} B/2|_2 at
    w_k = Im lambda_k, the sup over unit readouts; a grid of frequencies misses these peaks.
    """

    states: int = 64

    def measure(self, run: Run) -> Scores:
        """Both errors; `peak` also over the number of states."""
        (a, b), (normal, poles) = legs(self.states), _normal(self.states)
        identity = np.eye(self.states)

        def answer(matrix: ndarray, drive: ndarray, w: float) -> ndarray:
            return np.linalg.solve(1j * w * identity - matrix, drive)

        grid = np.linspace(0, 10, 41)
        true = np.array([answer(a, b, w)[:5] for w in grid])
        difference = true - np.array([answer(normal, b / 2, w)[:5] for w in grid])
        low = float((np.abs(difference).max(axis=0) / np.abs(true).max(axis=0)).max())
        peak = max(
            float(np.linalg.norm(answer(a, b, w) - answer(normal, b / 2, w))) for w in poles.imag[poles.imag > 0]
        )
        return Scores({"low": low, "peak": peak, "peak_by_states": peak / self.states})


@dataclass(frozen=True)
class PerturbedLegS:
    """Perturb-then-diagonalize: A + E = V L V^{-1}, E Gaussian with |E|_2 = size, the best of ten draws by cond(V).

    transfer: max over frequencies and over unit readouts (its own direction of the difference) of
    |G - G_E| / ((2 ln N + 4) size): the bound of the paper. condition: cond(V); gain: cond of eig(A) over it.
    """

    states: int = 32
    size: float = 1e-2

    def measure(self, run: Run) -> Scores:
        """The ratio to the bound, and the condition numbers."""
        a, b = legs(self.states)
        candidates = []
        for _ in range(10):
            e = run.numpy.standard_normal(a.shape)
            e *= self.size / np.linalg.norm(e, 2)
            candidates.append((np.linalg.cond(np.linalg.eig(a + e)[1]), e))
        condition, e = min(candidates, key=lambda pair: pair[0])
        identity, worst = np.eye(self.states), 0.0
        for w in np.concatenate([[0.0], np.geomspace(1e-2, 4 * self.states**2, 400)]):
            difference = np.linalg.solve(1j * w * identity - a, b) - np.linalg.solve(1j * w * identity - a - e, b)
            worst = max(worst, float(np.linalg.norm(difference)))
        bound = (2 * math.log(self.states) + 4) * self.size
        plain = np.linalg.cond(np.linalg.eig(a)[1])
        return Scores({"transfer": worst / bound, "condition": float(condition), "gain": float(plain / condition)})
