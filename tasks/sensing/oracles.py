"""Oracle estimators for low-rank recovery, computed with knowledge of the ground truth."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from torch import Tensor

from dynamark.tasks.problems import Operator
from dynamark.tasks.sensing.metrics import Pair, truncate

__all__ = ["expected_tangent_error", "loss_minimizer", "statistical_dimension", "tangent_least_squares"]


def tangent_least_squares(
    operator: Operator,
    y: Float[Tensor, " m"],
    left: Float[ndarray, "row r"],
    right: Float[ndarray, "column r"],
    symmetric: bool,
) -> Pair:
    """argmin |A(X) - y| over the tangent space {U A^T + B V^T} of the rank-r matrices at the ground truth.

    `left` (U) and `right` (V) are the orthonormal singular vectors of the ground truth. The tangent space is spanned by
    all products of their columns with unit vectors; the minimum-norm least-squares solution handles the redundancy of
    this spanning set. The expected squared error is `expected_tangent_error`, which the best rank-r estimator without
    knowledge of the tangent space attains approximately.
    """
    u, v = torch.from_numpy(np.array(left)), torch.from_numpy(np.array(right))
    (rows, r), columns = u.shape, v.shape[0]
    with_u = torch.einsum("ia,jb->abij", u, torch.eye(columns, dtype=u.dtype)).reshape(-1, rows, columns)
    with_v = torch.einsum("ia,jb->abij", torch.eye(rows, dtype=u.dtype), v).reshape(-1, rows, columns)
    design = operator.forward(with_u if symmetric else torch.cat([with_u, with_v])).T
    weights = torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution[:, 0]
    first = weights[: r * columns].reshape(r, columns).T  # U first^T + second V^T
    if symmetric:  # a symmetric operator measures only the symmetric part
        half = first.numpy() / 2
        return np.hstack([left, half]), np.hstack([half, right])
    second = weights[r * columns :].reshape(rows, r)
    return np.hstack([left, second.numpy()]), np.hstack([first.numpy(), right])


def expected_tangent_error(sigma: float, freedom: int, m: int) -> float:
    """E |X - X*|_F^2 = sigma^2 d/(m - d - 1) for Gaussian rows N(0, 1/m) and noise N(0, sigma^2/m) (inverse Wishart)."""
    return sigma**2 * freedom / (m - freedom - 1)


def loss_minimizer(
    operator: Operator,
    y: Float[Tensor, " m"],
    truth: Pair,
    rank: int,
    symmetric: bool,
    steps: int = 3000,
    tolerance: float = 1e-13,
) -> Pair:
    """A local minimizer F G^T of |A(F G^T) - y| of rank `rank`, found by scaled gradient descent from the truncated truth.

    The step size is 0.7 divided by the largest eigenvalue of A*A; iteration stops when the gradient norm is below
    `tolerance` |y|. For a symmetric (positive semidefinite) ground truth F = G: with two factors, rounding errors in
    the skew-symmetric part, which a symmetric operator does not measure, would grow. The minimizer differs from the
    truncated truth because measurements of the truncated part act as noise.
    """
    left, right = (torch.from_numpy(part) for part in truncate(truth, rank))
    size = left.norm(dim=0, keepdim=True).sqrt()
    f, g = left / size, right * size
    if symmetric:
        g = f
    step = 0.7 / _norm(operator)
    for _ in range(steps):
        z = operator.adjoint(operator.forward(f @ g.T) - y)
        down, across = z @ g, z.T @ f
        if max(float(down.norm()), float(across.norm())) <= tolerance * float(y.norm()):
            break
        next_f = f - step * down @ torch.linalg.inv(g.T @ g)
        g = next_f if symmetric else g - step * across @ torch.linalg.inv(f.T @ f)
        f = next_f
    return f.numpy(), g.numpy()


def _norm(operator: Operator, steps: int = 20) -> float:
    """The largest eigenvalue of A*A, by power iteration from a fixed initial matrix."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(operator.shape))
    value = 1.0
    for _ in range(steps):
        x = operator.adjoint(operator.forward(x / x.norm()))
        value = float(x.norm())
    return value


def statistical_dimension(n: int, rank: int) -> float:
    """Number of Gaussian measurements at which nuclear-norm minimization recovers an n x n matrix with probability 1/2.

    In the limit of large n, with r the rank:

    delta = n^2 min_tau { rho + (1 - rho) [rho (1 + tau^2) + (1 - rho) int_tau^2 (u - tau)^2 sqrt(4 - u^2)/pi du] }, rho =
    r/n. Source: Amelunxen, Lotz, McCoy and Tropp (2014), Proposition 4.7.
    """
    rho = rank / n

    def value(tau: float) -> float:
        tail = quad(lambda u: (u - tau) ** 2 * np.sqrt(4 - u * u) / np.pi, tau, 2)[0] if tau < 2 else 0.0
        return float(rho + (1 - rho) * (rho * (1 + tau**2) + (1 - rho) * tail))

    return float(n * n * minimize_scalar(value, bounds=(0, 2), method="bounded").fun)
