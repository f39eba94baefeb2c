"""Finite sections of Koopman operators from snapshot pairs: Galerkin matrices, residuals, pseudospectra.

Rows are samples: psi(y) = psi(x) K, so eigenfunctions are psi v with K v = lambda v. Everything is computed from the triangular
factor of [Psi_x Psi_y] instead of Gram matrices, except in `galerkin`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

__all__ = ["Compressed", "compress", "galerkin", "pair_residuals"]

Lifted = Shaped[Tensor, "_ feature"]  # anonymous: chunks differ in length
Square = Shaped[Tensor, "feature feature"]


@dataclass(frozen=True)
class Compressed:
    """R = [[xx, xy], [0, yy]] of the QR factorization of sqrt(W) [Psi_x Psi_y], a compression of the snapshot pairs.

    G = Psi_x* W Psi_x = xx* xx, A = Psi_x* W Psi_y = xx* xy, L = Psi_y* W Psi_y = xy* xy + yy* yy.
    """

    xx: Square
    xy: Square
    yy: Square

    def least_squares(self, rcond: float = 1e-10) -> Square:
        """K = G^+ A, the minimizer of |Psi_x K - Psi_y|; relative cutoff `rcond` on singular values of Psi_x."""
        return torch.linalg.lstsq(self.xx, self.xy, rcond=rcond, driver="gelsd").solution

    def unitary(self, rcond: float = 1e-10) -> Square:
        """mpEDMD: K = S^{-1} U S, U the unitary polar factor of S^{-*} A S^{-1}: the best isometric approximation.

        S maps coefficients to those in an orthonormal basis of the span of the dictionary. Singular values of Psi_x below `rcond`
        times the largest give eigenvalues 0; all other eigenvalues lie on the unit circle.
        Source: Colbrook 2023, The mpEDMD algorithm, algorithm 3.1.
        """
        basis, sizes, features = torch.linalg.svd(self.xx)
        significant = sizes > rcond * sizes[0]
        basis, forward = basis[:, significant], sizes[significant, None] * features[significant]
        inverse = features[significant].mH / sizes[significant]
        left, _, right = torch.linalg.svd(basis.mH @ self.xy @ inverse)
        return inverse @ left @ right @ forward

    def residuals(self, values: Shaped[Tensor, " mode"], vectors: Shaped[Tensor, "feature mode"]) -> Tensor:
        """|(Psi_y - lambda Psi_x) v| / |Psi_x v| of each eigenpair, on the compressed samples [mode].

        Source: Colbrook and Townsend 2024, eq. (3.2), without expanding the square, which would lose half the digits.
        """
        upper = self.xy.to(vectors) @ vectors - values * (self.xx.to(vectors) @ vectors)
        lower = self.yy.to(vectors) @ vectors
        norm = torch.linalg.vector_norm(self.xx.to(vectors) @ vectors, dim=0)
        return torch.hypot(torch.linalg.vector_norm(upper, dim=0), torch.linalg.vector_norm(lower, dim=0)) / norm

    def distance(self, z: Shaped[Tensor, " point"]) -> Tensor:
        """dist(z) = min over v of |(Psi_y - z Psi_x) v| / |Psi_x v| [point]: the smallest residual at z.

        sigma_min of B - z [I; 0], B = [M; N] = [xy; yy] xx^{-1}: computed as the square root of the smallest eigenvalue of
        H(z) = B*B - z M* - conj(z) M + |z|^2 I, or by SVD where that is below 1e-7, the accuracy of squaring.
        """
        solve = torch.linalg.solve_triangular
        m = solve(self.xx, self.xy, upper=True, left=False).to(torch.complex128)
        n = solve(self.xx, self.yy, upper=True, left=False).to(torch.complex128)
        eye = torch.eye(len(m), dtype=m.dtype)
        out = torch.empty(len(z), dtype=torch.float64)
        for i, point in enumerate(z.tolist()):
            # H(z) = (M - z)*(M - z) + N*N: not expanded.
            shifted = m - point * eye
            least = torch.linalg.eigvalsh(shifted.mH @ shifted + n.mH @ n)[0].clamp(min=0).sqrt()
            out[i] = least if least > 1e-7 else torch.linalg.svdvals(torch.cat([shifted, n]))[-1]
        return out


def compress(chunks: Iterable[tuple[Lifted, Lifted]]) -> Compressed:
    """Compression of all pairs (Psi_x, Psi_y), chunk by chunk: memory is independent of the number of samples.

    Multiply rows by sqrt(w) for quadrature weights w. Needs at least twice as many samples as features.
    """
    factor: Tensor | None = None
    for psi_x, psi_y in chunks:
        both = torch.cat([psi_x, psi_y], dim=1)
        factor = torch.linalg.qr(both if factor is None else torch.cat([factor, both]), mode="r").R
    assert factor is not None, "no pairs"
    n = factor.shape[1] // 2
    if len(factor) < 2 * n:
        factor = torch.cat([factor, factor.new_zeros(2 * n - len(factor), 2 * n)])
    return Compressed(factor[:n, :n], factor[:n, n:], factor[n:, n:])


def galerkin(chunks: Iterable[tuple[Lifted, Lifted]], ridge: float) -> Square | None:
    """K = (G + ridge tr(G)/N I)^{-1} A by Cholesky; None if cond(G) > 1e10.

    G = Psi_x* Psi_x and A = Psi_x* Psi_y are summed over the chunks.
    """
    gram: Tensor | float = 0.0
    cross: Tensor | float = 0.0
    for psi_x, psi_y in chunks:
        gram, cross = gram + psi_x.mH @ psi_x, cross + psi_x.mH @ psi_y
    assert isinstance(gram, Tensor), "no pairs"
    assert isinstance(cross, Tensor)
    spread = torch.linalg.eigvalsh(gram)
    if not spread[0] > 1e-10 * spread[-1]:
        return None
    shift = ridge * float(gram.diagonal().real.sum()) / len(gram)
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram + shift * torch.eye(len(gram), dtype=gram.dtype)))


def pair_residuals(
    at_x: Shaped[Tensor, "pair mode"], at_y: Shaped[Tensor, "pair mode"], values: Shaped[Tensor, " mode"]
) -> Float[Tensor, " mode"]:
    """|phi(y) - lambda phi(x)| / |phi(x)| over pairs: the residual of each eigenpair on held-out data."""
    error = torch.linalg.vector_norm(at_y - values * at_x, dim=0)
    return error / torch.linalg.vector_norm(at_x, dim=0)
