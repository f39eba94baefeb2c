"""Square roots of positive matrices by products and one solve, and their gradient by a sign iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["RootGradient", "RootSeries", "newton_schulz", "pade", "sylvester", "taylor"]

Matrices = Float[Tensor, "*batch n n"]
Coefficients = Float[ndarray, " power"]


def _series(degree: int) -> Coefficients:
    """Coefficients of (1 - z)^{1/2}: c_0 = 1, c_k = c_{k-1} (k - 3/2)/k."""
    return np.cumprod([1.0, *((k - 1.5) / k for k in range(1, degree + 1))])


def _fractions(order: int) -> tuple[Coefficients, Coefficients]:
    """Numerator and denominator of the [order/order] Padé approximant of (1 - z)^{1/2}, the lowest power first.

    sum_j c_{order + i - j} q_j = 0 for i = 1 ... order, q_0 = 1; p = the first coefficients of c q.
    """
    c = _series(2 * order)
    rows = np.array([[c[order + i - j] for j in range(1, order + 1)] for i in range(1, order + 1)])
    q = np.concatenate([[1.0], np.linalg.solve(rows, -c[order + 1 :])])
    return np.convolve(c, q)[: order + 1], q


def _normalized(a: Matrices) -> tuple[Matrices, Float[Tensor, "*batch 1 1"]]:
    """A/|A|_F and |A|_F."""
    size = torch.linalg.matrix_norm(a, keepdim=True)
    return a / size, size


def _polynomial(coefficients: Coefficients, z: Matrices) -> Matrices:
    """Horner's rule."""
    eye = torch.eye(z.shape[-1], dtype=z.dtype)
    value = float(coefficients[-1]) * eye.expand_as(z)
    for c in reversed(coefficients[:-1]):
        value = value @ z + float(c) * eye
    return value


def taylor(a: Matrices, degree: int) -> Matrices:
    """sqrt|A|_F p(I - A/|A|_F), p the Taylor polynomial of (1 - z)^{1/2}: degree - 1 products of matrices."""
    scaled, size = _normalized(a)
    return size.sqrt() * _polynomial(_series(degree), torch.eye(a.shape[-1], dtype=a.dtype) - scaled)


def pade(a: Matrices, order: int) -> Matrices:
    """sqrt|A|_F q(Z)^{-1} p(Z), Z = I - A/|A|_F, p/q the [order/order] Padé approximant of (1 - z)^{1/2}."""
    scaled, size = _normalized(a)
    z = torch.eye(a.shape[-1], dtype=a.dtype) - scaled
    p, q = _fractions(order)
    return size.sqrt() * torch.linalg.solve(_polynomial(q, z), _polynomial(p, z))


def newton_schulz(a: Matrices, steps: int) -> Matrices:
    """Y <- Y (3 I - Z Y)/2, Z <- (3 I - Z Y) Z/2 from Y = A/|A|_F, Z = I; then sqrt|A|_F Y."""
    y, size = _normalized(a)
    eye = torch.eye(a.shape[-1], dtype=a.dtype)
    z = eye.expand_as(a)
    for _ in range(steps):
        middle = (3 * eye - z @ y) / 2
        y, z = y @ middle, middle @ z
    return size.sqrt() * y


def sylvester(root: Matrices, right: Matrices, steps: int) -> Matrices:
    """X with S X + X S = G, S symmetric positive definite, by the Newton-Schulz iteration of the matrix sign.

    From B = S/|S|_F, C = G/|S|_F: C <- (C (3 I - B^2) - B^2 C + B C B)/2, B <- B (3 I - B^2)/2; X = C/2.
    Source: Song, Sebe and Wang 2022, section 3.3.
    """
    b, size = _normalized(root)
    c, eye = right / size, torch.eye(root.shape[-1], dtype=root.dtype)
    for _ in range(steps):
        square = b @ b
        c = (c @ (3 * eye - square) - square @ c + b @ c @ b) / 2
        b = b @ (3 * eye - square) / 2
    return c / 2


def _positive(run: Run, count: int, n: int, condition: float) -> Float[Tensor, "batch n n"]:
    """Symmetric matrices of this condition number: log-uniform spectra on [1/condition, 1], both ends taken, random bases."""
    values = condition ** -run.numpy.uniform(size=(count, n))
    values[:, 0], values[:, 1] = 1.0, 1 / condition
    bases = np.stack([orthonormal(run.numpy, n, n) for _ in range(count)])
    return torch.from_numpy((bases * values[:, None]) @ bases.transpose(0, 2, 1))


def _exact_root(a: Matrices) -> Matrices:
    values, vectors = torch.linalg.eigh(a)
    return (vectors * values.sqrt()[..., None, :]) @ vectors.mT


@dataclass(frozen=True)
class RootSeries:
    """sup over z in [0, 0.98] of |(1 - z)^{1/2} - approximant|, and errors of matrix square roots by the same approximants.

    Scores: `taylor_scalar` (degree 8) and `pade_scalar` ([4/4]); median relative errors over `matrices` random matrices against
    the eigendecomposition: `taylor` (degree 10), `pade` ([5/5]), `newton_schulz` (5 steps), and `newton_schulz_8` (8 steps).
    Source: Song, Sebe and Wang, Fast differentiable matrix square root, 2022, section 3.
    """

    n: int = 16
    condition: float = 10.0
    matrices: int = 20

    def measure(self, run: Run) -> Scores:
        """Draw all matrices and process them as one batch."""
        z = np.linspace(0, 0.98, 20_001)
        p, q = _fractions(4)
        truth = np.sqrt(1 - z)
        scalar = {
            "taylor_scalar": np.abs(np.polyval(_series(8)[::-1], z) - truth).max(),
            "pade_scalar": np.abs(np.polyval(p[::-1], z) / np.polyval(q[::-1], z) - truth).max(),
        }
        a = _positive(run, self.matrices, self.n, self.condition)
        roots = {
            "taylor": taylor(a, 10),
            "pade": pade(a, 5),
            "newton_schulz": newton_schulz(a, 5),
            "newton_schulz_8": newton_schulz(a, 8),
        }
        exact = _exact_root(a)
        size = torch.linalg.matrix_norm(exact)
        errors = {name: (torch.linalg.matrix_norm(root - exact) / size).median() for name, root in roots.items()}
        return Scores({name: float(value) for name, value in {**scalar, **errors}.items()})


class _Root(torch.autograd.Function):
    """A^{1/2} of symmetric positive definite A by Newton-Schulz, with the gradient of `sylvester`."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, steps: int) -> Tensor:
        root = newton_schulz(a, 20)
        ctx.save_for_backward(root)
        ctx.steps = steps
        return root

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (root,) = ctx.saved_tensors
        return sylvester(root, gradients[0], ctx.steps), None


@dataclass(frozen=True)
class RootGradient:
    """The gradient X of a loss in A, S X + X S = G with S = A^{1/2}, by `steps` sign iterations against the eigenbasis of S.

    Scores: largest relative errors over `matrices` random A and G, `error_5`, `error_8` and `error_10` after so many steps;
    `checked`, 1 where the analytic Jacobian of A -> A^{1/2} with 10 steps agrees with finite differences
    (`torch.autograd.gradcheck`), and `checked_5`, the same with 5 steps.
    Source: Song, Sebe and Wang, Fast differentiable matrix square root, 2022, section 3.3.
    """

    n: int = 16
    condition: float = 10.0
    matrices: int = 20

    def measure(self, run: Run) -> Scores:
        """Draw all matrices and process them as one batch."""
        root = _exact_root(_positive(run, self.matrices, self.n, self.condition))
        right = torch.randn(root.shape, generator=run.generator, dtype=root.dtype)
        values, vectors = torch.linalg.eigh(root)
        sums = values[:, :, None] + values[:, None, :]
        exact = vectors @ ((vectors.mT @ right @ vectors) / sums) @ vectors.mT
        size = torch.linalg.matrix_norm(exact)
        errors = {
            f"error_{steps}": float((torch.linalg.matrix_norm(sylvester(root, right, steps) - exact) / size).max())
            for steps in (5, 8, 10)
        }
        small = _positive(run, 1, 5, self.condition)[0]
        checked = {name: self._checked(small, steps) for name, steps in (("checked", 10), ("checked_5", 5))}
        return Scores(errors | checked)

    @staticmethod
    def _checked(a: Float[Tensor, "n n"], steps: int) -> float:
        """Whether the derivative in the symmetric part of a free matrix is right."""

        def root(free: Tensor) -> Tensor:
            root: Tensor = _Root.apply((free + free.mT) / 2, steps)  # type: ignore[no-untyped-call]
            return root

        free = a.clone().requires_grad_(True)
        return float(torch.autograd.gradcheck(root, (free,), raise_exception=False))
