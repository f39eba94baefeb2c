"""Regression with several affine maps, each pair of points belonging to one of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["affine", "k_planes", "squared_residuals"]

# Maps tried for each new one, the share of pairs that a first map should explain, and the largest number of reassignments.
_TRIES, _EXPLAINED, _ROUNDS = 30, 0.3, 50
# Relative cut-off of singular values: a map of nearly collinear points stays bounded.
_CUTOFF = 1e-10


def affine(x: Float[ndarray, "*batch dim"]) -> Float[ndarray, "*batch dim_plus_one"]:
    """x with a constant coordinate 1."""
    return np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)


def squared_residuals(
    x: Float[ndarray, "*pair dim"], y: Float[ndarray, "*pair out"], maps: Float[ndarray, "map dim_plus_one out"]
) -> Float[ndarray, "*pair map"]:
    """|y - [x, 1] B_k|^2 of every pair and map."""
    return np.stack([np.square(y - affine(x) @ one).sum(axis=-1) for one in maps], axis=-1)


def k_planes(
    x: Float[ndarray, "trajectory step dim"],
    y: Float[ndarray, "trajectory step out"],
    count: int,
    rng: np.random.Generator,
    restarts: int = 3,
    trim: float = 0.0,
) -> tuple[Float[ndarray, "map dim_plus_one out"], Int[ndarray, "trajectory step"]]:
    """B_k and q minimizing sum |y - [x, 1] B_q|^2 by turns, from the best of `restarts` starts; the most frequent map first.

    A start takes maps fitted to short stretches of trajectories, which mostly lie in one mode: the first is the one that is
    nearest to 30 % of the pairs, each further one that which lowers the sum most, of 30 drawn where the sum is large.
    trim: share of the pairs with the largest residuals that are left out of the sum and of the fits.
    """
    runs = [_descend(x, y, _start(x, y, count, rng), trim) for _ in range(restarts)]
    maps, mode, _ = min(runs, key=lambda run: run[2])
    order = np.argsort(-np.bincount(mode.ravel(), minlength=len(maps)), kind="stable")
    return maps[order], np.argsort(order)[mode]


def _fit(x: ndarray, y: ndarray) -> ndarray:
    return np.asarray(np.linalg.lstsq(affine(x), y, rcond=_CUTOFF)[0])


def _start(x: ndarray, y: ndarray, count: int, rng: np.random.Generator) -> Float[ndarray, "map dim_plus_one out"]:
    steps = x.shape[1]
    length = min(steps, x.shape[2] + 3)
    least = np.full(x.shape[:2], np.inf)
    maps: list[ndarray] = []
    for _ in range(count):
        weights = np.ones(x.shape[:2]) if not maps else least
        total = weights.sum()
        drawn = rng.choice(weights.size, _TRIES, p=weights.ravel() / total if total > 0 else None)
        tried = []
        for place in drawn:
            path, time = divmod(int(place), steps)
            begin = min(max(0, time - int(rng.integers(length))), steps - length)
            near = _stretch(x, y, path, begin, length) if not maps else _alike(x, y, least, path, time, length, rng)
            tried.append(_fit(*near))
        residual = squared_residuals(x, y, np.stack(tried))
        if maps:
            cost = np.minimum(residual, least[..., None]).sum(axis=(0, 1))
        else:
            cost = np.quantile(residual.reshape(-1, len(tried)), _EXPLAINED, axis=0)
        best = int(np.argmin(cost))
        maps.append(tried[best])
        least = np.minimum(least, residual[..., best])
    return np.stack(maps)


def _stretch(x: ndarray, y: ndarray, path: int, begin: int, length: int) -> tuple[ndarray, ndarray]:
    return x[path, begin : begin + length], y[path, begin : begin + length]


def _alike(
    x: ndarray, y: ndarray, least: ndarray, path: int, time: int, length: int, rng: np.random.Generator
) -> tuple[ndarray, ndarray]:
    """Pairs near one that no map explains, among pairs drawn by their residuals: modes may last a single step."""
    total = least.sum()
    chosen = rng.choice(least.size, 20 * length, p=least.ravel() / total if total > 0 else None)
    flat_x, flat_y = x.reshape(-1, x.shape[2])[chosen], y.reshape(-1, y.shape[2])[chosen]
    far = np.square(flat_x - x[path, time]).sum(axis=1)
    nearest = np.argsort(far)[: 2 * length]
    return flat_x[nearest], flat_y[nearest]


def _descend(x: ndarray, y: ndarray, maps: ndarray, trim: float) -> tuple[ndarray, ndarray, float]:
    """Reassign and refit until no pair changes its map; the maps, the assignment and the sum."""
    mode = np.full(x.shape[:2], -1)
    for _ in range(_ROUNDS):
        residual = squared_residuals(x, y, maps)
        before, mode = mode, residual.argmin(axis=-1)
        least = residual.min(axis=-1)
        used = least <= np.quantile(least, 1 - trim)
        if (mode == before).all():
            break
        for k in range(len(maps)):
            members = used & (mode == k)
            if members.sum() > x.shape[2]:
                maps[k] = _fit(x[members], y[members])
    return maps, mode, float(least[used].sum())
