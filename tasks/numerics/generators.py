"""Scores of generated series against true ones: whether a fixed classifier tells them apart, and whether they are copies."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import KDTree

__all__ = ["discriminative", "memorized"]

_FEATURES, _PENALTY, _DRAWS = 300, 1.0, 5

Series = Float[ndarray, "series time dim"]


def discriminative(real: Series, generated: Series) -> float:
    """|share of right answers - 1/2| on a held-out fifth, median of 5 draws of w; 0: not told apart, 1/2: always.

    The classifier: ridge regression, penalty 1, of +-1 on a constant, tanh(w x) and cos(2 w x) for 300 directions w ~ N(0, I/D),
    x the series and its second differences, each of both divided by its standard deviation in real and generated series. Its
    features are fixed: one that is trained may fail to reject even a constant series.
    """
    x = np.concatenate(
        [_standardized(real, generated), _standardized(np.diff(real, 2, 1), np.diff(generated, 2, 1))], 1
    )
    y = np.repeat([1.0, -1.0], [len(real), len(generated)])
    return float(np.median([_told_apart(x, y, np.random.default_rng(seed)) for seed in range(_DRAWS)]))


def _standardized(real: Series, generated: Series) -> Float[ndarray, "both number"]:
    """Both sets, one after the other, over their common standard deviation."""
    both = np.concatenate([real, generated])
    sd = both.std()
    return both.reshape(len(both), -1) / (sd if sd > 0 else 1.0)


def _told_apart(x: Float[ndarray, "both number"], y: Float[ndarray, " both"], rng: np.random.Generator) -> float:
    order = rng.permutation(len(x))
    w = rng.standard_normal((x.shape[1], _FEATURES)) / np.sqrt(x.shape[1])
    projected = x @ w
    features = np.concatenate([np.ones((len(x), 1)), np.tanh(projected), np.cos(2 * projected)], axis=1)
    test, train = np.split(order, [len(order) // 5])
    gram = features[train].T @ features[train] + _PENALTY * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, features[train].T @ y[train])
    return abs(float(np.mean((features[test] @ weights > 0) == (y[test] > 0))) - 0.5)


def memorized(train: Series, real: Series, generated: Series) -> float:
    """The share of generated series that are nearer to a training series than 99 % of real ones are: 0.01 for real series.

    The Euclidean distance over all numbers of a series.
    """
    tree = KDTree(train.reshape(len(train), -1))
    nearest = [tree.query(part.reshape(len(part), -1))[0] for part in (real, generated)]
    return float(np.mean(nearest[1] < np.quantile(nearest[0], 0.01)))
