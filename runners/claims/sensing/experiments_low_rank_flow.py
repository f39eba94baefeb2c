"""Dynamical low-rank approximation of matrices: basis update and Galerkin integrators against the exact flow of low rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import expm

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run

__all__ = ["LowRankFlow", "rk4", "skew"]

Square = Float[ndarray, "n n"]
Step = Callable[["Factors", float, "Field"], "Factors"]


class Factors(NamedTuple):
    """Y = U S V^T with orthonormal U and V."""

    u: ndarray
    s: ndarray
    v: ndarray

    @property
    def whole(self) -> ndarray:
        """Y itself."""
        return np.asarray(self.u @ self.s @ self.v.T)


def skew(rng: np.random.Generator, n: int) -> Square:
    """A skew-symmetric Gaussian matrix of spectral norm 1."""
    drawn = rng.standard_normal((n, n))
    w = drawn - drawn.T
    return w / np.linalg.norm(w, 2)


def rk4(field: Callable[[ndarray], ndarray], y: ndarray, h: float) -> ndarray:
    """One step of the classical Runge-Kutta method of order 4."""
    a = field(y)
    b = field(y + h / 2 * a)
    c = field(y + h / 2 * b)
    d = field(y + h * c)
    return np.asarray(y + h / 6 * (a + 2 * b + 2 * c + d))


class Field(NamedTuple):
    """F(Y) = W_1 Y + Y + Y W_2, in the coordinates in which the integrators need it."""

    left: ndarray
    right: ndarray

    def __call__(self, y: ndarray) -> ndarray:
        return np.asarray(self.left @ y + y + y @ self.right)

    def column(self, y: Factors, h: float) -> ndarray:
        """K(h) of K' = F(K V^T) V, K(0) = U S."""
        return rk4(lambda k: self(k @ y.v.T) @ y.v, y.u @ y.s, h)

    def row(self, y: Factors, h: float) -> ndarray:
        """L(h) of L' = F(U L^T)^T U, L(0) = V S^T."""
        return rk4(lambda part: self(y.u @ part.T).T @ y.u, y.v @ y.s.T, h)

    def core(self, y: Factors, h: float) -> ndarray:
        """S(h) of S' = U^T F(U S V^T) V."""
        return rk4(lambda s: y.u.T @ self(y.u @ s @ y.v.T) @ y.v, y.s, h)


def _orthonormal(a: ndarray) -> ndarray:
    return np.asarray(np.linalg.qr(a)[0])


def _truncated(y: Factors, rank: int) -> Factors:
    p, s, qt = np.linalg.svd(y.s)
    return Factors(y.u @ p[:, :rank], np.diag(s[:rank]), y.v @ qt[:rank].T)


def _bug(y: Factors, h: float, field: Field) -> Factors:
    """New bases from K and L, then the core in them, from the old Y projected there."""
    u, v = _orthonormal(field.column(y, h)), _orthonormal(field.row(y, h))
    start = Factors(u, u.T @ y.u @ y.s @ y.v.T @ v, v)
    return Factors(u, field.core(start, h), v)


def _augmented(y: Factors, h: float, field: Field) -> Factors:
    """As `_bug` with the old bases kept beside the new ones, truncated to the rank."""
    u = _orthonormal(np.hstack([y.u, field.column(y, h)]))
    v = _orthonormal(np.hstack([y.v, field.row(y, h)]))
    start = Factors(u, u.T @ y.u @ y.s @ y.v.T @ v, v)
    return _truncated(Factors(u, field.core(start, h), v), len(y.s))


def _parallel(y: Factors, h: float, field: Field) -> Factors:
    """K, L and core from the old factors: core [[S, L^T V~], [U~^T K, 0]] in [U | U~], [V | V~], truncated to the rank."""
    k, l_, s = field.column(y, h), field.row(y, h), field.core(y, h)
    added_u, added_v = _added(y.u, k), _added(y.v, l_)
    core = np.block([[s, l_.T @ added_v], [added_u.T @ k, np.zeros_like(s)]])
    return _truncated(Factors(np.hstack([y.u, added_u]), core, np.hstack([y.v, added_v])), len(s))


def _added(basis: ndarray, moved: ndarray) -> ndarray:
    """Orthonormal directions that K adds to the basis; projected twice, for its digits."""
    added = _orthonormal(moved - basis @ (basis.T @ moved))
    return _orthonormal(added - basis @ (basis.T @ added))


def _frozen(y: Factors, h: float, field: Field) -> Factors:
    """The core alone, in the old bases: what is left without the blocks of K and L."""
    return Factors(y.u, field.core(y, h), y.v)


@dataclass(frozen=True)
class LowRankFlow:
    """Errors at t = 1 of integrators of Y' = W_1 Y + Y + Y W_2 on rank r, against Y_r(1) = e^{W_1} e D_r e^{W_2}.

    W_1, W_2 skew of spectral norm 1, D diagonal with 2^{-j}, D_r its leading r: the field is tangent to the matrices of rank r.
    Substeps by one Runge-Kutta step each. Scores: `bug_order`, `augmented_order`, `parallel_order` and `frozen_order`, slopes
    of log error in log h over `steps`; `parallel_over_bug`, the largest quotient of their errors over h; `full_error`, the
    error of BUG at the smallest h against the whole A(1) = e^{W_1} e D e^{W_2}, and `coarse_error`, its error against Y_r(1)
    at the largest h.
    Source: Ceruti, Kusch, Lubich and Sulz 2024, section 2, and the papers on matrices cited there.
    """

    rank: int = 8
    n: int = 40
    steps: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01)

    def measure(self, run: Run) -> Scores:
        """Integrate with four integrators and all step sizes, and fit the orders."""
        field = Field(skew(run.numpy, self.n), skew(run.numpy, self.n))
        values = 2.0 ** -np.arange(1, self.n + 1)
        left, right = expm(field.left), expm(field.right)
        exact = np.e * (left[:, : self.rank] * values[: self.rank]) @ right[: self.rank]
        whole = np.e * (left * values) @ right
        frame = np.eye(self.n)[:, : self.rank]
        start = Factors(frame, np.diag(values[: self.rank]), frame)
        integrators: dict[str, Step] = {
            "bug": _bug, "augmented": _augmented, "parallel": _parallel, "frozen": _frozen,
        }  # fmt: skip
        ends = {name: [self._end(start, step, field, h) for h in self.steps] for name, step in integrators.items()}
        errors = {name: np.array([np.linalg.norm(y - exact) for y in end]) for name, end in ends.items()}
        orders = {f"{name}_order": float(np.polyfit(np.log(self.steps), np.log(e), 1)[0]) for name, e in errors.items()}
        return Scores(
            {
                **orders,
                "parallel_over_bug": float((errors["parallel"] / errors["bug"]).max()),
                "full_error": float(np.linalg.norm(ends["bug"][-1] - whole)),
                "coarse_error": float(errors["bug"][0]),
            },
            tuple(Curve(f"{name}_error_by_step", np.array(self.steps), e) for name, e in errors.items()),
        )

    def _end(self, y: Factors, step: Step, field: Field, h: float) -> ndarray:
        for _ in range(round(1 / h)):
            y = step(y, h, field)
        return y.whole
