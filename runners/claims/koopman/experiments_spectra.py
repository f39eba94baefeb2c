"""Koopman spectra from data where everything is known: invariant dictionaries, torus maps, sampling error, spurious pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy import ndarray
from numpy.polynomial import hermite_e
from torch import Tensor

from dynamark.methods.koopman.dictionaries import Fourier
from dynamark.methods.koopman.edmd import EDMD
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman import torus
from dynamark.tasks.koopman.systems import box, slow_manifold_flow
from dynamark.tasks.numerics.koopman import Compressed, compress, pair_residuals
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["MonomialVerification", "OUResiduals", "OUSampling", "SpuriousPairs", "TorusSpectrum"]

MU, LAM, DT = -0.05, -1.0, 0.1


@dataclass(frozen=True)
class MonomialVerification:
    """EDMD with monomials on the slow manifold: which eigenpairs do residuals on held-out pairs verify, and are those right?

    x1^i (x2 - b x1^2)^j has degree i + 2j in x, so #{i + 2j <= degree} eigenfunctions are in the span. Pairs are independent,
    states uniform in [-.5, .5]^2: of few trajectories a wrong eigenvalue can come so close to a right one that its residual is
    small by accident.
    """

    degree: int = 2
    pairs: int = 15_000
    threshold: float = 1e-6

    def measure(self, run: Run) -> Scores:
        """Verified pairs beyond those in the span, their largest error, the least residual of the others."""
        flow, starts = slow_manifold_flow(MU, LAM), box((-0.5, -0.5), (0.5, 0.5))
        train, held_out = (torch.from_numpy(flow(starts(run.numpy, self.pairs), DT, 1)) for _ in range(2))
        problem = Forecasting(Trajectories(train, dt=DT), Trajectories(held_out, dt=DT))
        model = EDMD(size=self.degree, ridge=0.0).fit_forecaster(problem, run)
        x, y = held_out[:, :-1].reshape(-1, 1, 2), held_out[:, 1:].reshape(-1, 1, 2)
        residual = pair_residuals(model.eigenfunctions(x), model.eigenfunctions(y), model.eigenvalues())
        inside = [(i, j) for i in range(self.degree + 1) for j in range(self.degree + 1) if i + 2 * j <= self.degree]
        truth = torch.tensor([math.exp(DT * (MU * i + LAM * j)) for i, j in inside], dtype=torch.float64)
        error = (model.eigenvalues()[:, None] - truth).abs().amin(1)
        verified = residual < self.threshold
        return Scores(
            {
                "verified": float(verified.sum()),
                "excess": float(verified.sum()) - len(inside),
                "verified_error": float(error[verified].max()),
                "least_other_residual": float(residual[~verified].min()),
            }
        )


@dataclass(frozen=True)
class TorusSpectrum:
    """EDMD and mpEDMD with all characters of order up to `order` on a grid that integrates them exactly."""

    system: Literal["rotation", "anzai"] = "anzai"
    order: int = 6
    grid: int = 64

    def measure(self, run: Run) -> Scores:
        """Pairs verified, moduli and residuals of the others, and how far mpEDMD's eigenvalues are from the circle."""
        compressed = self._compressed()
        values, vectors = torch.linalg.eig(compressed.least_squares())
        residual = compressed.residuals(values, vectors)
        verified = residual < 1e-6
        scores = {
            "verified": float(verified.sum()),
            "unitary_error": float((torch.linalg.eigvals(compressed.unitary()).abs() - 1).abs().max()),
        }
        if not verified.all():
            rest = values[~verified].abs()
            scores["other_modulus"] = float(rest.max())
            scores["other_residual"] = float(residual[~verified].min())
            # A function of the span whose image leaves it has residual >= 1 - |lambda| under an isometry.
            scores["other_slack"] = float((residual[~verified] - (1 - rest)).min())
        return Scores(scores)

    def _compressed(self) -> Compressed:
        x = torus.grid(self.grid)
        y = torus.rotation(x) if self.system == "rotation" else torus.anzai(x)
        lift = Fourier(self.order)
        at_x, at_y = (lift(2 * math.pi * torch.from_numpy(part)) for part in (x, y))
        return compress([(at_x / self.grid, at_y / self.grid)])


def ornstein_uhlenbeck(x: ndarray, tau: float, rng: np.random.Generator) -> ndarray:
    """X_tau of dX = -X dt + sqrt(2) dW from X_0 = x: e^{-tau} x + sqrt(1 - e^{-2 tau}) N(0, 1)."""
    return math.exp(-tau) * x + math.sqrt(-math.expm1(-2 * tau)) * rng.standard_normal(x.shape)


def hermite(x: ndarray, degree: int) -> Tensor:
    """The orthonormal Hermite functions He_k(x)/sqrt(k!), k = 0 .. degree: eigenfunctions of rate k [sample, k]."""
    norms = np.sqrt([math.factorial(k) for k in range(degree + 1)])
    return torch.from_numpy(hermite_e.hermevander(x, degree) / norms)


@dataclass(frozen=True)
class OUResiduals:
    """Residuals of the process's eigenpairs from one successor, which measure the noise, and from two, which do not."""

    samples: int = 200_000
    degree: int = 5
    tau: float = 0.5

    def measure(self, run: Run) -> Scores:
        """|residual - sqrt(1 - lambda^2)| from one successor, |squared residual| from two, largest over k = 1, 2, 3."""
        x = run.numpy.standard_normal(self.samples)
        at_x, *after = (
            hermite(z, self.degree) for z in (x, *(ornstein_uhlenbeck(x, self.tau, run.numpy) for _ in range(2)))
        )
        first, second = after
        gram, cross = at_x.T @ at_x, at_x.T @ (first + second) / 2
        values, vectors = torch.linalg.eig(torch.linalg.solve(gram, cross))
        order = values.real.argsort(descending=True)[1:4]
        values, vectors = values[order], vectors[:, order]
        one = pair_residuals(at_x.to(vectors) @ vectors, first.to(vectors) @ vectors, values)
        mixed = first.T @ second
        two = _squared(gram, cross, (mixed + mixed.T) / 2, values, vectors)
        truth = torch.exp(-self.tau * torch.arange(1, 4, dtype=torch.float64))
        return Scores(
            {
                "one_successor": float((one - (1 - truth**2).sqrt()).abs().max()),
                "two_successors": float(two.abs().max()),
                "eigenvalue_error": float((values - truth).abs().max()),
            }
        )


def _squared(gram: Tensor, cross: Tensor, later: Tensor, values: Tensor, vectors: Tensor) -> Tensor:
    """(v*Lv - 2 Re(conj(lambda) v*Av) + |lambda|^2 v*Gv) / v*Gv: with independent successors it may be negative."""

    def form(matrix: Tensor) -> Tensor:
        return (vectors.conj() * (matrix.to(vectors) @ vectors)).sum(0)

    top = form(later) - 2 * (values.conj() * form(cross)).real + values.abs() ** 2 * form(gram)
    return (top / form(gram)).real


@dataclass(frozen=True)
class OUSampling:
    """EDMD's sampling error |K - K_true|_F on the Ornstein-Uhlenbeck process, Hermite dictionary, mean of `draws`."""

    samples: int = 1000
    degree: int = 2
    draws: int = 20
    tau: float = 0.5

    def measure(self, run: Run) -> Scores:
        """The mean over `draws` of the Frobenius norm |K - K_true|_F."""
        truth = torch.diag(torch.exp(-self.tau * torch.arange(self.degree + 1, dtype=torch.float64)))
        errors = []
        for _ in range(self.draws):
            x = run.numpy.standard_normal(self.samples)
            at_x, at_y = hermite(x, self.degree), hermite(ornstein_uhlenbeck(x, self.tau, run.numpy), self.degree)
            errors.append(float((compress([(at_x, at_y)]).least_squares() - truth).norm()))
        return Scores({"error": float(np.mean(errors))})


@dataclass(frozen=True)
class SpuriousPairs:
    """EDMD of x+ = x B^T with {x1, x2, g}, g a random nonlinear function, from four samples: residuals flag what is spurious.

    g = a0 sin(3 x1 + a1) + a2 x1^2 x2 + a3 x2^2 + a4 x1^3, a ~ N(0, I); B = [[.9, .2], [0, .5]].
    """

    draws: int = 500
    samples: int = 4
    held: int = 2000

    def measure(self, run: Run) -> Scores:
        """Shares of spurious pairs flagged and unstable; the largest residual of the two true pairs."""
        matrix = np.array([[0.9, 0.2], [0.0, 0.5]]).T
        flagged, unstable, true = [], [], []
        for _ in range(self.draws):
            a = run.numpy.standard_normal(5)
            x, held_out = run.numpy.standard_normal((self.samples, 2)), run.numpy.standard_normal((self.held, 2))
            at_x, at_y, held_x, held_y = (_with_nonlinear(z, a) for z in (x, x @ matrix, held_out, held_out @ matrix))
            values, vectors = torch.linalg.eig(compress([(at_x, at_y)]).least_squares(rcond=1e-14))
            residual = pair_residuals(held_x.to(vectors) @ vectors, held_y.to(vectors) @ vectors, values)
            gap = torch.minimum((values - 0.9).abs(), (values - 0.5).abs())
            spurious = int(gap.argmax())
            flagged.append(bool(residual[spurious] > 0.05))
            unstable.append(bool(values[spurious].abs() > 1))
            true += [float(residual[j]) for j in range(3) if j != spurious]
        return Scores(
            {"flagged": float(np.mean(flagged)), "unstable": float(np.mean(unstable)), "true_residual": max(true)}
        )


def _with_nonlinear(x: ndarray, a: ndarray) -> Tensor:
    x1, x2 = x.T
    g = a[0] * np.sin(3 * x1 + a[1]) + a[2] * x1**2 * x2 + a[3] * x2**2 + a[4] * x1**3
    return torch.from_numpy(np.stack([x1, x2, g], axis=1))
