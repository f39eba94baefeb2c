"""The best that any estimator of low rank can do, computed from the truth."""

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
    """The X with least |A(X) - y| in the tangent space of the rank-r matrices at the truth, whose frames are given.

    The tangent space is {U A^T + B V^T}; it is spanned here by all products of a frame with unit vectors, and the
    least-squares solution of least norm removes their redundancy. Attains the exact risk of `expected_tangent_error` in
    the mean; about what the best estimator of rank r attains without knowing the space.
    """
    u, v = torch.from_numpy(np.array(left)), torch.from_numpy(np.array(right))
    (rows, r), columns = u.shape, v.shape[0]
    with_u = torch.einsum("ia,jb->abij", u, torch.eye(columns, dtype=u.dtype)).reshape(-1, rows, columns)
    with_v = torch.einsum("ia,jb->abij", torch.eye(rows, dtype=u.dtype), v).reshape(-1, rows, columns)
    design = operator.forward(with_u if symmetric else torch.cat([with_u, with_v])).T
    weights = torch.linalg.lstsq(design, y[:, None], driver="gelsd").solution[:, 0]
    first = weights[: r * columns].reshape(r, columns).T  # U first^T + second V^T
    if symmetric:  # the operator saw the symmetric part only
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
    """The minimizer Z_rank of |A(F G^T) - y| near the truncated truth, by scaled gradient descent from there.

    Step 0.7 over the largest eigenvalue of A*A; stops where the gradient is below `tolerance` |y|. A symmetric truth (positive
    semidefinite) keeps one factor: with two, rounding in the skew part, which a symmetric operator does not see, grows. Z_rank
    differs from the truncated truth by the noise that the measurements of the lost part of the truth are.
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
        below = f - step * down @ torch.linalg.inv(g.T @ g)
        g = below if symmetric else g - step * across @ torch.linalg.inv(f.T @ f)
        f = below
    return f.numpy(), g.numpy()


def _norm(operator: Operator, steps: int = 20) -> float:
    """The largest eigenvalue of A*A, by power iteration from a fixed start."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(operator.shape))
    value = 1.0
    for _ in range(steps):
        x = operator.adjoint(operator.forward(x / x.norm()))
        value = float(x.norm())
    return value


def statistical_dimension(n: int, rank: int) -> float:
    """Measurements at which minimizing the nuclear norm succeeds half the time, n x n of this rank, in the limit.

    delta = n^2 min_tau { rho + (1 - rho) [rho (1 + tau^2) + (1 - rho) int_tau^2 (u - tau)^2 sqrt(4 - u^2)/pi du] }, rho =
    r/n (Amelunxen, Lotz, McCoy and Tropp 2014, Proposition 4.7).
    """
    rho = rank / n

    def value(tau: float) -> float:
        tail = quad(lambda u: (u - tau) ** 2 * np.sqrt(4 - u * u) / np.pi, tau, 2)[0] if tau < 2 else 0.0
        return float(rho + (1 - rho) * (rho * (1 + tau**2) + (1 - rho) * tail))

    return float(n * n * minimize_scalar(value, bounds=(0, 2), method="bounded").fun)
