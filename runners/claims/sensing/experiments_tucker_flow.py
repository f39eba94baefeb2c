"""Dynamical low-rank approximation of tensors: the parallel basis update and Galerkin integrator in Tucker form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.linalg import expm

from dynamark.runners.claims.sensing.experiments_low_rank_flow import rk4, skew
from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run

__all__ = ["Tucker", "TuckerFlow", "parallel_step", "truncated"]

# Tensors are plain arrays [n, n, n]; bases [n, r], one for each mode.
_MODES = (0, 1, 2)


class Tucker(NamedTuple):
    """Y = C x_1 U_1 x_2 U_2 x_3 U_3: core [r, r, r], bases of orthonormal columns [n, r]."""

    core: ndarray
    bases: Sequence[ndarray]

    @property
    def whole(self) -> ndarray:
        """Y itself."""
        return _multiplied(self.core, self.bases)


def _along(tensor: ndarray, matrix: ndarray, mode: int) -> ndarray:
    """tensor x_mode matrix."""
    return np.moveaxis(np.tensordot(matrix, tensor, axes=(1, mode)), 0, mode)


def _multiplied(tensor: ndarray, matrices: Sequence[ndarray], without: int | None = None) -> ndarray:
    for mode, matrix in enumerate(matrices):
        if mode != without:
            tensor = _along(tensor, matrix, mode)
    return tensor


def _unfolded(tensor: ndarray, mode: int) -> ndarray:
    """[mode, all others]."""
    return np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)


def _folded(matrix: ndarray, mode: int, shape: tuple[int, ...]) -> ndarray:
    """The tensor whose unfolding is the matrix; shape: of the other modes, in their order."""
    return np.moveaxis(matrix.reshape(len(matrix), *shape), 0, mode)


def truncated(y: Tucker, rank: int) -> Tucker:
    """The higher-order singular value decomposition of the core, cut at the rank in each mode."""
    turns = [np.linalg.svd(_unfolded(y.core, mode), full_matrices=False)[0][:, :rank] for mode in _MODES]
    core = _multiplied(y.core, [turn.T for turn in turns])
    return Tucker(core, [basis @ turn for basis, turn in zip(y.bases, turns, strict=True)])


def _moved(y: Tucker, field: Callable[[ndarray], ndarray], mode: int, h: float) -> tuple[ndarray, ndarray]:
    """K_k(h) [n, r] and Q_k [r^2, r] with C_(k)^T = Q_k S_k, K_k(0) = U_k S_k^T.

    K' = F(fold(K Q_k^T) x_{j != k} U_j) x_{j != k} U_j^T, unfolded, times Q_k; one Runge-Kutta step.
    """
    q, s = np.linalg.qr(_unfolded(y.core, mode).T)
    rest = tuple(size for j, size in enumerate(y.core.shape) if j != mode)
    back = [basis.T for basis in y.bases]

    def slope(k: ndarray) -> ndarray:
        lifted = _multiplied(_folded(k @ q.T, mode, rest), y.bases, without=mode)
        return np.asarray(_unfolded(_multiplied(field(lifted), back, without=mode), mode) @ q)

    return rk4(slope, y.bases[mode] @ s.T, h), q


def parallel_step(y: Tucker, h: float, field: Callable[[ndarray], ndarray], blocks: bool = True) -> Tucker:
    """All bases and the core from the old factors; then the core of twice the rank, truncated.

    Augmented core in the bases [U_k | U~_k]: the core of the Galerkin step in the old block; fold(U~_k^T K_k(h) Q_k^T) where
    index 1 is in mode k only; 0 elsewhere. blocks: False leaves the latter out.
    Source: Ceruti, Kusch, Lubich and Sulz 2024, algorithm 2.
    """
    rank = len(y.core)
    back = [basis.T for basis in y.bases]
    core = np.zeros((2 * rank,) * 3)
    core[:rank, :rank, :rank] = rk4(lambda c: _multiplied(field(_multiplied(c, y.bases)), back), y.core, h)
    bases = []
    for mode in _MODES:
        k, q = _moved(y, field, mode, h)
        added = _added(y.bases[mode], k)
        bases.append(np.hstack([y.bases[mode], added]))
        place = tuple(slice(rank, None) if j == mode else slice(rank) for j in _MODES)
        if blocks:
            core[place] = _folded(added.T @ k @ q.T, mode, (rank, rank))
    return truncated(Tucker(core, bases), rank)


def _added(basis: ndarray, moved: ndarray) -> ndarray:
    """Orthonormal directions that K adds to the basis; projected twice, for its digits."""
    added = np.linalg.qr(moved - basis @ (basis.T @ moved))[0]
    return np.asarray(np.linalg.qr(added - basis @ (basis.T @ added))[0])


def _standard_step(y: Tucker, h: float, field: Callable[[ndarray], ndarray]) -> Tucker:
    """One Runge-Kutta step of the projected equations.

    U_k' = (I - U_k U_k^T) [F(Y) x_{j != k} U_j^T]_(k) C_(k)^+ and C' = F(Y) x U^T.
    """
    n, rank = y.bases[0].shape
    size = rank**3

    def slope(flat: ndarray) -> ndarray:
        core = flat[:size].reshape(rank, rank, rank)
        bases = list(flat[size:].reshape(3, n, rank))
        f = field(_multiplied(core, bases))
        back = [basis.T for basis in bases]
        parts = [_multiplied(f, back).ravel()]
        for mode in _MODES:
            g = _unfolded(_multiplied(f, back, without=mode), mode) @ np.linalg.pinv(_unfolded(core, mode), rcond=1e-15)
            parts.append((g - bases[mode] @ (bases[mode].T @ g)).ravel())
        return np.concatenate(parts)

    flat = rk4(slope, np.concatenate([y.core.ravel(), *(basis.ravel() for basis in y.bases)]), h)
    return Tucker(flat[:size].reshape(rank, rank, rank), list(flat[size:].reshape(3, n, rank)))


@dataclass(frozen=True)
class TuckerFlow:
    """Errors at t = 1 of Tucker integrators of Y' = Y + sum_k Y x_k W_k, from D_r, against e^t D_r x_k e^{t W_k}.

    W_k skew of spectral norm 1, n x n; D superdiagonal with `base`^{-j}, j = 1 ... r (its power times `first`); the field is
    tangent to the Tucker tensors of rank r. Scores: `order`, the slope of log error in log h over `steps`, and `constant`, the
    error over h at the smallest; `omitted_order`, the slope without the blocks of K in the augmented core; `standard_over`,
    the smallest quotient over h of the error of the projected equations with C_(k)^+ by that of the integrator, infinite where
    they fail.
    Source: Ceruti, Kusch, Lubich and Sulz, A parallel basis update and Galerkin integrator for tree tensor networks, 2024: of
    trees the smallest only, depth 1.
    """

    rank: int = 3
    base: float = 2.0
    first: int = 1
    n: int = 16
    steps: tuple[float, ...] = (0.1, 0.05, 0.025, 0.0125)

    def measure(self, run: Run) -> Scores:
        """Integrate with three integrators and all step sizes."""
        generators = [skew(run.numpy, self.n) for _ in _MODES]

        def field(y: ndarray) -> ndarray:
            return np.asarray(y + sum(_along(y, w, mode) for mode, w in enumerate(generators)))

        core = np.zeros((self.rank,) * 3)
        place = np.arange(self.rank)
        core[place, place, place] = self.base ** -(place + float(self.first))
        frames = [np.eye(self.n)[:, : self.rank]] * 3
        start = Tucker(core, frames)
        exact = np.e * Tucker(core, [expm(w)[:, : self.rank] for w in generators]).whole
        errors = self._errors(start, exact, lambda y, h: parallel_step(y, h, field))
        omitted = self._errors(start, exact, lambda y, h: parallel_step(y, h, field, blocks=False))
        standard = self._errors(start, exact, lambda y, h: _standard_step(y, h, field))
        axis = np.log(self.steps)
        return Scores(
            {
                "order": float(np.polyfit(axis, np.log(errors), 1)[0]),
                "constant": float(errors[-1] / self.steps[-1]),
                "error": float(errors[-1]),
                "omitted_order": float(np.polyfit(axis, np.log(omitted), 1)[0]),
                "standard_over": float((standard / errors).min()),
            },
            (Curve("error_by_step", np.array(self.steps), errors),),
        )

    def _errors(self, start: Tucker, exact: ndarray, step: Callable[[Tucker, float], Tucker]) -> ndarray:
        """|Y - exact| at t = 1 for each h; infinite where a run fails."""
        errors = []
        for h in self.steps:
            y = start
            try:
                for _ in range(round(1 / h)):
                    y = step(y, h)
                error = float(np.linalg.norm(y.whole - exact))
            except np.linalg.LinAlgError:
                error = np.inf
            errors.append(error if np.isfinite(error) else np.inf)
        return np.array(errors)
