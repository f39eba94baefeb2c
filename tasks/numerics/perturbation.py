"""The perturbation of a given size after which a matrix has the best conditioned eigenvectors."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

__all__ = ["condition_of", "drawn_perturbations", "optimized_perturbation"]

_RATE, _MARGIN, _WEIGHT = 0.02, 1e-2, 10.0


def condition_of(matrix: Float[ndarray, "n n"]) -> float:
    """s_max(V) / s_min(V) of the eigenvectors V of unit length."""
    return float(np.linalg.cond(np.linalg.eig(matrix)[1]))


def drawn_perturbations(
    a: Float[ndarray, "n n"], size: float, rng: np.random.Generator, draws: int = 10
) -> Float[ndarray, "draw n n"]:
    """Real Gaussian E with |E|_2 = size |A|_2."""
    e = rng.standard_normal((draws, *a.shape))
    return np.asarray(size * np.linalg.norm(a, 2) * e / np.linalg.norm(e, 2, axis=(1, 2))[:, None, None])


def optimized_perturbation(
    a: Float[ndarray, "n n"], start: Float[ndarray, "n n"], size: float, steps: int = 300
) -> Float[ndarray, "n n"]:
    """argmin ln s_max(V) - ln s_min(V) over |E|_2 <= size |A|_2, A + E = V diag(L) V^{-1}, columns of V of length 1.

    By Adam on X, E = X min(1, size |A|_2 / |X|_2), from a start and at the rate 0.02 sd(X), with gradients through the
    eigendecomposition; the best iterate is returned. Eigenvalues are kept in the left half plane by the penalty
    10 sum_i relu(Re L_i + 0.01)^2 / |A|_2^2, without which they move far to the right. Source: Yu et al. 2024, equation (6), in
    its constrained form; the existence of E with a condition number of order 1/size: Banks et al. 2019.
    """
    matrix, norm = torch.from_numpy(a), float(np.linalg.norm(a, 2))
    x = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=_RATE * float(start.std()))
    best, least = start, np.inf
    for _ in range(steps + 1):
        e = x * (size * norm / torch.linalg.matrix_norm(x, 2)).clamp(max=1)
        loss = _loss(matrix + e, norm)
        if float(loss.detach()) < least:
            best, least = e.detach().numpy().copy(), float(loss.detach())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return best


def _loss(matrix: Tensor, norm: float) -> Tensor:
    values, vectors = torch.linalg.eig(matrix)
    singular = torch.linalg.svdvals(vectors)
    return singular[0].log() - singular[-1].log() + _WEIGHT * (values.real + _MARGIN).relu().square().sum() / norm**2
