"""Distances between an estimate and the ground truth, computed from factors without forming full matrices.

A matrix L R^T is represented by the pair (L [..., row, k], R [..., column, k]); leading axes are snapshots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Solution

__all__ = [
    "WORST",
    "Pair",
    "distance",
    "estimate",
    "relative_error",
    "singular_values",
    "snapshots",
    "spectral_error",
    "truncate",
]

Pair = tuple[ndarray, ndarray]

# Upper bound of all errors, also assigned to estimates that are not finite.
WORST = 1e3

_FORMS = ("product", "symmetric", "dense")


def _pair(form: float, factors: list[ndarray]) -> Pair:
    """Convert the factors of a solution, in any of the forms `_FORMS`, to a pair (L, R)."""
    kind = _FORMS[int(form)]
    if kind == "product":
        return factors[0].astype(float), factors[1].astype(float)
    x = factors[0].astype(float)
    return (
        (x, x)
        if kind == "symmetric"
        else (x, np.broadcast_to(np.eye(x.shape[-1]), (*x.shape[:-2], *[x.shape[-1]] * 2)))
    )


def _count(solution: Solution) -> int:
    return sum(name.startswith("factor.") for name in solution)


def estimate(solution: Solution) -> Pair:
    """The final estimate of a solution as a pair of factors (L, R)."""
    return _pair(float(solution["form"]), [solution[f"factor.{i}"] for i in range(_count(solution))])


def snapshots(solution: Solution) -> tuple[ndarray, Pair | None]:
    """The steps of the recorded iterates, ascending, and the iterates, stacked; None if there are no iterates."""
    steps = sorted({int(name.split(".")[1]) for name in solution if name.startswith("snapshot.")})
    if not steps:
        return np.zeros(0), None
    factors = [np.stack([solution[f"snapshot.{s}.{i}"] for s in steps]) for i in range(_count(solution))]
    return np.array(steps, dtype=float), _pair(float(solution["form"]), factors)


def _finite(part: ndarray) -> Any:
    """Whether all entries are finite, for each matrix of a stack."""
    return np.isfinite(part).all(axis=(-2, -1))


def _core(pair: Pair) -> ndarray:
    """A small matrix with the singular values of L R^T, from thin QR decompositions of both factors."""
    left, right = np.linalg.qr(pair[0], mode="r"), np.linalg.qr(pair[1], mode="r")
    return left @ np.swapaxes(right, -1, -2)


def _joined(pair: Pair, truth: Pair) -> Pair:
    """The difference L R^T - X* as one pair of factors, by concatenating columns."""
    batch = pair[0].shape[:-2]
    left, right = (np.broadcast_to(part, (*batch, *part.shape)) for part in truth)
    return np.concatenate([pair[0], left], axis=-1), np.concatenate([pair[1], -right], axis=-1)


def distance(pair: Pair, truth: Pair) -> Float[ndarray, "*batch"]:
    """|L R^T - X*|_F, accurate to rounding errors of the factors: squared norms are not subtracted."""
    return np.asarray(np.linalg.norm(_core(_joined(pair, truth)), axis=(-2, -1)))


def relative_error(pair: Pair, truth: Pair) -> Float[ndarray, "*batch"]:
    """|L R^T - X*|_F / |X*|_F, at most `WORST`; estimates that are not finite have error `WORST`."""
    finite = np.asarray(_finite(pair[0]) & _finite(pair[1]))
    safe = tuple(np.where(finite[..., None, None], part, 0.0) for part in pair)
    with np.errstate(over="ignore", invalid="ignore"):
        error = distance((safe[0], safe[1]), truth) / np.linalg.norm(_core(truth))
    return np.where(finite, np.minimum(np.nan_to_num(error, nan=WORST, posinf=WORST), WORST), WORST)


def singular_values(pair: Pair) -> Float[ndarray, "*batch k"]:
    """The singular values of L R^T, descending, each at most `WORST`; zeros if L R^T is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        core = _core(pair)
    finite = np.isfinite(core).all(axis=(-2, -1), keepdims=True)
    values = np.linalg.svd(np.where(finite, core, 0.0), compute_uv=False)
    return np.asarray(np.minimum(values, WORST))


def spectral_error(pair: Pair, truth: Pair) -> float:
    """|L R^T - X*|_2 / |X*|_2 (spectral norm), at most `WORST`; non-finite estimates have error `WORST`."""
    if not (_finite(pair[0]) and _finite(pair[1])):
        return WORST
    with np.errstate(over="ignore", invalid="ignore"):
        core = _core(_joined(pair, truth))
    if not np.isfinite(core).all():
        return WORST
    return min(float(np.linalg.norm(core, 2) / np.linalg.norm(_core(truth), 2)), WORST)


def truncate(pair: Pair, rank: int) -> Pair:
    """The best rank-`rank` approximation of L R^T (Eckart and Young); a non-finite pair is returned unchanged."""
    if not (_finite(pair[0]) and _finite(pair[1])):
        return pair
    left, a = np.linalg.qr(pair[0])
    right, b = np.linalg.qr(pair[1])
    with np.errstate(over="ignore", invalid="ignore"):
        core = a @ b.T
    if not np.isfinite(core).all():
        return pair
    u, s, vt = np.linalg.svd(core)
    keep = slice(min(rank, len(s)))
    return left @ (u[:, keep] * s[keep]), right @ vt[keep].T
